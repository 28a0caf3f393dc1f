"""U-Boot's environment: as it is stored, and as it is compiled into a loader.

Sources: U-Boot, include/env_internal.h (struct environment_s), include/env_default.h,
tools/mkenvimage.c. A stored environment is the CRC-32 of the rest (little-endian on ARM), a
flag byte if the board keeps two copies, "name=value" strings that end in NUL, one more NUL,
and padding up to the size that the board was built for.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import FormatError

# CONFIG_ENV_SIZE of the Allwinner boards.
SUNXI_SIZE = 0x10000

_CRC_SIZE = 4
_PADDING = b"\xff"  # mkenvimage's
_ACTIVE = b"\x01"

# One of these is in every default environment.
_TYPICAL = frozenset({"bootcmd", "bootdelay", "baudrate", "bootargs"})
_ENTRY = re.compile(rb"([\w.\-#]{1,64})=([\t\n\r\x1b\x20-\x7e]*)\Z")
# include/env_default.h begins with one of these.
_FIRST = re.compile(rb"(?<![_.\-])(?:\.callbacks|\.flags|bootargs|bootcmd|ramboot|nfsboot)=")


@dataclass(frozen=True)
class Environment:
    """A stored environment.

    Attributes:
        variables: in stored order; of a name that comes twice, the last value counts, as it
            does for U-Boot.
        redundant: it has a flag byte after the CRC, as boards have that keep two copies.
        size: bytes, with CRC and padding.
    """

    variables: Mapping[str, str]
    redundant: bool
    size: int


def parse(data: bytes) -> Environment:
    """Read a stored environment; `data` must be all of it, as the CRC covers the padding.

    Raises:
        FormatError: the CRC fits neither with nor without a flag byte, or a string is none.
    """
    crc = int.from_bytes(data[:_CRC_SIZE], "little")
    for start in (_CRC_SIZE, _CRC_SIZE + 1):
        if len(data) > start and zlib.crc32(data[start:]) == crc:
            variables = _variables(data, start)
            return Environment(variables, start != _CRC_SIZE, len(data))
    if len(data) <= _CRC_SIZE:
        raise FormatError(
            f"the environment ends after {len(data)} bytes",
            field="environment",
            offset=len(data),
            expected="a CRC of 4 bytes and what it covers",
        )
    found = zlib.crc32(data[_CRC_SIZE:])
    raise FormatError(
        f"the CRC is {found:#010x}, stored is {crc:#010x}",
        field="crc",
        offset=0,
        expected="equal ones; U-Boot says *** Warning - bad CRC, using default environment",
        hint=f"the size counts too: this one has {len(data):#x} bytes, U-Boot's CONFIG_ENV_SIZE"
        f" is {SUNXI_SIZE:#x} on Allwinner boards",
    )


def _variables(data: bytes, at: int) -> dict[str, str]:
    variables: dict[str, str] = {}
    while data[at : at + 1] != b"\0":
        end = data.find(b"\0", at)
        if end < 0:
            raise FormatError(
                "the last string has no end",
                field="variable",
                offset=at,
                expected="a NUL after each name=value, and one more after the last",
            )
        name, equals, value = data[at:end].partition(b"=")
        if not name or not equals:
            raise FormatError(
                f"{data[at : min(end, at + 40)]!r} is no variable",
                field="variable",
                offset=at,
                expected="name=value",
            )
        variables[_text(name)] = _text(value)
        at = end + 1
    return variables


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")


def build(
    variables: Mapping[str, str], size: int = SUNXI_SIZE, *, redundant: bool = False
) -> bytes:
    """An environment as `mkenvimage -s SIZE` (with `-r` if redundant) writes it.

    Args:
        variables: in the order to store them in.
        size: bytes of the whole, U-Boot's CONFIG_ENV_SIZE; one that differs makes U-Boot
            see a wrong CRC.

    Raises:
        FormatError: a name or value that cannot be stored, or more than fits.
    """
    content = b""
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise FormatError(
                f"{name!r} cannot be stored",
                field="variable",
                expected='a name without "=", and no NUL in name and value',
            )
        content += f"{name}={value}\0".encode(errors="surrogateescape")
    content += b"\0"
    flag = _ACTIVE if redundant else b""
    room = size - _CRC_SIZE - len(flag)
    if len(content) > room:
        raise FormatError(
            f"the variables have {len(content)} bytes, the environment has room for {room}",
            field="environment",
            expected="fewer variables, or U-Boot's CONFIG_ENV_SIZE if that is larger",
        )
    content += _PADDING * (room - len(content))
    return zlib.crc32(content).to_bytes(_CRC_SIZE, "little") + flag + content


def defaults_in(loader: bytes) -> dict[str, str]:
    """The default environment that is compiled into a loader such as u-boot.bin.

    It is a run of "name=value" strings with an empty one after the last. Where a loader has
    several (an SPL can have its own), the one with most variables is U-Boot's.

    Raises:
        FormatError: there is none to be seen.
    """
    best: dict[str, str] = {}
    found: dict[str, str] = {}
    for piece in loader.split(b"\0"):
        if not piece:
            if len(found) > len(best) and _TYPICAL & found.keys():
                best = found
            found = {}
            continue
        entry = _ENTRY.match(piece) if found else _first_entry(piece)
        if entry is None:
            found = {}
        else:
            found[_text(entry[1])] = _text(entry[2])
    if not best:
        raise FormatError(
            "no default environment in it",
            field="default environment",
            expected="an uncompressed U-Boot: name=value strings, bootcmd or baudrate among them",
            hint="unpack a compressed U-Boot first",
        )
    return best


def _first_entry(piece: bytes) -> re.Match[bytes] | None:
    """The linker may put data without a NUL right before the first string."""
    known = _FIRST.search(piece)
    if known and b"=" not in piece[: known.start()]:
        return _ENTRY.match(piece, known.start())
    return _ENTRY.match(piece)
