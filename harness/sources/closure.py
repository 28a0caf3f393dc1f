"""Packages with all that they depend on, as apt would install them on an empty machine.

Which packages these are is decided once, by the real apt, and kept in the cache's index like the
answer to any request: a newest version stays the one that was newest when it was first asked for,
until somebody asks for a refresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from harness.errors import SourceError, ToolFailed, UsageError
from harness.sources.apt import AptRoot, apt_says
from harness.sources.binary import Binary, Tree
from harness.sources.cache import Cache, Progress
from harness.sources.debian import Debian
from harness.sources.package import DebDamaged, Package, Resolved

_SHOWN = 6  # packages named in an error
# What apt says of a wish that no mirror can meet.
_CANNOT = ("Unable to locate package", "no installation candidate", "you have held broken packages")


@dataclass(frozen=True)
class Deb:
    """A Debian package in the cache.

    Args:
        arch: of the package; "all" for one without machine code.
        sha256: of the .deb, as in the signed package lists.
        path: of the .deb, which was verified; only to be read.
    """

    package: str
    version: str
    arch: str
    sha256: str
    path: Path


class Closures:
    """See `Sources.closure`."""

    def __init__(self, cache: Cache, debian: Debian, progress: Progress) -> None:
        self._cache = cache
        self._debian = debian
        self._progress = progress
        self._fresh: set[tuple[str, str]] = set()

    def get(
        self,
        packages: Sequence[str],
        suite: str,
        arch: str,
        without: Sequence[str] = (),
        optional: Sequence[str] = (),
    ) -> tuple[Deb, ...]:
        """The packages, their .deb files fetched and verified."""
        key = "; ".join(
            f"{name}: {' '.join(sorted(set(words)))}"
            for name, words in (("closure", packages), ("maybe", optional), ("without", without))
            if words
        )
        index = f"{suite.replace('/', '_')}-{arch}"
        root = self._debian.root(suite, arch)
        wanted = self._known(key, index)
        try:
            if wanted is None:
                wanted = self._resolve(root, packages, without, optional)
            debs = self._fetch(root, wanted)
        except ToolFailed as first:
            # Lists that are older than the mirror name packages that it no longer has.
            if self._debian.offline:
                raise _cannot(packages, root, first) from first
            self._progress(f"fetching the package lists of {suite} anew: apt says{apt_says(first)}")
            self._debian.update(root)
            try:
                wanted = self._resolve(root, packages, without, optional)
                debs = self._fetch(root, wanted)
            except ToolFailed as second:
                raise _cannot(packages, root, second) from second
        self._fresh.add((key, index))
        self._cache.remember(key, index, {"closure": [asdict(item) for item in wanted]})
        return debs

    def package_of(self, binary: Binary | Tree) -> Deb | None:
        """See `Sources.package_of`."""
        if binary.origin != "debian":
            return None
        package, suite, arch = (binary.detail[name] for name in ("package", "suite", "arch"))
        sha256 = binary.detail["deb_sha256"]
        resolved = Resolved(package, binary.version, suite, arch, 0, sha256)
        root = self._debian.root(suite, arch)
        try:
            [deb] = self._fetch(root, [resolved])
        except ToolFailed as failed:
            raise _cannot([package], root, failed) from failed
        return deb

    def _known(self, key: str, index: str) -> list[Resolved] | None:
        if self._debian.refresh and (key, index) not in self._fresh:
            return None
        try:
            found = [Resolved(**item) for item in self._cache.resolved(key, index)["closure"]]
        except (KeyError, TypeError):  # no entry, or one of another version of the harness
            return None
        return found or None

    def _resolve(
        self,
        root: AptRoot,
        packages: Sequence[str],
        without: Sequence[str],
        optional: Sequence[str],
    ) -> list[Resolved]:
        self._debian.ensure_lists(root)
        has = {item.package for item in root.versions(optional)}
        plan = [
            (name, version)
            for name, version in root.with_dependencies([*packages, *sorted(has)])
            if not any(fnmatchcase(name, glob) for glob in without)
        ]
        listed = {
            (item.package, item.version): item for item in root.versions([name for name, _ in plan])
        }
        missing = [f"{name} {version}" for name, version in plan if (name, version) not in listed]
        if missing:
            raise SourceError(
                f"apt would install packages that its lists do not have: {_some(missing)}",
                where=f"{root.suite} ({root.arch})",
            )
        found = [listed[row] for row in sorted(plan)]
        return [
            Resolved(item.package, item.version, root.suite, item.arch, item.size, item.sha256)
            for item in found
        ]

    def _fetch(self, root: AptRoot, wanted: Sequence[Resolved]) -> tuple[Deb, ...]:
        """Have the .deb files in the cache.

        Raises:
            ToolFailed: apt cannot fetch one.
            SourceError: we are offline, or the mirror gave another file.
        """
        # One run of the harness fetches, others wait: a package is small, all of them are not.
        with self._cache.lock(f"closure-{root.suite.replace('/', '_')}-{root.arch}"):
            faults = [(item, fault) for item in wanted if (fault := self._fault(item))]
            if faults and self._debian.offline:
                raise _not_cached(faults, root)
            if faults:
                self._download(root, [item for item, _ in faults])
        return tuple(
            Deb(item.package, item.version, item.arch, item.deb_sha256, self._package(item).deb)
            for item in wanted
        )

    def _fault(self, item: Resolved) -> str:
        """Why the .deb has to be fetched; "" if it is there."""
        with self._cache.lock(item.deb_sha256, what=str(item)):
            package = self._package(item)
            try:
                package.whole()
            except DebDamaged as damaged:
                if package.deb.exists():
                    self._progress(f"{damaged}: fetching {item} again")
                return str(damaged)
        return ""

    def _download(self, root: AptRoot, items: Sequence[Resolved]) -> None:
        self._debian.ensure_lists(root)
        size = sum(item.size for item in items) / 1e6
        if len(items) == 1:
            self._progress(f"fetching {items[0]}")
        else:
            self._progress(f"fetching {len(items)} packages of {root.suite} ({size:.1f} MB)")
        by_name = {item.package: item for item in items}
        with self._cache.scratch() as scratch:
            debs = root.download_all([(item.package, item.version) for item in items], scratch)
            for deb in debs:
                # PACKAGE_VERSION_ARCH.deb; a name has no underscore
                item = by_name.pop(deb.name.partition("_")[0], None)
                if item is not None:
                    with self._cache.lock(item.deb_sha256):
                        self._package(item).store(deb)
        if by_name:
            raise SourceError(
                f"apt did not give {_some(list(by_name))}",
                where=f"{root.suite} ({root.arch})",
            )

    def _package(self, item: Resolved) -> Package:
        return Package(self._cache, item, self._progress)


def _cannot(packages: Sequence[str], root: AptRoot, failed: ToolFailed) -> SourceError | UsageError:
    where = f"{root.suite} ({root.arch})"
    if any(words in failed.stderr for words in _CANNOT):
        rows = [row for row in failed.stderr.splitlines() if row.startswith("E:")]
        return UsageError(
            f"{_some(list(packages))} cannot be had with all dependencies; apt says:"
            + "".join(f"\n    {row}" for row in rows[-8:]),
            where=where,
            hint="give packages that the suite has, or another suite",
        )
    return SourceError(
        f"packages could not be fetched; apt says:{apt_says(failed)}",
        where=where,
        hint="check the network and apt's proxy (apt-config dump Acquire); a run whose packages "
        "are all in the cache needs neither",
    )


def _not_cached(faults: Sequence[tuple[Resolved, str]], root: AptRoot) -> SourceError:
    size = sum(item.size for item, _ in faults) / 1e6
    return SourceError(
        f"{len(faults)} packages are not in the cache: {_some([str(item) for item, _ in faults])}",
        where=f"{root.suite} ({root.arch})",
        hint=f"run once without --offline: it fetches {size:.1f} MB",
    )


def _some(words: Sequence[str]) -> str:
    more = f", and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
