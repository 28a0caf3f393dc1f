from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.acpi import madt
from harness.formats.acpi.header import Header, build_header, sealed
from harness.formats.acpi.madt import (
    AddressOverride,
    Entry,
    InterruptOverride,
    IoApic,
    LocalApic,
    LocalApicNmi,
    LocalX2Apic,
    LocalX2ApicNmi,
    Madt,
    NmiSource,
    UnknownEntry,
)

HEADER = Header("APIC", 0, 3, 0, "COREv4", "COREBOOT", 0, "CORE", 0)

KNOWN: list[tuple[str, Entry]] = [
    ("00 08 01 02 01000000", LocalApic(1, 2, 1)),
    ("01 0c 04 00 0000c0fe 00000000", IoApic(4, 0, 0xFEC00000, 0)),
    ("02 0a 00 09 09000000 0f00", InterruptOverride(0, 9, 9, 0xF)),
    ("03 08 0500 07000000", NmiSource(5, 7)),
    ("04 06 ff 0500 01", LocalApicNmi(0xFF, 5, 1)),
    ("05 0c 0000 0000e0fe 01000000", AddressOverride(0, 0x1FEE00000)),
    ("09 10 0000 00010000 01000000 80000000", LocalX2Apic(0, 0x100, 1, 0x80)),
    ("0a 0c 0500 ffffffff 01 010203", LocalX2ApicNmi(5, 0xFFFFFFFF, 1, 0x030201)),
    ("07 04 abcd", UnknownEntry(7, b"\xab\xcd")),
    ("00 09 01 02 01000000 00", UnknownEntry(0, bytes.fromhex("01020100000000"))),
    ("7f 02", UnknownEntry(0x7F, b"")),
]


def data_of(*entries: str) -> bytes:
    content = struct.pack("<II", 0xFEE00000, 1) + b"".join(map(bytes.fromhex, entries))
    return sealed(build_header(HEADER) + content)


@pytest.mark.parametrize(("raw", "entry"), KNOWN)
def test_every_structure(raw: str, entry: Entry) -> None:
    data = data_of(raw)
    table = madt.parse(data)
    assert table.entries == (entry,)
    assert table.entries[0].offset == 44
    assert (table.address, table.flags) == (0xFEE00000, 1)
    assert madt.build(table) == data
    assert madt.build_entry(entry) == bytes.fromhex(raw)


def test_all_of_them_in_their_order_at_their_offsets() -> None:
    table = madt.parse(data_of(*(raw for raw, _entry in KNOWN)))
    assert table.entries == tuple(entry for _raw, entry in KNOWN)
    assert [entry.offset for entry in table.entries][:4] == [44, 52, 64, 74]
    assert table.ioapics == (KNOWN[1][1],)
    assert table.processors == (KNOWN[0][1], KNOWN[6][1])


def test_a_processor_that_is_off_is_none() -> None:
    table = madt.parse(data_of("00 08 01 02 00000000", "00 08 02 03 02000000"))
    assert table.processors == ()


@pytest.mark.parametrize(
    ("raw", "offset"),
    [("00 00", 45), ("00 01", 45), ("00 09 01 02 01000000", 45), ("7f", 44), ("00 ff", 45)],
)
def test_a_length_that_cannot_be_walked(raw: str, offset: int) -> None:
    with pytest.raises(FormatError) as caught:
        madt.parse(data_of(raw))
    assert (caught.value.field, caught.value.offset) == ("Length", offset)


def test_a_table_of_zero_length_structures_ends_at_the_first() -> None:
    with pytest.raises(FormatError):
        madt.parse(data_of("00" * 65536))


@given(
    st.lists(
        st.one_of(
            st.builds(LocalApic, st.integers(0, 255), st.integers(0, 255)),
            st.builds(
                LocalX2ApicNmi,
                st.integers(0, 0xFFFF),
                st.integers(0, 0xFFFFFFFF),
                st.integers(0, 255),
                st.integers(0, 0xFFFFFF),
            ),
            st.builds(UnknownEntry, st.integers(11, 255), st.binary(max_size=253)),
        )
    )
)
def test_what_is_built_is_parsed_again(entries: list[Entry]) -> None:
    table = Madt(HEADER, 0xFEE00000, 1, tuple(entries))
    again = madt.parse(sealed(madt.build(table)))
    assert again.entries == table.entries


@pytest.mark.parametrize(
    "entry",
    [
        LocalApic(256, 0),
        IoApic(0, 0, 1 << 32, 0),
        NmiSource(0, -1),
        LocalX2ApicNmi(0, 0, 0, 1 << 24),
        UnknownEntry(7, bytes(254)),
        UnknownEntry(256, b""),
    ],
)
def test_what_does_not_fit_is_not_built(entry: Entry) -> None:
    with pytest.raises(FormatError, match="does not fit"):
        madt.build(Madt(HEADER, 0, 0, (entry,)))


def test_no_structure_of_a_real_table_is_unknown(
    corpus: Callable[[str], list[tuple[str, bytes]]],
) -> None:
    for machine, data in corpus("APIC"):
        table = madt.parse(data)
        assert not [one for one in table.entries if isinstance(one, UnknownEntry)], machine
        assert table.ioapics, machine
        changed = replace(table, entries=table.entries[1:])
        assert madt.build(changed) != data
