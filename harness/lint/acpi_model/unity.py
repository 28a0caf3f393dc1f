"""Unity maps and exclusion ranges of devices.

Source: iommu_acpi.c reserve_iommu_exclusion_range(), reserve_unity_map_for_device().
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.lint.acpi_model.state import (
    MASK64,
    PAGE,
    Ended,
    GaveUp,
    Iommu,
    State,
    Unity,
)

_MAP = "iommu_acpi.c: reserve_unity_map_for_device()"


@dataclass(frozen=True, slots=True)
class Range:
    """What an IVMD asks for: pages first ... last; `offset` is its block's."""

    first: int
    last: int
    read: bool
    write: bool
    exclusion: bool
    offset: int

    @property
    def length(self) -> int:
        return (self.last + PAGE - self.first) & MASK64


def reserve_exclusion(state: State, iommu: Iommu, span: Range, *, everyone: bool) -> bool:
    """An IOMMU has one exclusion range: join it if it touches; False if it cannot be."""
    first, last = span.first, span.last
    if iommu.exclusion is not None:
        old_first, old_last, old_everyone = iommu.exclusion
        apart = (old_last + PAGE) & MASK64 < first or (last + PAGE) & MASK64 < old_first
        if state.version.unity_maps_are_kept_apart and (apart or old_everyone != everyone):
            return False
        first, last = min(first, old_first), max(last, old_last)
    iommu.exclusion = (first, last, everyone)
    return True


def reserve(state: State, span: Range, devices: range) -> None:
    """Give devices of segment 0, in steps of 1, a unity map of the range.

    Raises:
        GaveUp: it overlaps another one, or has no levels.
        Ended: BUG_ON() of an empty range.
    """
    if not state.version.unity_maps_are_kept_apart:
        return
    end = (span.first + span.length) & MASK64
    if not ((end + PAGE - 1) & MASK64) >> 12:
        state.note(
            "ivmd-no-frames",
            "amd/iommu.h: amd_iommu_get_paging_mode()",
            "the end of the range is 0, which is a BUG_ON()",
            offset=span.offset + 16,
            field="IVMD start address",
        )
        raise Ended("panic")
    unity = state.mappings[0].unity
    wanted = Unity(span.first, span.length, span.read, span.write)
    before = unity[devices.start : devices.stop]
    if before and before.count(before[0]) == len(before):
        new = _joined(state, before[0], wanted, span.offset)
        if new is not before[0]:
            state.reserve_unity_maps(len(before))
            unity[devices.start : devices.stop] = [new] * len(before)
        return
    results: dict[int, tuple[Unity, ...]] = {}
    for device, old in zip(devices, before, strict=True):
        if id(old) not in results:
            results[id(old)] = _joined(state, old, wanted, span.offset)
        if results[id(old)] is not old:
            state.reserve_unity_maps(1)
            unity[device] = results[id(old)]


def _joined(state: State, old: tuple[Unity, ...], wanted: Unity, offset: int) -> tuple[Unity, ...]:
    end = (wanted.start + wanted.length) & MASK64
    for other in old:
        if other == wanted:
            return old
        other_end = (other.start + other.length) & MASK64
        if other_end > wanted.start and end > other.start:
            state.say(
                "ivmd-overlap",
                _MAP,
                "the range overlaps that of an IVMD block before it, for the same device",
                offset=offset + 16,
                field="IVMD start address",
                start=f"{wanted.start:x}",
                end=f"{end:x}",
                other=f"{other.start:x}",
                other_end=f"{other_end:x}",
            )
            raise GaveUp
    # The newest one is the first of the list.
    return (wanted, *old)
