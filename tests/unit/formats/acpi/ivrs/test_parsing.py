from __future__ import annotations

import random
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.acpi.ivrs import (
    DeviceEntry,
    Ivhd,
    Ivmd,
    Ivrs,
    UnknownBlock,
    build,
    parse,
    parse_with_faults,
)
from tests.unit.formats.acpi.ivrs.tables import apu2, raw_ivhd, raw_table
from tests.unit.formats.acpi.strategies import ivrs_tables

GOOD = build(apu2())


def only_ivhd(table: Ivrs) -> Ivhd:
    (block,) = table.blocks
    assert isinstance(block, Ivhd)
    return block


def test_the_fields_of_a_table_written_by_hand() -> None:
    data = raw_table(
        raw_ivhd(bytes.fromhex("03080000 04feff00 480000d7 04a00001")), ivinfo=0x00603043
    )
    table = parse(data, strict=True)
    assert (table.efr_sup, table.dma_guard, table.ht_ats_resv) == (True, True, True)
    assert (table.gva_size, table.pa_size, table.va_size) == (2, 48, 64)
    block = only_ivhd(table)
    assert (block.type, block.flags, block.length, block.device_id) == (0x10, 0x30, 40, 2)
    assert (block.capability, block.base, block.offset) == (0x40, 0xFEB80000, 48)
    assert (block.efr, block.efr2) == (None, None)
    start, end, ioapic = block.entries
    assert (start.type, start.device_id, start.offset) == (3, 8, 72)
    assert (end.type, end.device_id, end.offset) == (4, 0xFFFE, 76)
    assert (ioapic.handle, ioapic.source_id, ioapic.variety) == (4, 0xA0, 1)
    assert (ioapic.data, ioapic.offset) == (0xD7, 80)


def test_the_header_fields_of_all_ivhd_types() -> None:
    fields = (0xB0, 0, 0x4002, 0x50, 0x1_FEB8_0000, 1, 0x1305, 0x80048F6F)
    for kind, size in ((0x10, 24), (0x11, 40), (0x40, 40)):
        head = struct.pack("<BBHHHQHHI", kind, fields[0], size, *fields[2:])
        block = only_ivhd(parse(raw_table(head + struct.pack("<QQ", 7, 9)[: size - 24])))
        values = (block.flags, block.device_id, block.capability, block.base)
        assert values == (0xB0, 0x4002, 0x50, 0x1_FEB8_0000)
        assert (block.segment, block.info, block.features) == (1, 0x1305, 0x80048F6F)
        assert block.attributes == block.features
        assert (block.efr, block.efr2) == ((None, None) if kind == 0x10 else (7, 9))


def test_the_fields_of_an_ivmd() -> None:
    data = struct.pack("<BBHHHQQQ", 0x22, 8, 32, 0x300, 0x3FF, 5, 0x71_32F000, 0x26000)
    assert parse(raw_table(data), strict=True).blocks == (
        Ivmd(0x22, 8, 32, 0x300, 0x3FF, 5, 0x7132F000, 0x26000),
    )


def test_a_block_of_unknown_type_is_kept_as_bytes() -> None:
    data = bytes.fromhex("51080800 00030000")
    table = parse(raw_table(data + raw_ivhd(b"")), strict=True)
    unknown, ivhd = table.blocks
    assert unknown == UnknownBlock(0x51, data)
    assert isinstance(unknown, UnknownBlock)
    assert (unknown.flags, unknown.length, unknown.device_id) == (8, 8, 0x300)
    assert isinstance(ivhd, Ivhd)
    assert ivhd.offset == 56


@pytest.mark.parametrize(
    ("kind", "size"),
    [(0, 4), (4, 4), (63, 4), (64, 8), (73, 8), (128, 16), (191, 16), (192, 32), (255, 32)],
)
def test_the_size_of_a_device_entry_is_in_its_type(kind: int, size: int) -> None:
    content = bytes([kind]).ljust(size, b"\xaa") + b"\x02\x08\x00\x00"
    block = only_ivhd(parse(raw_table(raw_ivhd(content)), strict=True))
    assert [entry.size for entry in block.entries] == [size, 4]


@pytest.mark.parametrize("kind", [0x10, 0x11, 0x40])
def test_an_acpi_hid_entry_is_as_long_as_its_uid(kind: int) -> None:
    content = b"\xf0\xa5\x00\x40AMDI0020" + bytes(8) + b"\x02\x09" + b"\\_SB.FUR0"
    block = only_ivhd(parse(raw_table(raw_ivhd(content + content, kind=kind)), strict=True))
    first, second = block.entries
    assert (first.hid, first.cid, first.uid_format, first.uid) == (
        "AMDI0020",
        "",
        2,
        b"\\_SB.FUR0",
    )
    assert second.offset - first.offset == 31
    assert first == second


