"""Rules for aliases and for devices that ACPI names."""

from __future__ import annotations

from harness.formats.acpi.ivrs import Ivhd, bdf
from harness.formats.acpi.ivrs import device_entry as d
from harness.formats.acpi.ivrs.ranges import Span
from harness.formats.acpi.ivrs.ranges import subject as meaning
from harness.lint.acpi_coverage import Coverage
from harness.lint.acpi_entry_rules import ENTRIES
from harness.lint.acpi_subject import SPEC, AcpiSubject, Device, acpi_rule, at, name
from harness.lint.rule import Consequences, Found, Rule

_ALIASES = frozenset({d.ALIAS_SELECT, d.ALIAS_RANGE_START})
_TYPE_40H = 0x40
_NULL: Consequences = (
    ("Xen 4.8-4.12", "goes on"),
    (
        "Xen 4.13+",
        "panics on boot, a fatal page fault in amd_iommu_intremap_table_order: the id of the alias "
        "gets an interrupt remapping table, but has no IOMMU",
    ),
    ("Linux", "goes on"),
)


@acpi_rule(
    "ivrs.alias",
    "error",
    checks="The device id that an alias leads to is in use, and is behind an IOMMU itself.",
    reference=ENTRIES,
    then=(
        ("Xen 4.8-4.15", 'no IOMMU: "IVHD Error: Invalid Alias Dev_Id" (iommu=debug)'),
        ("Xen 4.16+", 'no IOMMU: "AMD-Vi: Error: IVHD: invalid Alias Dev_Id"'),
        ("Linux", "writes behind the end of its tables"),
    ),
    linux="error",
)
def aliases(subject: AcpiSubject) -> Found:
    """Where aliases lead to."""
    coverages: dict[tuple[int, int], Coverage] = {}
    for device in subject.devices:
        block, entry = device.block, device.span.entry
        if entry.type not in _ALIASES or entry.source_id is None:
            continue
        key = (block.type, block.segment)
        if key not in coverages:
            coverages[key] = Coverage(subject.of_type(block.type), block.segment)
        yield from _alias(device, coverages[key], subject)


def _alias(device: Device, covered: Coverage, subject: AcpiSubject) -> Found:
    entry, block = device.span.entry, device.block
    target = entry.source_id or 0
    what = f"{meaning(device.span)} in {name(block)} is an alias of {bdf(target)}"
    where = (entry.offset + 5, 2, "Source DeviceID")
    iommus = {one.device_id for one in subject.of_type(block.type) if one.segment == block.segment}
    if target > covered.highest:
        yield at(
            *where,
            f"{what}; the highest id in use is {bdf(covered.highest)}",
            "the id that the bridge before these devices sends requests with",
        )
    elif target not in covered or target in iommus:
        why = "which is an IOMMU" if target in iommus else "which no entry is about"
        yield at(
            *where,
            f"{what}, {why}",
            f"an entry for {bdf(target)} too",
            then=_NULL,
            severity="note" if block.type == _TYPE_40H else None,
        )
    elif device.span.first == device.span.last == target:
        yield at(
            *where,
            f"{what}, itself",
            "a plain entry (type 2)",
            severity="note",
            then=(("Xen 4.8+", "goes on"), ("Linux", "goes on")),
        )


@acpi_rule(
    "ivrs.acpi-hid",
    "error",
    checks="ACPI HID entries (F0h) are in blocks of type 40h; each has a HID, and a UID of its "
    "format.",
    reference=SPEC + '"Variable Length ACPI HID Device Entries"',
    then=(
        ("Xen 4.8-4.15", 'no IOMMU: "IVHD Error: Invalid Device Type!" (iommu=debug)'),
        ("Xen 4.16+", 'no IOMMU: "AMD-Vi: Warning: IVHD: unknown device type 0xf0"'),
        ("Linux", '"[Firmware Bug]: Invalid IVHD device type 0xf0"; the device has no IOMMU'),
    ),
    linux="error",
)
def hid_entries(subject: AcpiSubject) -> Found:
    """Entries for devices without a place on PCI."""
    for device in subject.devices:
        if device.span.kind != "acpi":
            continue
        if device.block.type != _TYPE_40H:
            yield at(
                device.span.entry.offset,
                1,
                "Type",
                f"{meaning(device.span)} is in {name(device.block)}",
                "ACPI HID entries belong into blocks of type 40h",
            )
        yield from _names(device.block, device.span)


_ONLY_LINUX: Consequences = (("Xen 4.8+", "does not read blocks of type 40h"),)


def _names(block: Ivhd, span: Span) -> Found:
    entry = span.entry
    uid, form = entry.uid or b"", entry.uid_format
    if not entry.hid:
        yield at(
            entry.offset + 4,
            8,
            "ACPI HID",
            f"an ACPI HID entry in {name(block)} has no HID",
            "the _HID of the device, as in its DSDT",
            severity="warning",
            then=(*_ONLY_LINUX, ("Linux", '"[Firmware Bug]: Invalid HID."; it has no IOMMU')),
        )
    if form == d.UID_NONE and uid:
        text = f"the UID format is 0, none, but the UID has {len(uid)} bytes"
        why = '"[Firmware Bug]: Invalid UID length."; and goes on'
    elif form == d.UID_INTEGER and len(uid) != 8:
        text = f"an integer UID has {len(uid)} bytes, not 8"
        why = "takes the first byte of it"
    elif form == d.UID_STRING and (not uid or not uid.rstrip(b"\0").isascii()):
        text = f"the UID is to be a string, and is {uid.hex(' ') or 'empty'}"
        why = "does not find the device by it"
    elif form is not None and form > d.UID_STRING:
        text = f"the UID format is {form}"
        why = "takes the device as one without UID"
    else:
        return
    yield at(
        entry.offset + 20,
        2,
        "UID Format",
        f"{meaning(span)} in {name(block)}: {text}",
        "format 0: no UID; 1: an integer of 8 bytes; 2: a string",
        severity="note" if form == d.UID_INTEGER else "warning",
        then=(*_ONLY_LINUX, ("Linux", why)),
    )


RULES: tuple[Rule, ...] = (aliases, hid_entries)
