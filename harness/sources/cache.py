"""The folder where packages are kept, unpacked and verified.

    locks/             one lock file per key (flock: a dead process holds nothing)
    tmp/               folders of running processes; those of dead ones are swept
    apt/               private apt roots (harness/sources/apt.py)
    packages/SHA256/   package.deb, manifest.json, tree/ with the files that were asked for
    resolved/          what was asked for -> the package that answered it, per suite
    roots/SHA256/      roots that were made of packages (harness/build/root/making.py)

A package keeps its .deb and only the files of it that were asked for: a kernel is 70 MB as a
.deb and 400 MB unpacked, of which a boot reads 8. The manifest is written after the files that
it names, so what a crash leaves behind is never taken for whole.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs

Progress = Callable[[str], None]


def default_folder() -> Path:
    """HARNESS_CACHE, else the user's cache folder (XDG_CACHE_HOME)."""
    named = os.environ.get("HARNESS_CACHE")
    return Path(named).absolute() if named else Path(platformdirs.user_cache_dir("harness"))


def write_atomic(path: Path, text: str) -> Path:
    """Write a file so that a reader sees the old text or the new, never a part; gives its path."""
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of ours; empty if it is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


class Cache:
    """The cache folder; safe to share between processes and threads."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder = folder
        self._progress = progress

    @contextmanager
    def lock(self, key: str, *, shared: bool = False, what: str = "") -> Iterator[None]:
        """Hold the lock of a key; waits for other processes and threads.

        Args:
            what: what to report that we wait for; "" for what is short.
        """
        path = self.folder / "locks" / f"{key}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(fd, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if what:
                    self._progress(f"waiting for another run that works on {what}")
                fcntl.flock(fd, kind)
            yield
        finally:
            os.close(fd)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder in the same file system, removed at the end."""
        with self.lock("tmp"):
            self._sweep()
            folder = Path(tempfile.mkdtemp(dir=self._tmp()))
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            # The lock lives as long as this process: a folder without one has no owner.
            fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(fd)

    def _tmp(self) -> Path:
        folder = self.folder / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _sweep(self) -> None:
        for folder in self._tmp().iterdir():
            with suppress(OSError):  # another one sweeps it, or it is in use
                fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
                finally:
                    os.close(fd)

    def package_folder(self, deb_sha256: str) -> Path:
        return self.folder / "packages" / deb_sha256

    def resolved(self, key: str, index: str) -> dict[str, Any]:
        """What was stored under `key` in the index of a suite; empty if nothing was."""
        entry = read_json(self.folder / "resolved" / f"{index}.json").get(key)
        return entry if isinstance(entry, dict) else {}

    def remember(self, key: str, index: str, entry: dict[str, Any]) -> None:
        """Store `entry` under `key` in the index of a suite."""
        path = self.folder / "resolved" / f"{index}.json"
        with self.lock(f"resolved-{index}"):
            entries = {**read_json(path), key: entry}
            write_atomic(path, json.dumps(entries, indent=1, sort_keys=True) + "\n")

    def size(self) -> int:
        """Bytes of all files in the cache."""
        return _size(self.folder)

    def prune(self) -> int:
        """Remove the packages that nothing resolves to any more; gives the bytes freed."""
        indexes = (self.folder / "resolved").glob("*.json")
        used = {
            package.get("deb_sha256")
            for index in indexes
            for entry in read_json(index).values()
            if isinstance(entry, dict)
            for package in (entry, *entry.get("closure", ()))
        }
        freed = 0
        for folder in (self.folder / "packages").glob("*"):
            if folder.name not in used:
                with self.lock(folder.name):
                    freed += _size(folder)
                    shutil.rmtree(folder, ignore_errors=True)
        return freed


def _size(folder: Path) -> int:
    return sum(
        path.lstat().st_size for path in folder.rglob("*") if path.is_file() or path.is_symlink()
    )
