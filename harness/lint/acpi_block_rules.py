"""Rules for the blocks of an IVRS: lengths, types, reserved bits, which type is read."""

from __future__ import annotations

from harness.formats.acpi.ivrs import Ivhd, Ivmd, UnknownBlock
from harness.formats.acpi.ivrs import model as m
from harness.formats.acpi.ivrs import names as n
from harness.lint.acpi_subject import SPEC, AcpiSubject, acpi_rule, at, name
from harness.lint.rule import Found, Rule

_IVHD = SPEC + '"I/O Virtualization Hardware Definition (IVHD) Block"'
_IVRS = SPEC + '"I/O Virtualization Reporting Structure (IVRS)"'
_XEN_LEAST = 40  # sizeof(struct acpi_ivrs_hardware), asked of type 10h too


@acpi_rule(
    "ivrs.block-length",
    "error",
    checks="Each block has room for its header, and ends where the table does or before.",
    reference=_IVHD,
    then=(
        (
            "Xen 4.8-4.15",
            'no IOMMU: "Invalid IVHD Block Length!" or "Table Length Exceeded", with iommu=debug '
            "only; a length of 0 in another block than an IVHD of type 10h: the boot hangs",
        ),
        (
            "Xen 4.16+",
            'no IOMMU: "AMD-Vi: Error: IVRS: table length exceeded"; a length of 0: the boot hangs '
            "without a word (get_supported_ivhd_type)",
        ),
        (
            "Linux",
            "a length of 0: the boot hangs; another wrong length: what is read next is no block, "
            "or lies behind the table",
        ),
    ),
    any_table=True,
)
def block_lengths(subject: AcpiSubject) -> Found:
    """What the walk over the blocks stumbles over; and an IVHD that is too short for Xen."""
    for fault in subject.faults:
        at_start = (fault.offset or 0) < m.BLOCKS_OFFSET  # acpi.length says so
        if fault.field == "device entry" or (at_start and fault.field != "Signature"):
            continue
        if _is_ivmd(subject, fault.offset or 0):
            continue
        yield at(
            fault.offset or 0,
            2,
            fault.field or "Length",
            fault.message,
            f"expected: {fault.expected}",
        )
    for block in subject.ivhds:
        if block.type == m.IVHD_10H and block.length < _XEN_LEAST:
            yield at(
                block.offset + 2,
                2,
                "Length",
                f"{name(block)} has {block.length} bytes: right by the specification, but Xen asks "
                f"for {_XEN_LEAST}, 16 bytes of device entries at least",
                "describe the IOMMU's devices; padding entries count too",
            )


def _is_ivmd(subject: AcpiSubject, length_at: int) -> bool:
    """Whether the fault is a short IVMD, which ivrs.ivmd-length is about."""
    blocks = subject.ivrs.blocks if subject.ivrs else ()
    return any(
        isinstance(block, UnknownBlock)
        and block.type in m.IVMD_TYPES
        and block.offset + 2 == length_at
        and len(block.data) == block.length
        for block in blocks
    )


@acpi_rule(
    "ivrs.block-type",
    "warning",
    checks="Blocks are of the types 10h, 11h, 40h, 20h, 21h and 22h.",
    reference=_IVRS,
    then=(
        ("Xen 4.8+", "passes over the block"),
        (
            "Linux",
            "passes over the block; one of a type above 40h ends the search for the type of IVHD "
            "to use: IVHD blocks behind it do not count for it",
        ),
    ),
)
def block_types(subject: AcpiSubject) -> Found:
    """Blocks of a type that is reserved."""
    assert subject.ivrs is not None  # noqa: S101 -- acpi_rule has seen to it
    ivhds = [block.offset for block in subject.ivhds]
    for block in subject.ivrs.blocks:
        if not isinstance(block, UnknownBlock) or block.type in _KNOWN:
            continue
        if block.type == _XEN_IVMD:
            yield at(
                block.offset,
                1,
                "Type",
                "a block of type 23h, which is reserved; Xen takes it for an IVMD of all devices "
                "behind one IOMMU",
                "types 20h, 21h and 22h",
                severity="error",
                then=(
                    ("Xen 4.8+", "no IOMMU, if the block is not what it takes it for"),
                    ("Linux", "passes over the block"),
                ),
            )
            continue
        behind = block.type > m.IVHD_40H and any(offset > block.offset for offset in ivhds)
        yield at(
            block.offset,
            1,
            "Type",
            f"a block of type {block.type:02X}h, of {block.length} bytes, which is reserved"
            + ("; IVHD blocks follow it" if behind else ""),
            "leave the block out; if it is meant for a later revision, put it behind all others",
        )


_XEN_IVMD = 0x23
_KNOWN = frozenset({*m.IVHD_HEADER_SIZES, *m.IVMD_TYPES})


