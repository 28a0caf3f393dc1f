from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.modinfo import modinfo


def module(content: bytes, *, wide: bool = True, order: str = "<", name: str = ".modinfo") -> bytes:
    """An ELF file with a section of this content, and the section of names."""
    names = b"\0" + name.encode() + b"\0.shstrtab\0"
    head = 64 if wide else 52
    word = "Q" if wide else "I"
    table = head + len(content) + len(names)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + b"\0" * 9
    size = 64 if wide else 40
    rest = struct.pack(f"{order}HHI{word * 3}I", 1, 62, 1, 0, 0, table, 0)
    rest += struct.pack(f"{order}HHHHHH", head, 0, 0, size, 3, 2)

    def section(name: int, kind: int, start: int, length: int) -> bytes:
        row = struct.pack(f"{order}II{word * 4}", name, kind, 0, 0, start, length)
        return row + b"\0" * (size - len(row))

    sections = section(0, 0, 0, 0) + section(1, 1, head, len(content))
    sections += section(2 + len(name), 3, head + len(content), len(names))
    return ident + rest + content + names + sections


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_values_of_each_key(wide: bool, order: str) -> None:
    content = b"license=GPL\0alias=fs-9p\0alias=9p\0\0depends=a,b\0nothing\0"
    assert modinfo(module(content, wide=wide, order=order)) == {
        "license": ("GPL",),
        "alias": ("fs-9p", "9p"),
        "depends": ("a,b",),
    }


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(FormatError, match="no ELF file"):
        modinfo(b"#!/bin/sh")
    with pytest.raises(FormatError, match=r"no section \.modinfo"):
        modinfo(module(b"", name=".text"))


def test_a_module_that_was_cut_off_is_refused_at_any_length() -> None:
    whole = module(b"depends=a\0")
    for length in range(len(whole) - 24):  # the last fields of the last row are not read
        with pytest.raises(FormatError):
            modinfo(whole[:length])


@given(st.binary(max_size=200), st.integers(0, 300), st.binary(max_size=9))
def test_any_bytes_give_values_or_a_format_error(junk: bytes, at: int, over: bytes) -> None:
    whole = bytearray(module(b"depends=a\0"))
    whole[at : at + len(over)] = over
    for data in (junk, b"\x7fELF" + junk, bytes(whole)):
        with contextlib.suppress(FormatError):
            modinfo(data)
