"""Which IOMMU a device id belongs to, and under which id its requests come.

Source: iommu_acpi.c add_ivrs_mapping_entry().
"""

from __future__ import annotations

from array import array

from harness.lint.acpi_model.state import Iommu, State

_OWN_IDS = array("H", range(1 << 16))


def map_device(state: State, iommu: Iommu, device: int, requestor: int, *, table: bool) -> None:
    """One device id; `table` to have an interrupt remapping table at once.

    An IOMMU is not behind itself: only the requestor id is noted for its own id.
    """
    maps = state.mappings[iommu.segment]
    maps.changed()
    maps.requestor[device] = requestor
    if iommu.device_id == device and state.version.leaves_out_iommu:
        return
    if state.remapping and table:
        maps.intremap[requestor] = 1
    maps.valid[requestor] = 1
    maps.iommu[device] = state.iommus.index(iommu) + 1


def map_range(state: State, iommu: Iommu, first: int, last: int, alias: int | None) -> None:
    """All ids from first to last: with their own id, or all with that of `alias`."""
    maps = state.mappings[iommu.segment]
    maps.changed()
    count = last - first + 1
    number = state.iommus.index(iommu) + 1
    inside = first <= iommu.device_id <= last and state.version.leaves_out_iommu
    own = maps.iommu[iommu.device_id] if inside else None
    maps.iommu[first : last + 1] = array("I", [number]) * count
    if own is not None:
        maps.iommu[iommu.device_id] = own
    if alias is None:
        maps.requestor[first : last + 1] = _OWN_IDS[first : last + 1]
        was_valid = maps.valid[iommu.device_id] if own is not None else 0
        maps.valid[first : last + 1] = b"\1" * count
        if own is not None:
            maps.valid[iommu.device_id] = was_valid
        return
    maps.requestor[first : last + 1] = array("H", [alias]) * count
    maps.valid[alias] = 1
    if state.remapping:
        maps.intremap[alias] = 1