# Each damage, the field and the offset where a strict parser refuses it, and what a lenient
# one keeps: blocks, entries of the first IVHD, bytes of its tail, trailing bytes.
FAULTS = {
    "zero length": (raw_table(raw_ivhd(b"", length=0)), "Length", 50, (0, 0, 0, 24)),
    "length 3": (raw_table(raw_ivhd(b"", length=3)), "Length", 50, (0, 0, 0, 24)),
    "ivhd shorter than its header": (raw_table(raw_ivhd(b"", length=24, kind=0x11)[:24]), "Length",
                                     50, (1, 0, 0, 0)),
    "past the end": (raw_table(raw_ivhd(b"\2\0\0\0", length=29)), "Length", 50, (1, 1, 0, 0)),
    "ivmd cut": (raw_table(struct.pack("<BBH", 0x20, 8, 32)), "Length", 50, (1, 0, 0, 0)),
    "ivmd too short": (raw_table(struct.pack("<BBHI", 0x20, 8, 8, 0)), "Length", 50, (1, 0, 0, 0)),
    "entry cut": (raw_table(raw_ivhd(b"\2\0\0\0\x48\0\0\0")), "device entry", 76, (1, 1, 4, 0)),
    "entry header cut": (raw_table(raw_ivhd(b"\2\0")), "device entry", 72, (1, 0, 2, 0)),
    "uid past the block": (raw_table(raw_ivhd(b"\xf0" + bytes(20) + b"\x05abcd")), "device entry",
                           72, (1, 0, 26, 0)),
    "three bytes left": (raw_table(raw_ivhd(b"") + b"\x10\0\0"), "block header", 72,
                         (1, 0, 0, 3)),
    "table longer than the input": (raw_table(raw_ivhd(b""), length=500), "Length", 4,
                                    (1, 0, 0, 0)),
    "table shorter than its header": (raw_table(b"", length=10), "Length", 4, (0, 0, 0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_walked_is_refused_or_kept_as_bytes(name: str) -> None:
    data, field, offset, (blocks, entries, tail, trailing) = FAULTS[name]
    with pytest.raises(FormatError) as caught:
        parse(data, strict=True)
    assert (caught.value.field, caught.value.offset) == (field, offset)
    table, faults = parse_with_faults(data)
    assert faults[0].offset == offset
    assert build(table) == data
    assert len(table.blocks) == blocks
    assert len(table.trailing) == trailing
    first = table.blocks[0] if table.blocks else None
    if isinstance(first, Ivhd):
        assert (len(first.entries), len(first.tail)) == (entries, tail)
    else:
        assert (entries, tail) == (0, 0)


def test_a_block_behind_a_damaged_one_is_still_read() -> None:
    data = raw_table(raw_ivhd(b"\x48\0\0\0") + raw_ivhd(b"\2\x08\0\0"))
    first, second = parse(data).blocks
    assert isinstance(first, Ivhd)
    assert isinstance(second, Ivhd)
    assert (first.entries, first.tail) == ((), b"\x48\0\0\0")
    assert second.entries == (DeviceEntry(2, 8),)


def test_bytes_behind_the_table_are_excess() -> None:
    data = GOOD + bytes(100)
    table = parse(data)
    assert table.excess == bytes(100)
    assert table.blocks == parse(GOOD).blocks
    assert build(table) == data


@pytest.mark.parametrize("length", range(48))
def test_less_than_the_header_is_refused(length: int) -> None:
    with pytest.raises(FormatError) as caught:
        parse(GOOD[:length])
    assert caught.value.field in ("header", "IVinfo")


def test_another_table_is_refused() -> None:
    with pytest.raises(FormatError) as caught:
        parse(b"DMAR" + GOOD[4:])
    assert caught.value.field == "Signature"


def test_a_table_that_no_machine_has_is_refused_by_its_size() -> None:
    with pytest.raises(FormatError) as caught:
        parse(GOOD + bytes(1 << 20))
    assert caught.value.field == "Length"


def test_checksum_flags_and_ids_are_not_judged() -> None:
    data = bytearray(GOOD)
    data[9] ^= 0xFF
    data[49] = 0xFF
    parse(bytes(data), strict=True)


# What a loop over lengths of 0 would never end on, and the most items that fit.
HOSTILE = {
    "blocks of length 0": struct.pack("<BBH", 0x10, 0, 0),
    "blocks of length 4": struct.pack("<BBH", 0x99, 0, 4),
    "padding": raw_ivhd(bytes(65000)),
    "ranges without an end": raw_ivhd(b"\x03\0\0\0" * 16000),
    "ACPI devices without a UID": raw_ivhd((b"\xf0" + bytes(21)) * 2900),
    "nothing but FFh": b"\xff\xff\xff\xff",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_64_kib_of_anything_end_quickly(name: str) -> None:
    unit = HOSTILE[name]
    data = raw_table(unit * (65536 // len(unit)))
    begun = time.monotonic()
    table = parse(data)
    assert build(table) == data
    assert time.monotonic() - begun < 2


@given(st.binary(max_size=300))
def test_random_blocks_are_read_and_rebuilt(rest: bytes) -> None:
    data = raw_table(rest)
    table, faults = parse_with_faults(data)
    assert build(table) == data
    if faults:
        with pytest.raises(FormatError):
            parse(data, strict=True)
    else:
        assert parse(data, strict=True) == table
        assert not table.trailing


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_rebuilt(data: bytes) -> None:
    try:
        table = parse(data)
    except FormatError:
        return
    assert build(table) == data


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_one_wrong_byte(at: int, change: int) -> None:
    data = bytearray(GOOD)
    data[at] ^= change
    if at < 4:
        with pytest.raises(FormatError):
            parse(bytes(data))
        return
    table = parse(bytes(data))
    assert build(table) == data
    assert table != parse(GOOD) or at == 9


@given(ivrs_tables(), st.randoms(use_true_random=False))
def test_valid_tables_are_walked_whole_and_cuts_of_them_survive(
    table: Ivrs, draw: random.Random
) -> None:
    data = build(table)
    assert parse(data, strict=True) == table
    cut = data[: draw.randint(48, len(data))]
    assert build(parse(cut)) == cut
    if len(cut) < len(data):
        with pytest.raises(FormatError):
            parse(cut, strict=True)
