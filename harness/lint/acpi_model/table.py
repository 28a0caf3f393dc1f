"""The bytes of the IVRS as Xen reads them: unchecked, and beyond their end if told to.

Layouts: struct acpi_table_ivrs, acpi_ivrs_header, acpi_ivrs_hardware, acpi_ivrs_memory in
xen/include/acpi/actbl2.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.lint.acpi_model.state import Ended, State

TABLE_HEADER = 48
BLOCK_HEADER = 6
IVHD_10 = 0x10
IVHD_11 = 0x11
IVHD_10_HEADER = 24
IVHD_11_HEADER = 40
IVMD_TYPES = (0x20, 0x21, 0x22, 0x23)
IVMD_SIZE = 32
# Xen maps and sums up whatever the length says; more than this takes long enough for a hang.
PATIENCE = 1 << 24


class TableBytes:
    """The table in memory. `outside` tells whether a byte behind its data was read."""

    def __init__(self, data: bytes, behind: bytes = b"") -> None:
        self._data = data + behind
        self._own = len(data)
        self.outside = False
        self.length = self.number(4, 4)

    def number(self, offset: int, size: int) -> int:
        """A little-endian number; what is not known of the memory reads as zero."""
        end = offset + size
        if end > self._own:
            self.outside = True
        raw = self._data[offset:end]
        return int.from_bytes(raw, "little")

    def sum(self) -> int:
        """The sum of the bytes that the length field covers, modulo 256."""
        if self.length > self._own:
            self.outside = True
        return sum(self._data[: self.length]) & 0xFF


@dataclass(frozen=True, slots=True)
class Block:
    """The start of a block; numbers as stored."""

    offset: int
    type: int
    flags: int
    length: int
    device_id: int

    def __str__(self) -> str:
        return f"the block at {self.offset:#x}"


def blocks(table: TableBytes, state: State, source: str) -> Iterator[Block]:
    """The blocks as all of Xen's loops walk them: by their length, whatever it is.

    Raises:
        Ended: a block of length 0 lets the loop go on for ever.
    """
    offset = TABLE_HEADER
    while table.length > offset + BLOCK_HEADER:
        block = Block(
            offset,
            table.number(offset, 1),
            table.number(offset + 1, 1),
            table.number(offset + 2, 2),
            table.number(offset + 4, 2),
        )
        yield block
        if block.length == 0:
            state.note(
                "zero-length",
                source,
                f"{block} has length 0, so the loop over the blocks never ends",
                offset=offset + 2,
                field="Length",
            )
            raise Ended("hang")
        offset += block.length
