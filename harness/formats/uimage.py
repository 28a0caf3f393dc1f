"""Legacy U-Boot images: a header of 64 bytes before a kernel, a script, U-Boot itself.

Source: U-Boot, include/image.h (struct legacy_img_hdr, the IH_ codes), boot/image.c (their
names) and cmd/source.c (what a script's data is). All numbers are big-endian.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Literal

from harness.errors import FormatError

MAGIC = 0x27051956
HEADER_SIZE = 64
NAME_SIZE = 32

OS_LINUX, OS_U_BOOT = 5, 17
ARCH_ARM, ARCH_ARM64 = 2, 22
TYPE_KERNEL, TYPE_RAMDISK, TYPE_FIRMWARE, TYPE_SCRIPT = 2, 3, 5, 6
COMPRESSION_NONE = 0


def _names(in_order_of_code: str) -> dict[int, str]:
    return dict(enumerate(in_order_of_code.split()))


OS_NAMES = _names(
    "invalid openbsd netbsd freebsd 4_4bsd linux svr4 esix solaris irix sco dell ncr lynxos"
    " vxworks psos qnx u-boot rtems artos unity integrity ose plan9 openrtos"
    " arm-trusted-firmware tee opensbi efi elf"
)
ARCH_NAMES = _names(
    "invalid alpha arm x86 ia64 mips mips64 ppc s390 sh sparc sparc64 m68k nios microblaze"
    " nios2 blackfin avr32 st200 sandbox nds32 or1k arm64 arc x86_64 xtensa riscv"
)
TYPE_NAMES = _names(
    "invalid standalone kernel ramdisk multi firmware script filesystem flat_dt kwbimage"
    " imximage ublimage omapimage aisimage kernel_noload pblimage mxsimage gpimage"
    " atmelimage socfpgaimage x86_setup lpc32xximage loadable rkimage rksd rkspi zynqimage"
    " zynqmpimage zynqmpbif fpga vybridimage tee firmware_ivt pmmc stm32image"
    " socfpgaimage_v1 mtk_image imx8mimage imx8image copro sunxi_egon sunxi_toc0"
)
COMPRESSION_NAMES = _names("none gzip bzip2 lzma lzo lz4 zstd")

_HEADER = struct.Struct(">7I4B32s")
# Offset in the header of each field that can be wrong by itself.
_OFFSETS = {
    "ih_hcrc": 4,
    "ih_time": 8,
    "ih_size": 12,
    "ih_load": 16,
    "ih_ep": 20,
    "ih_dcrc": 24,
    "ih_os": 28,
    "ih_arch": 29,
    "ih_type": 30,
    "ih_comp": 31,
    "ih_name": 32,
}


@dataclass(frozen=True)
class UImage:
    """An image.

    Attributes:
        name: up to 32 bytes as UTF-8, often with a version: "U-Boot 2023.01".
        time: of its making, seconds since 1970.
        load: the address to copy the data to.
        entry: the address to jump to.
        os, arch, type, compression: the codes of include/image.h; `OS_NAMES` and its
            neighbours name them as mkimage does, and `describe` says all of them.
        data: what follows the header.
    """

    name: str
    time: int
    load: int
    entry: int
    os: int
    arch: int
    type: int
    compression: int
    data: bytes


def parse(data: bytes) -> UImage:
    """Read an image; bytes after its end are no part of it.

    Raises:
        FormatError: not an image, cut, or with a checksum that does not fit.
    """
    if data[:4] != MAGIC.to_bytes(4):
        raise FormatError(
            f"the magic is {data[:4].hex(' ') or 'missing'}",
            field="ih_magic",
            offset=0,
            expected="a legacy U-Boot image: 27 05 19 56",
        )
    if len(data) < HEADER_SIZE:
        raise FormatError(
            f"the file ends after {len(data)} bytes",
            field="header",
            offset=len(data),
            expected=f"a header of {HEADER_SIZE} bytes",
        )
    _, header_crc, time, size, load, entry, data_crc, os, arch, kind, compression, name = (
        _HEADER.unpack_from(data)
    )
    found = zlib.crc32(data[:4] + bytes(4) + data[8:HEADER_SIZE])
    if found != header_crc:
        raise _wrong_crc("ih_hcrc", header_crc, found, "header")
    content = data[HEADER_SIZE : HEADER_SIZE + size]
    if len(content) != size:
        raise FormatError(
            f"{size} bytes of data are announced, {len(content)} are there",
            field="ih_size",
            offset=_OFFSETS["ih_size"],
            expected=f"a file of at least {HEADER_SIZE + size} bytes",
        )
    found = zlib.crc32(content)
    if found != data_crc:
        raise _wrong_crc("ih_dcrc", data_crc, found, "data")
    text = name.rstrip(b"\0").decode(errors="surrogateescape")
    return UImage(text, time, load, entry, os, arch, kind, compression, content)


def _wrong_crc(field: str, stored: int, found: int, what: str) -> FormatError:
    return FormatError(
        f"the CRC of the {what} is {found:#010x}, stored is {stored:#010x}",
        field=field,
        offset=_OFFSETS[field],
        expected="equal ones: the file was damaged, or edited without mkimage",
    )


def build(image: UImage) -> bytes:
    """The bytes of an image.

    Raises:
        FormatError: a value that its field cannot hold.
    """
    name = image.name.encode(errors="surrogateescape")
    if len(name) > NAME_SIZE or name.endswith(b"\0"):
        raise FormatError(
            f"the name {image.name!r} has {len(name)} bytes",
            field="ih_name",
            offset=_OFFSETS["ih_name"],
            expected=f"at most {NAME_SIZE} bytes, the last one not NUL",
        )
    words = {
        "ih_time": image.time,
        "ih_size": len(image.data),
        "ih_load": image.load,
        "ih_ep": image.entry,
        "ih_dcrc": zlib.crc32(image.data),
    }
    codes = {
        "ih_os": image.os,
        "ih_arch": image.arch,
        "ih_type": image.type,
        "ih_comp": image.compression,
    }
    for fields, limit in ((words, 2**32), (codes, 2**8)):
        for field, value in fields.items():
            if not 0 <= value < limit:
                raise FormatError(
                    f"the value is {value:#x}",
                    field=field,
                    offset=_OFFSETS[field],
                    expected=f"0 to {limit - 1:#x}",
                )
    blank = _HEADER.pack(MAGIC, 0, *words.values(), *codes.values(), name)
    return blank[:4] + zlib.crc32(blank).to_bytes(4) + blank[8:] + image.data


def describe(image: UImage) -> str:
    """Its codes in mkimage's words: "arm linux script, none"; those without one as numbers."""
    return (
        f"{ARCH_NAMES.get(image.arch, f'arch {image.arch}')}"
        f" {OS_NAMES.get(image.os, f'os {image.os}')}"
        f" {TYPE_NAMES.get(image.type, f'type {image.type}')}"
        f", {COMPRESSION_NAMES.get(image.compression, f'compression {image.compression}')}"
    )


