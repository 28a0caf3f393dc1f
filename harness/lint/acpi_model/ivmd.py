"""Memory definition blocks (IVMD, 20h to 23h).

Source: iommu_acpi.c parse_ivmd_block(), parse_ivmd_device_*(), register_range_for_*(); until
4.12 register_exclusion_range_for_*(), which extend a device's only range and never fail.
"""

from __future__ import annotations

from dataclasses import replace

from harness.lint.acpi_model.e820 import check_region
from harness.lint.acpi_model.state import MASK64, OWN_ID, PAGE, Ended, GaveUp, Run, State
from harness.lint.acpi_model.table import IVMD_SIZE, Block, TableBytes
from harness.lint.acpi_model.unity import Range, reserve, reserve_exclusion
from harness.lint.acpi_model.wording import device_name
from harness.lint.acpi_model.wording import hexadecimal as x

ALL, ONE, SPAN, IOMMU = 0x20, 0x21, 0x22, 0x23
UNITY, READ, WRITE, EXCLUSION = 1, 2, 4, 8

_BLOCK = "iommu_acpi.c: parse_ivmd_block()"
_DEVICE = "iommu_acpi.c: register_range_for_device()"


def page_levels(state: State, frames: int, offset: int) -> int | None:
    """amd_iommu_get_paging_mode(); None when the IOMMU has not as many levels.

    Raises:
        Ended: BUG_ON() of no frames at all.
    """
    if not frames:
        state.note(
            "ivmd-no-frames",
            "amd/iommu.h: amd_iommu_get_paging_mode()",
            "the end of the range is 0, which is a BUG_ON()",
            offset=offset + 16,
            field="IVMD start address",
        )
        raise Ended("panic")
    level = 1
    while frames > 512:
        frames = ((frames + 511) & ~511) >> 9
        level += 1
        if level > state.max_levels:
            return None
    return level


def page_up(address: int) -> int:
    """PFN_UP() of an unsigned long."""
    return ((address + PAGE - 1) & MASK64) >> 12


def parse_ivmd(table: TableBytes, block: Block, state: State) -> None:
    """parse_ivmd_block()

    Raises:
        GaveUp: the block is one that Xen does not accept.
        Ended: a BUG_ON() or an endless walk over its pages.
    """
    if block.length < IVMD_SIZE:
        state.say(
            "ivmd-length",
            _BLOCK,
            f"{block} has {block.length} bytes, not {IVMD_SIZE}",
            offset=block.offset + 2,
            field="Length",
        )
        raise GaveUp
    start = table.number(block.offset + 16, 8)
    length = table.number(block.offset + 24, 8)
    first = start & -PAGE & MASK64
    last = (start + length - 1) & -PAGE & MASK64
    state.debug(f"IVMD Block: type {x(block.type)} phys {x(start)} len {x(length)}")
    if state.version.checks_memory_map:
        if not _addressable(state, start, length, block.offset):
            return
        check_region(state, first, last, block.offset)
    if block.flags & EXCLUSION:
        span = Range(first, last, True, True, True, block.offset)
    elif block.flags & UNITY:
        # iw and ir take each other's bit in Xen.
        write, read = bool(block.flags & READ), bool(block.flags & WRITE)
        span = Range(first, last, read, write, False, block.offset)
    else:
        state.say(
            "ivmd-flags",
            _BLOCK,
            f"the flags {block.flags:#04x} of {block} ask neither for unity nor for exclusion",
            offset=block.offset + 1,
            field="Flags",
        )
        raise GaveUp
    aux = table.number(block.offset + 6, 2)
    if block.type == ALL:
        _for_all(state, span)
    elif block.type == ONE:
        _check_id(state, "ivmd-id", block.device_id, block.offset + 4)
        _for_devices(state, span, block.device_id, block.device_id)
    elif block.type == SPAN:
        _check_id(state, "ivmd-first", block.device_id, block.offset + 4)
        _check_id(state, "ivmd-last", aux, block.offset + 6, first=block.device_id)
        _for_devices(state, span, block.device_id, aux)
    else:
        _for_iommu(state, span, block.device_id, aux)


