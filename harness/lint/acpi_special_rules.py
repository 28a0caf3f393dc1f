"""Rules for special devices: IOAPICs, against the MADT."""

from __future__ import annotations

from collections.abc import Iterator

from harness.formats.acpi.ivrs import DeviceEntry, Ivhd, bdf
from harness.formats.acpi.ivrs import device_entry as d
from harness.lint.acpi_subject import SPEC, AcpiSubject, acpi_rule, at, name
from harness.lint.rule import Found, Missing, Rule

SPECIAL = SPEC + '"IVHD Device Entries", special device (type 72)'
_SOUTHBRIDGE = 0xA0
_NO_MADT = Missing(
    "the IOAPICs of the machine are not known",
    "its MADT: a folder with all of its tables, or APIC.bin as one more file",
)
_NO_REMAPPING = (
    'interrupts are not remapped: "[Firmware Bug]: : IOAPIC[..] not in IVRS table", "Disabling '
    'interrupt remapping"'
)


def entries_of(block: Ivhd, variety: int) -> Iterator[DeviceEntry]:
    """The special device entries of a variety in a block."""
    for entry in block.entries:
        if entry.type == d.SPECIAL and entry.variety == variety:
            yield entry


def specials(subject: AcpiSubject, kind: int, variety: int) -> list[tuple[Ivhd, DeviceEntry]]:
    """The same for all blocks of a type."""
    return [(one, entry) for one in subject.of_type(kind) for entry in entries_of(one, variety)]


@acpi_rule(
    "ivrs.ioapic-missing",
    "error",
    checks="Each IOAPIC of the MADT has an entry.",
    reference=SPECIAL,
    then=(
        ("Xen 4.8+", 'no IOMMU: "IVHD Error: no information for IO-APIC"'),
        ("Linux", _NO_REMAPPING),
    ),
    linux="error",
)
def ioapic_missing(subject: AcpiSubject) -> Found:
    """IOAPICs without one, by type of block."""
    if subject.ioapics is None:
        yield _NO_MADT
        return
    for kind in subject.types:
        told = {entry.handle for _, entry in specials(subject, kind, d.VARIETY_IOAPIC)}
        blocks = subject.of_type(kind)
        for one in subject.ioapics:
            if one.id not in told:
                at_14 = one.gsi_base == 0
                yield at(
                    blocks[0].offset,
                    blocks[0].header_size,
                    "device entries",
                    f"IOAPIC {one.id} of the MADT, at {one.address:#x}, has no entry in the IVHDs "
                    f"of type {kind:02X}h"
                    + (f" (they have: {_list(told)})" if told else " (they have none)"),
                    f"a special device entry with handle {one.id}, variety 1, and the device id "
                    "that it sends interrupts with"
                    + (": 00:14.0, that of the southbridge" if at_14 else ""),
                )


def _list(ids: set[int | None]) -> str:
    return ", ".join(str(one) for one in sorted(one for one in ids if one is not None))


@acpi_rule(
    "ivrs.ioapic-unknown",
    "error",
    checks="Each IOAPIC entry has the id of an IOAPIC of the MADT.",
    reference=SPECIAL,
    then=(
        ("Xen 4.8+", 'no IOMMU: "IVHD Error: Invalid IO-APIC"'),
        ("Linux", "ignores the entry; " + _NO_REMAPPING),
    ),
    linux="warning",
)
def ioapic_unknown(subject: AcpiSubject) -> Found:
    """Handles that are no ids."""
    if subject.ioapics is None:
        yield _NO_MADT
        return
    ids = {one.id for one in subject.ioapics}
    for block in subject.ivhds:
        for entry in entries_of(block, d.VARIETY_IOAPIC):
            if entry.handle not in ids:
                known = ", ".join(str(one) for one in sorted(ids)) or "none"
                yield at(
                    entry.offset + 4,
                    1,
                    "Handle",
                    f"{name(block)} has an entry for IOAPIC {entry.handle}; the MADT has {known}",
                    "the id that the MADT and the IOAPIC's own register have: read it after the "
                    "firmware has set it",
                )


