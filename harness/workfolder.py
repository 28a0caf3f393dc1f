"""Folders for work files that go with us, and are swept if we could not take them along."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK, _SUFFIX = ".lock", ".part"


@contextmanager
def work_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder below `parent`, removed at the end of the `with`.

    Those that were left by one of us that was killed are removed first: a lock, which the kernel
    frees, says whose owner lives.

    Raises:
        OSError: it cannot be made.
    """
    _sweep(parent, prefix)
    with tempfile.TemporaryDirectory(prefix=prefix, suffix=_SUFFIX, dir=parent) as made:
        folder = Path(made)
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder


def _sweep(parent: Path, prefix: str) -> None:
    for left in parent.glob(f"{prefix}*{_SUFFIX}"):
        with suppress(OSError), (left / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
