"""An IVRS under the knife: its parts by name and number, and changes to its bytes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import FormatError, UsageError
from harness.formats.acpi import ivrs
from harness.formats.acpi.header import CHECKSUM_OFFSET
from harness.formats.acpi.ivrs import Ivhd, Ivmd, Ivrs
from harness.formats.acpi.ivrs.device_entry import (
    ALIAS_RANGE_START,
    ALIAS_SELECT,
    EXTENDED_RANGE_START,
    EXTENDED_SELECT,
    PADS,
    RANGE_START,
    RANGE_STARTS,
    SELECT,
    SPECIAL,
    VARIETY_HPET,
    VARIETY_IOAPIC,
    DeviceEntry,
)

_BLOCK = {"type": (0, 1), "flags": (1, 1), "length": (2, 2), "device_id": (4, 2)}
_IVHD = {
    "capability": (6, 2),
    "base": (8, 8),
    "segment": (16, 2),
    "info": (18, 2),
    "features": (20, 4),
    "efr": (24, 8),
    "efr2": (32, 8),
}
_IVMD = {"aux": (6, 2), "reserved": (8, 8), "start": (16, 8), "size": (24, 8)}
_ENTRY = {
    "type": (0, 1),
    "device_id": (1, 2),
    "data": (3, 1),
    "handle": (4, 1),
    "source_id": (5, 2),
    "variety": (7, 1),
    "ext_data": (4, 4),
}
_RANGE_SIZES = {RANGE_START: 4, ALIAS_RANGE_START: 8, EXTENDED_RANGE_START: 8}
_ENTRY_KINDS = ("entry", "ioapic", "hpet", "range", "alias", "select", "extended", "pad")

# Field name -> (offset, bytes), by the part that has it.
FIELDS: dict[str, dict[str, tuple[int, int]]] = {
    "header": {"length": (4, 4), "revision": (8, 1), "checksum": (CHECKSUM_OFFSET, 1)},
    "ivrs": {"ivinfo": (36, 4), "reserved": (40, 8)},
    "block": {**_BLOCK, **_IVHD, **_IVMD},
    "ivhd": {**_BLOCK, **_IVHD},
    "ivmd": {**_BLOCK, **_IVMD},
    **dict.fromkeys(_ENTRY_KINDS, _ENTRY),
}
# The end of a range is the entry behind its start.
FIELDS["range"] = {**_ENTRY, "end_type": (0, 1), "end": (1, 2), "end_data": (3, 1)}


@dataclass(frozen=True, slots=True)
class Part:
    """A block or a device entry: where it is, and the block around it (None for a block)."""

    offset: int
    size: int
    block: int | None = None


def near(word: str, known: Iterable[str]) -> str:
    """ "did you mean ...?" for a word that is none of `known`; else all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else ", ".join(names)


class MutableIvrs:
    """The bytes of an IVRS. Sizes that change are mended where they are stored."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)

    def parts(self, kind: str) -> list[Part]:
        """All blocks or entries of a kind, in order.

        Raises:
            UsageError: there is no such kind.
            FormatError: the table is too short to be walked.
        """
        if kind not in FIELDS or kind in ("header", "ivrs"):
            raise UsageError(
                f"{kind!r} is no part of an IVRS",
                hint=near(kind, FIELDS.keys() - {"header", "ivrs"}),
            )
        table = ivrs.parse(bytes(self.data))
        if kind in _ENTRY_KINDS:
            return [
                Part(entry.offset, _size(kind, entry), block.offset)
                for block in table.blocks
                if isinstance(block, Ivhd)
                for entry in block.entries
                if _is(kind, entry)
            ]
        return list(self._blocks(kind, table))

    def _blocks(self, kind: str, table: Ivrs) -> Iterable[Part]:
        end = len(self.data) - len(table.trailing) - len(table.excess)
        ends = [block.offset for block in table.blocks[1:]] + [end]
        for block, behind in zip(table.blocks, ends, strict=False):  # there may be no block
            if (
                kind == "block"
                or (kind == "ivhd" and isinstance(block, Ivhd))
                or (kind == "ivmd" and isinstance(block, Ivmd))
            ):
                yield Part(block.offset, behind - block.offset)

    def get(self, offset: int, size: int) -> int:
        return int.from_bytes(self.data[offset : offset + size], "little")

    def put(self, offset: int, size: int, value: int) -> None:
        """Store a number, cut to its size.

        Raises:
            UsageError: the table ends before it.
        """
        if offset + size > len(self.data):
            raise UsageError(
                f"offset {offset:#x} is behind the end of the table",
                expected=f"below {len(self.data):#x}",
            )
        self.data[offset : offset + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")

    def splice(self, offset: int, remove: int, insert: bytes, block: int | None = None) -> None:
        """Replace bytes; the lengths of the table and of `block` follow the difference."""
        self.data[offset : offset + remove] = insert
        delta = len(insert) - remove
        self.put(4, 4, self.get(4, 4) + delta)
        if block is not None:
            self.put(block + 2, 2, self.get(block + 2, 2) + delta)

    def field(self, kind: str, name: str, part: Part | None) -> tuple[int, int]:
        """Offset and size of a field.

        Raises:
            UsageError: the part has no such field.
        """
        if name not in FIELDS[kind]:
            raise UsageError(f"{kind} has no field {name!r}", hint=near(name, FIELDS[kind]))
        offset, size = FIELDS[kind][name]
        if part is None:
            return offset, size
        if name.startswith("end"):
            offset += _RANGE_SIZES[self.data[part.offset]]
        return part.offset + offset, size

    def mend_checksum(self) -> None:
        """Make the bytes that the length covers sum up to 0."""
        self.put(CHECKSUM_OFFSET, 1, 0)
        covered = self.data[: self.get(4, 4)]
        self.put(CHECKSUM_OFFSET, 1, -sum(covered))


def _is(kind: str, entry: DeviceEntry) -> bool:
    if kind in ("ioapic", "hpet"):
        variety = VARIETY_IOAPIC if kind == "ioapic" else VARIETY_HPET
        return entry.type == SPECIAL and entry.variety == variety
    types: dict[str, frozenset[int]] = {
        "range": RANGE_STARTS,
        "alias": frozenset({ALIAS_SELECT, ALIAS_RANGE_START}),
        "select": frozenset({SELECT}),
        "extended": frozenset({EXTENDED_SELECT, EXTENDED_RANGE_START}),
        "pad": PADS,
    }
    return kind == "entry" or entry.type in types[kind]


def _size(kind: str, entry: DeviceEntry) -> int:
    """A range goes with its end, where it is the matter; else an entry is an entry."""
    return entry.size + 4 if kind == "range" else entry.size


def walkable(data: bytes) -> bool:
    """Whether the table can be taken apart at all."""
    try:
        ivrs.parse(data)
    except FormatError:
        return False
    return True
