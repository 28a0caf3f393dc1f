"""Bytes -> Ivrs.

Source: AMD IOMMU Specification (48882), chapter "I/O Virtualization ACPI Table".
"""

from __future__ import annotations

import struct

from harness.errors import FormatError
from harness.formats.acpi.header import parse_header
from harness.formats.acpi.ivrs.device_entry import (
    ACPI_HID,
    ACPI_HID_SIZE,
    UID_LENGTH_OFFSET,
    DeviceEntry,
    fixed_entry_size,
)
from harness.formats.acpi.ivrs.model import (
    BLOCKS_OFFSET,
    IVHD_10H,
    IVHD_HEADER_SIZES,
    IVMD_SIZE,
    IVMD_TYPES,
    SIGNATURE,
    Block,
    Ivhd,
    Ivmd,
    Ivrs,
    UnknownBlock,
)

MAX_SIZE = 1 << 20
"""Bytes of the largest table that is read: many times what any machine has."""

_BLOCK_HEADER = 4  # type, flags, length
_IVHD = struct.Struct("<BBHHHQHHI")
_EFRS = struct.Struct("<QQ")
_IVMD = struct.Struct("<BBHHHQQQ")


def parse(data: bytes, *, strict: bool = False) -> Ivrs:
    """Read an IVRS; `build` gives the same bytes back, whatever was read.

    What cannot be walked is kept as bytes: in `tail` of the block, an `UnknownBlock`, or
    `trailing`. Values are not judged: neither the checksum, nor flags, nor ids.

    Args:
        data: the table, alone; bytes behind the length that its header states are `excess`.
        strict: refuse what cannot be walked.

    Raises:
        FormatError: no IVRS (signature), fewer than 48 bytes or more than `MAX_SIZE`; if
            strict, the first block or entry that does not fit where it stands.
    """
    table, faults = parse_with_faults(data)
    if strict and faults:
        raise faults[0]
    return table


def parse_with_faults(data: bytes) -> tuple[Ivrs, tuple[FormatError, ...]]:
    """The same, with all that `strict` would refuse, in the order of the table.

    Raises:
        FormatError: as `parse` when it is not strict.
    """
    if len(data) > MAX_SIZE:
        raise FormatError(
            f"{len(data)} bytes", field="Length", expected=f"at most {MAX_SIZE}, for an IVRS"
        )
    header = parse_header(data)
    if header.signature != SIGNATURE:
        raise FormatError(
            f"the signature is {header.signature!r}", field="Signature", offset=0, expected="IVRS"
        )
    if len(data) < BLOCKS_OFFSET:
        raise FormatError(
            f"the table ends after {len(data)} bytes",
            field="IVinfo",
            offset=len(data),
            expected="the IVRS header of 48 bytes",
        )
    walk = _Walk(data, min(max(header.length, BLOCKS_OFFSET), len(data)))
    if not BLOCKS_OFFSET <= header.length <= len(data):
        walk.fault(
            f"the header says {header.length} bytes, there are {len(data)}",
            "Length",
            4,
            "the length of the table, 48 or more",
        )
    blocks, rest = walk.blocks()
    ivinfo, reserved = struct.unpack_from("<IQ", data, 36)
    table = Ivrs(header, ivinfo, reserved, blocks, data[rest : walk.end], excess=data[walk.end :])
    return table, tuple(walk.faults)


class _Walk:
    """One walk over the blocks of a table that ends at `end`."""

    def __init__(self, data: bytes, end: int) -> None:
        self.data = data
        self.end = end
        self.faults: list[FormatError] = []

    def fault(self, message: str, field: str, offset: int, expected: str) -> None:
        self.faults.append(FormatError(message, field=field, offset=offset, expected=expected))

    def blocks(self) -> tuple[tuple[Block, ...], int]:
        """The blocks, and where the last one ends."""
        found: list[Block] = []
        at = BLOCKS_OFFSET
        while at < self.end:
            if self.end - at < _BLOCK_HEADER:
                self.fault(
                    f"{self.end - at} bytes are left", "block header", at, "type, flags, length"
                )
                break
            length = int.from_bytes(self.data[at + 2 : at + 4], "little")
            if length < _BLOCK_HEADER:
                self.fault(
                    f"a block of type {self.data[at]:02X}h with length {length}: no next block"
                    " can be found",
                    "Length",
                    at + 2,
                    "the length of the block",
                )
                break
            found.append(self._block(at, length))
            at += length
        return tuple(found), min(at, self.end)

    def _block(self, at: int, length: int) -> Block:
        kind = self.data[at]
        end = at + length
        if end > self.end:
            self.fault(
                f"the block ends at {end:#x}, the table at {self.end:#x}",
                "Length",
                at + 2,
                f"at most {self.end - at}",
            )
            end = self.end
        size = IVHD_HEADER_SIZES.get(kind, IVMD_SIZE if kind in IVMD_TYPES else None)
        if size is None:
            return UnknownBlock(kind, self.data[at:end], at)
        if end - at < size:
            if length < size:
                self.fault(
                    f"a block of type {kind:02X}h with length {length}",
                    "Length",
                    at + 2,
                    f"{size} or more",
                )
            return UnknownBlock(kind, self.data[at:end], at)
        return self._ivmd(at, end) if kind in IVMD_TYPES else self._ivhd(at, end, size)

    def _ivmd(self, at: int, end: int) -> Ivmd:
        kind, flags, length, device_id, aux, reserved, start, size = _IVMD.unpack_from(
            self.data, at
        )
        tail = self.data[at + IVMD_SIZE : end]
        return Ivmd(kind, flags, length, device_id, aux, reserved, start, size, at, tail)

    def _ivhd(self, at: int, end: int, header_size: int) -> Ivhd:
        kind, flags, length, device_id, capability, base, segment, info, features = (
            _IVHD.unpack_from(self.data, at)
        )
        efr, efr2 = None, None
        if kind != IVHD_10H:
            efr, efr2 = _EFRS.unpack_from(self.data, at + _IVHD.size)
        entries, rest = self._entries(at + header_size, end)
        return Ivhd(
            kind,
            flags,
            length,
            device_id,
            capability,
            base,
            segment,
            info,
            features,
            efr,
            efr2,
            entries,
            at,
            self.data[rest:end],
        )

    def _entries(self, at: int, end: int) -> tuple[tuple[DeviceEntry, ...], int]:
        """The device entries, and where the last one ends."""
        found: list[DeviceEntry] = []
        while at < end:
            size = _entry_size(self.data, at, end)
            if at + size > end:
                self.fault(
                    f"a device entry of type {self.data[at]} needs {size} bytes,"
                    f" {end - at} are left in its block",
                    "device entry",
                    at,
                    "whole entries up to the end of the block",
                )
                break
            found.append(DeviceEntry.of(self.data[at : at + size], at))
            at += size
        return tuple(found), at


def _entry_size(data: bytes, at: int, end: int) -> int:
    """At least 4; what the entry needs, be it there or not."""
    if data[at] != ACPI_HID:
        return fixed_entry_size(data[at])
    if at + ACPI_HID_SIZE > end:
        return ACPI_HID_SIZE
    return ACPI_HID_SIZE + data[at + UID_LENGTH_OFFSET]
