"""From a request for a file of a Debian package to the file in the cache.

A request is resolved to one package and version (from the cache's index, else from the package
lists of its suites), then fetched, unpacked and verified. A newest version stays the one that
was newest when it was first asked for, until somebody asks for a refresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from harness.errors import SourceError, ToolFailed
from harness.sources import resolve
from harness.sources.apt import AptRoot, Listed, apt_says
from harness.sources.aptconf import SystemApt
from harness.sources.cache import Cache, Progress
from harness.sources.package import Choose, DebDamaged, Package, Resolved
from harness.sources.request import DebianFile


@dataclass(frozen=True)
class Fetched:
    """What `Debian.fetch` gives: the package, and path in it -> sha256 of the chosen files."""

    resolved: Resolved
    package: Package
    files: Mapping[str, str]


class _DownloadFailed(Exception):  # noqa: N818  handled here: the lists are refreshed once
    def __init__(self, failed: ToolFailed) -> None:
        super().__init__(str(failed))
        self.failed = failed


class Debian:
    """Debian packages through private apt roots, kept in the cache.

    Args:
        offline: use nothing but the cache.
        refresh: fetch the package lists of every suite in use once, and resolve anew.
    """

    def __init__(
        self, cache: Cache, system: SystemApt, *, offline: bool, refresh: bool, progress: Progress
    ) -> None:
        self._cache = cache
        self._system = system
        self.offline = offline
        self.refresh = refresh
        self._progress = progress
        self._roots: dict[tuple[str, str], AptRoot] = {}
        self._updated: set[AptRoot] = set()
        self._fresh: dict[tuple[str, str], Resolved] = {}

    def fetch(self, request: DebianFile, choose: Choose) -> Fetched:
        """Have the chosen files of the package in the cache, verified.

        Raises:
            UsageError: no such package or version; or from `choose`.
            SourceError: it is not in the cache and cannot be fetched.
        """
        resolved = self._known(request) or self._resolve(request)
        try:
            fetched = self._take(resolved, request.arch, choose)
        except _DownloadFailed as first:
            # Lists that are older than the mirror name packages that it no longer has.
            self._progress(f"{resolved} is not on the mirror: fetching the package lists anew")
            try:
                self.update(self.root(resolved.suite, request.arch))
                resolved = self._resolve(request)
                fetched = self._take(resolved, request.arch, choose)
            except (_DownloadFailed, SourceError) as second:
                raise _not_fetched(resolved, first.failed, second) from second
        key, index = request.key(), _index(request)
        self._fresh[key, index] = fetched.resolved
        self._cache.remember(key, index, asdict(fetched.resolved))
        return fetched

    def _take(self, resolved: Resolved, arch: str, choose: Choose) -> Fetched:
        with self._cache.lock(resolved.deb_sha256, what=str(resolved)):
            package = Package(self._cache, resolved, self._progress)
            try:
                return Fetched(resolved, package, package.take(choose))
            except DebDamaged as damaged:
                if self.offline:
                    raise _not_cached(resolved, damaged) from damaged
                if package.deb.exists() or damaged.why:
                    self._progress(f"{damaged}: fetching {resolved} again")
            self._download(resolved, self.root(resolved.suite, arch), package)
            return Fetched(resolved, package, package.take(choose))

    def _download(self, resolved: Resolved, root: AptRoot, package: Package) -> None:
        self.ensure_lists(root)
        self._progress(f"fetching {resolved} ({resolved.size / 1e6:.1f} MB)")
        with self._cache.scratch() as scratch:
            try:
                deb = root.download(resolved.package, resolved.version, scratch)
            except ToolFailed as failed:
                raise _DownloadFailed(failed) from failed
            package.store(deb)

    def _known(self, request: DebianFile) -> Resolved | None:
        """What the cache's index says; None if it does not know, or a refresh is due."""
        key, index = request.key(), _index(request)
        if self.refresh:
            return self._fresh.get((key, index))
        try:
            return Resolved(**self._cache.resolved(key, index))
        except TypeError:  # no entry, or one of another version of the harness
            return None

    def root(self, suite: str, arch: str) -> AptRoot:
        """The private apt root of a suite and architecture."""
        root = AptRoot(self._cache, self._system, suite, arch, self._progress)
        return self._roots.setdefault((suite, arch), root)

    def update(self, root: AptRoot) -> None:
        """Fetch its package lists anew."""
        root.update()
        self._updated.add(root)

    def ensure_lists(self, root: AptRoot) -> None:
        """Have its package lists; anew, once, if a refresh is asked for.

        Raises:
            SourceError: they are not in the cache and may not, or cannot, be fetched.
        """
        if self.offline and not root.has_lists():
            raise SourceError(
                f"the package lists of {root.suite} ({root.arch}) are not in the cache",
                where=str(root.folder),
                hint="run once without --offline",
            )
        due = self.refresh and root not in self._updated
        if due or not root.has_lists():
            self.update(root)

    def _resolve(self, request: DebianFile) -> Resolved:
        roots = [self.root(suite, request.arch) for suite in (request.suite, *request.suites)]
        try:
            found, listed = self._search(roots, request)
            stale = [root for root in roots if root not in self._updated]
            if found is None and stale and not self.offline:
                self._progress(f"{request.key()}: not in the cached lists, fetching them anew")
                for root in stale:
                    self.update(root)
                found, listed = self._search(roots, request)
        except SourceError as error:
            error.message = f"{request.key()} cannot be resolved: {error.message}"
            raise
        if found is None:
            ages = [root.age() for root in roots]
            raise resolve.unknown(request, listed, ages, offline=self.offline)
        return found

    def _search(
        self, roots: Iterable[AptRoot], request: DebianFile
    ) -> tuple[Resolved | None, dict[str, list[Listed]]]:
        """The answer of the first suite that has one, and what each suite searched has."""
        listed: dict[str, list[Listed]] = {}
        for root in roots:
            self.ensure_lists(root)
            listed[root.suite] = resolve.pool(root, request)
            best = resolve.best(listed[root.suite], request.wanted)
            if best:
                name, version, arch = best.package, best.version, best.arch
                return Resolved(name, version, root.suite, arch, best.size, best.sha256), listed
        return None, listed


def _index(request: DebianFile) -> str:
    return f"{request.suite.replace('/', '_')}-{request.arch}"


def _not_fetched(resolved: Resolved, failed: ToolFailed, second: Exception) -> SourceError:
    message = f"{resolved} could not be fetched from {resolved.suite}; apt says:{apt_says(failed)}"
    if isinstance(second, SourceError):
        message += f"\n  and then: {second.message}"
    return SourceError(
        message,
        hint="check the network and apt's proxy (apt-config dump Acquire); a run whose packages "
        "are all in the cache needs neither",
    )


def _not_cached(resolved: Resolved, damaged: DebDamaged) -> SourceError:
    hint = f"run once without --offline: it fetches {resolved.size / 1e6:.1f} MB"
    if damaged.deb.exists() or damaged.why:
        return SourceError(f"the cache is damaged: {damaged}", hint=hint)
    return SourceError(
        f"{resolved} of {resolved.suite} is not in the cache", where=str(damaged.deb), hint=hint
    )
