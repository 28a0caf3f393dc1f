from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.formats.acpi.ivrs import DeviceEntry, entries
from harness.formats.acpi.ivrs.ranges import Kind, attributes, spans, subject
from tests.unit.formats.acpi.strategies import entry_groups

SAID = [
    ((entries.all_devices(1),), "all", "all devices"),
    ((entries.select(0xA2),), "devices", "device 00:14.2"),
    (entries.device_range(8, 0xFFFF), "devices", "device range 00:01.0-ff:1f.7"),
    (entries.alias_range(0xFF00, 0xFFFF, 0xA5), "devices", "device range ff:00.0-ff:1f.7"),
    ((entries.device_range(8, 9)[0],), "devices", "device range 00:01.0-(no end)"),
    ((entries.ioapic(33, 0xA0),), "special", "IOAPIC 33"),
    ((entries.hpet(0, 0xA0),), "special", "HPET 0"),
    ((entries.special(7, 1, 0),), "special", "special device of variety 7, handle 1"),
    ((entries.acpi_hid(5, "AMDI0020", uid="\\_SB"),), "acpi", "ACPI device AMDI0020 UID \\_SB"),
    ((entries.acpi_hid(5, "AMDI0020", uid=7),), "acpi", "ACPI device AMDI0020 UID 7"),
    ((entries.acpi_hid(5, "AMDI0020"),), "acpi", "ACPI device AMDI0020"),
    ((entries.range_end(8),), "end", "end of range 00:01.0 without a start"),
    ((DeviceEntry(5, 8),), "unknown", "device entry of unknown type 5 (05 08 00 00)"),
]  # fmt: skip


@pytest.mark.parametrize(("group", "kind", "text"), SAID)
def test_what_an_entry_is_about(group: tuple[DeviceEntry, ...], kind: Kind, text: str) -> None:
    (span,) = spans(group)
    assert (span.kind, subject(span)) == (kind, text)


def test_how_a_device_is_treated() -> None:
    def said(*group: DeviceEntry) -> dict[str, str]:
        return dict(attributes(spans(group)[0]))

    assert said(*entries.alias_range(8, 9, 0xA5)) == {"alias": "00:14.5", "DTE setting": "none"}
    assert said(entries.ioapic(1, 0xA0, 0xD7)) == {
        "source device": "00:14.0",
        "DTE setting": "INITPass, EIntPass, NMIPass, SysMgt=1, Lint0Pass, Lint1Pass",
    }
    assert said(entries.extended_select(8, 0x80000000)) == {
        "DTE setting": "none",
        "extended DTE setting": "AtsDisabled",
    }
    assert said(entries.acpi_hid(0xA5, "A", cid="B"))["device id"] == "00:14.5"
    assert said(entries.range_end(8)) == {}


def test_a_start_that_another_entry_follows_has_no_end() -> None:
    start, end = entries.device_range(8, 0xFF)
    found = spans([start, entries.pad4(), end, start, start, end])
    assert [span.kind for span in found] == ["devices", "end", "devices", "devices"]
    assert [span.unended for span in found] == [True, False, True, False]
    assert [span.last for span in found] == [None, None, None, 0xFF]


@given(st.lists(entry_groups(), max_size=10))
def test_each_meaning_is_found_once(groups: list[tuple[DeviceEntry, ...]]) -> None:
    meant = [group for group in groups if group[0].type not in (0, 64)]
    found = spans(entry for group in groups for entry in group)
    assert [(span.entry, span.end) for span in found] == [
        (group[0], group[1] if len(group) > 1 else None) for group in meant
    ]
    assert not any(span.unended for span in found)
