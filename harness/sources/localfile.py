"""A binary that the user built: a local file, and the version that it carries inside.

Sources: the boot protocol header of Linux (Documentation/arch/x86/boot.rst: "HdrS" at 0x202,
the offset of the version string, minus 0x200, at 0x20e); `linux_banner` of the kernel ("Linux
version ..."); the start-up message of Xen (xen/common/kernel.c, "Xen version %d.%d%s").
"""

from __future__ import annotations

import os
import re
import stat
import zlib
from pathlib import Path

from harness.errors import InputError
from harness.sources.binary import Binary, sha256_of

UNKNOWN = "unknown"

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_FILE = 1 << 30
_MAX_UNPACKED = 256 << 20  # a bigger "kernel" is not one; keeps a bomb from filling the memory
_XEN_FORMAT = b"Xen version %d.%d%s"
_XEN_VERSION = re.compile(rb"\0(\d\.\d+[.\-+~]?[\w.+~-]{0,60})\0")
_LINUX_BANNER = re.compile(rb"Linux version (\d[^\s\0%]{1,100})")


def local_file(role: str, path: Path) -> Binary:
    """A local file as a Binary; its path is made absolute.

    Raises:
        InputError: it is missing, empty, a folder, or cannot be read.
    """
    try:
        content = _content(role, path)
    except OSError as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        said = error.strerror or str(error)
        raise InputError(
            f"the {role} {why}: {said}", where=str(path), expected="a readable file"
        ) from error
    if not content:
        raise InputError(f"the {role} is empty", where=str(path), expected="a file with content")
    return Binary(role, path.absolute(), version_of(content), sha256_of(path), "file")


def _content(role: str, path: Path) -> bytes:
    """All of a regular file; a FIFO or a device would hold us up, or have no end."""
    if path.is_dir():
        raise InputError(f"the {role} is a folder", where=str(path), expected="a file")
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode):
            raise InputError(f"the {role} is no regular file", where=str(path), expected="a file")
        if info.st_size > _MAX_FILE:
            raise InputError(
                f"{info.st_size} bytes are no {role}",
                where=str(path),
                expected=f"at most {_MAX_FILE >> 20} MiB",
            )
        return file.read(_MAX_FILE)


def version_of(content: bytes) -> str:
    """The version that a kernel or a Xen carries inside, or "unknown".

    Understands a Linux bzImage, any uncompressed Linux image, and a Xen image of Debian,
    uncompressed or with gzip. An upstream Xen holds its version in numbers only: unknown.
    """
    if content.startswith(_GZIP_MAGIC):
        try:
            content = zlib.decompressobj(wbits=31).decompress(content, _MAX_UNPACKED)
        except zlib.error:
            return UNKNOWN
    if content[0x202:0x206] == b"HdrS":
        start = 0x200 + int.from_bytes(content[0x20E:0x210], "little")
        words = content[start : start + 200].split(b"\0")[0].split()
        return _text(words[0]) if start > 0x200 and words else UNKNOWN
    if _XEN_FORMAT in content:
        found = set(_XEN_VERSION.findall(content))
        return _text(found.pop()) if len(found) == 1 else UNKNOWN
    banner = _LINUX_BANNER.search(content)
    return _text(banner[1]) if banner else UNKNOWN


def _text(word: bytes) -> str:
    text = word.decode("ascii", errors="replace")
    return text if text.isprintable() else UNKNOWN
