"""The newc cpio archive (magic 070701), the format of Linux's initramfs.

Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst, and what
init/initramfs.c does where that text is silent.

    header   110 bytes: the magic, then thirteen numbers of eight hexadecimal digits
    name     with its NUL; header and name together are padded to four bytes
    data     `filesize` bytes, padded to four
    ...
    an entry named TRAILER!!! ends the archive; zero bytes may follow

One archive is read and written, not a chain of several. Inode numbers are not kept:
`build` numbers the entries in their order, so hard links become separate entries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import FormatError

MAGIC = b"070701"
TRAILER = "TRAILER!!!"
HEADER_SIZE = 110
BLOCK = 512
# With its NUL; init/initramfs.c skips an entry whose name is longer, without a word.
PATH_MAX = 4096

_FIELDS = (
    "ino",
    "mode",
    "uid",
    "gid",
    "nlink",
    "mtime",
    "filesize",
    "devmajor",
    "devminor",
    "rdevmajor",
    "rdevminor",
    "namesize",
    "check",
)
_HEX = frozenset(b"0123456789abcdefABCDEF")


@dataclass(frozen=True)
class Entry:
    """One file, folder, link or device.

    Attributes:
        path: without a leading slash ("etc/passwd"). Bytes that are not UTF-8 are kept
            as surrogate escapes.
        mode: file type and permissions, as in `stat` (0o100644 is a regular file).
        data: the content; the target of a symbolic link.
        rdev: (major, minor) of a device node.
        uid, gid: the owner.
        mtime: seconds since 1970.
        nlink: the number of links that the header states.
    """

    path: str
    mode: int
    data: bytes = b""
    rdev: tuple[int, int] = (0, 0)
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    nlink: int = 1


def build(entries: Iterable[Entry]) -> bytes:
    """The archive of these entries, in this order; the same entries give the same bytes.

    Raises:
        FormatError: a name or a number that the format cannot hold.
    """
    out = bytearray()
    for inode, entry in enumerate(entries, 1):
        if entry.path == TRAILER:
            raise FormatError("this name ends an archive", field="name", where=TRAILER)
        out += _record(inode, entry)
    out += _record(0, Entry(TRAILER, 0))
    return bytes(out + b"\0" * (-len(out) % BLOCK))


def parse(data: bytes) -> list[Entry]:
    """The entries of one archive, in order.

    Raises:
        FormatError: the archive is malformed or ends before its trailer.
    """
    entries = []
    offset = 0
    while True:
        entry, offset = _entry(data, offset)
        if entry.path == TRAILER:
            break
        entries.append(entry)
    rest = data[offset:].lstrip(b"\0")
    if rest:
        raise FormatError(
            "there is something behind the trailer",
            field="trailer",
            offset=len(data) - len(rest),
            expected="zero bytes, or the end of the file; one archive is read, not a chain",
        )
    return entries


def _record(inode: int, entry: Entry) -> bytes:
    try:
        name = entry.path.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise FormatError("the name is not text", field="name", where=repr(entry.path)) from None
    if not name or b"\0" in name or len(name) >= PATH_MAX:
        raise FormatError(
            "not a name that an archive can hold",
            field="name",
            where=repr(entry.path[:60]),
            expected=f"1 to {PATH_MAX - 1} bytes without NUL",
        )
    numbers = (
        inode,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.nlink,
        entry.mtime,
        len(entry.data),
        0,
        0,
        *entry.rdev,
        len(name) + 1,
        0,
    )
    for field, number in zip(_FIELDS, numbers, strict=True):
        if not 0 <= number <= 0xFFFFFFFF:
            raise FormatError(
                f"{number} does not fit",
                field=field,
                where=entry.path,
                expected="an unsigned number of 32 bits",
            )
    head = MAGIC + b"".join(b"%08X" % number for number in numbers) + name + b"\0"
    return _pad(head) + _pad(entry.data)


def _pad(part: bytes) -> bytes:
    return part + b"\0" * (-len(part) % 4)


def _align(offset: int) -> int:
    return offset + -offset % 4


def _entry(data: bytes, start: int) -> tuple[Entry, int]:
    """The entry at `start`, and where the next one starts."""
    header = data[start : start + HEADER_SIZE]
    if header[: len(MAGIC)] != MAGIC[: len(header)]:
        raise FormatError(
            f"the magic is {header[: len(MAGIC)]!r}",
            field="magic",
            offset=start,
            expected=f"{MAGIC!r} (newc)",
        )
    if len(header) < HEADER_SIZE:
        raise FormatError(
            f"the archive ends after {len(header)} of {HEADER_SIZE} bytes of a header",
            field="header",
            offset=start,
            expected=f"an entry, or {TRAILER}",
        )
    number = {}
    for index, field in enumerate(_FIELDS):
        at = len(MAGIC) + 8 * index
        digits = header[at : at + 8]
        if not _HEX.issuperset(digits):
            raise FormatError(
                f"{digits!r} is not a number",
                field=field,
                offset=start + at,
                expected="eight hexadecimal digits",
            )
        number[field] = int(digits, 16)
    name, body = _name(data, start + HEADER_SIZE, number["namesize"])
    end = body + number["filesize"]
    # The padding of the trailer, which has no data, may be cut off.
    if number["filesize"] and end > len(data):
        raise FormatError(
            f"{name} has {number['filesize']} bytes, only {max(0, len(data) - body)} are here",
            field="filesize",
            offset=start + len(MAGIC) + 8 * _FIELDS.index("filesize"),
        )
    entry = Entry(
        path=name,
        mode=number["mode"],
        data=data[body:end],
        rdev=(number["rdevmajor"], number["rdevminor"]),
        uid=number["uid"],
        gid=number["gid"],
        mtime=number["mtime"],
        nlink=number["nlink"],
    )
    return entry, _align(end)


def _name(data: bytes, start: int, size: int) -> tuple[str, int]:
    """The name at `start`, and where its data starts."""
    if not 2 <= size <= PATH_MAX:
        raise FormatError(
            f"a name of {size} bytes",
            field="namesize",
            offset=start - 16,
            expected=f"2 to {PATH_MAX}, with the NUL",
        )
    raw = data[start : start + size]
    if len(raw) < size:
        raise FormatError(
            f"the archive ends after {len(raw)} of {size} bytes of a name",
            field="name",
            offset=start,
        )
    if raw.find(b"\0") != size - 1:
        raise FormatError(
            f"{raw[:60]!r} does not have its NUL at its end, and only there",
            field="name",
            offset=start,
        )
    return raw[:-1].decode(errors="surrogateescape"), _align(start + size)