@acpi_rule(
    "ivrs.ioapic-twice",
    "warning",
    checks="Each IOAPIC has one entry.",
    reference=SPECIAL,
    then=(
        ("Xen 4.8-4.15", 'goes on: "IVHD Warning: Duplicate IO-APIC" (iommu=debug)'),
        ("Xen 4.16+", 'goes on: "AMD-Vi: Warning: IVHD: duplicate IO-APIC"'),
        ("Linux", "takes the first entry"),
    ),
)
def ioapic_twice(subject: AcpiSubject) -> Found:
    """The same handle twice, with the same device id."""
    for block, entry, before in _repeated(subject):
        if entry.source_id == before.source_id:
            yield at(
                entry.offset,
                8,
                "Handle",
                f"IOAPIC {entry.handle} has an entry at {before.offset:#x} already, like that in "
                f"{name(block)}",
                "leave one of them out",
            )


@acpi_rule(
    "ivrs.ioapic-conflict",
    "error",
    checks="No IOAPIC has entries with different device ids.",
    reference=SPECIAL,
    then=(
        ("Xen 4.8-4.15", 'no IOMMU: "IVHD Error: Conflicting IO-APIC entries"'),
        ("Xen 4.16+", 'no IOMMU: "AMD-Vi: Error: IVHD: conflicting IO-APIC"'),
        ("Linux", "takes the first entry; another IOAPIC may be missing"),
    ),
    linux="warning",
)
def ioapic_conflict(subject: AcpiSubject) -> Found:
    """The same handle twice, with different device ids."""
    for block, entry, before in _repeated(subject):
        if entry.source_id != before.source_id:
            yield at(
                entry.offset + 4,
                3,
                "Handle",
                f"{name(block)} has IOAPIC {entry.handle} as {bdf(entry.source_id or 0)}; the "
                f"entry at {before.offset:#x} has it as {bdf(before.source_id or 0)}",
                "the second IOAPIC of the machine has another id: take that of the MADT",
            )


def _repeated(subject: AcpiSubject) -> Iterator[tuple[Ivhd, DeviceEntry, DeviceEntry]]:
    for kind in subject.types:
        seen: dict[tuple[int, int | None], DeviceEntry] = {}
        for block, entry in specials(subject, kind, d.VARIETY_IOAPIC):
            # Xen counts ids over all segments.
            before = seen.setdefault((0, entry.handle), entry)
            if before is not entry:
                yield block, entry, before


@acpi_rule(
    "ivrs.southbridge-ioapic",
    "error",
    checks="One IOAPIC sends its interrupts as 00:14.0, the southbridge.",
    reference=SPECIAL + "; Xen xen/drivers/passthrough/amd/iommu_acpi.c, parse_ivrs_table",
    then=(
        ("Xen 4.8+", 'no IOMMU: "No southbridge IO-APIC found in IVRS table"'),
        (
            "Linux",
            'interrupts are not remapped: "No southbridge IOAPIC found", if the device is neither '
            "an SMBus nor an ISA bridge",
        ),
    ),
    linux="error",
)
def southbridge(subject: AcpiSubject) -> Found:
    """IOAPIC entries, none of them at 00:14.0."""
    for kind in subject.types:
        found = specials(subject, kind, d.VARIETY_IOAPIC)
        if not found:
            if subject.ioapics is None:
                block = subject.of_type(kind)[0]
                yield at(
                    block.offset,
                    block.header_size,
                    "device entries",
                    f"the IVHDs of type {kind:02X}h have no entry for an IOAPIC",
                    "a special device entry for each IOAPIC, that of the southbridge at 00:14.0",
                )
            continue
        ids = {one.id for one in subject.ioapics or ()}
        ours = [(one, entry) for one, entry in found if not ids or entry.handle in ids] or found
        if not any(block.segment == 0 and entry.source_id == _SOUTHBRIDGE for block, entry in ours):
            block, entry = ours[0]
            places = ", ".join(sorted({bdf(one.source_id or 0) for _, one in ours}))
            yield at(
                entry.offset + 5,
                2,
                "Source DeviceID",
                f"the IVHDs of type {kind:02X}h have IOAPICs at {places}, none at 00:14.0",
                "the IOAPIC that has the ISA interrupts (GSI 0) is at 00:14.0",
            )


RULES: tuple[Rule, ...] = (
    ioapic_missing,
    ioapic_unknown,
    ioapic_twice,
    ioapic_conflict,
    southbridge,
)
