"""Ivrs -> bytes.

Source: AMD IOMMU Specification (48882), chapter "I/O Virtualization ACPI Table".
"""

from __future__ import annotations

import struct
from dataclasses import replace

from harness.errors import FormatError
from harness.formats.acpi.header import build_header, with_checksum
from harness.formats.acpi.ivrs.model import IVMD_SIZE, Block, Ivhd, Ivmd, Ivrs
from harness.formats.acpi.ivrs.parsing import parse


def build(table: Ivrs) -> bytes:
    """The bytes, every field as it stands: the inverse of `parse` on all that it reads.

    Lengths and the checksum are not made right: `finish` does that.

    Raises:
        FormatError: a value that its field has no room for.
    """
    parts = [
        build_header(table.header),
        _pack("<IQ", "IVinfo", table.ivinfo, table.reserved),
        *(build_block(block) for block in table.blocks),
        table.trailing,
        table.excess,
    ]
    return b"".join(parts)


def build_block(block: Block) -> bytes:
    """One block, its length field as it stands.

    Raises:
        FormatError: a value that its field has no room for.
    """
    if isinstance(block, Ivhd):
        return _ivhd(block)
    if isinstance(block, Ivmd):
        numbers = (block.type, block.flags, block.length, block.device_id, block.aux)
        memory = (block.reserved, block.start, block.size)
        return _pack("<BBHHHQQQ", "IVMD", *numbers, *memory) + block.tail
    return _pack("<B", "block type", block.type) + block.data[1:]


def with_length(block: Block) -> Block:
    """The block with the length that it has; its content may exceed what the field can say.

    Raises:
        FormatError: a block of unknown type that is shorter than its header.
    """
    if isinstance(block, Ivhd):
        return replace(block, length=block.size)
    if isinstance(block, Ivmd):
        return replace(block, length=IVMD_SIZE + len(block.tail))
    if len(block.data) < 4:
        raise FormatError(f"a block of {len(block.data)} bytes", field="Length", expected="4")
    length = _pack("<H", "Length", len(block.data))
    return replace(block, data=block.data[:2] + length + block.data[4:])


def finish(table: Ivrs) -> Ivrs:
    """The table with right lengths, checksum and offsets, and nothing behind its blocks.

    Raises:
        FormatError: a value that its field has no room for.
    """
    blocks = tuple(with_length(block) for block in table.blocks)
    bare = replace(table, blocks=blocks, trailing=b"", excess=b"")
    header = replace(bare.header, length=len(build(bare)))
    return parse(with_checksum(build(replace(bare, header=header))))


def _ivhd(block: Ivhd) -> bytes:
    head = _pack(
        "<BBHHHQHHI",
        "IVHD",
        block.type,
        block.flags,
        block.length,
        block.device_id,
        block.capability,
        block.base,
        block.segment,
        block.info,
        block.features,
    )
    if block.header_size > len(head):
        head += _pack("<QQ", "EFR image", block.efr or 0, block.efr2 or 0)
    return head + b"".join(entry.raw for entry in block.entries) + block.tail


def _pack(layout: str, field: str, *values: int) -> bytes:
    try:
        return struct.pack(layout, *values)
    except struct.error as bad:
        shown = ", ".join(f"{value:#x}" for value in values)
        raise FormatError(f"a value of {shown} does not fit: {bad}", field=field) from bad
