"""An IVRS as sections: what its fields say, in the words of the AMD IOMMU Specification (48882)."""

from __future__ import annotations

from collections.abc import Iterator

from harness.acpi.sections import Reader, Section, Speller, header_section, quoted
from harness.formats.acpi.ivrs import DeviceEntry, Ivhd, Ivmd, UnknownBlock, bdf, parse_with_faults
from harness.formats.acpi.ivrs import device_entry as d
from harness.formats.acpi.ivrs import model as m
from harness.formats.acpi.ivrs.names import (
    DTE_FLAGS,
    EFR,
    ENTRY_NAMES,
    EXTENDED_DTE,
    IOMMU_INFO,
    IVINFO,
    IVMD_FLAGS,
    IVMD_NAMES,
    UID_FORMAT_NAMES,
    VARIETY_NAMES,
    Layout,
    ivhd_features,
    ivhd_flags,
    spell,
)
from harness.formats.acpi.ivrs.ranges import uid_text


def ivrs_sections(data: bytes) -> tuple[Section, ...]:
    """The header, the IVinfo, one section for each block, and what could not be walked.

    Raises:
        FormatError: what `ivrs.parse` refuses.
    """
    table, faults = parse_with_faults(data)
    reader = Reader(data, m.BLOCKS_OFFSET - 12)
    reader.number(4, "IVinfo", _bits(IVINFO))
    reader.number(8, "Reserved")
    found = [header_section(data), reader.section("I/O virtualization information")]
    for block in table.blocks:
        if isinstance(block, Ivhd):
            found.append(_ivhd(data, block))
        elif isinstance(block, Ivmd):
            found.append(_ivmd(data, block))
        else:
            found.append(_unknown(data, block))
    at = len(data) - len(table.excess) - len(table.trailing)
    reader = Reader(data, at)
    if table.trailing:
        why = next((str(one.message) for one in faults if (one.offset or 0) >= at), "")
        reader.raw(len(table.trailing), "Bytes", why)
        found.append(reader.section("No block can be read here"))
    if table.excess:
        reader.rest("Bytes")
        found.append(reader.section("Behind the end that the header states"))
    return tuple(found)


def _ivhd(data: bytes, block: Ivhd) -> Section:
    reader = Reader(data, block.offset, block.offset + block.size)
    plain = block.type == m.IVHD_10H
    reader.number(1, "Type", lambda _: "I/O virtualization hardware definition")
    reader.number(1, "Flags", _bits(ivhd_flags(block.type)))
    reader.number(2, "Length", lambda value: _length(value, block.size))
    reader.number(2, "IOMMU Device ID", bdf)
    reader.number(2, "Capability Offset")
    reader.number(8, "IOMMU Base Address")
    reader.number(2, "PCI Segment Group")
    reader.number(2, "IOMMU Info", _bits(IOMMU_INFO))
    label = "IOMMU Feature Info" if plain else "IOMMU Attributes"
    reader.number(4, label, _bits(ivhd_features(block.type)))
    if not plain:
        reader.number(8, "EFR Register Image", _bits(EFR))
        reader.number(8, "EFR Register Image 2")
    for entry in block.entries:
        reader.raw(entry.size, _entry_label(entry), "; ".join(_entry_words(entry)))
    reader.rest("No whole device entry")
    return reader.section(f"IVHD type {block.type:02X}h, IOMMU {_place(block)}")


def _ivmd(data: bytes, block: Ivmd) -> Section:
    reader = Reader(data, block.offset, block.offset + m.IVMD_SIZE + len(block.tail))
    ranged = block.type == m.IVMD_RANGE
    reader.number(1, "Type", lambda _: "I/O virtualization memory definition")
    reader.number(1, "Flags", _bits(IVMD_FLAGS))
    reader.number(2, "Length", lambda value: _length(value, m.IVMD_SIZE + len(block.tail)))
    reader.number(2, "Device ID", lambda value: "" if block.type == m.IVMD_ALL else bdf(value))
    reader.number(2, "Auxiliary Data", lambda value: f"to {bdf(value)}" if ranged else "")
    reader.number(8, "Reserved")
    reader.number(8, "IVMD Start Address")
    reader.number(8, "IVMD Memory Block Length", lambda value: _memory(block.start, value))
    reader.rest("More than an IVMD has")
    return reader.section(f"IVMD type {block.type:02X}h, {IVMD_NAMES[block.type]}")


def _unknown(data: bytes, block: UnknownBlock) -> Section:
    known = block.type in m.IVHD_HEADER_SIZES or block.type in m.IVMD_TYPES
    reader = Reader(data, block.offset, block.offset + len(block.data))
    reader.number(1, "Type", lambda _: "too short for its type" if known else "unknown")
    reader.number(1, "Flags")
    reader.number(2, "Length", lambda value: _length(value, len(block.data)))
    reader.rest("Content")
    return reader.section(f"Block of type {block.type:02X}h" + ("" if known else ", unknown"))


def _place(block: Ivhd) -> str:
    place = bdf(block.device_id)
    return f"{block.segment:04x}:{place}" if block.segment else place


def _entry_label(entry: DeviceEntry) -> str:
    name = ENTRY_NAMES.get(entry.type, "unknown")
    if entry.type == d.SPECIAL:
        name = VARIETY_NAMES.get(entry.variety or 0, name)
    return f"Device entry {entry.type}, {name}"


def _entry_words(entry: DeviceEntry) -> Iterator[str]:
    if entry.type in d.PADS:
        return
    if entry.type not in ENTRY_NAMES:
        yield f"{entry.size} bytes by its size class"
        return
    if entry.type not in (d.ALL, d.SPECIAL):
        yield bdf(entry.device_id)
    if entry.type == d.SPECIAL:
        name = VARIETY_NAMES.get(entry.variety or 0)
        yield f"handle {entry.handle}" + ("" if name else f", variety {entry.variety}")
    if entry.source_id is not None:
        yield f"source device {bdf(entry.source_id)}"
    if entry.type == d.ACPI_HID:
        yield f"HID {quoted(entry.hid or '')}"
        yield f"CID {quoted(entry.cid or '')}" if entry.cid else "no CID"
        kind = UID_FORMAT_NAMES.get(entry.uid_format or 0, f"of format {entry.uid_format}")
        yield f"UID {kind} {uid_text(entry)}".rstrip()
    if entry.type != d.RANGE_END or entry.data:
        yield f"DTE setting {entry.data:02X}h ({spell(entry.data, DTE_FLAGS)})"
    if entry.ext_data is not None:
        yield f"extended DTE setting {spell(entry.ext_data, EXTENDED_DTE)}"


def _bits(layout: Layout) -> Speller:
    def spelled(value: int) -> str:
        return spell(value, layout)

    return spelled


def _length(stored: int, there: int) -> str:
    return "" if stored == there else f"but the block has {there} bytes"


def _memory(start: int, size: int) -> str:
    return f"to {start + size - 1:X}h" if size else "no memory"
