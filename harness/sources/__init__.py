"""Where the binaries under test come from: Debian packages and local files, verified.

    sources = Sources(progress=print)
    xen = sources.debian("xen", DebianFile("xen-system-amd64", "xen-hypervisor-*-amd64",
                         "boot/xen-*-amd64.gz", "bookworm", "amd64", "4.17"))

From the outside in: `debian.py` resolves a request, `closure.py` one with all dependencies,
`apt.py` lists and downloads, `package.py` unpacks and verifies, `cache.py` is the folder that all
of it lives in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from harness.errors import SourceError
from harness.sources.aptconf import SystemApt
from harness.sources.binary import Binary, Tree
from harness.sources.cache import Cache, default_folder
from harness.sources.closure import Closures, Deb
from harness.sources.debian import Debian, Fetched
from harness.sources.localfile import local_file
from harness.sources.members import all_matching, one_file
from harness.sources.package import Choose
from harness.sources.request import DebianFile

__all__ = ["Binary", "Deb", "DebianFile", "Sources", "Tree"]


def _silent(_: str) -> None:
    pass


class Sources:
    """Gives verified files for roles of a boot.

    Args:
        cache: the cache folder; None: HARNESS_CACHE, else the user's cache folder.
        offline: use nothing but the cache; no program of apt is run for what is in it.
        refresh: fetch package lists anew, so that "newest" is today's newest.
        progress: gets one line before each step that can take long; from any thread.
        apt_etc: a folder in the place of /etc/apt; None: HARNESS_APT_ETC, else /etc/apt.
    """

    def __init__(
        self,
        cache: Path | None = None,
        *,
        offline: bool = False,
        refresh: bool = False,
        progress: Callable[[str], None] = _silent,
        apt_etc: Path | None = None,
    ) -> None:
        named = os.environ.get("HARNESS_APT_ETC")
        apt_etc = apt_etc or (Path(named) if named else None)
        self.cache = Cache((cache or default_folder()).absolute(), progress)
        self._debian = Debian(
            self.cache,
            SystemApt(apt_etc, self.cache.folder / "apt"),
            offline=offline,
            refresh=refresh and not offline,
            progress=progress,
        )
        self._closures = Closures(self.cache, self._debian, progress)

    def debian(self, role: str, request: DebianFile) -> Binary:
        """One file of a Debian package.

        Raises:
            UsageError: no such package, version or file; it names those that there are.
            SourceError: it can be neither found in the cache nor fetched and verified.
            ToolMissing, ToolFailed: of apt or dpkg-deb.
        """
        fetched = self._fetch(request, one_file(request))
        [*_, file] = fetched.files  # links come before the file they lead to
        detail = {**_detail(fetched), "file": file}
        version = fetched.resolved.version
        path = fetched.package.tree / file
        return Binary(role, path, version, fetched.files[file], "debian", detail)

    def tree(self, role: str, request: DebianFile, members: Sequence[str] = ("**",)) -> Tree:
        """Several files of a Debian package; `request.file` is not looked at.

        Args:
            members: globs of what is needed; the whole package if none are given.

        Raises:
            As `debian`; UsageError also for a glob that matches nothing.
        """
        fetched = self._fetch(request, all_matching(members))
        return Tree(
            role,
            fetched.package.tree,
            fetched.resolved.version,
            fetched.resolved.deb_sha256,
            "debian",
            _detail(fetched),
            fetched.files,
        )

    def closure(
        self,
        packages: Sequence[str],
        suite: str,
        arch: str,
        *,
        without: Sequence[str] = (),
        optional: Sequence[str] = (),
    ) -> tuple[Deb, ...]:
        """Packages and all that they depend on, without what they recommend; sorted by name.

        Args:
            packages: exact names.
            arch: of Debian; any, whatever this machine is.
            without: globs of names that are left out, and not fetched.
            optional: more packages, of which the suite may lack some.

        Raises:
            UsageError: the suite has no such package, or cannot meet a dependency.
            SourceError: one can be neither found in the cache nor fetched and verified.
            ToolMissing, ToolFailed: of apt.
        """
        with self._folder_errors():
            return self._closures.get(packages, suite, arch, without, optional)

    def package_of(self, binary: Binary | Tree) -> Deb | None:
        """The whole package that a file came from; None for one that is not of Debian.

        Raises:
            As `closure`.
        """
        with self._folder_errors():
            return self._closures.package_of(binary)

    def file(self, role: str, path: Path) -> Binary:
        """A local file, with the version that it carries inside, or "unknown".

        Raises:
            InputError: it is missing, empty, a folder, or cannot be read.
        """
        return local_file(role, path)

    def prefetch(self, requests: Iterable[DebianFile]) -> None:
        """Have the files of several requests in the cache, fetching them side by side.

        Raises:
            As `debian`, for the first request that fails.
        """
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix="sources") as pool:
            futures = [pool.submit(self._fetch, item, one_file(item)) for item in requests]
        for future in futures:
            future.result()

    def _fetch(self, request: DebianFile, choose: Choose) -> Fetched:
        with self._folder_errors():
            return self._debian.fetch(request, choose)

    @contextmanager
    def _folder_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SourceError(
                f"the cache cannot be used: {error.strerror or error}",
                where=str(error.filename or self.cache.folder),
                expected=f"{self.cache.folder} can be written and has room",
                hint="free some space there, or set HARNESS_CACHE to another folder",
            ) from error


def _detail(fetched: Fetched) -> dict[str, str]:
    resolved = fetched.resolved
    return {
        "package": resolved.package,
        "suite": resolved.suite,
        "arch": resolved.arch,
        "deb_sha256": resolved.deb_sha256,
    }
