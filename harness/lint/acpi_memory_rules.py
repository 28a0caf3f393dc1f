"""Rules for where the memory of an IVMD is: in the memory map, and within reach of the IOMMU."""

from __future__ import annotations

from harness.formats.acpi.ivrs import Ivmd
from harness.lint.acpi_ivmd_rules import IVMD, PAGE, ivmds
from harness.lint.acpi_model.machine import ACPI_DATA, ACPI_NVS, RAM, RESERVED, UNUSABLE
from harness.lint.acpi_subject import AcpiSubject, acpi_rule, at
from harness.lint.facts import Range, inside
from harness.lint.rule import Consequences, Found, Missing, Rule

_TOP = 1 << 64
_NOT_RAM = frozenset({RESERVED, ACPI_DATA, ACPI_NVS, UNUSABLE})
_NOT_RESERVED: Consequences = (
    ("Xen 4.8-4.15", "does not look at the memory map"),
    ("Xen 4.16+", 'goes on: "IVMD: [...) is not (entirely) in reserved memory"'),
    ("Linux", "maps it for the device"),
)


@acpi_rule(
    "ivrs.ivmd-size",
    "error",
    checks="The memory of an IVMD is not empty, and ends below 2^64.",
    reference=IVMD,
    then=(
        ("Xen 4.8-4.12", "goes on"),
        (
            "Xen 4.13+",
            "panics on boot: the memory ends at 0 (BUG_ON in amd_iommu_get_paging_mode)",
        ),
        ("Linux", "maps nothing"),
    ),
)
def size(subject: AcpiSubject) -> Found:
    """Empty memory; "[0,0]" is that of a firmware that forgot to fill the block."""
    for block in ivmds(subject):
        end = block.start + block.size
        where = (block.offset + 16, 16, "IVMD start address")
        if not -(-end // PAGE) * PAGE % _TOP:
            yield at(
                *where,
                f"the memory starts at {block.start:#x} and has {block.size:#x} bytes",
                "leave the block out if no device needs it; else give its memory",
            )
        elif end > _TOP:
            yield at(
                *where,
                f"the memory starts at {block.start:#x} and has {block.size:#x} bytes: it ends "
                "beyond 2^64",
                "the right start and length",
                severity="warning",
                then=_NOT_RESERVED,
            )
        elif not block.size:
            yield at(
                *where,
                f"the memory at {block.start:#x} is empty",
                "leave the block out, or give its length",
                severity="warning",
                then=_NOT_RESERVED,
            )


@acpi_rule(
    "ivrs.ivmd-width",
    "warning",
    checks="The memory of an IVMD is within the PASize and the VASize of IVinfo.",
    reference=IVMD,
    then=(
        ("Xen 4.8-4.15", "does not look at the sizes"),
        ("Xen 4.16+", 'passes over the block: "IVMD: [...) is not IOMMU addressable"'),
        ("Linux", "maps it for the device"),
    ),
)
def width(subject: AcpiSubject) -> Found:
    """Memory that the IOMMU cannot reach; without sizes, there is none that it can."""
    table = subject.ivrs
    if table is None or not table.ivmds:
        return
    if not subject.knows(36, 4):
        yield Missing("the log does not tell IVinfo", "the table itself")
        return
    bits = min(table.pa_size, table.va_size)
    for block in table.ivmds:
        last = (block.start + max(block.size, 1) - 1) & (_TOP - 1)
        if bits < 64 and last >> bits:
            yield at(
                block.offset + 16,
                16,
                "IVMD start address",
                f"the memory ends at {last:#x}; IVinfo says PASize {table.pa_size}, VASize "
                f"{table.va_size}",
                "the sizes that the IOMMU has, in IVinfo (offset 24h); or the right address",
            )


@acpi_rule(
    "ivrs.ivmd-memory",
    "error",
    checks="The memory of an IVMD is reserved in the memory map.",
    reference=IVMD,
    then=(
        ("Xen 4.8-4.15", "does not look at the memory map"),
        ("Xen 4.16+", 'no IOMMU where it is RAM: "IVMD: page at ... can\'t be converted"'),
        ("Linux", "maps it for the device, and uses it as RAM as well"),
    ),
)
def memory(subject: AcpiSubject) -> Found:
    """Memory that is RAM, or that the map does not have."""
    if not ivmds(subject):
        return
    if subject.e820 is None:
        yield Missing("the memory map is not known", "a boot log with the memory map (--e820)")
        return
    reserved = tuple(Range(one.start, one.end) for one in subject.e820 if one.type == RESERVED)
    for block in ivmds(subject):
        first = block.start & -PAGE
        end = -(-(block.start + max(block.size, 1)) // PAGE) * PAGE
        if inside(Range(first, end), reserved):
            continue
        where = (block.offset + 16, 16, "IVMD start address")
        hint = "reserve it in the memory map (e820, UEFI: EfiReservedMemoryType)"
        what = f"the memory {first:#x} to {end - 1:#x}"
        ram = _ram(subject, block, first, end)
        if ram is not None:
            yield at(*where, f"{what} is RAM at {ram:#x} by the memory map", hint)
        else:
            yield at(
                *where,
                f"{what} is not, or not all, reserved in the memory map",
                hint,
                severity="warning",
                then=_NOT_RESERVED,
            )


def _ram(subject: AcpiSubject, block: Ivmd, first: int, end: int) -> int | None:
    """The first byte of it that lies in a page of RAM alone."""
    del block
    for one in subject.e820 or ():
        if one.type != RAM or one.start >= end or one.end <= first:
            continue
        for page in {max(first, one.start & -PAGE), min(end, one.end) - 1 & -PAGE}:
            others = (
                other
                for other in subject.e820 or ()
                if other.type in _NOT_RAM and other.start < page + PAGE and other.end > page
            )
            if next(others, None) is None:
                return page
    return None


RULES: tuple[Rule, ...] = (size, width, memory)
