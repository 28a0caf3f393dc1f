"""Small ELF files for tests: nothing but headers, an interpreter and a dynamic section."""

from __future__ import annotations

import struct

_LOAD, _DYNAMIC, _INTERP = 1, 2, 3
_NEEDED, _STRTAB, _STRSZ, _RUNPATH = 1, 5, 10, 29


def elf(*needed: str, interpreter: str | None = None, runpath: str | None = None) -> bytes:
    """An ELF file of 64 bits that needs these libraries."""
    names = b"\0"
    rows = []
    for tag, text in [(_NEEDED, name) for name in needed] + (
        [(_RUNPATH, runpath)] if runpath else []
    ):
        rows.append((tag, len(names)))
        names += text.encode() + b"\0"
    kinds = [_LOAD, _DYNAMIC, *([_INTERP] if interpreter else [])]
    start = 64 + 56 * len(kinds)
    path = interpreter.encode() + b"\0" if interpreter else b""
    table = start + len(path)
    strings = table + 16 * (len(rows) + 3)
    rows += [(_STRTAB, strings), (_STRSZ, len(names)), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *row) for row in rows)
    size = strings + len(names)
    places = {
        _LOAD: (0, size),
        _DYNAMIC: (table, len(dynamic)),
        _INTERP: (start, len(path)),
    }
    head = struct.pack(
        "<4s5B7xHHIQQQIHHHHHH",
        *(b"\x7fELF", 2, 1, 1, 0, 0),
        *(3, 62, 1, 0, 64, 0, 0, 64, 56, len(kinds), 64, 0, 0),
    )
    segments = b"".join(
        struct.pack("<IIQQQQQQ", kind, 4, at, at, at, length, length, 8)
        for kind, (at, length) in ((kind, places[kind]) for kind in kinds)
    )
    return head + segments + path + dynamic + names


def module() -> bytes:
    """A kernel module with nothing in it, as depmod reads it."""
    names = b"\0.shstrtab\0.modinfo\0"
    info = b"license=GPL\0"
    at = 64 + len(names)
    table = at + len(info)
    head = struct.pack(
        "<4s5B7xHHIQQQIHHHHHH",
        *(b"\x7fELF", 2, 1, 1, 0, 0),
        *(1, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 1),
    )
    rows = [(0, 0, 0, 0), (1, 3, 64, len(names)), (11, 1, at, len(info))]
    sections = b"".join(
        struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, start, size, 0, 0, 1, 0)
        for name, kind, start, size in rows
    )
    return head + names + info + sections
