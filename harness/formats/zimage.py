"""Kernel images of ARM: the zImage (32-bit) and the Image (64-bit).

Sources: Linux, Documentation/arch/arm/booting.rst, arch/arm/boot/compressed/head.S,
Documentation/arch/arm64/booting.rst. Xen's own image, Linux and bare-metal guests of Xen all
have these headers. `problems` in `harness.formats.zimage_problems` says what Xen, xl and
U-Boot make of one. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from harness.errors import FormatError

MAGIC = 0x016F2818
MAGIC_OFFSET, START_OFFSET, END_OFFSET = 0x24, 0x28, 0x2C
HEADER_SIZE = 0x30

ARM64_MAGIC = 0x644D5241  # "ARM\x64"
ARM64_MAGIC_OFFSET = 0x38
ARM64_HEADER_SIZE = 0x40

_NOP = 0xE1A00000  # mov r0, r0
_BRANCH = 0xEA000002  # from 0x20 to 0x30
_LITTLE, _BIG = 0x04030201, 0x01020304
_PAGE_SIZES = {1: 4096, 2: 16384, 3: 65536}


@dataclass(frozen=True)
class ZImage:
    """The header of a zImage.

    Attributes:
        start: the address that it must be loaded to; 0 for one that runs anywhere.
        end: `start` + its size. Linux and guests count what is in the file; Xen's own image
            counts its zero-initialised data too.
        size_in_file: bytes that the file has.
        big_endian: of the data, as the word at 0x30 says; None if there is no such word
            (Xen, most guests, Linux before 3.17).
    """

    start: int
    end: int
    size_in_file: int
    big_endian: bool | None

    @property
    def size(self) -> int:
        """As the header has it; negative if `end` is before `start`."""
        return self.end - self.start


@dataclass(frozen=True)
class Arm64Image:
    """The header of an Image.

    Attributes:
        text_offset: where to load it, from an address that is a multiple of 2 MiB.
        image_size: bytes of memory that it needs, zero-initialised data included; 0 of
            kernels before 3.17.
        flags: as they are; the properties read them.
        size_in_file: bytes that the file has.
    """

    text_offset: int
    image_size: int
    flags: int
    size_in_file: int

    @property
    def big_endian(self) -> bool:
        return bool(self.flags & 1)

    @property
    def page_size(self) -> int | None:
        """Bytes; None if it does not say."""
        return _PAGE_SIZES.get(self.flags >> 1 & 3)

    @property
    def anywhere(self) -> bool:
        """It may lie far from the beginning of the memory."""
        return bool(self.flags & 8)


def is_zimage(data: bytes) -> bool:
    """Whether the magic of a zImage is there."""
    return data[MAGIC_OFFSET:START_OFFSET] == MAGIC.to_bytes(4, "little")


def is_arm64_image(data: bytes) -> bool:
    """Whether the magic of a 64-bit Image is there."""
    return data[ARM64_MAGIC_OFFSET : ARM64_MAGIC_OFFSET + 4] == ARM64_MAGIC.to_bytes(4, "little")


def parse(data: bytes, *, size: int | None = None) -> ZImage:
    """Read the header of a zImage.

    Args:
        data: the file, or its first bytes.
        size: of the file, if `data` is not all of it.

    Raises:
        FormatError: the header is cut, or the magic is not there. What else may be wrong
            with it is for `problems`.
    """
    _check(data, HEADER_SIZE, MAGIC_OFFSET, MAGIC, "an ARM zImage")
    start, end = struct.unpack_from("<II", data, START_OFFSET)
    mark = int.from_bytes(data[HEADER_SIZE : HEADER_SIZE + 4], "little")
    return ZImage(start, end, _size(data, size), {_LITTLE: False, _BIG: True}.get(mark))


def parse_arm64(data: bytes, *, size: int | None = None) -> Arm64Image:
    """Read the header of a 64-bit Image; arguments and errors as `parse` has them."""
    _check(data, ARM64_HEADER_SIZE, ARM64_MAGIC_OFFSET, ARM64_MAGIC, "an arm64 Image")
    text_offset, image_size, flags = struct.unpack_from("<QQQ", data, 8)
    return Arm64Image(text_offset, image_size, flags, _size(data, size))


def _check(data: bytes, header: int, offset: int, magic: int, what: str) -> None:
    wanted = magic.to_bytes(4, "little")
    found = data[offset : offset + 4]
    if found == wanted and len(data) >= header:
        return
    if len(data) < header:
        raise FormatError(
            f"the file ends after {len(data)} bytes",
            field="header",
            offset=len(data),
            expected=f"{what}, with a header of {header:#x} bytes",
        )
    raise FormatError(
        f"the magic is {found.hex(' ')}",
        field="magic",
        offset=offset,
        expected=f"{what}: {wanted.hex(' ')}",
    )


def _size(data: bytes, size: int | None) -> int:
    return len(data) if size is None else size


def build(code: bytes, *, start: int = 0) -> bytes:
    """A zImage out of machine code.

    Args:
        code: linked to run at `start` + 0x30, behind the header.
        start: the address to load the image to, 0 for code that runs anywhere. A guest that
            xl and dom0less shall both start has 0x40008000.

    Raises:
        FormatError: an address that is no multiple of 4, or an end beyond 4 GiB.
    """
    size = HEADER_SIZE + len(code)
    if start % 4 or start < 0 or start + size >= 2**32:
        raise FormatError(
            f"start {start:#x}, {size} bytes",
            field="start",
            offset=START_OFFSET,
            expected="a multiple of 4, and an end below 4 GiB",
        )
    return struct.pack("<12I", *[_NOP] * 8, _BRANCH, MAGIC, start, start + size) + code
