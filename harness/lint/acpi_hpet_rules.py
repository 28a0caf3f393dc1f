"""Rules for special devices: the HPET, against the HPET table, and those that are nothing known."""

from __future__ import annotations

from harness.formats.acpi.ivrs import bdf
from harness.formats.acpi.ivrs import device_entry as d
from harness.lint.acpi_special_rules import SPECIAL, entries_of, specials
from harness.lint.acpi_subject import AcpiSubject, acpi_rule, at, name
from harness.lint.rule import Consequences, Found, Missing, Rule

_NO_HPET = Missing("whether there is an HPET is not known", "the HPET table of the machine")
_HPET_MSI: Consequences = (
    (
        "Xen 4.8+",
        'the HPET has no remapped MSI: "Failed to setup HPET MSI remapping"; another timer is used',
    ),
    ("Linux", "the HPET has no remapped MSI"),
)


@acpi_rule(
    "ivrs.hpet-missing",
    "warning",
    checks="The HPET has an entry.",
    reference=SPECIAL,
    then=_HPET_MSI,
)
def hpet_missing(subject: AcpiSubject) -> Found:
    """A machine with an HPET table, whose IVRS has none."""
    if not subject.hpet_known:
        yield _NO_HPET
        return
    for kind in subject.types:
        if subject.hpet is not None and not specials(subject, kind, d.VARIETY_HPET):
            block = subject.of_type(kind)[0]
            yield at(
                block.offset,
                block.header_size,
                "device entries",
                f"HPET {subject.hpet} of the HPET table has no entry in the IVHDs of type "
                f"{kind:02X}h",
                f"a special device entry with handle {subject.hpet}, variety 2, at 00:14.0",
            )


@acpi_rule(
    "ivrs.hpet-twice",
    "warning",
    checks="There is one HPET entry.",
    reference=SPECIAL,
    then=(
        ("Xen 4.8+", 'goes on: "Only one IVHD HPET entry is supported."; the last one counts'),
        ("Linux", "takes the entry whose handle is the HPET's number"),
    ),
)
def hpet_twice(subject: AcpiSubject) -> Found:
    """Further entries in the blocks of a type."""
    for kind in subject.types:
        for block, entry in specials(subject, kind, d.VARIETY_HPET)[1:]:
            yield at(
                entry.offset,
                8,
                "Variety",
                f"{name(block)} has another HPET entry, with handle {entry.handle}",
                "leave out all but the one with the number of the HPET table",
            )


@acpi_rule(
    "ivrs.hpet-id",
    "warning",
    checks="The handle of an HPET entry is the HPET number of the HPET table.",
    reference=SPECIAL + "; IA-PC HPET Specification 1.0a, 3.2.4",
    then=_HPET_MSI,
)
def hpet_id(subject: AcpiSubject) -> Found:
    """Entries for an HPET of another number."""
    if not subject.hpet_known:
        yield _NO_HPET
        return
    for block in subject.ivhds:
        for entry in entries_of(block, d.VARIETY_HPET):
            if subject.hpet is not None and entry.handle != subject.hpet:
                yield at(
                    entry.offset + 4,
                    1,
                    "Handle",
                    f"{name(block)} has HPET {entry.handle}; by the HPET table its number is "
                    f"{subject.hpet}",
                    f"a handle of {subject.hpet}; or a number of {entry.handle} in the HPET table "
                    "(offset 52): there is one HPET, 0 is usual",
                )


@acpi_rule(
    "ivrs.special-variety",
    "error",
    checks="A special device is an IOAPIC (variety 1) or an HPET (2).",
    reference=SPECIAL,
    then=(
        ("Xen 4.8+", 'no IOMMU: "Unrecognized IVHD special variety"'),
        ("Linux", "no IOMMU"),
    ),
    linux="error",
)
def variety(subject: AcpiSubject) -> Found:
    """Other varieties."""
    for block in subject.ivhds:
        for entry in block.entries:
            if entry.type == d.SPECIAL and entry.variety not in (d.VARIETY_IOAPIC, d.VARIETY_HPET):
                yield at(
                    entry.offset + 7,
                    1,
                    "Variety",
                    f"a special device of variety {entry.variety} in {name(block)}, handle "
                    f"{entry.handle}, at {bdf(entry.source_id or 0)}",
                    "1 for an IOAPIC, 2 for an HPET; leave out what is neither",
                )


RULES: tuple[Rule, ...] = (hpet_missing, hpet_twice, hpet_id, variety)
