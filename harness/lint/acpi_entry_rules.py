"""Rules for the device entries of an IVRS: types, lengths, ranges."""

from __future__ import annotations

from collections.abc import Iterable

from harness.formats.acpi.ivrs import Ivhd, bdf
from harness.formats.acpi.ivrs import device_entry as d
from harness.formats.acpi.ivrs.names import ENTRY_NAMES
from harness.lint.acpi_coverage import Claim, claims
from harness.lint.acpi_subject import SPEC, AcpiSubject, acpi_rule, at, name
from harness.lint.rule import Consequences, Found, Rule

ENTRIES = SPEC + '"IVHD Device Entries"'


@acpi_rule(
    "ivrs.entry-length",
    "error",
    checks="The last device entry ends where its block does.",
    reference=ENTRIES,
    then=(
        ("Xen 4.8-4.15", 'no IOMMU: "IVHD Error: Invalid Device_Entry Length!" (iommu=debug)'),
        ("Xen 4.16+", 'no IOMMU: "AMD-Vi: Error: IVHD: invalid Device_Entry length"'),
        ("Linux", "reads on in the next block, and prints a stack trace (WARN_ON(p != end))"),
    ),
    linux="warning",
)
def entry_lengths(subject: AcpiSubject) -> Found:
    """An entry that is cut by the end of its block."""
    for fault in subject.faults:
        if fault.field == "device entry":
            yield at(
                fault.offset or 0,
                4,
                "Type",
                fault.message,
                "the length of the block ends an entry too early or too late; or its type is wrong",
            )


_SIZES_UNLIKE_XEN: Consequences = (
    ("Xen 4.8-4.15", 'no IOMMU: "IVHD Error: Invalid Device Type!", with iommu=debug only'),
    ("Xen 4.16+", 'no IOMMU: "AMD-Vi: Warning: IVHD: unknown device type"'),
)


@acpi_rule(
    "ivrs.entry-type",
    "error",
    checks="Device entries are of types that the specification has, and that readers know.",
    reference=ENTRIES,
    then=(
        *_SIZES_UNLIKE_XEN,
        ("Linux", "passes over a type below 80h; at another one the boot hangs"),
    ),
    linux="error",
)
def entry_types(subject: AcpiSubject) -> Found:
    """Unknown types; and type 1, which Xen does not know."""
    for device in subject.devices:
        entry, kind = device.span.entry, device.span.entry.type
        if device.span.kind == "unknown":
            yield at(
                entry.offset,
                1,
                "Type",
                f"a device entry of type {kind} ({kind:02X}h) in {name(device.block)}, which is "
                "reserved",
                "known types: " + ", ".join(str(known) for known in sorted(ENTRY_NAMES)),
            )
        elif device.span.kind == "all" and device.block.type != 0x40:
            yield at(
                entry.offset,
                1,
                "Type",
                f"a device entry of type 1, all devices, in {name(device.block)}",
                "a range from the first device id to the last one",
                then=(*_SIZES_UNLIKE_XEN, ("Linux", "takes it for what it is")),
            )


@acpi_rule(
    "ivrs.range-pair",
    "error",
    checks="A start of range is followed by its end at once, and an end follows a start.",
    reference=ENTRIES,
    then=(
        ("Xen 4.8-4.15", 'no IOMMU: "Invalid Range: End_Type", "Invalid Device Type!" (debug)'),
        ("Xen 4.16+", 'no IOMMU: "invalid range: End_Type", "unknown device type 0x4"'),
        (
            "Linux",
            "ignores a start without an end: its devices have no IOMMU; an end without a start "
            "makes a range from the last start, or from 00:00.0",
        ),
    ),
    linux="warning",
)
def range_pairs(subject: AcpiSubject) -> Found:
    """Starts without ends, ends without starts."""
    for device in subject.devices:
        entry = device.span.entry
        if device.span.unended:
            yield at(
                entry.offset,
                entry.size,
                "Type",
                f"the range from {bdf(entry.device_id)} in {name(device.block)} has no end",
                "an end of range (type 4) right behind it; for one device, type "
                f"{_SINGLE[entry.type]}",
            )
        elif device.span.kind == "end":
            yield at(
                entry.offset,
                4,
                "Type",
                f"an end of range at {bdf(entry.device_id)} in {name(device.block)} follows no "
                "start",
                "a start of range (type 3, 67 or 71) right before it",
            )


_SINGLE = {d.RANGE_START: 2, d.ALIAS_RANGE_START: 66, d.EXTENDED_RANGE_START: 70}


