"""Which file an HTTP request asks for: of a folder, or of a mapping of names; never another.

Source: RFC 9110 (ranges), RFC 9112 (request targets).
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from harness.errors import ServerError

_AUTHORITY = re.compile(r"\Ahttps?://[^/?#]*")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}


@dataclass(frozen=True)
class Content:
    """A file that is open for reading, and its length in bytes."""

    file: BinaryIO
    size: int


class Names:
    """Files by name."""

    def __init__(self, files: Mapping[str, Path | bytes]) -> None:
        self._files = dict(files)

    def check(self) -> None:
        pass

    def open(self, parts: list[str]) -> Content | HTTPStatus:
        """The file of this name, or the status that says why there is none."""
        source = self._files.get("/".join(parts))
        if source is None:
            return HTTPStatus.NOT_FOUND
        if isinstance(source, bytes):
            return Content(BytesIO(source), len(source))
        try:
            return _open(str(source)) or HTTPStatus.INTERNAL_SERVER_ERROR
        except OSError:  # we promised this file: the board is not to blame
            return HTTPStatus.INTERNAL_SERVER_ERROR


class Folder:
    """The files of a folder, and of the folders in it."""

    def __init__(self, folder: Path) -> None:
        self._root = folder.resolve()

    def check(self) -> None:
        if not self._root.is_dir():
            raise ServerError("there is no such folder to serve", where=str(self._root))

    def open(self, parts: list[str]) -> Content | HTTPStatus:
        """The file at this path, or the status that says why there is none."""
        try:
            real = os.path.realpath(self._root.joinpath(*parts), strict=True)
            if not Path(real).is_relative_to(self._root):
                return HTTPStatus.NOT_FOUND
            return _open(real) or HTTPStatus.NOT_FOUND
        except OSError as error:
            if error.errno in _GONE and self._root.is_dir():
                return HTTPStatus.NOT_FOUND
            return HTTPStatus.INTERNAL_SERVER_ERROR


def _open(path: str) -> Content | None:
    """A regular file; None for anything else, which could block or have no end."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    state = os.fstat(number)
    if not stat.S_ISREG(state.st_mode):
        os.close(number)
        return None
    return Content(os.fdopen(number, "rb"), state.st_size)


def names_in(target: str) -> list[str] | None:
    """The names in a request target; None for one that no file of ours can have."""
    path = _AUTHORITY.sub("", target).partition("?")[0]
    parts = [unquote(part) for part in path[1:].split("/")]
    if path[:1] != "/" or any(
        part in ("", ".", "..") or "/" in part or "\0" in part for part in parts
    ):
        return None
    return parts


def part_of(header: str, size: int) -> tuple[int, int] | HTTPStatus | None:
    """(first byte, number of bytes) of a Range header; None when it is to be ignored."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.group(1, 2) == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        count = min(int(last), size)
        begin = size - count
    else:
        begin = int(first)
        end = min(int(last), size - 1) if last else size - 1
        if last and int(last) < begin:
            return None
        count = end - begin + 1
    return (begin, count) if count > 0 else HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
