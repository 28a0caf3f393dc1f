"""What the apt of this machine is configured with: which mirror, which keys.

Sources: sources.list(5) for both formats, apt.conf(5), apt-config(8).
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import tools
from harness.errors import SourceError
from harness.sources.cache import write_atomic

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
KEYRING_PACKAGE = "debian-archive-keyring"

# Options that we set ourselves; all others of an entry (keys, proxies, dates) are kept.
_OURS = {
    *("types", "uris", "suites", "components", "enabled", "architectures", "arch"),
    *("languages", "lang", "targets", "target", "pdiffs", "x-repolib-name", "description"),
}
_POCKET = re.compile(r"-(security|updates|proposed-updates|backports|backports-sloppy)$|/updates$")
_ONE_LINE = re.compile(r"^deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s+(.*)$")


@dataclass(frozen=True)
class Entry:
    """One entry of apt's sources.

    Args:
        options: name in lower case -> value as apt wants it in a .sources file.
        where: the file that holds it.
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    def text(self, arch: str) -> str:
        """This entry as a paragraph of a .sources file: one architecture, package lists only."""
        rows = ["Types: deb", f"URIs: {' '.join(self.uris)}", f"Suites: {' '.join(self.suites)}"]
        rows += [f"Components: {' '.join(self.components)}", f"Architectures: {arch}"]
        rows += ["Targets: Packages", "Languages: none"]
        rows += [f"{name}: {value}" for name, value in self.options.items()]
        return "\n".join(rows) + "\n"


class SystemApt:
    """The apt configuration of the machine.

    Args:
        etc: use this folder in the place of /etc/apt (tests; machines that are not Debian).
        folder: a folder of ours for what that needs.
    """

    def __init__(self, etc: Path | None, folder: Path) -> None:
        self._etc = etc.absolute() if etc else None
        self._folder = folder

    def env(self) -> dict[str, str]:
        """The environment for every apt program: untranslated, with our folder if one is set."""
        env = {**os.environ, "LC_ALL": "C"}
        if self._etc:
            # Only this file is read before the folder of apt.conf.d is looked up (apt.conf(5)).
            text = f'Dir::Etc "{self._etc}";\n'
            name = hashlib.sha256(text.encode()).hexdigest()[:16]
            env["APT_CONFIG"] = str(write_atomic(self._folder / f"etc-{name}.conf", text))
        return env

    def entries_for(self, suite: str) -> list[Entry]:
        """The entries that serve a suite: the suite itself first, then its updates and security.

        A suite that the configuration lacks is asked of the same mirrors. The entries after
        the first may be absent from a mirror.

        Raises:
            SourceError: there is no Debian archive in the configuration, or no key for it.
        """
        paths = self._paths()
        entries = list(read_entries(paths["sourcelist"], paths["sourceparts"]))
        chosen = choose_entries(entries, suite)
        if not chosen:
            raise SourceError(
                "apt is not configured with a Debian archive",
                where=f"{paths['sourcelist']}, {paths['sourceparts']}",
                expected="an entry with a Debian suite and the component main",
                hint="on a system that is not Debian, set HARNESS_APT_ETC to a folder laid out as "
                "/etc/apt, with a Debian entry in its sources.list.d",
            )
        return [self._with_key(entry, paths) for entry in chosen]

    def _paths(self) -> dict[str, Path]:
        """Where apt's configuration says that its own files are."""
        names = ("sourcelist", "sourceparts", "trusted", "trustedparts")
        words = [
            word
            for name in names
            for word in (name.upper(), f"Dir::Etc::{name}/{'d' if name.endswith('parts') else 'f'}")
        ]
        said = tools.run(["apt-config", "shell", *words], env=self.env())
        pairs = (word.partition("=") for word in shlex.split(said))
        found = {name.lower(): Path(value) for name, _, value in pairs}
        return {name: found.get(name, Path(os.devnull)) for name in names}

    def _with_key(self, entry: Entry, paths: Mapping[str, Path]) -> Entry:
        """An entry without Signed-By is checked with apt's trusted keys; without any, with ours."""
        if "signed-by" in entry.options or _yes(entry.options.get("trusted", "no")):
            return entry
        trusted = [paths["trusted"], *_listing(paths["trustedparts"], ".gpg", ".asc")]
        if any(path.is_file() and path.stat().st_size for path in trusted):
            return entry
        if KEYRING.is_file():
            return replace(entry, options={**entry.options, "signed-by": str(KEYRING)})
        raise SourceError(
            "there is no key to verify the Debian archive with",
            where=entry.where,
            expected=f"Signed-By in the entry, keys in {paths['trustedparts']}, or {KEYRING}",
            hint=tools.install_line([KEYRING_PACKAGE]),
        )


