from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from harness.errors import FormatError
from harness.formats.acpi.header import checksum
from harness.formats.acpi.ivrs import (
    Ivhd,
    Ivmd,
    Ivrs,
    UnknownBlock,
    build,
    build_block,
    entries,
    finish,
    parse,
    with_length,
)
from tests.unit.formats.acpi.ivrs.tables import apu2
from tests.unit.formats.acpi.strategies import ivrs_tables

GOOD = apu2()


def test_fields_are_written_as_they_stand() -> None:
    """Damage on purpose survives: nothing is made right on the way out."""
    first = GOOD.ivhds[0]
    broken = replace(GOOD, blocks=(replace(first, length=0, base=0, flags=0xFF),))
    data = build(broken)
    assert data[49] == 0xFF
    assert data[50:52] == b"\0\0"
    assert data[56:64] == bytes(8)
    assert len(data) == 48 + first.size
    assert data[4:8] == build(GOOD)[4:8]


def test_finish_makes_lengths_checksum_and_offsets_right() -> None:
    first = GOOD.ivhds[0]
    more = replace(first, entries=(*first.entries, entries.select(0x300)))
    grown = replace(GOOD, blocks=(more, Ivmd(0x20, 7, 0, 0, 0, 0, 0x1000, 0x1000)), excess=b"x")
    table = finish(grown)
    data = build(table)
    assert checksum(data) == 0
    assert table.header.length == len(data) == 48 + more.size + 32
    assert [block.offset for block in table.blocks] == [48, 48 + more.size]
    assert table.ivhds[0].length == more.size
    assert table.ivmds[0].length == 32
    assert table.ivhds[0].entries[-1].offset == 48 + more.size - 4
    assert parse(data, strict=True) == table


def test_a_changed_entry_changes_its_bytes() -> None:
    first = GOOD.ivhds[0]
    ioapic = first.entries[-1]
    changed = replace(first, entries=(*first.entries[:-1], replace(ioapic, handle=9, data=1)))
    assert build_block(changed)[-8:] == bytes.fromhex("48000001 09010001")


def test_an_ivhd_that_becomes_another_type_gets_that_header() -> None:
    plain, full = GOOD.ivhds
    assert len(build_block(replace(plain, type=0x11))) == plain.size + 16
    assert len(build_block(replace(full, type=0x10))) == full.size - 16
    assert len(build_block(replace(full, type=0x77))) == full.size


def test_the_length_of_each_kind_of_block() -> None:
    unknown = with_length(UnknownBlock(0x51, b"\x51\0\0\0abcd"))
    assert isinstance(unknown, UnknownBlock)
    assert unknown.length == 8
    assert with_length(Ivmd(0x20, 0, 0, 0, 0, 0, 0, 0, tail=b"ab")).length == 34
    with pytest.raises(FormatError):
        with_length(UnknownBlock(0x51, b"\x51"))


@pytest.mark.parametrize(
    "change",
    [
        {"flags": 0x100},
        {"length": 0x10000},
        {"device_id": -1},
        {"base": 1 << 64},
        {"features": 1 << 32},
    ],
)
def test_a_value_without_room_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(FormatError):
        build_block(replace(GOOD.ivhds[0], **change))  # type: ignore[arg-type]


def test_a_block_too_large_for_its_length_is_refused() -> None:
    large = Ivhd(0x10, 0, 0, 2, 0x40, 0, entries=(entries.pad8(),) * 9000)
    with pytest.raises(FormatError):
        finish(replace(GOOD, blocks=(large,)))


@given(ivrs_tables())
def test_finish_leaves_a_right_table_alone(table: Ivrs) -> None:
    assert build(finish(table)) == build(table)
    assert checksum(build(table)) == 0
