"""Rules for the memory definitions (IVMD) of an IVRS: fields and devices."""

from __future__ import annotations

from collections.abc import Iterator

from harness.formats.acpi.ivrs import Ivmd, UnknownBlock, bdf
from harness.formats.acpi.ivrs import model as m
from harness.lint.acpi_coverage import Coverage
from harness.lint.acpi_subject import SPEC, AcpiSubject, acpi_rule, at
from harness.lint.rule import Consequences, Found, Rule

IVMD = SPEC + '"I/O Virtualization Memory Definition (IVMD) Block"'
PAGE = 0x1000
UNITY, READ, WRITE, EXCLUSION = 1, 2, 4, 8
_GONE: Consequences = (("Xen 4.8+", "goes on"), ("Linux", "goes on"))


def ivmds(subject: AcpiSubject) -> tuple[Ivmd, ...]:
    """The memory definitions of the table."""
    return subject.ivrs.ivmds if subject.ivrs else ()


@acpi_rule(
    "ivrs.ivmd-length",
    "error",
    checks="An IVMD has 32 bytes.",
    reference=IVMD,
    then=(
        ("Xen 4.8-4.15", 'no IOMMU: "IVMD Error: Invalid Block Length!" (iommu=debug)'),
        ("Xen 4.16+", 'no IOMMU: "AMD-Vi: Error: IVMD: invalid block length"'),
        ("Linux", "reads the start of the next block as the rest of this one"),
    ),
)
def length(subject: AcpiSubject) -> Found:
    """Shorter ones, and longer ones."""
    assert subject.ivrs is not None  # noqa: S101 -- acpi_rule has seen to it
    for block in subject.ivrs.blocks:
        short = isinstance(block, UnknownBlock) and block.type in m.IVMD_TYPES
        longer = isinstance(block, Ivmd) and block.length > m.IVMD_SIZE
        if short or longer:
            yield at(
                block.offset + 2,
                2,
                "Length",
                f"the IVMD of type {block.type:02X}h has {block.length} bytes, not 32",
                "32",
                severity="warning" if longer else None,
                then=_GONE if longer else (),
            )


@acpi_rule(
    "ivrs.ivmd-alignment",
    "warning",
    checks="The memory of an IVMD starts and ends at a multiple of 4 KiB.",
    reference=IVMD,
    then=(
        ("Xen 4.8+", "takes all pages that the memory has a part in"),
        ("Linux", "rounds the start up and the length up: the first page may be missing"),
    ),
)
def alignment(subject: AcpiSubject) -> Found:
    """Starts within a page, and lengths that are no number of pages."""
    for block in ivmds(subject):
        if block.size % PAGE and block.size:
            yield at(
                block.offset + 24,
                8,
                "IVMD memory block length",
                f"the memory at {block.start:#x} has {block.size:#x} bytes, which is no number of "
                "pages",
                f"a length of {-(-block.size // PAGE) * PAGE:#x}; a length is no limit: it counts "
                "bytes",
            )
        if block.start % PAGE:
            yield at(
                block.offset + 16,
                8,
                "IVMD start address",
                f"the memory starts at {block.start:#x}, within a page",
                f"a start of {block.start & -PAGE:#x}",
            )


@acpi_rule(
    "ivrs.ivmd-flags",
    "error",
    checks="An IVMD asks for a unity mapping or for an exclusion range; a mapping allows to read "
    "or to write.",
    reference=IVMD,
    then=(
        ("Xen 4.8-4.15", 'no IOMMU: "IVMD Error: Invalid Flag Field!" (iommu=debug)'),
        ("Xen 4.16+", 'no IOMMU: "AMD-Vi: Error: IVMD: invalid flag field"'),
        ("Linux", "passes over the block"),
    ),
)
def flags(subject: AcpiSubject) -> Found:
    """Neither, both, or a mapping that allows nothing."""
    for block in ivmds(subject):
        where = (block.offset + 1, 1, "Flags")
        kind = block.flags & (UNITY | EXCLUSION)
        what = f"the flags {block.flags:#04x} of the IVMD for {block.start:#x}"
        if not kind:
            hint = "unity mapping, read and write: 07h"
            yield at(*where, f"{what} ask for neither a mapping nor an exclusion", hint)
        elif kind == UNITY | EXCLUSION:
            yield at(
                *where,
                f"{what} ask for a unity mapping and for an exclusion range",
                "one of them; of a unity mapping, read and write: 07h",
                severity="warning",
                then=(
                    ("Xen 4.8+", "takes the exclusion"),
                    ("Linux", "makes a mapping to read and write"),
                ),
            )
        elif kind == UNITY and not block.flags & (READ | WRITE):
            yield at(
                *where,
                f"{what} ask for a mapping that allows neither to read nor to write",
                "07h",
                severity="warning",
                then=(
                    ("Xen 4.8+", "the device can use the memory neither way"),
                    ("Linux", "the same"),
                ),
            )


