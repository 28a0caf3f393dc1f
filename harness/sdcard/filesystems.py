"""Reads files out of a FAT or an ext4 inside an image, without mounting it: mtools, debugfs.

Sources: mtools(1) (`-i FILE@@OFFSET`), debugfs(8) (`FILE?offset=N`, a file as <INODE>); Linux
fs/ext4 and fs/fat for how to tell them apart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from harness import tools
from harness.errors import InputError, ToolFailed

Kind = Literal["fat", "ext4"]
LARGEST = 256 << 20
"""Bytes of the largest file that is read; nothing that a loader loads comes near it."""

_SECONDS = 60.0
_ROOT_INODE = 2
_MODE_FOLDER, _MODE_FILE, _MODE_LINK = 0o040000, 0o100000, 0o120000
_MODE_MASK = 0o170000
_LINKS = 8
# `ls -p`: /INODE/MODE/UID/GID/NAME/SIZE/, without a size for folders.
_ROW = re.compile(r"/(\d+)/([0-7]+)/\d+/\d+/(.+)/(\d*)/")
_FAST_LINK = re.compile(r'^Fast link dest: "(.*)"$', re.MULTILINE)
_FREE_OF_PATTERNS = re.compile(r"[^\x00-\x1f*?\[\]\\:\"<>|]+")


class FileSystem(Protocol):
    """One file system; paths begin with "/"."""

    @property
    def kind(self) -> Kind: ...

    def sizes(self) -> Mapping[str, int]:
        """The files of its top folder: name to bytes."""

    def size(self, path: str) -> int | None:
        """Bytes of a file; None if there is no such file."""

    def read(self, path: str) -> bytes | None:
        """The content of a file; None if there is no such file."""


def kind_of(start: bytes) -> Kind | None:
    """The file system that begins with these 2048 bytes or more."""
    if start[0x438:0x43A] == b"\x53\xef":
        return "ext4"
    if start[510:512] == b"\x55\xaa" and b"FAT" in (start[54:57], start[82:85]):
        return "fat"
    return None


@dataclass(frozen=True)
class Fat:
    """A FAT; its names have no case.

    Args:
        image: its name in the folder `work`, without characters that mtools gives a meaning.
        offset: bytes from the start of the image.
    """

    image: str
    offset: int
    work: Path
    kind: Kind = "fat"

    def sizes(self) -> Mapping[str, int]:
        return self._folder("/")

    def size(self, path: str) -> int | None:
        folder, _, name = path.rpartition("/")
        if not _FREE_OF_PATTERNS.fullmatch(name):
            return None
        wanted = name.lower()
        found = self._folder(folder or "/")
        return next((size for other, size in found.items() if other.lower() == wanted), None)

    def read(self, path: str) -> bytes | None:
        size = self.size(path)
        if size is None:
            return None
        _check_size(path, size)
        copy = self.work / "copy"
        copy.unlink(missing_ok=True)
        self._run("mcopy", "-n", f"::{path}", "copy")
        return copy.read_bytes()

    def _folder(self, path: str) -> dict[str, int]:
        if path != "/" and not _FREE_OF_PATTERNS.fullmatch(path):
            return {}
        try:
            text = self._run("mdir", "-a", f"::{path}")
        except ToolFailed as bad:
            if "not found" in bad.stderr.lower():
                return {}
            raise
        return dict(_fat_rows(text))

    def _run(self, program: str, *words: str) -> str:
        env = {**os.environ, "MTOOLS_SKIP_CHECK": "1", "MTOOLSRC": os.devnull, "LC_ALL": "C"}
        place = f"{self.image}@@{self.offset}"
        argv = [program, "-i", place, *words]
        return tools.run(argv, cwd=self.work, env=env, timeout=_SECONDS)


def _fat_rows(text: str) -> list[tuple[str, int]]:
    """The files of `mdir`: short name in columns, size, date, time, and the long name if any."""
    rows = []
    for line in text.splitlines():
        found = re.fullmatch(
            r"(.{8}) (.{3})\s+([\d ]+?)\s+\d{4}-\d\d-\d\d\s+\d+:\d\d\S?(?:\s+(\S.*?))?\s*", line
        )
        if found is None:
            continue
        base, extension = found[1].rstrip(), found[2].rstrip()
        short = f"{base}.{extension}" if extension else base
        rows.append((found[4] or short, int(found[3].replace(" ", ""))))
    return rows


@dataclass(frozen=True)
class _Entry:
    inode: int
    mode: int
    size: int

    def is_a(self, kind: int) -> bool:
        return self.mode & _MODE_MASK == kind


@dataclass(frozen=True)
class Ext4:
    """An ext2, ext3 or ext4; arguments as `Fat` has them."""

    image: str
    offset: int
    work: Path
    kind: Kind = "ext4"

    def sizes(self) -> Mapping[str, int]:
        entries = self._folder(_ROOT_INODE)
        return {name: e.size for name, e in entries.items() if e.is_a(_MODE_FILE)}

    def size(self, path: str) -> int | None:
        found = self._find(path)
        return None if found is None else found.size

    def read(self, path: str) -> bytes | None:
        found = self._find(path)
        if found is None:
            return None
        _check_size(path, found.size)
        copy = self.work / "copy"
        copy.unlink(missing_ok=True)
        self._run(f"dump <{found.inode}> copy")
        if not copy.exists() or copy.stat().st_size != found.size:
            raise InputError(f"{path} cannot be read: the file system is damaged")
        return copy.read_bytes()

    def _find(self, path: str) -> _Entry | None:
        """The file at a path; U-Boot follows links as well."""
        words = [word for word in path.split("/") if word]
        at = [_Entry(_ROOT_INODE, _MODE_FOLDER, 0)]
        links = 0
        while words:
            word = words.pop(0)
            if word in (".", ".."):
                at = at[:-1] if word == ".." and len(at) > 1 else at
                continue
            entry = self._folder(at[-1].inode).get(word) if at[-1].is_a(_MODE_FOLDER) else None
            if entry is None:
                return None
            if not entry.is_a(_MODE_LINK):
                at.append(entry)
                continue
            links += 1
            target = self._link(entry)
            if links > _LINKS or target is None:
                return None
            words = [*(part for part in target.split("/") if part), *words]
            at = at[:1] if target.startswith("/") else at
        return at[-1] if at[-1].is_a(_MODE_FILE) else None

    def _link(self, entry: _Entry) -> str | None:
        fast = _FAST_LINK.search(self._run(f"stat <{entry.inode}>"))
        if fast is not None:
            return fast[1]
        return self._run(f"cat <{entry.inode}>")[: entry.size] or None

    def _folder(self, inode: int) -> dict[str, _Entry]:
        rows = _ROW.findall(self._run(f"ls -p <{inode}>"))
        entries = {
            name: _Entry(int(number), int(mode, 8), int(size or 0))
            for number, mode, name, size in rows
            if number != "0"
        }
        if "." not in entries:  # debugfs says so on stderr alone
            raise InputError(f"the folder of inode {inode} cannot be read: it is damaged")
        return entries

    def _run(self, command: str) -> str:
        place = f"{self.image}?offset={self.offset}"
        argv = ["debugfs", "-R", command, place]
        return tools.run(argv, cwd=self.work, env={**os.environ, "LC_ALL": "C"}, timeout=_SECONDS)


def _check_size(path: str, size: int) -> None:
    if size > LARGEST:
        raise InputError(
            f"{path} has {size} bytes", expected=f"at most {LARGEST}: no loader takes more"
        )
