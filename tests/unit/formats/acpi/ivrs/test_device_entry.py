from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.acpi.ivrs import DeviceEntry, bdf, entries
from tests.unit.formats.acpi.strategies import entry_groups

BYTES = {
    "00000000": entries.pad4(),
    "4000000000000000": entries.pad8(),
    "010000d7": entries.all_devices(0xD7),
    "02a20040": entries.select(0xA2, 0x40),
    "04fffe00": entries.range_end(0xFEFF),
    "4200010000a40000": entries.alias_select(0x100, 0xA4),
    "4600010200000080": entries.extended_select(0x100, 0x80000000, 2),
    "480000d704a00001": entries.ioapic(4, 0xA0, 0xD7),
    "4800000000a00002": entries.hpet(0, 0xA0),
    "4800000007010009": entries.special(9, 7, 1),
    "f0a50040414d444930303230504e503035303100010801" + "00" * 7: entries.acpi_hid(
        0xA5, "AMDI0020", cid="PNP0501", uid=1, data=0x40
    ),
    "f0a50000" + "41" + "00" * 15 + "0000": entries.acpi_hid(0xA5, "A"),
    "f0a50000" + "41" + "00" * 15 + "0202" + "5c5f": entries.acpi_hid(0xA5, "A", uid="\\_"),
}


@pytest.mark.parametrize("raw", BYTES)
def test_the_bytes_of_each_type(raw: str) -> None:
    assert BYTES[raw].raw.hex() == raw
    assert DeviceEntry.of(bytes.fromhex(raw)) == BYTES[raw]


def test_ranges_are_a_start_and_an_end() -> None:
    pairs = {
        3: entries.device_range(8, 0xFF),
        67: entries.alias_range(8, 0xFF, 0xA5),
        71: entries.extended_range(8, 0xFF, 1),
    }
    for kind, (start, end) in pairs.items():
        assert (start.type, start.device_id) == (kind, 8)
        assert (end.type, end.device_id) == (4, 0xFF)


def test_a_changed_field_wins_over_the_bytes_and_reserved_bytes_stay() -> None:
    entry = DeviceEntry.of(bytes.fromhex("48eeee00 20a00001"))
    changed = replace(entry, handle=0x21, source_id=0x0301)
    assert changed.raw.hex() == "48eeee0021010301"
    alias = DeviceEntry.of(bytes.fromhex("42000100 aaa400bb"))
    assert replace(alias, source_id=2).raw.hex() == "42000100aa0200bb"


def test_a_field_that_the_type_does_not_have_is_none() -> None:
    entry = replace(entries.ioapic(4, 0xA0), type=2)
    assert (entry.handle, entry.source_id, entry.variety, entry.size) == (None, None, None, 4)
    hid = replace(entries.ioapic(4, 0xA0), type=240)
    assert (hid.hid, hid.uid, hid.size) == ("\x04\xa0\x00\x01", b"", 22)


def test_a_longer_uid_makes_a_longer_entry() -> None:
    entry = entries.acpi_hid(0xA5, "AMDI0020", uid="A")
    longer = replace(entry, uid=b"A longer one")
    assert longer.size == entry.size + 11
    assert DeviceEntry.of(longer.raw) == longer


@pytest.mark.parametrize(
    "change",
    [
        {"device_id": 0x10000},
        {"data": -1},
        {"type": 256},
        {"handle": 256},
        {"source_id": 1 << 16},
        {"variety": -1},
    ],
)
def test_a_value_without_room_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(FormatError):
        replace(entries.ioapic(4, 0xA0), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change", [{"hid": "NINECHARS"}, {"cid": "\N{SNOWMAN}"}, {"uid": bytes(256)}]
)
def test_a_text_without_room_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        replace(entries.acpi_hid(0xA5, "A"), **change)  # type: ignore[arg-type]


def test_the_offset_is_no_part_of_the_value() -> None:
    assert DeviceEntry.of(b"\2\0\0\0", 72) == DeviceEntry.of(b"\2\0\0\0", 100)
    assert DeviceEntry.of(b"\2\0\0\0") != DeviceEntry.of(b"\2\0\0\1")


def test_device_ids_are_bus_device_function() -> None:
    assert [bdf(value) for value in (0, 2, 0xA0, 0x4002, 0xFFFF)] == [
        "00:00.0",
        "00:00.2",
        "00:14.0",
        "40:00.2",
        "ff:1f.7",
    ]


@given(st.binary(min_size=32, max_size=32), st.integers(0, 255))
def test_any_bytes_are_kept(raw: bytes, kind: int) -> None:
    raw = bytes([kind]) + raw[1:]
    size = 4 << (kind >> 6)
    if kind == 240:
        raw = raw[:21] + b"\x0a" + raw[22:]
        size = 32
    assert DeviceEntry.of(raw).raw == raw[:size]


@given(entry_groups())
def test_made_entries_are_read_back(group: tuple[DeviceEntry, ...]) -> None:
    for entry in group:
        assert DeviceEntry.of(entry.raw) == entry
