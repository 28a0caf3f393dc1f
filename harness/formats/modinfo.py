"""What a kernel module says of itself: the section .modinfo of its ELF file.

Source: the ELF specification ("ELF Header", "Sections"); Linux, include/linux/moduleparam.h:
strings KEY=VALUE, each ended by NUL. A key can be there more than once ("alias").
"""

from __future__ import annotations

import struct

from harness.errors import FormatError

_NO_BITS = 8  # SHT_NOBITS: a section without bytes in the file


def modinfo(data: bytes) -> dict[str, tuple[str, ...]]:
    """The values of each key, in the order of the file.

    Raises:
        FormatError: no ELF file, one that is cut off, or one without .modinfo.
    """
    if data[:4] != b"\x7fELF":
        raise FormatError("this is no ELF file", field="e_ident", offset=0)
    if len(data) < 16 or data[4] not in (1, 2) or data[5] not in (1, 2):
        raise FormatError("neither 32 nor 64 bits, or no known byte order", field="e_ident")
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
    word = "Q" if wide else "I"
    # Offsets of e_shoff and e_shentsize (two more numbers follow it).
    (table,) = _unpack(order + word, data, 40 if wide else 32, "e_shoff")
    size, count, names = _unpack(order + "HHH", data, 58 if wide else 46, "e_shentsize")
    # sh_name, sh_type, sh_flags, sh_addr, sh_offset, sh_size
    layout = f"{order}II{word * 4}"
    sections = [_unpack(layout, data, table + size * n, f"section {n}") for n in range(count)]
    if names >= count:
        raise FormatError("there is no such section", field="e_shstrndx")
    strings = _content(data, sections[names], "section names")
    for section in sections:
        if strings[section[0] :].split(b"\0", 1)[0] == b".modinfo":
            return _values(_content(data, section, ".modinfo"))
    raise FormatError("no section .modinfo: this is no kernel module")


def _unpack(layout: str, data: bytes, offset: int, field: str) -> tuple[int, ...]:
    try:
        return struct.unpack_from(layout, data, offset)
    except (struct.error, OverflowError):
        raise FormatError("the file ends before it", field=field, offset=offset) from None


def _content(data: bytes, section: tuple[int, ...], field: str) -> bytes:
    _, kind, _, _, start, size = section
    if kind == _NO_BITS or start + size > len(data):
        raise FormatError("the file ends before it", field=field, offset=start)
    return data[start : start + size]


def _values(content: bytes) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for item in content.split(b"\0"):
        key, equals, value = item.decode("utf-8", "replace").partition("=")
        if equals:
            found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}