@acpi_rule(
    "ivrs.range-order",
    "error",
    checks="A range of devices ends behind its start.",
    reference=ENTRIES,
    then=(
        ("Xen 4.8-4.15", 'no IOMMU: "IVHD Error: Invalid Range: ..." (iommu=debug)'),
        ("Xen 4.16+", 'no IOMMU: "AMD-Vi: Error: IVHD: invalid range: ..."'),
        ("Linux", "a reversed range has no devices; one device is taken as it is"),
    ),
    linux="warning",
)
def range_order(subject: AcpiSubject) -> Found:
    """Reversed ranges, and those of a single device, which Xen refuses too."""
    for device in subject.devices:
        span = device.span
        if span.end is None or span.first is None or span.last is None or span.first < span.last:
            continue
        first, last = bdf(span.first), bdf(span.last)
        what = "is reversed" if span.first > span.last else "has one device, which Xen refuses"
        yield at(
            span.entry.offset + 1,
            2,
            "DeviceID",
            f"the range {first} to {last} in {name(device.block)} {what}",
            f"its end, at {span.end.offset:#x}, must be above {first}; for one device, type "
            f"{_SINGLE[span.entry.type]}",
        )


@acpi_rule(
    "ivrs.range-overlap",
    "warning",
    checks="A device is behind one IOMMU.",
    reference=ENTRIES,
    then=(
        ("Xen 4.8+", "takes the IOMMU of the entry that comes last, and says nothing"),
        ("Linux", "the same"),
    ),
)
def range_overlap(subject: AcpiSubject) -> Found:
    """Devices that two IOMMUs claim; and ranges of one IOMMU that overlap."""
    for kind in subject.types:
        by_segment: dict[int, list[Claim]] = {}
        for block in subject.of_type(kind):
            by_segment.setdefault(block.segment, []).extend(claims(block))
        for found in by_segment.values():
            yield from _overlaps(found)
    for block in subject.ivhds:
        yield from _own_overlaps(block)


def _overlaps(found: Iterable[Claim]) -> Found:
    """One sweep; of the claims before, the one that reaches farthest, and that of another IOMMU."""
    best: Claim | None = None
    second: Claim | None = None
    for claim in sorted(found, key=lambda one: (one.first, -one.last)):
        other = best if best is not None and best.iommu != claim.iommu else second
        if other is not None and other.iommu != claim.iommu and other.last >= claim.first:
            last = min(other.last, claim.last)
            late = max(claim, other, key=lambda one: one.entry.offset)
            early = other if late is claim else claim
            yield at(
                late.entry.offset,
                late.entry.size,
                "DeviceID",
                f"{bdf(claim.first)} to {bdf(last)} are behind {bdf(late.block.device_id)} here, "
                f"and behind {bdf(early.block.device_id)} by the entry at "
                f"{early.entry.offset:#x}",
                "let each device be in the block of one IOMMU",
            )
        if best is None or claim.last > best.last:
            if best is not None and best.iommu != claim.iommu:
                second = best
            best = claim
        elif claim.iommu != best.iommu and (second is None or claim.last > second.last):
            second = claim


def _own_overlaps(block: Ivhd) -> Found:
    """An alias inside of a range is how aliases are told; two plain ranges are odd."""
    before: Claim | None = None
    plain = (one for one in claims(block) if not one.is_alias and one.first < one.last)
    for claim in sorted(plain, key=lambda one: one.first):
        if before is not None and claim.first <= before.last:
            yield at(
                claim.entry.offset,
                claim.entry.size,
                "DeviceID",
                f"the range {bdf(claim.first)} to {bdf(claim.last)} overlaps that of the entry at "
                f"{before.entry.offset:#x} in {name(block)}",
                "one range with the devices of both",
                severity="note",
                then=(
                    ("Xen 4.8+", "goes on; the settings of the last entry count"),
                    ("Linux", "goes on; the settings of the smaller range count"),
                ),
            )
        if before is None or claim.last > before.last:
            before = claim


@acpi_rule(
    "ivrs.duplicate-entry",
    "note",
    checks="A device, or a range of devices, has one entry in a block.",
    reference=ENTRIES,
    then=(
        ("Xen 4.8+", "goes on; the last entry counts"),
        ("Linux", "goes on; the settings of the first entry count"),
    ),
)
def duplicates(subject: AcpiSubject) -> Found:
    """The same devices twice in a block."""
    for block in subject.ivhds:
        seen: dict[tuple[int, int, bool], Claim] = {}
        for claim in claims(block):
            key = (claim.first, claim.last, claim.is_alias)
            before = seen.setdefault(key, claim)
            if before is claim:
                continue
            same = "the same" if before.entry.raw == claim.entry.raw else "other settings"
            yield at(
                claim.entry.offset,
                claim.entry.size,
                "DeviceID",
                f"{bdf(claim.first)} to {bdf(claim.last)} have an entry at "
                f"{before.entry.offset:#x} already, with {same}",
                "leave one of them out",
            )


RULES: tuple[Rule, ...] = (
    entry_lengths,
    entry_types,
    range_pairs,
    range_order,
    range_overlap,
    duplicates,
)
