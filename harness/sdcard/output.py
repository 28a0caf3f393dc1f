"""A file that is made whole or not at all, and never in the place of something else."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import InfraError, UsageError

_DEVICE = "/dev/sdX"
_PREFIX, _SUFFIX, _LOCK = ".sdcard-", ".part", "lock"


@contextmanager
def new_file(out: Path, *, force: bool) -> Iterator[Path]:
    """Give a path to make the file at, in a folder for work files beside `out`.

    At the end of the `with` it becomes `out`; after an error, or Ctrl-C, nothing is left of it.

    Args:
        force: `out` may be there already, as a file; it is replaced at the end.

    Raises:
        UsageError: `out` is there already, is a device or a folder, or its folder is not there.
        InfraError: it cannot be written.
    """
    _check(out, force=force)
    place = Path(os.path.realpath(out))
    _sweep(place.parent)
    try:
        folder = tempfile.TemporaryDirectory(prefix=_PREFIX, suffix=_SUFFIX, dir=place.parent)
    except OSError as bad:
        raise UsageError(f"-o {out}: {bad.strerror}") from None
    with folder as work, _owned(Path(work)):
        part = Path(work) / "sd.img"
        try:
            yield part
        except OSError as bad:
            elsewhere = bad.filename is not None and not str(bad.filename).startswith(work)
            if elsewhere:
                raise InfraError.of(bad) from None
            raise InfraError.of(bad, "cannot write", out) from None
        try:
            _put(part, place, force=force)
        except FileExistsError:
            raise _exists(out) from None
        except OSError as bad:
            raise InfraError.of(bad, "cannot write", out) from None


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """The lock says that we live: the kernel frees it, however we end."""
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _sweep(folder: Path) -> None:
    """Remove what an earlier one of us left that was killed."""
    for left in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(OSError), (left / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)


def _check(out: Path, *, force: bool) -> None:
    if out.is_block_device():
        raise UsageError(
            f"-o {out}: a device; it is written to only by you",
            expected="the name of a new file",
            hint=f"-o sd.img, and then: {dd_line(Path('sd.img'), str(out))}\n"
            f"        or, faster: {bmap_line(Path('sd.img'), str(out))}",
        )
    if out.is_dir() or (out.exists() and not out.is_file()):
        raise UsageError(f"-o {out}: not a file", expected="the name of a new file")
    if os.path.lexists(out) and not force:
        raise _exists(out)
    if not Path(os.path.realpath(out)).parent.is_dir():
        raise UsageError(
            f"-o {out}: there is no folder {out.parent}",
            hint=None if out.parent.exists() else f"mkdir -p {shlex.quote(str(out.parent))}",
        )


def _exists(out: Path) -> UsageError:
    return UsageError(f"-o {out}: it is there already", hint="another name, or --force")


def _put(part: Path, place: Path, *, force: bool) -> None:
    if force:
        part.replace(place)
        return
    try:
        place.hardlink_to(part)  # unlike a rename, it fails if somebody was faster
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if place.exists():
            raise FileExistsError(place) from None
        part.replace(place)


def dd_line(image: Path, device: str = _DEVICE) -> str:
    """The command that copies an image to a card."""
    quoted = shlex.quote(str(image))
    return f"sudo dd if={quoted} of={shlex.quote(device)} bs=4M conv=fsync status=progress"


def bmap_line(image: Path, device: str = _DEVICE) -> str:
    """The same with bmaptool, which leaves out what is empty."""
    quoted = shlex.quote(str(image))
    bmap = shlex.quote(f"{image}.bmap")
    return (
        f"bmaptool create -o {bmap} {quoted} && "
        f"sudo bmaptool copy --bmap {bmap} {quoted} {shlex.quote(device)}"
    )
