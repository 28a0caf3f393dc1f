"""A file that is made whole or not at all, and never in the place of something else."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.errors import InfraError, UsageError
from harness.workfolder import work_folder

_DEVICE = "/dev/sdX"
_PREFIX = ".sdcard-"


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
    with ExitStack() as stack:
        try:
            work = stack.enter_context(work_folder(place.parent, _PREFIX))
        except OSError as bad:
            raise UsageError(f"-o {out}: {bad.strerror}") from None
        part = work / "sd.img"
        try:
            yield part
        except OSError as bad:
            elsewhere = bad.filename is not None and not str(bad.filename).startswith(str(work))
            if elsewhere:
                raise InfraError.of(bad) from None
            raise InfraError.of(bad, "cannot write", out) from None
        try:
            _put(part, place, force=force)
        except FileExistsError:
            raise _exists(out) from None
        except OSError as bad:
            raise InfraError.of(bad, "cannot write", out) from None


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