def script_image(
    text: bytes | str, *, time: int, name: str = "", arch: Literal["arm", "arm64"] = "arm"
) -> bytes:
    """A boot script as `mkimage -C none -A ARCH -T script -n NAME -d TEXT` writes it.

    Args:
        text: the commands; a str is written as UTF-8.
        time: seconds since 1970; mkimage takes SOURCE_DATE_EPOCH.

    Raises:
        FormatError: an empty text (U-Boot calls that "Empty Script" and mkimage refuses it),
            or a name or time that does not fit.
    """
    raw = text.encode() if isinstance(text, str) else text
    if not raw:
        raise FormatError("the script is empty", field="script", expected="at least one byte")
    table = struct.pack(">II", len(raw), 0)
    code = ARCH_ARM64 if arch == "arm64" else ARCH_ARM
    return build(
        UImage(name, time, 0, 0, OS_LINUX, code, TYPE_SCRIPT, COMPRESSION_NONE, table + raw)
    )


def script_text(image: UImage) -> bytes:
    """The commands of a script.

    Raises:
        FormatError: the image is no script, or its table of lengths is not one.
    """
    if image.type != TYPE_SCRIPT:
        raise FormatError(
            f"the image is of type {image.type} ({TYPE_NAMES.get(image.type, 'unknown')})",
            field="ih_type",
            offset=_OFFSETS["ih_type"],
            expected=f"{TYPE_SCRIPT} (script)",
        )
    lengths = []
    for at in range(0, len(image.data) - 3, 4):
        length = int.from_bytes(image.data[at : at + 4])
        if length == 0:
            break
        lengths.append(length)
    else:
        raise FormatError(
            "the table of lengths has no end",
            field="length table",
            offset=HEADER_SIZE,
            expected="lengths of 4 bytes each and a zero after the last",
        )
    if not lengths:
        raise FormatError(
            "the script is empty",
            field="length table",
            offset=HEADER_SIZE,
            expected="a length before the zero",
        )
    start = 4 * len(lengths) + 4
    text = image.data[start : start + lengths[0]]
    if len(text) != lengths[0]:
        raise FormatError(
            f"{lengths[0]} bytes of script are announced, {len(text)} are there",
            field="length table",
            offset=HEADER_SIZE,
            expected="a length that the data has",
        )
    return text