def choose_entries(entries: list[Entry], suite: str) -> list[Entry]:
    """The entries for a suite, each narrowed to one suite; empty without a Debian archive."""
    archive = _archive(entries)
    if archive is None:
        return []
    wanted = [suite] if _POCKET.search(suite) else [suite, f"{suite}-updates", f"{suite}-security"]
    return [
        replace(entry, suites=(name,))
        for name in wanted
        if (entry := _serving(entries, archive, name)) is not None
    ]


def _serving(entries: list[Entry], archive: Entry, suite: str) -> Entry | None:
    """The entry that names the suite, else the one whose mirror has its kind."""
    security = suite.endswith("-security")
    named = [entry for entry in entries if suite in entry.suites and "main" in entry.components]
    # A third-party entry may name "bookworm" too: the archive's own mirror goes first.
    named.sort(key=lambda entry: _likeness(entry, entries), reverse=True)
    if named and (security or _likeness(named[0], entries) > 0):
        return named[0]
    if not security:
        return archive
    return next((entry for entry in entries if _is_security(entry)), None)


def _archive(entries: list[Entry]) -> Entry | None:
    plain = [
        entry
        for entry in entries
        if "main" in entry.components and not all(_POCKET.search(name) for name in entry.suites)
    ]
    best = max(plain, key=lambda entry: _likeness(entry, entries), default=None)
    return best if best and _likeness(best, entries) > 0 else None


def _is_security(entry: Entry) -> bool:
    return "main" in entry.components and any(
        name.endswith(("-security", "/updates")) for name in entry.suites
    )


def _likeness(entry: Entry, entries: list[Entry]) -> int:
    """How much an entry looks like the Debian archive; above 0: it can be it.

    Third parties also serve "bookworm main" from a path that ends with "debian", so the keys
    and the neighbours (the same mirror with bookworm-updates) count for more than the path.
    """
    signed_by = entry.options.get("signed-by", "")
    score = 0
    if KEYRING_PACKAGE in signed_by or "debian-archive" in signed_by:
        score += 4
    elif signed_by.startswith("/"):
        score -= 1
    pockets = {name for other in entries if other.uris == entry.uris for name in other.suites}
    if any(
        f"{name}-{kind}" in pockets for name in entry.suites for kind in ("updates", "backports")
    ):
        score += 3
    names = [uri.rstrip("/").rpartition("/")[2] for uri in entry.uris]
    return score + (2 if any("debian" in re.split(r"[._-]", name) for name in names) else 0)


def read_entries(sourcelist: Path, sourceparts: Path) -> Iterator[Entry]:
    """The enabled `deb` entries of a sources.list and of a sources.list.d, in apt's order.

    Raises:
        SourceError: a file cannot be read.
    """
    files = [sourcelist, *_listing(sourceparts, ".list", ".sources")]
    for path in files:
        if not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}", where=str(path)) from error
        parse = parse_deb822 if path.suffix == ".sources" else parse_one_line
        yield from parse(text, str(path))


def parse_one_line(text: str, where: str = "") -> Iterator[Entry]:
    """The entries of a sources.list: `deb [options] uri suite components`."""
    for row in text.splitlines():
        found = _ONE_LINE.match(row.partition("#")[0].strip())
        if not found or found[2].startswith("cdrom:"):
            continue
        pairs = (word.partition("=") for word in (found[1] or "").split())
        options = {
            name.rstrip("+-").lower(): value
            for name, _, value in pairs
            if name.rstrip("+-").lower() not in _OURS
        }
        yield Entry((found[2],), (found[3],), tuple(found[4].split()), options, where)


def parse_deb822(text: str, where: str = "") -> Iterator[Entry]:
    """The entries of a .sources file: paragraphs of `Field: value`."""
    rows = [row for row in text.splitlines() if not row.startswith("#")]
    for paragraph in re.split(r"\n(?:[ \t]*\n)+", "\n".join(rows)):
        fields = _fields(paragraph)
        if not _yes(fields.get("enabled", "yes")) or "deb" not in fields.get("types", "").split():
            continue
        uris, suites, components = (
            tuple(fields.get(name, "").split()) for name in ("uris", "suites", "components")
        )
        options = {name: value for name, value in fields.items() if name not in _OURS}
        if uris and suites:
            yield Entry(uris, suites, components, options, where)


def _fields(paragraph: str) -> dict[str, str]:
    """Fields in lower case; a value keeps its continuation lines (a key may stand in them)."""
    fields: dict[str, str] = {}
    last = None
    for row in paragraph.splitlines():
        if row[:1] in (" ", "\t") and last:
            fields[last] += "\n" + row
        elif ":" in row:
            name, _, value = row.partition(":")
            last = name.strip().lower()
            fields[last] = value.strip()
    return fields


def _yes(value: str) -> bool:
    return value.strip().lower() in ("yes", "true", "1", "on", "with", "enable")


def _listing(folder: Path, *suffixes: str) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix in suffixes)
