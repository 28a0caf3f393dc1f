"""A private apt root for one suite and architecture: apt's own fetching and verification, no root.

The settings of the system (proxies, certificates, keys, logins) stay in force, because apt reads
its configuration first and ours after it; state, cache, sources and hooks are ours. Sources:
apt.conf(5), sources.list(5), apt-get(8).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import tools
from harness.errors import HarnessError, SourceError, ToolFailed, UsageError
from harness.sources.aptconf import KEYRING_PACKAGE, Entry, SystemApt
from harness.sources.cache import Cache, Progress, write_atomic

_UPDATE_SECONDS = 900
_DOWNLOAD_SECONDS = 3600

_CONF = """\
Dir::State "{root}/state";
Dir::State::lists "{root}/lists";
Dir::State::status "{root}/status";
Dir::State::extended_states "{root}/extended_states";
Dir::Cache "{root}/cache";
Dir::Cache::archives "{root}/cache/archives";
Dir::Cache::pkgcache "pkgcache.bin";
// The second cache would cost 36 MB a suite and saves nothing: our lists change seldom.
Dir::Cache::srcpkgcache "";
Dir::Log "{root}/log";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{root}/sources.list.d";
// Pins and the default release of the system are about what it installs.
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
#clear APT::Default-Release;
#clear APT::Architectures;
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
// Hooks of the system act on its own folders.
#clear APT::Update;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
// Only for root: the user _apt cannot write to our folders.
APT::Sandbox::User "root";
// A mirror that does not answer is an error, not a warning.
APT::Update::Error-Mode "any";
Acquire::GzipIndexes "true";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
"""

# What a mirror lacks: a whole suite, or lists that fit the signed Release file (while it syncs).
_LACKS = (
    re.compile(r"E: The repository '\S+ (\S+) Release' does not have a Release file"),
    re.compile(
        r"E: Failed to fetch \S+/dists/(\S+)/\w+/binary-\S+ +"
        r"(?:404|File has unexpected size|Hash Sum mismatch|File not found)"
    ),
)
_ABSENT = re.compile(r"^The repository|  (404|File not found)")
_SUMMARY = "E: Some index files failed to download"
_NOT_SIGNED = ("NO_PUBKEY", "is not signed", "EXPKEYSIG", "BADSIG", "REVKEYSIG", "signatures")
_NONE_FOUND = ("No packages found", "Unable to locate package")
_INST = re.compile(r"^Inst ([^\s:]+)\S* \((\S+) ", re.MULTILINE)
_NAME = re.compile(r"[a-z0-9][a-z0-9+.\-]+")


@dataclass(frozen=True)
class Listed:
    """A version of a package in the package lists of a suite."""

    package: str
    version: str
    arch: str
    size: int
    sha256: str
    depends: tuple[str, ...]


class AptRoot:
    """The package lists of one suite, its updates and its security updates.

    Args:
        cache: where the root lives, and whose locks it uses.
        system: the apt configuration of the machine.
    """

    def __init__(
        self, cache: Cache, system: SystemApt, suite: str, arch: str, progress: Progress
    ) -> None:
        self.suite = suite
        self.arch = arch
        self._cache = cache
        self._system = system
        self._progress = progress
        self._key = f"apt-{suite.replace('/', '_')}-{arch}"
        self.folder = cache.folder / "apt" / f"{suite.replace('/', '_')}-{arch}"
        self._sources = self.folder / "sources.list.d" / "debian.sources"
        self._stamp = self.folder / "updated"

    def has_lists(self) -> bool:
        """Whether lists were fetched, and with the entries that stand in our sources now."""
        try:
            return self._stamp.read_bytes() == self._sources.read_bytes()
        except OSError:
            return False

    def age(self) -> float | None:
        """When the lists were fetched, in seconds since the epoch."""
        return self._stamp.stat().st_mtime if self.has_lists() else None

    def update(self) -> None:
        """Fetch the package lists; one of several processes that want it does it.

        Raises:
            SourceError: no mirror, no network, or a signature that is not right.
            UsageError: the mirror has no such suite.
        """
        before = self.age()
        with self._cache.lock(self._key, what=f"the package lists of {self.suite}"):
            if self.age() != before:
                return
            entries = self._system.entries_for(self.suite)
            sources = self._read_sources()
            try:
                while absent := self._update(entries):
                    entries = [entry for entry in entries if not absent & set(entry.suites)]
            except HarnessError:
                if sources:  # the lists that we have stay of use
                    write_atomic(self._sources, sources)
                raise
            write_atomic(self._stamp, self._read_sources())
            self._stamp.touch()

    def _read_sources(self) -> str:
        return self._sources.read_text(encoding="utf-8") if self._sources.is_file() else ""

    def _update(self, entries: Sequence[Entry]) -> set[str]:
        """One `apt-get update`: the suites beside the first that the mirror cannot give."""
        self._prepare()
        write_atomic(self._sources, "\n".join(entry.text(self.arch) for entry in entries))
        mirrors = ", ".join(dict.fromkeys(uri for entry in entries for uri in entry.uris))
        self._progress(f"fetching the package lists of {self.suite} ({self.arch}) from {mirrors}")
        try:
            self._apt("apt-get", "-q", "update", timeout=_UPDATE_SECONDS)
        except ToolFailed as failed:
            faults = _faults(failed)
            beside = {name for entry in entries for name in entry.suites} - {self.suite}
            if faults and faults.keys() <= beside:
                for fault in faults.values():
                    self._progress(f"going on without what the mirror does not have: {fault}")
                return set(faults)
            if _ABSENT.search(faults.get(self.suite, "")):
                raise UsageError(
                    f"the mirror has no suite {self.suite}",
                    where=mirrors,
                    hint="give a suite that the mirror has, or another mirror in apt's sources",
                ) from failed
            raise SourceError(
                f"the package lists of {self.suite} ({self.arch}) could not be fetched; apt says:"
                + apt_says(failed),
                where=mirrors,
                hint=_hint(failed),
            ) from failed
        return set()

    def versions(self, packages: Sequence[str]) -> list[Listed]:
        """All versions in the lists of packages with these exact names; none for unknown names."""
        if not packages:
            return []
        try:
            said = self._query("show", *packages)
        except ToolFailed as failed:
            if any(words in failed.stderr for words in _NONE_FOUND):
                return []
            raise
        names = set(packages)
        found = [
            _listed(fields) for fields in map(_fields, said.split("\n\n")) if "SHA256" in fields
        ]
        return list(dict.fromkeys(item for item in found if item.package in names))

    def names(self, prefix: str) -> list[str]:
        """The names in the lists that begin with `prefix`."""
        return sorted(self._query("pkgnames", prefix).split())

    def with_dependencies(self, packages: Sequence[str]) -> list[tuple[str, str]]:
        """What apt would install on a machine with nothing installed, as (package, version).

        Recommended packages do not count. Source: apt-get(8), "--simulate".

        Raises:
            ToolFailed: a package that the lists do not have, or dependencies that cannot be met.
        """
        options = ["--simulate", "--no-install-recommends", "--no-install-suggests"]
        with self._cache.lock(self._key, shared=True):
            self._prepare()
            said = self._apt("apt-get", "-q", *options, "install", *packages)
        return [(found[1], found[2]) for found in _INST.finditer(said)]

    def download(self, package: str, version: str, into: Path) -> Path:
        """Fetch one .deb into a folder; apt verifies it against the signed lists.

        Raises:
            ToolFailed: with apt's words.
        """
        [deb] = self.download_all([(package, version)], into)
        return deb

    def download_all(self, wanted: Sequence[tuple[str, str]], into: Path) -> list[Path]:
        """The same for several of them, as (package, version), in one run of apt."""
        with self._cache.lock(self._key, shared=True):
            self._prepare()
            self._apt(
                *("apt-get", "-q", "download", *(f"{name}={version}" for name, version in wanted)),
                timeout=_DOWNLOAD_SECONDS,
                cwd=into,
            )
        debs = sorted(into.glob("*.deb"))
        for deb in debs:
            if deb.is_symlink():  # apt links to what a file: mirror holds
                copy = deb.with_name("copy")
                shutil.copyfile(deb, copy)
                copy.replace(deb)
        return debs

    def _query(self, *words: str) -> str:
        with self._cache.lock(self._key, shared=True):
            self._prepare()
            return self._apt("apt-cache", *words)

    def _prepare(self) -> None:
        for name in ("state", "lists/partial", "cache/archives/partial", "sources.list.d"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / "status", "")
        write_atomic(
            self.folder / "apt.conf",
            _CONF.format(root=self.folder, arch=self.arch),
        )

    def _apt(
        self, program: str, *words: str, timeout: float | None = None, cwd: Path | None = None
    ) -> str:
        return tools.run(
            [program, "-c", self.folder / "apt.conf", *words],
            env=self._system.env(),
            timeout=timeout,
            cwd=cwd,
        )


def _listed(fields: dict[str, str]) -> Listed:
    relations = re.split(r"[,|]", f"{fields.get('Pre-Depends', '')},{fields.get('Depends', '')}")
    names = (_NAME.match(relation.strip()) for relation in relations)
    return Listed(
        package=fields.get("Package", ""),
        version=fields.get("Version", ""),
        arch=fields.get("Architecture", ""),
        size=int(fields.get("Size", "0")),
        sha256=fields["SHA256"].lower(),
        depends=tuple(found[0] for found in names if found),
    )


def _fields(paragraph: str) -> dict[str, str]:
    rows = (row for row in paragraph.splitlines() if not row.startswith((" ", "\t")))
    pairs = (row.partition(":") for row in rows)
    return {name: value.strip() for name, colon, value in pairs if colon}


def _faults(failed: ToolFailed) -> dict[str, str]:
    """Suite -> apt's error, if every error is that a mirror lacks something; else empty."""
    rows = [row for row in failed.stderr.splitlines() if row.startswith("E:")]
    faults: dict[str, str] = {}
    for row in rows:
        found = next((hit for pattern in _LACKS if (hit := pattern.match(row))), None)
        if found:
            faults[found[1]] = row.removeprefix("E: ")
        elif not row.startswith(_SUMMARY):
            return {}
    return faults


def apt_says(failed: ToolFailed) -> str:
    """The last errors and warnings of apt, each on an indented row of its own."""
    rows = [row for row in failed.stderr.splitlines() if row.startswith(("E:", "W:"))]
    rows = rows or failed.stderr.strip().splitlines()
    return "".join(f"\n    {row}" for row in rows[-8:])


def _hint(failed: ToolFailed) -> str:
    if any(word in failed.stderr for word in _NOT_SIGNED):
        return f"if the key is only too old: {tools.install_line([KEYRING_PACKAGE])}"
    return (
        "check the network and apt's proxy (apt-config dump Acquire); a run whose packages are "
        "all in the cache needs neither"
    )
