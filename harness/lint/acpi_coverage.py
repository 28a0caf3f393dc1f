"""Which device ids the blocks of an IVRS are about, and which is the highest one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.formats.acpi.ivrs import DeviceEntry, Ivhd
from harness.formats.acpi.ivrs import device_entry as d
from harness.formats.acpi.ivrs.ranges import spans

_IDS = 1 << 16


@dataclass(frozen=True)
class Claim:
    """Devices that a block has an entry for: ids first ... last."""

    first: int
    last: int
    block: Ivhd
    entry: DeviceEntry

    @property
    def iommu(self) -> int:
        return self.block.segment << 16 | self.block.device_id

    @property
    def is_alias(self) -> bool:
        return self.entry.type in (d.ALIAS_SELECT, d.ALIAS_RANGE_START)


def claims(block: Ivhd) -> Iterator[Claim]:
    """The devices of one block, special devices left out; ranges that are none as well."""
    for span in spans(block.entries):
        if span.kind == "all":
            yield Claim(0, _IDS - 1, block, span.entry)
        elif (
            span.kind == "devices"
            and span.first is not None
            and span.last is not None
            and span.first <= span.last
        ):
            yield Claim(span.first, span.last, block, span.entry)


class Coverage:
    """The devices of a segment that some block of a type is about."""

    def __init__(self, blocks: Iterable[Ivhd], segment: int = 0) -> None:
        self._own = bytearray(_IDS)
        self._highest = 0
        for block in blocks:
            if block.segment == segment:
                self._add(block)

    def _add(self, block: Ivhd) -> None:
        for claim in claims(block):
            count = claim.last - claim.first + 1
            self._own[claim.first : claim.last + 1] = b"\1" * count
            self._highest = max(self._highest, claim.last)
        for entry in block.entries:
            if entry.type == d.SPECIAL and entry.source_id is not None:
                self._own[entry.source_id] = 1
                self._highest = max(self._highest, entry.source_id)

    def __contains__(self, device: int) -> bool:
        return bool(self._own[device])

    @property
    def highest(self) -> int:
        """The highest id that Xen has room for: its tables end at a multiple of 8."""
        return self._highest | 7

    def first_missing(self, first: int, last: int) -> int | None:
        """The first id of a range that no block is about."""
        at = self._own.find(0, first, last + 1)
        return at if at >= 0 else None