@acpi_rule(
    "ivrs.ivmd-range",
    "error",
    checks="The devices of an IVMD are in use, and its range (22h) ends behind its start.",
    reference=IVMD,
    then=(
        ("Xen 4.8-4.15", 'no IOMMU: "IVMD Error: Invalid ... Dev_Id" (iommu=debug)'),
        ("Xen 4.16+", 'no IOMMU: "AMD-Vi: Error: IVMD: invalid ... Dev_Id"'),
        ("Linux", "the memory is mapped for no device"),
    ),
)
def device_range(subject: AcpiSubject) -> Found:
    """Ids beyond the last one, and reversed ranges."""
    highest = min((cover.highest for _, cover in _covers(subject)), default=None)
    for block in ivmds(subject):
        first, last = _ids(block, 0xFFFF)
        if block.type == m.IVMD_RANGE and last <= first:
            yield at(
                block.offset + 6,
                2,
                "Auxiliary data",
                f"the range of devices goes from {bdf(first)} to {bdf(last)}",
                "an end above the start; for one device, type 21h",
            )
        elif block.type != m.IVMD_ALL and highest is not None and last > highest:
            yield at(
                block.offset + (6 if block.type == m.IVMD_RANGE else 4),
                2,
                "Auxiliary data" if block.type == m.IVMD_RANGE else "DeviceID",
                f"it is about {bdf(last)}; the highest id of the IVHDs is {bdf(highest)}",
                "a device that an IVHD is about",
            )


@acpi_rule(
    "ivrs.ivmd-device",
    "error",
    checks="Each device of an IVMD is behind an IOMMU.",
    reference=IVMD,
    then=(
        ("Xen 4.8-4.15", 'no IOMMU: "IVMD Error: No IOMMU for Dev_Id" (iommu=debug)'),
        ("Xen 4.16-4.17", 'no IOMMU: "AMD-Vi: Error: IVMD: no IOMMU for Dev_Id"'),
        ("Xen 4.18+", 'goes on: "AMD-Vi: Warning: IVMD: no IOMMU for device ... ignoring"'),
        ("Linux", "goes on"),
    ),
)
def devices(subject: AcpiSubject) -> Found:
    """Devices that no IVHD is about; those of a range are all meant."""
    said: set[int] = set()
    for kind, cover in _covers(subject):
        iommus = {one.device_id for one in subject.of_type(kind) if one.segment == 0}
        for block in ivmds(subject):
            if block.type == m.IVMD_ALL or block.offset in said:
                continue
            first, last = _ids(block, cover.highest)
            missing = [cover.first_missing(first, last) if first <= last else None]
            # An IOMMU is not behind itself, even if an entry says so.
            missing += [one for one in iommus if first <= one <= last]
            absent = min((one for one in missing if one is not None), default=None)
            if absent is None or last > cover.highest:
                continue
            said.add(block.offset)
            wide = f" of {bdf(first)} to {bdf(last)}" if first != last else ""
            yield at(
                block.offset + 4,
                2,
                "DeviceID",
                f"the IVMD for {block.start:#x} is about {bdf(absent)}{wide}, which is behind no "
                f"IOMMU by the IVHDs of type {kind:02X}h",
                "name only devices that an IVHD is about; the IOMMU's own id and those before it "
                "are none",
            )


def _ids(block: Ivmd, highest: int) -> tuple[int, int]:
    if block.type == m.IVMD_ALL:
        return 0, highest
    return block.device_id, block.aux if block.type == m.IVMD_RANGE else block.device_id


def _covers(subject: AcpiSubject) -> Iterator[tuple[int, Coverage]]:
    """What the types are about that Xen reads; it takes IVMDs for segment 0."""
    kinds = [kind for kind in subject.types if kind != m.IVHD_40H] or subject.types
    for kind in kinds:
        yield kind, Coverage(subject.of_type(kind))


@acpi_rule(
    "ivrs.ivmd-overlap",
    "error",
    checks="Unity mappings of a device do not overlap; the same one may be there twice.",
    reference=IVMD,
    then=(
        ("Xen 4.8-4.12", "joins the two"),
        ("Xen 4.13-4.15", 'no IOMMU: "IVMD Error: overlap" (iommu=debug)'),
        ("Xen 4.16+", 'no IOMMU: "AMD-Vi: Error: IVMD: overlap"'),
        ("Linux", "goes on"),
    ),
)
def overlap(subject: AcpiSubject) -> Found:
    """Two blocks with a device and a page in common."""
    found = [one for one in ivmds(subject) if one.flags & UNITY and not one.flags & EXCLUSION]
    open_ones: list[Ivmd] = []
    for block in sorted(found, key=lambda one: one.start):
        open_ones = [one for one in open_ones if _end(one) > block.start & -PAGE]
        first, last = _ids(block, 0xFFFF)
        for other in open_ones:
            low, high = _ids(other, 0xFFFF)
            if low > last or first > high or _same(block, other):
                continue
            late, early = sorted((block, other), key=lambda one: -one.offset)
            yield at(
                late.offset + 16,
                16,
                "IVMD start address",
                f"the memory {late.start:#x} to {_end(late) - 1:#x} overlaps {early.start:#x} to "
                f"{_end(early) - 1:#x} of the block at {early.offset:#x}, for "
                f"{bdf(max(first, low))}",
                "one block with the memory of both",
            )
        open_ones.append(block)


def _end(block: Ivmd) -> int:
    return -(-(block.start + block.size) // PAGE) * PAGE


def _same(one: Ivmd, other: Ivmd) -> bool:
    return (one.start & -PAGE, _end(one), one.flags & 7) == (
        other.start & -PAGE,
        _end(other),
        other.flags & 7,
    )


RULES: tuple[Rule, ...] = (length, alignment, flags, device_range, devices, overlap)