def _addressable(state: State, start: int, length: int, offset: int) -> bool:
    """Whether the range fits the levels of the page tables and the widths in IVinfo."""
    end = (start + length) & MASK64
    levels = page_levels(state, page_up(end), offset)
    bits = min(state.info >> 8 & 0x7F, state.info >> 15 & 0x7F)
    last = (end - 1) & MASK64
    if levels is not None and (bits >= 64 or not last >> bits):
        return True
    state.say(
        "ivmd-addressable",
        _BLOCK,
        f"the range ends at {last:#x}; the widths in IVinfo allow {bits} bits"
        if levels is not None
        else f"the range ends at {last:#x}, beyond {state.max_levels} levels of page tables",
        offset=36 if levels is not None else offset + 16,
        field="PASize, VASize" if levels is not None else "IVMD start address",
        start=f"{start:x}",
        end=f"{end:x}",
    )
    return False


def _check_id(state: State, key: str, device: int, at: int, *, first: int = -1) -> None:
    if device < state.entries and device > first:
        return
    state.say(
        key,
        "iommu_acpi.c: parse_ivmd_device_select()"
        if key == "ivmd-id"
        else "iommu_acpi.c: parse_ivmd_device_range()",
        f"{device:#06x} is not above {first:#06x}"
        if device <= first
        else f"{device:#06x} is above {state.entries - 1:#06x}, the last id in use",
        offset=at,
        field="DeviceID" if key != "ivmd-last" else "Auxiliary data",
        id=device,
    )
    raise GaveUp


def _for_all(state: State, span: Range) -> None:
    """register_range_for_all_devices()"""
    failed = False
    if span.exclusion:
        for iommu in state.iommus:
            failed = not reserve_exclusion(state, iommu, span, everyone=True) or failed
    if not span.exclusion or failed:
        _need_segment(state, span)
        reserve(state, span, range(state.entries))


def _for_devices(state: State, span: Range, first: int, last: int) -> None:
    """register_range_for_device(), for each in turn; those that are alike are done at once."""
    if 0 not in state.mappings:
        _uncovered(state, span, range(first, last + 1))
        return
    for run in state.mappings[0].runs(first, last):
        if run.iommu:
            _for_run(state, span, run, everyone=False)
        else:
            _uncovered(state, span, range(run.start, run.stop))


def _uncovered(state: State, span: Range, devices: range) -> None:
    """No IOMMU for them: a warning since 4.18 (told here once for a device), else an error."""
    for device in devices:
        text = f"no IVHD block covers {device:#06x}"
        if not state.version.ivmd_without_iommu_is_warning:
            state.say(
                "ivmd-no-iommu",
                _DEVICE,
                text,
                offset=span.offset + 4,
                field="DeviceID",
                id=device,
            )
            raise GaveUp
        if device not in state.told_uncovered:
            state.told_uncovered.add(device)
            state.say(
                "ivmd-no-iommu-ignored",
                _DEVICE,
                text,
                offset=span.offset + 4,
                field="DeviceID",
                device=device_name(device),
            )


def _for_run(state: State, span: Range, run: Run, *, everyone: bool) -> None:
    """A device, then the one whose id its requests carry, then the next device."""
    iommu = state.iommus[run.iommu - 1]
    if span.exclusion and reserve_exclusion(state, iommu, span, everyone=everyone):
        return
    if run.requestor == OWN_ID:
        reserve(state, span, range(run.start, run.stop))
        return
    reserve(state, span, range(run.start, run.start + 1))
    reserve(state, span, range(run.requestor, run.requestor + 1))
    reserve(state, span, range(run.start + 1, run.stop))


def _for_iommu(state: State, span: Range, device: int, capability: int) -> None:
    """parse_ivmd_device_iommu(), register_range_for_iommu_devices()"""
    iommu = state.find_iommu(device, capability)
    if iommu is None:
        state.say(
            "ivmd-no-iommu-cap",
            "iommu_acpi.c: parse_ivmd_device_iommu()",
            f"there is no IOMMU {device:#06x} with a capability at {capability:#x}",
            offset=span.offset + 4,
            field="DeviceID",
            id=device,
            cap=capability,
        )
        raise GaveUp
    if span.exclusion and reserve_exclusion(state, iommu, span, everyone=True):
        return
    unity = replace(span, exclusion=False)
    number = state.iommus.index(iommu) + 1
    for run in state.mappings[0].runs(0, state.entries - 1):
        if run.iommu == number:
            _for_run(state, unity, run, everyone=True)


def _need_segment(state: State, span: Range) -> None:
    """Segment 0 is taken for granted: with IOMMUs on others only, a null pointer is read."""
    if 0 in state.mappings:
        return
    state.note(
        "ivmd-segment",
        "iommu_acpi.c: reserve_unity_map_for_device()",
        "no IOMMU is on segment 0",
        offset=span.offset,
        field="Type",
    )
    raise Ended("panic")
