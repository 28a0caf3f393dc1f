"""Device entries as what they mean: the start of a range with its end is one thing.

Source: AMD IOMMU Specification (48882), section on IVHD device entries: a start of range (3, 67,
71) is followed by an end of range (4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.formats.acpi.ivrs import device_entry as d
from harness.formats.acpi.ivrs.device_entry import DeviceEntry, bdf
from harness.formats.acpi.ivrs.names import DTE_FLAGS, EXTENDED_DTE, VARIETY_NAMES, spell

Kind = Literal["all", "devices", "special", "acpi", "end", "unknown"]


@dataclass(frozen=True, slots=True)
class Span:
    """One meaning of an IVHD: devices, and how they are treated.

    Attributes:
        kind: "devices": those of `first` ... `last`; "all": every device of the IOMMU;
            "special": an I/O APIC, an HPET or another thing without a function of its
            own; "acpi": a device that ACPI names; "end": an end of range that ends none;
            "unknown": a type that the specification does not know.
        entry: the entry, or the one that starts the range.
        end: the entry that ends the range; None if there is none, or none is needed.
        first, last: device ids; last is None for a range without an end.
    """

    kind: Kind
    entry: DeviceEntry
    end: DeviceEntry | None = None
    first: int | None = None
    last: int | None = None

    @property
    def is_range(self) -> bool:
        return self.entry.type in d.RANGE_STARTS

    @property
    def unended(self) -> bool:
        """True for a start of range that no end of range follows."""
        return self.is_range and self.end is None


def spans(entries: Iterable[DeviceEntry]) -> tuple[Span, ...]:
    """The entries paired, without the padding, in their order.

    A start is paired with an end only if that is the very next entry.
    """
    found: list[Span] = []
    start: DeviceEntry | None = None
    for entry in entries:
        if start is not None:
            if entry.type == d.RANGE_END:
                found.append(Span("devices", start, entry, start.device_id, entry.device_id))
                start = None
                continue
            found.append(Span("devices", start, None, start.device_id, None))
            start = None
        if entry.type in d.RANGE_STARTS:
            start = entry
        elif entry.type not in d.PADS:
            found.append(_single(entry))
    if start is not None:
        found.append(Span("devices", start, None, start.device_id, None))
    return tuple(found)


def _single(entry: DeviceEntry) -> Span:
    if entry.type in (d.SELECT, d.ALIAS_SELECT, d.EXTENDED_SELECT):
        return Span("devices", entry, None, entry.device_id, entry.device_id)
    kinds: dict[int, Kind] = {
        d.ALL: "all",
        d.SPECIAL: "special",
        d.ACPI_HID: "acpi",
        d.RANGE_END: "end",
    }
    return Span(kinds.get(entry.type, "unknown"), entry)


def subject(span: Span) -> str:
    """What the entry is about: "device range 00:01.0-ff:1f.7", "IOAPIC 33"."""
    entry = span.entry
    if span.kind == "all":
        return "all devices"
    if span.kind == "devices":
        last = "(no end)" if span.last is None else bdf(span.last)
        first = bdf(entry.device_id)
        return f"device range {first}-{last}" if span.is_range else f"device {first}"
    if span.kind == "special":
        return _special_subject(entry)
    if span.kind == "acpi":
        uid = uid_text(entry)
        return f"ACPI device {entry.hid}" + (f" UID {uid}" if uid else "")
    if span.kind == "end":
        return f"end of range {bdf(entry.device_id)} without a start"
    return f"device entry of unknown type {entry.type} ({entry.raw.hex(' ')})"


def _special_subject(entry: DeviceEntry) -> str:
    name = VARIETY_NAMES.get(entry.variety or 0)
    if name:
        return f"{name} {entry.handle}"
    return f"special device of variety {entry.variety}, handle {entry.handle}"


def attributes(span: Span) -> tuple[tuple[str, str], ...]:
    """How it is treated: ("DTE setting", "INITPass"), ("source device", "00:14.0"), ..."""
    entry = span.entry
    found: list[tuple[str, str]] = []
    if span.kind == "acpi":
        found.append(("device id", bdf(entry.device_id)))
        found.append(("CID", entry.cid or "none"))
    if entry.source_id is not None:
        label = "source device" if span.kind == "special" else "alias"
        found.append((label, bdf(entry.source_id)))
    if span.kind not in ("end", "unknown"):
        found.append(("DTE setting", spell(entry.data, DTE_FLAGS)))
    if entry.ext_data is not None:
        found.append(("extended DTE setting", spell(entry.ext_data, EXTENDED_DTE)))
    return tuple(found)


def uid_text(entry: DeviceEntry) -> str:
    """The UID of an ACPI HID entry, readable; "" if it has none."""
    uid = entry.uid or b""
    if entry.uid_format == d.UID_INTEGER:
        return str(int.from_bytes(uid, "little"))
    if entry.uid_format == d.UID_STRING:
        text = uid.rstrip(b"\0").decode("latin-1")
        return text if text.isprintable() else uid.hex(" ")
    return uid.hex(" ")
