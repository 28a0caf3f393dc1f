"""Rules for what the types of IVHD say of the same IOMMU: one story, told three times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.formats.acpi.ivrs import Ivhd, bdf
from harness.formats.acpi.ivrs import model as m
from harness.formats.acpi.ivrs.names import EFR, Bits, ivhd_features
from harness.formats.acpi.ivrs.ranges import Span, spans
from harness.formats.acpi.ivrs.ranges import subject as meaning
from harness.lint.acpi_subject import SPEC, AcpiSubject, acpi_rule, at, name
from harness.lint.rule import Consequences, Found, Rule

_IVHD = SPEC + '"I/O Virtualization Hardware Definition (IVHD) Block"'
_COMMON_FLAGS = 0x3F
# (field, offset, bytes, name, whether an IOMMU cannot be found by a wrong one)
_FIELDS = (
    ("capability", 6, 2, "Capability Offset", True),
    ("base", 8, 8, "IOMMU Base Address", True),
    ("info", 18, 2, "IOMMU Info", False),
)
_NOT_FOUND: Consequences = (
    (
        "Xen 4.8+",
        "one of the two is wrong: by that one no IOMMU is found, or the boot hangs after "
        '"I/O virtualisation enabled"; which one is read depends on the version',
    ),
    ("Linux", "no IOMMU, if the block that is read is the wrong one"),
)
_SHOWN = 3


def _pairs(blocks: Iterable[Ivhd]) -> Iterator[tuple[Ivhd, Ivhd]]:
    """Each block with the first one of another type for the same IOMMU."""
    first: dict[tuple[int, int], Ivhd] = {}
    for block in blocks:
        before = first.setdefault((block.segment, block.device_id), block)
        if before.type != block.type:
            yield before, block


@acpi_rule(
    "ivrs.types-differ",
    "warning",
    checks="The blocks of types 10h, 11h and 40h for an IOMMU say the same of its registers and "
    "of its devices, ACPI HID entries left aside; each type has all IOMMUs.",
    reference=_IVHD,
    then=(
        (
            "Xen 4.8-4.15",
            "finds IOMMUs by type 10h, and reads devices from the highest of 10h, 11h",
        ),
        ("Xen 4.16+", "reads 11h if it is there and EFRSup is set, else 10h"),
        ("Linux", "reads the highest of 10h, 11h and 40h: another machine than Xen sees"),
    ),
)
def types_differ(subject: AcpiSubject) -> Found:
    """Fields and device entries that differ; IOMMUs that a type does not have."""
    for before, block in _pairs(subject.ivhds):
        for field, offset, size, label, finds in _FIELDS:
            old, new = getattr(before, field), getattr(block, field)
            if old != new:
                yield at(
                    block.offset + offset,
                    size,
                    label,
                    f"{new:#x} in {name(block)}, {old:#x} in {name(before)}",
                    "the same in both",
                    severity="error" if finds else None,
                    then=_NOT_FOUND if finds else (),
                )
        flags = (before.flags ^ block.flags) & _COMMON_FLAGS
        if flags:
            yield at(
                block.offset + 1,
                1,
                "Flags",
                f"{block.flags:#04x} in {name(block)}, {before.flags:#04x} in {name(before)}: bits "
                f"{flags:#04x} differ",
                "bits 0 to 5 mean the same in all types",
            )
        yield from _devices(before, block)
    yield from _missing(subject)


def _devices(before: Ivhd, block: Ivhd) -> Found:
    old, new = _story(before), _story(block)
    for has, lacks, which in ((before, block, old - new), (block, before, new - old)):
        if not which:
            continue
        texts = sorted(text for text, _raw in which)
        more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
        yield at(
            lacks.offset,
            lacks.header_size,
            "device entries",
            f"{name(lacks)} does not have, as {name(has)} does: {'; '.join(texts[:_SHOWN])}{more}",
            "the same device entries in both",
        )


def _story(block: Ivhd) -> set[tuple[str, bytes]]:
    found = set()
    for span in spans(block.entries):
        if span.kind != "acpi":
            found.add((_told(span), span.entry.raw))
    return found


def _told(span: Span) -> str:
    source = span.entry.source_id
    return meaning(span) + (f" as {bdf(source)}" if source is not None else "")


def _missing(subject: AcpiSubject) -> Found:
    every = {(block.segment, block.device_id) for block in subject.ivhds}
    for kind in subject.types:
        blocks = subject.of_type(kind)
        for segment, device in sorted(every - {(b.segment, b.device_id) for b in blocks}):
            yield at(
                blocks[0].offset,
                1,
                "Type",
                f"there is no IVHD of type {kind:02X}h for the IOMMU {segment:04x}:{bdf(device)}, "
                "as there is for another one",
                "a block of each type for each IOMMU",
                severity="error",
                then=(
                    ("Xen 4.8-4.15", "no IOMMU if the type is 10h; else as 4.16"),
                    ("Xen 4.16+", "the devices of that IOMMU have none, if it reads this type"),
                    ("Linux", "the same"),
                ),
            )


# A field of type 10h, and the field of the extended feature register that it repeats.
_SAME = ("XTSup", "NXSup", "GTSup", "GLXSup", "IASup", "GASup", "HESup", "PASmax", "GATS", "HATS")
_EFR: dict[str, Bits] = {bits.name: bits for bits in EFR}


@acpi_rule(
    "ivrs.efr",
    "warning",
    checks="The features of the blocks agree: EFRSup of IVinfo with the types that there are, the "
    "EFR images with each other and with the feature field of type 10h.",
    reference=_IVHD + '; chapter 3, "IOMMU Extended Feature Register"',
    then=(
        ("Xen 4.8-4.15", "reads the register itself"),
        (
            "Xen 4.16+",
            "takes the features from the table if EFRSup is set: they limit page tables, and "
            "decide which commands it uses",
        ),
        ("Linux", '"[Firmware Warn]: EFR mismatch", and uses the image of the table'),
    ),
)
def features(subject: AcpiSubject) -> Found:
    """Images that are missing, empty, or differ."""
    table = subject.ivrs
    assert table is not None  # noqa: S101 -- acpi_rule has seen to it
    wide = [block for block in subject.ivhds if block.type != m.IVHD_10H]
    if wide and not table.efr_sup:
        yield at(
            36,
            4,
            "EFRSup",
            f"EFRSup is not set, but there are IVHDs of type {wide[0].type:02X}h",
            "set bit 0 of IVinfo",
            then=(
                ("Xen 4.16+", "passes over the IVHDs of type 11h"),
                ("Linux", "reads them, without their features"),
            ),
        )
    for block in wide:
        if table.efr_sup and not block.efr:
            yield at(
                block.offset + 24,
                8,
                "EFR image",
                f"EFRSup is set, but the EFR image of {name(block)} is 0",
                "the IOMMU's register at MMIO offset 30h",
            )
    yield from _images(subject)


def _images(subject: AcpiSubject) -> Found:
    wide = [block for block in subject.ivhds if block.type != m.IVHD_10H]
    for before, block in _pairs(wide):
        for label, old, new, offset in (
            ("EFR image", before.efr, block.efr, 24),
            ("EFR2 image", before.efr2, block.efr2, 32),
        ):
            if old != new:
                yield at(
                    block.offset + offset,
                    8,
                    label,
                    f"{new or 0:#x} in {name(block)}, {old or 0:#x} in {name(before)}",
                    "the register, in both",
                )
    for before, block in _pairs(subject.ivhds):
        if before.type == m.IVHD_10H and before.features and block.efr:
            yield from _reported(before, block, block.efr)


def _reported(before: Ivhd, block: Ivhd, efr: int) -> Found:
    """The feature field of type 10h against an image."""
    for bits in ivhd_features(m.IVHD_10H):
        if bits.name not in _SAME:
            continue
        old, new = bits.of(before.features), _EFR[bits.name].of(efr)
        if old != new:
            yield at(
                before.offset + 20,
                4,
                "IOMMU Feature Reporting",
                f"{bits.name} is {old} in {name(before)}, and {new} in the EFR image of "
                f"{name(block)}",
                f"{new}, if that is what the register at MMIO offset 30h has",
                severity="note",
            )


RULES: tuple[Rule, ...] = (types_differ, features)