@acpi_rule(
    "ivrs.no-supported-block",
    "error",
    checks="There is an IVHD of type 10h; or of type 11h, with EFRSup set in IVinfo.",
    reference=_IVRS,
    then=(
        ("Xen 4.8-4.12", 'no IOMMU without type 10h: "AMD-Vi: IOMMU not found!"'),
        ("Xen 4.13-4.15", "no IOMMU without type 10h, and no message"),
        ("Xen 4.16+", 'no IOMMU: "Cannot find supported IVHD type."; type 40h is not read'),
        ("Linux", "reads types 10h, 11h and 40h; no IOMMU if there is none of them"),
    ),
)
def no_supported(subject: AcpiSubject) -> Found:
    """No block that Xen reads."""
    if not subject.ivhds and any(fault.field == "Length" for fault in subject.faults):
        return  # there may be one that could not be read: ivrs.block-length is about that
    if subject.read_by_xen is None:
        types = ", ".join(f"{kind:02X}h" for kind in subject.types)
        found = f"there are IVHD blocks of type {types} only" if types else "there is no IVHD block"
        without = " and EFRSup is not set" if m.IVHD_11H in subject.types else ""
        yield at(
            36,
            4,
            "EFRSup",
            found + without,
            "add an IVHD of type 10h for each IOMMU: every reader knows it",
        )
    elif m.IVHD_10H not in subject.types:
        yield at(
            subject.ivhds[0].offset,
            1,
            "Type",
            "there is no IVHD of type 10h",
            "add one for each IOMMU: every reader knows it",
            then=(("Xen 4.8-4.15", "no IOMMU: detection knows type 10h only"),),
        )


@acpi_rule(
    "ivrs.reserved",
    "note",
    checks="Reserved bits and bytes are 0.",
    reference=_IVHD,
    then=(("Xen 4.8+", "does not look at them"), ("Linux", "does not look at them")),
)
def reserved(subject: AcpiSubject) -> Found:
    """IVinfo, flags, attributes, the flags of memory blocks."""
    table = subject.ivrs
    assert table is not None  # noqa: S101 -- acpi_rule has seen to it
    hint = "clear them; a later revision of the specification may give them a meaning"
    for value, layout, offset, size, field in (
        (table.ivinfo, n.IVINFO, 36, 4, "IVinfo"),
        (table.reserved, (), 40, 8, "Reserved"),
    ):
        bits = n.reserved_bits(value, layout)
        if bits:
            yield at(offset, size, field, f"reserved bits {bits:#x} of {value:#x} are set", hint)
    for block in table.blocks:
        if isinstance(block, Ivhd):
            yield from _reserved_ivhd(block, hint)
        elif isinstance(block, Ivmd):
            bits = n.reserved_bits(block.flags, n.IVMD_FLAGS)
            if bits:
                yield at(block.offset + 1, 1, "Flags", f"reserved bits {bits:#04x} are set", hint)
            if block.reserved:
                yield at(block.offset + 8, 8, "Reserved", f"it is {block.reserved:#x}, not 0", hint)


def _reserved_ivhd(block: Ivhd, hint: str) -> Found:
    for value, layout, offset, size, field in (
        (block.flags, n.ivhd_flags(block.type), 1, 1, "Flags"),
        (block.info, n.IOMMU_INFO, 18, 2, "IOMMU Info"),
        (block.features, n.ivhd_features(block.type), 20, 4, "IOMMU Attributes"),
    ):
        bits = n.reserved_bits(value, layout)
        if bits:
            message = f"reserved bits {bits:#x} of {value:#x} are set in {name(block)}"
            yield at(block.offset + offset, size, field, message, hint)


@acpi_rule(
    "ivrs.alignment",
    "note",
    checks="Device entries of 8 bytes start at a multiple of 8 in the table.",
    reference=SPEC + '"IVHD Device Entries"',
    then=(("Xen 4.8+", "reads them all the same"), ("Linux", "reads them all the same")),
)
def alignment(subject: AcpiSubject) -> Found:
    """The first entry of each block that is not aligned."""
    for block in subject.ivhds:
        for entry in block.entries:
            if entry.size == 8 and (entry.offset - block.offset) % 8:
                yield at(
                    entry.offset,
                    8,
                    "Type",
                    f"an entry of 8 bytes starts at {entry.offset - block.offset:#x} of "
                    f"{name(block)}",
                    "put a padding entry of 4 bytes (type 0) before it",
                )
                break


@acpi_rule(
    "ivrs.trailing",
    "warning",
    checks="Blocks fill the table, and device entries fill their block.",
    reference=_IVRS,
    then=(
        ("Xen 4.8+", "does not look at fewer than 4 bytes behind the last entry"),
        ("Linux", "prints a stack trace (WARN_ON(p != end)) and goes on"),
    ),
)
def trailing(subject: AcpiSubject) -> Found:
    """Bytes at the end that are too few for anything."""
    assert subject.ivrs is not None  # noqa: S101 -- acpi_rule has seen to it
    if subject.ivrs.trailing and not any(fault.field == "Length" for fault in subject.faults):
        size = len(subject.ivrs.trailing)
        end = subject.ivrs.header.length
        yield at(
            end - size, size, "block header", f"{size} bytes follow the last block", "cut them"
        )


RULES: tuple[Rule, ...] = (
    block_lengths,
    block_types,
    no_supported,
    reserved,
    alignment,
    trailing,
)
