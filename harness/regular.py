"""Reads a file of the user's that may be anything: a FIFO, a device, a folder, without end."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from harness.errors import InputError


def read_regular(path: Path, most: int, what: str) -> bytes:
    """All of a regular file of at most `most` bytes; `what` it is meant to be, for messages.

    Raises:
        InputError: it is no regular file, or too large.
        OSError, ValueError: it cannot be opened or read.
    """
    # Not blocking: to open a FIFO would wait for its writer.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise InputError("is no regular file", where=str(path), expected=f"a {what}")
        if info.st_size > most:
            raise InputError(
                f"{info.st_size} bytes are too many for a {what}",
                where=str(path),
                expected=f"at most {most}",
            )
        return file.read(most)
