"""Allwinner's boot header, and where U-Boot's two parts lie on a card.

Sources: U-Boot, include/sunxi_image.h (struct boot_file_head), tools/sunxi_egon.c,
arch/arm/mach-sunxi/board.c. The boot ROM reads the SPL from 8 KiB of the card (newer chips
look at 128 KiB too), checks magic and checksum, and runs it; the SPL reads U-Boot proper.
All numbers are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from harness.errors import FormatError

MAGIC = b"eGON.BT0"
STAMP = 0x5F0A6C39
HEADER_SIZE = 96
BLOCK_SIZE = 512

# Where on the card the boot ROM looks, in bytes; the second place on H3 and newer.
CARD_OFFSETS = (8 * 1024, 128 * 1024)
# U-Boot proper, in bytes from the SPL's first one: CONFIG_SPL_PAD_TO when the image is made,
# CONFIG_SYS_MMCSD_RAW_MODE_U_BOOT_SECTOR less the SPL's own place when it is read.
PROPER_OFFSET = 32 * 1024

_DT_NAME_VERSION = (0, 2)
_FDT_MAGIC = b"\xd0\x0d\xfe\xed"
_UIMAGE_MAGIC = b"\x27\x05\x19\x56"


@dataclass(frozen=True)
class Egon:
    """The header of an SPL.

    Attributes:
        length: bytes that the boot ROM reads, with header and padding.
        checksum: as stored, and as it is.
        spl_version: of U-Boot's additions to the header, (0, 2); None without them.
        dt_name: of the device tree that it was built for, "sun8i-h3-orangepi-plus"; None if
            it does not say.
    """

    length: int
    checksum: int
    spl_version: tuple[int, int] | None
    dt_name: str | None


def is_spl(data: bytes) -> bool:
    """Whether the boot ROM would take this for a boot image, before it checks the sum."""
    return data[4:12] == MAGIC


def checksum(data: bytes, length: int) -> int:
    """The sum of all words up to `length`, the stored checksum counted as the stamp."""
    words: tuple[int, ...] = struct.unpack_from(f"<{length // 4}I", data)
    return (sum(words) - words[3] + STAMP) & 0xFFFFFFFF


def parse(data: bytes) -> Egon:
    """Read the header of an SPL and check the sum over all of it.

    Args:
        data: from the SPL's first byte on; U-Boot proper may follow.

    Raises:
        FormatError: not an SPL, cut, or with a sum that does not fit.
    """
    if not is_spl(data):
        raise FormatError(
            f"the magic is {data[4:12].hex(' ') or 'missing'}",
            field="magic",
            offset=4,
            expected="an Allwinner boot image: eGON.BT0",
        )
    if len(data) < HEADER_SIZE:
        raise FormatError(
            f"the file ends after {len(data)} bytes",
            field="header",
            offset=len(data),
            expected=f"a header of {HEADER_SIZE} bytes",
        )
    stored, length = struct.unpack_from("<II", data, 12)
    if length < BLOCK_SIZE or length % BLOCK_SIZE:
        raise FormatError(
            f"the length is {length:#x}",
            field="length",
            offset=16,
            expected=f"a multiple of {BLOCK_SIZE}, not 0",
        )
    if length > len(data):
        raise FormatError(
            f"the length is {length:#x}, the file has {len(data):#x} bytes",
            field="length",
            offset=16,
            expected="all of the SPL",
        )
    found = checksum(data, length)
    if found != stored:
        raise FormatError(
            f"the checksum is {found:#010x}, stored is {stored:#010x}",
            field="check_sum",
            offset=12,
            expected="equal ones; the boot ROM passes over the card",
        )
    version = None
    if data[20:23] == b"SPL":
        version = (data[23] >> 5, data[23] & 0x1F)
    return Egon(length, stored, version, _dt_name(data[:length], version))


def _dt_name(data: bytes, version: tuple[int, int] | None) -> str | None:
    if version is None or version < _DT_NAME_VERSION:
        return None
    (start,) = struct.unpack_from("<I", data, 32)
    if start == 0:
        return None
    end = data.find(b"\0", start)
    if end < 0:
        raise FormatError(
            f"the name of the device tree is at {start:#x}",
            field="dt_name_offset",
            offset=32,
            expected="a string inside the SPL that ends in NUL",
        )
    return data[start:end].decode(errors="backslashreplace")


def proper_offset(spl: Egon) -> int:
    """Where U-Boot proper lies, in bytes from the SPL's first one.

    32 KiB, which is 40 KiB on a card; right behind the SPL if that is larger.
    """
    return max(PROPER_OFFSET, spl.length)


def identify(data: bytes) -> Literal["uimage", "fit"] | None:
    """What lies where U-Boot proper should: a legacy image, a FIT (64-bit boards), or neither."""
    if data[:4] == _UIMAGE_MAGIC:
        return "uimage"
    if data[:4] == _FDT_MAGIC:
        return "fit"
    return None
