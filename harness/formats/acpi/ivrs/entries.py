"""Device entries by name."""

from __future__ import annotations

from harness.formats.acpi.ivrs import device_entry as d
from harness.formats.acpi.ivrs.device_entry import DeviceEntry


def pad4() -> DeviceEntry:
    """Four bytes of padding."""
    return DeviceEntry(d.PAD4, 0)


def pad8() -> DeviceEntry:
    """Eight bytes of padding."""
    return DeviceEntry(d.PAD8, 0)


def all_devices(data: int = 0) -> DeviceEntry:
    """A DTE setting for all devices of the IOMMU (type 1)."""
    return DeviceEntry(d.ALL, 0, data)


def select(device_id: int, data: int = 0) -> DeviceEntry:
    """One device (type 2)."""
    return DeviceEntry(d.SELECT, device_id, data)


def device_range(first: int, last: int, data: int = 0) -> tuple[DeviceEntry, DeviceEntry]:
    """A range of devices: its start (type 3) and its end (type 4)."""
    return DeviceEntry(d.RANGE_START, first, data), range_end(last)


def range_end(last: int) -> DeviceEntry:
    """The end of a range of any kind (type 4)."""
    return DeviceEntry(d.RANGE_END, last)


def alias_select(device_id: int, source_id: int, data: int = 0) -> DeviceEntry:
    """A device whose requests carry the id of another, `source_id` (type 66)."""
    return DeviceEntry(d.ALIAS_SELECT, device_id, data, source_id=source_id)


def alias_range(
    first: int, last: int, source_id: int, data: int = 0
) -> tuple[DeviceEntry, DeviceEntry]:
    """A range of such devices (types 67 and 4)."""
    start = DeviceEntry(d.ALIAS_RANGE_START, first, data, source_id=source_id)
    return start, range_end(last)


def extended_select(device_id: int, ext_data: int, data: int = 0) -> DeviceEntry:
    """A device with an extended DTE setting (type 70)."""
    return DeviceEntry(d.EXTENDED_SELECT, device_id, data, ext_data=ext_data)


def extended_range(
    first: int, last: int, ext_data: int, data: int = 0
) -> tuple[DeviceEntry, DeviceEntry]:
    """A range of such devices (types 71 and 4)."""
    start = DeviceEntry(d.EXTENDED_RANGE_START, first, data, ext_data=ext_data)
    return start, range_end(last)


def special(variety: int, handle: int, source_id: int, data: int = 0) -> DeviceEntry:
    """A special device (type 72): what `variety` says, sending as `source_id`."""
    return DeviceEntry(d.SPECIAL, 0, data, source_id=source_id, handle=handle, variety=variety)


def ioapic(apic_id: int, source_id: int, data: int = 0) -> DeviceEntry:
    """An I/O APIC by its id (type 72, variety 1)."""
    return special(d.VARIETY_IOAPIC, apic_id, source_id, data)


def hpet(number: int, source_id: int, data: int = 0) -> DeviceEntry:
    """An HPET by its number (type 72, variety 2)."""
    return special(d.VARIETY_HPET, number, source_id, data)


def acpi_hid(
    device_id: int,
    hid: str,
    *,
    cid: str = "",
    uid: int | str | None = None,
    data: int = 0,
) -> DeviceEntry:
    """An ACPI device without a place on PCI; the UID's type chooses its format."""
    if uid is None:
        uid_format, stored = d.UID_NONE, b""
    elif isinstance(uid, int):
        uid_format, stored = d.UID_INTEGER, uid.to_bytes(8, "little")
    else:
        uid_format, stored = d.UID_STRING, uid.encode("latin-1")
    return DeviceEntry(
        d.ACPI_HID, device_id, data, hid=hid, cid=cid, uid_format=uid_format, uid=stored
    )
