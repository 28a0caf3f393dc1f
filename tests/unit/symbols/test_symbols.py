"""Symbol tables: maps and ELF files, lookups at and beyond the edges."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.symbols import Symbol, SymbolTable, read_symbols

MAP = b"""\
0xffff82d040000000 T __image_base__
0xffff82d040200000 T _stext
0xffff82d040200000 T start
0xffff82d0402309f0 T on_selected_cpus
0xffff82d040230bc0 T _spin_lock_cb
0xffff82d0402fa680 t arch/x86/domain.c#idle_loop
0xffff82d0402fa7b0 T startup_cpu_idle_loop
0xffff82d040360783 T _etext
0xffff82d0403b7000 T _sinittext
0xffff82d0403d5cf0 t drivers/passthrough/amd/iommu_acpi.c#get_supported_ivhd_type
0xffff82d0403d5e50 t drivers/passthrough/amd/iommu_acpi.c#reserve_unity_map_for_device
0xffff82d040404b30 T _einittext
0xffff82d040588f00 b common/smp.c#call_data
0xffff82d0405a6140 B _end
"""


def elf(*symbols: tuple[str, int, int], bits: int = 64) -> bytes:
    """An ELF file with .text at 0x1000 (0x100 bytes) and these (name, value, size) functions."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name, _, _ in symbols)
    table = bytes(24)
    at = 1
    for name, value, size in symbols:
        table += struct.pack("<IBBHQQ", at, 0x12, 0, 1, value, size)
        at += len(name) + 1
    strings = b"\0.text\0.symtab\0.strtab\0"
    offset = 64
    rows = [bytes(64)]

    def section(
        name: int, kind: int, flags: int, address: int, size: int, rest: tuple[int, int, int]
    ) -> None:
        link, info, entry = rest
        rows.append(
            struct.pack(
                "<IIQQQQIIQQ", name, kind, flags, address, offset, size, link, info, 1, entry
            )
        )

    section(1, 1, 6, 0x1000, 0x100, (0, 0, 0))
    section(7, 2, 0, 0, len(table), (3, 1, 24))
    offset += len(table)
    section(15, 3, 0, 0, len(names + strings), (0, 0, 0))
    # One table of strings for both: the names of sections come after those of symbols.
    body = table + names + strings
    for number, place in enumerate((1, 7, 15), 1):
        rows[number] = struct.pack("<I", place + len(names)) + rows[number][4:]
    head = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1]) + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, 4, 3)
    return head + body + b"".join(rows)


def test_a_map_of_xen() -> None:
    table = read_symbols(MAP)
    place = table.at(0xFFFF82D0403D5D6C)
    assert place is not None
    assert str(place) == "get_supported_ivhd_type+0x7c"
    assert place.symbol.file == "drivers/passthrough/amd/iommu_acpi.c"
    assert place.symbol.static
    assert table.of_xen
    data = table.at(0xFFFF82D040588F18)
    assert data is not None
    assert (data.name, data.symbol.code) == ("call_data", False)


def test_addresses_that_are_in_nothing() -> None:
    table = read_symbols(MAP)
    assert table.at(0) is None
    assert table.at((1 << 64) - 1) is None
    assert table.code_at(0xFFFF82D040588F00) is None  # data
    assert table.code_at(0xFFFF82D040360783) is None  # the end of the code
    assert table.code_at(0xFFFF82D040360782) is not None


def test_a_name_goes_before_the_label_of_a_section() -> None:
    place = read_symbols(MAP).at(0xFFFF82D040200004)
    assert place is not None
    assert str(place) == "start+0x4"


def test_a_map_of_linux() -> None:
    table = read_symbols(
        b"ffffffff81000000 T _stext\nffffffff81000100 t do_idle\n"
        b"ffffffff81000200 T _etext\nffffffffc0000000 t e1000_probe\t[e1000]\r\n"
    )
    assert not table.of_xen
    assert str(table.code_at(0xFFFFFFFF81000104)) == "do_idle+0x4"
    assert table.find("e1000_probe") is not None


def test_an_elf_file() -> None:
    table = read_symbols(elf(("smp.c#wait", 0x1010, 0x20), ("start", 0x1000, 0x10)))
    assert table.code == ((0x1000, 0x1100),)
    place = table.code_at(0x1014)
    assert place is not None
    assert (str(place), place.symbol.file, place.symbol.size) == ("wait+0x4", "smp.c", 0x20)
    assert table.extent(place.symbol) == (0x1010, 0x1030)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no symbols here\n",
        b"0000000000000000 T start_kernel\n0000000000000000 T schedule\n",  # kallsyms, not root
        b"\x7fELF",
        elf(),
        elf(("f", 0x1000, 4))[:100],
    ],
    ids=["empty", "text", "hidden", "magic", "stripped", "cut"],
)
def test_what_is_no_table_is_an_error_with_its_file(data: bytes) -> None:
    with pytest.raises(FormatError) as raised:
        read_symbols(data, "xen-syms")
    assert "xen-syms" in str(raised.value)
    assert "System.map" in str(raised.value)


@given(st.binary(max_size=40), st.integers(0, 700))
def test_a_damaged_elf_file_is_a_table_or_an_error(junk: bytes, at: int) -> None:
    good = elf(("a", 0x1000, 4), ("b", 0x1004, 0))
    try:
        table = read_symbols(good[:at] + junk + good[at + len(junk) :])
    except FormatError:
        return
    table.at(0x1002)


@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 64)), min_size=1, max_size=20),
    st.integers(0, 2**64 - 1),
)
def test_a_place_is_at_or_after_its_symbol(symbols: list[tuple[int, int]], address: int) -> None:
    table = SymbolTable(
        Symbol(value, f"s{number}", size=size) for number, (value, size) in enumerate(symbols)
    )
    place = table.at(address)
    if place is not None:
        assert place.symbol.address + place.offset == address
        assert not any(place.symbol.address < value <= address for value, _ in symbols)
    elif any(value <= address for value, _ in symbols):
        assert address > max(value for value, _ in symbols)
