"""One Debian package in the cache: its .deb, its manifest, and the files of it in use."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import tools
from harness.errors import SourceError
from harness.sources.binary import sha256_of
from harness.sources.cache import Cache, Progress, read_json, write_atomic

_FORMAT = 1


class DebDamaged(Exception):  # noqa: N818  not an error yet: the package is fetched again
    """The .deb is needed, and is missing or not what apt's lists say it is.

    Args:
        deb: the file.
        what: what is wrong with it: "is missing".
        why: the unpacked files that it was needed for, each with what is wrong with it.
    """

    def __init__(self, deb: Path, what: str, why: Sequence[str]) -> None:
        super().__init__("; ".join([*why, f"{deb} {what}"]))
        self.deb = deb
        self.why = why


@dataclass(frozen=True)
class Resolved:
    """The one package that answers a request.

    Args:
        suite: where it was found.
        arch: of the package; "all" for one without machine code.
        size: of the .deb, in bytes.
        deb_sha256: of the .deb, as in the signed package lists.
    """

    package: str
    version: str
    suite: str
    arch: str
    size: int
    deb_sha256: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


# The paths in a package: an int is the size of a file, a str the target of a link, None an
# empty folder.
Members = Mapping[str, int | str | None]
Choose = Callable[[Members], Iterable[str]]


class Package:
    """A package folder of the cache. Hold its lock while you use it."""

    def __init__(self, cache: Cache, resolved: Resolved, progress: Progress) -> None:
        self._cache = cache
        self._resolved = resolved
        self._progress = progress
        self.folder = cache.package_folder(resolved.deb_sha256)
        self.deb = self.folder / "package.deb"
        self.tree = self.folder / "tree"
        self._manifest = self.folder / "manifest.json"

    def store(self, downloaded: Path) -> None:
        """Move a .deb into the cache.

        Raises:
            SourceError: it is not the one that the signed package lists name.
        """
        found = sha256_of(downloaded)
        if found != self._resolved.deb_sha256:
            raise SourceError(
                f"the mirror gave a wrong {self._resolved}: sha256 {found}",
                expected=f"sha256 {self._resolved.deb_sha256}, from the signed package lists",
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        downloaded.replace(self.deb)

    def take(self, choose: Choose) -> dict[str, str]:
        """Have the chosen paths in `tree`, whole: path -> sha256 of each that is a file.

        Args:
            choose: picks paths out of those in the package; its errors pass through.

        Raises:
            DebDamaged: they have to be unpacked, and the .deb is not there or damaged.
        """
        manifest = self._read_manifest()
        damaged: list[str] = []
        if manifest is not None:
            members: Members = manifest["members"]
            files: dict[str, str] = manifest["files"]
            chosen = list(choose(members))
            faults = {path: self._fault(path, members[path], files.get(path)) for path in chosen}
            if not any(faults.values()):
                return {path: files[path] for path in chosen if path in files}
            damaged = [
                f"{self.tree / path} {fault}"
                for path, fault in faults.items()
                if fault and path in files
            ]
        self._check_deb(damaged)
        for text in damaged:
            self._progress(f"{text}: unpacking it again")
        return self._unpack(choose)

    def whole(self) -> Path:
        """The .deb itself, verified.

        Raises:
            DebDamaged: it is not there, or not what the package lists say.
        """
        self._check_deb([])
        return self.deb

    def _read_manifest(self) -> dict[str, Any] | None:
        manifest = read_json(self._manifest)
        whole = (
            manifest.get("format") == _FORMAT
            and manifest.get("deb_sha256") == self._resolved.deb_sha256
            and isinstance(manifest.get("members"), dict)
            and isinstance(manifest.get("files"), dict)
        )
        return manifest if whole else None

    def _fault(self, path: str, member: int | str | None, sha256: str | None) -> str:
        """What is wrong with an unpacked path; "" if nothing is."""
        there = self.tree / path
        if isinstance(member, str):
            return "" if there.is_symlink() and str(there.readlink()) == member else "is missing"
        if member is None:
            return "" if there.is_dir() else "is missing"
        if there.is_symlink() or not there.is_file():
            return "is missing"
        try:
            same = there.stat().st_size == member and sha256_of(there) == sha256
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        return "" if same else "is damaged (its sha256 is not that of the manifest)"

    def _unpack(self, choose: Choose) -> dict[str, str]:
        self._progress(f"unpacking {self._resolved}")
        with self._cache.scratch() as scratch:
            tools.run(["dpkg-deb", "--extract", self.deb, scratch / "tree"])
            members = _members(scratch / "tree")
            chosen = list(choose(members))
            fresh = {
                path: sha256_of(scratch / "tree" / path)
                for path in chosen
                if isinstance(members[path], int)
            }
            for path in chosen:
                _move(scratch / "tree" / path, self.tree / path)
        before = self._read_manifest()
        known = before["files"] if before else {}
        write_atomic(self._manifest, self._manifest_text(members, {**known, **fresh}))
        return fresh

    def _manifest_text(self, members: Members, files: Mapping[str, str]) -> str:
        resolved = self._resolved
        manifest = {
            "format": _FORMAT,
            "package": resolved.package,
            "version": resolved.version,
            "arch": resolved.arch,
            "suite": resolved.suite,
            "deb_sha256": resolved.deb_sha256,
            "files": files,
            "members": members,
        }
        return json.dumps(manifest, indent=1, sort_keys=True) + "\n"

    def _check_deb(self, why: Sequence[str]) -> None:
        try:
            found = sha256_of(self.deb)
        except FileNotFoundError:
            raise DebDamaged(self.deb, "is missing", why) from None
        except OSError as error:
            raise DebDamaged(self.deb, f"cannot be read ({error.strerror})", why) from error
        if found != self._resolved.deb_sha256:
            raise DebDamaged(
                self.deb,
                f"is damaged (sha256 {found}, expected {self._resolved.deb_sha256})",
                why,
            )


def _members(tree: Path) -> dict[str, int | str | None]:
    members: dict[str, int | str | None] = {}
    for folder, folders, files in os.walk(tree):
        here = Path(folder)
        if not folders and not files and here != tree:
            members[str(here.relative_to(tree))] = None
        for name in (*folders, *files):
            path = here / name
            if path.is_symlink():
                members[str(path.relative_to(tree))] = str(path.readlink())
            elif path.is_file():
                members[str(path.relative_to(tree))] = path.stat().st_size
    return members


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir() and not source.is_symlink():
        target.mkdir(exist_ok=True)
    else:
        source.replace(target)
