"""An IVRS put together from what Xen prints of it with iommu=verbose,debug.

Source of the lines: xen/drivers/passthrough/amd/iommu_acpi.c of Xen 4.8 to 4.20. Xen prints every
block's type, flags, length and id, the device entries of the IVHD type that it uses, and each
IVMD's memory; since 4.20 also an IVHD's base address, capability, segment, info and attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.bootlog.iommu_facts import IvhdEntry, IvmdBlock, IvrsBlock
from harness.bootlog.xen_facts import XenFacts
from harness.formats.acpi.header import Header, checksum, with_checksum
from harness.formats.acpi.ivrs import DeviceEntry, Ivhd, Ivmd, Ivrs, build, build_block
from harness.formats.acpi.ivrs import device_entry as d
from harness.formats.acpi.ivrs import model as m
from harness.formats.acpi.ivrs.parsing import MAX_SIZE
from harness.formats.acpi.tableset import RawTable

_SBDF = re.compile(r"(?:[0-9a-f]{4}:)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Bytes that the log does not tell; they are 0 in the table.

    Attributes:
        offset, size: in the table.
        what: the field, "IOMMU Base Address".
    """

    offset: int
    size: int
    what: str


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A table made from a log.

    Attributes:
        table: `reconstructed` is True, its notes say what the log does not, and its
            `unknown` are the places of `unknown` here.
        unknown: what the log does not tell, in the order of the table.
    """

    table: RawTable
    unknown: tuple[Unknown, ...]

    def knows(self, offset: int, size: int = 1) -> bool:
        """Whether the log tells all of these bytes."""
        return not any(
            one.offset < offset + size and offset < one.offset + one.size for one in self.unknown
        )


@dataclass(slots=True)
class _Made:
    data: bytearray = field(default_factory=bytearray)
    unknown: list[Unknown] = field(default_factory=list)

    def miss(self, offset: int, size: int, what: str) -> None:
        if size > 0:
            self.unknown.append(Unknown(offset, size, what))


def from_log(xen: XenFacts, origin: str = "") -> Reconstruction | None:
    """The IVRS of the machine that wrote this log; None if Xen printed none of its blocks.

    Args:
        xen: the facts of one boot, as `bootlog.parse_recorded(...).xen` has them.
        origin: the log's name, for messages.
    """
    blocks = xen.ivrs_blocks or xen.ivrs_found
    if not blocks:
        return None
    made = _Made(bytearray(m.BLOCKS_OFFSET))
    notes = ["reconstructed from a boot log: what the log does not tell is 0"]
    memory = iter(xen.ivmd_blocks)
    for block in blocks:
        if len(made.data) + block.length > MAX_SIZE:
            notes.append("the blocks that the log tells do not fit a table; the rest is left out")
            break
        made.data += _block(made, block, memory)
        if block.length < 4:
            notes.append(f"a block of length {block.length}: Xen does not get past it")
            break
    notes += _notes(xen)
    header, said = _header(xen, len(made.data), made, notes)
    made.data[: m.BLOCKS_OFFSET] = build(Ivrs(header, _ivinfo(xen), 0, ()))
    made.miss(36, 4, "IVinfo")
    made.miss(40, 8, "Reserved")
    made.miss(9, 1, "Checksum")
    if said is not None:
        total = checksum(bytes(made.data[:9] + made.data[10:])) + said & 0xFF
        if total:
            notes.append(
                f"with the checksum that the log tells ({said:#04x}) the sum is {total:#04x}:"
                " some of what is unknown is not 0"
            )
    notes += [f"not in the log: {text}" for text in _missing(made.unknown)]
    unknown = tuple(sorted(made.unknown, key=lambda one: one.offset))
    table = RawTable(
        m.SIGNATURE,
        with_checksum(bytes(made.data)),
        origin,
        reconstructed=True,
        unknown=tuple(range(one.offset, one.offset + one.size) for one in unknown),
        notes=tuple(notes),
    )
    return Reconstruction(table, unknown)


def _notes(xen: XenFacts) -> Iterator[str]:
    if not xen.ivrs_blocks:
        yield "Xen gave up before it printed the blocks: only the first of each IVHD type is told"
    elif xen.iommu.state in ("failed", "disabled") or xen.iommu.state is None:
        yield "Xen did not enable the IOMMU: blocks behind the one that it refused may be missing"


def _missing(unknown: Sequence[Unknown]) -> Iterator[str]:
    """What is unknown, each thing once, with the number of its places."""
    counts: dict[str, int] = {}
    for one in unknown:
        counts[one.what] = counts.get(one.what, 0) + 1
    for what, count in counts.items():
        yield what if count == 1 else f"{what} ({count} times)"


def _block(made: _Made, block: IvrsBlock, memory: Iterator[IvmdBlock]) -> bytes:
    if block.type in m.IVMD_TYPES and block.length >= m.IVMD_SIZE:
        data = _ivmd(made, block, next(memory, None))
    elif block.type in m.IVHD_HEADER_SIZES:
        data = _ivhd(made, block)
    else:
        head = bytes([block.type, block.flags & 0xFF]) + (block.length & 0xFFFF).to_bytes(
            2, "little"
        )
        data = head + (block.id & 0xFFFF).to_bytes(2, "little")
    at = len(made.data)
    if block.length > len(data):
        made.miss(at + len(data), block.length - len(data), f"content of block {block.type:02X}h")
    # A block that is shorter than its header is followed by whatever comes next in memory.
    length = max(block.length, len(data)) if block.length < 4 else block.length
    return data.ljust(length, b"\0")[:length]


def _ivmd(made: _Made, block: IvrsBlock, told: IvmdBlock | None) -> bytes:
    at = len(made.data)
    made.miss(at + 6, 2, "Auxiliary Data of an IVMD")
    made.miss(at + 8, 8, "Reserved of an IVMD")
    if told is None:
        made.miss(at + 16, 16, "memory of an IVMD")
    start, size = (told.phys, told.length) if told else (0, 0)
    kind, flags, length, device_id = _head(block)
    mask = (1 << 64) - 1
    return build_block(Ivmd(kind, flags, length, device_id, 0, 0, start & mask, size & mask))


def _ivhd(made: _Made, block: IvrsBlock) -> bytes:
    at = len(made.data)
    kind, flags, length, device_id = _head(block)
    plain = kind == m.IVHD_10H
    for offset, size, value, what in (
        (6, 2, block.cap, "Capability Offset"),
        (8, 8, block.base, "IOMMU Base Address"),
        (16, 2, block.segment, "PCI Segment Group"),
        (18, 2, block.info, "IOMMU Info"),
        (20, 4, block.attr, "IOMMU Feature Info" if plain else "IOMMU Attributes"),
    ):
        if value is None and offset + size <= length:
            made.miss(at + offset, size, what)
    if not plain:
        made.miss(at + 24, 16, "EFR Register Images")
    header = Ivhd(
        kind,
        flags,
        length,
        device_id,
        (block.cap or 0) & 0xFFFF,
        (block.base or 0) & (1 << 64) - 1,
        (block.segment or 0) & 0xFFFF,
        (block.info or 0) & 0xFFFF,
        (block.attr or 0) & 0xFFFFFFFF,
        None if plain else 0,
        None if plain else 0,
    )
    data = build_block(header)
    for entry in block.entries:
        for one in _entries(made, entry, at + len(data)):
            data += one.raw
    return data


def _entries(made: _Made, told: IvhdEntry, at: int) -> Iterator[DeviceEntry]:
    kind, device_id = told.type & 0xFF, told.id & 0xFFFF
    special = told.special
    source = None if told.alias is None else told.alias & 0xFFFF
    handle = variety = None
    if special is not None:
        source = _device_id(special.sbdf)
        handle, variety = special.handle & 0xFF, special.variety & 0xFF
    elif kind == d.SPECIAL:
        made.miss(at + 4, 4, "what a special device entry says")
    if kind in (d.EXTENDED_SELECT, d.EXTENDED_RANGE_START):
        made.miss(at + 4, 4, "Extended DTE Setting")
    elif kind in (d.ALIAS_SELECT, d.ALIAS_RANGE_START) and told.alias is None:
        made.miss(at + 5, 2, "Source Device ID")
    entry = DeviceEntry(
        kind, device_id, told.flags & 0xFF, source_id=source, handle=handle, variety=variety
    )
    yield entry
    if kind in d.RANGE_STARTS and told.range_end is not None:
        made.miss(at + entry.size + 3, 1, "DTE Setting of an end of range, which is reserved")
        yield DeviceEntry(d.RANGE_END, told.range_end & 0xFFFF)


def _device_id(sbdf: str) -> int:
    match = _SBDF.fullmatch(sbdf)
    if match is None:
        return 0
    bus, device, function = (int(text, 16) for text in match.groups())
    return bus << 8 | (device & 0x1F) << 3 | function


def _head(block: IvrsBlock) -> tuple[int, int, int, int]:
    return block.type & 0xFF, block.flags & 0xFF, block.length & 0xFFFF, block.id & 0xFFFF


def _ivinfo(xen: XenFacts) -> int:
    """EFRSup, as far as it follows: Xen reads 11h only where it is set."""
    return int(xen.ivhd_type_used == m.IVHD_11H)


def _header(xen: XenFacts, size: int, made: _Made, notes: list[str]) -> tuple[Header, int | None]:
    """The header with the length of what was made, and the checksum that the log tells."""
    listed = next((one for one in xen.acpi_tables if one.signature == m.SIGNATURE), None)
    facts = [one for one in (xen.ivrs, listed) if one is not None]
    lengths = [one.length for one in facts if one.length is not None]
    if lengths and lengths[0] != size:
        notes.append(f"the log says that the table has {lengths[0]} bytes, its blocks make {size}")

    def number(name: str, offset: int, width: int, what: str) -> int:
        told = [value for one in facts if isinstance(value := getattr(one, name), int)]
        if not told:
            made.miss(offset, width, what)
        return told[0] & (1 << 8 * width) - 1 if told else 0

    def text(name: str, offset: int, width: int, what: str) -> str:
        told = [value for one in facts if isinstance(value := getattr(one, name), str)]
        shown = told[0][:width] if told else ""
        # The log's reader leaves spaces and NULs at the end out.
        made.miss(offset + len(shown), width - len(shown), f"{what}, or what it is padded with")
        return shown

    header = Header(
        m.SIGNATURE,
        size,
        number("revision", 8, 1, "Revision"),
        0,
        text("oem_id", 10, 6, "OEM ID"),
        text("oem_table_id", 16, 8, "OEM Table ID"),
        number("oem_revision", 24, 4, "OEM Revision"),
        text("creator_id", 28, 4, "Creator ID"),
        number("creator_revision", 32, 4, "Creator Revision"),
    )
    return header, xen.ivrs.checksum if xen.ivrs else None
