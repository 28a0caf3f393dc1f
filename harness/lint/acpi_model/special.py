"""Special devices: each IOAPIC of the MADT must be described once, one at 00:14.0.

Source: iommu_acpi.c parse_ivhd_device_special(), the end of parse_ivrs_table().
"""

from __future__ import annotations

from harness.lint.acpi_model.mapping import map_device
from harness.lint.acpi_model.state import GaveUp, Iommu, State
from harness.lint.acpi_model.wording import device_name
from harness.lint.acpi_model.wording import hexadecimal as x

IOAPIC = 1
HPET = 2
MAX_IO_APICS = 128
SOUTHBRIDGE = 0xA0  # 00:14.0

_SPECIAL = "iommu_acpi.c: parse_ivhd_device_special()"
_TABLE = "iommu_acpi.c: parse_ivrs_table()"


def special(
    state: State, iommu: Iommu, *, offset: int, device: int, handle: int, variety: int
) -> None:
    """A special device entry whose length and id are right.

    Raises:
        GaveUp: the variety or the IOAPIC is unknown, or the IOAPIC was described differently.
    """
    function = iommu.segment << 16 | device
    state.debug(f"IVHD Special: {device_name(function)} variety {x(variety)} handle {x(handle)}")
    map_device(state, iommu, device, device, table=True)
    if variety == IOAPIC:
        if state.remapping:
            _ioapic(state, offset, function, handle)
    elif variety == HPET:
        if state.hpet_found:
            state.say(
                "hpet-second",
                _SPECIAL,
                "an HPET was described before",
                offset=offset + 7,
                field="Variety",
            )
        state.hpet_found = True
    else:
        state.say(
            "special-variety",
            _SPECIAL,
            f"variety {variety} is neither an IOAPIC (1) nor an HPET (2)",
            offset=offset + 7,
            field="Variety",
            variety=variety,
        )
        raise GaveUp


def _ioapic(state: State, offset: int, function: int, handle: int) -> None:
    where = {"offset": offset + 4, "field": "Handle"}
    ids = [one.id for one in state.ioapics]
    if handle not in ids:
        known = ", ".join(str(number) for number in ids) or "none"
        state.say(
            "ioapic-unknown",
            _SPECIAL,
            f"the MADT has no IOAPIC with id {handle} (it has: {known})",
            offset=offset + 4,
            field="Handle",
            id=handle,
        )
        raise GaveUp
    if state.version.minor == 8 and handle >= MAX_IO_APICS:
        state.say("ioapic-beyond", _SPECIAL, "ids end at 127", **where, id=handle)  # type: ignore[arg-type]
        raise GaveUp
    known_at = state.ioapic_functions.get(handle)
    if known_at is None:
        if len(state.ioapic_functions) >= MAX_IO_APICS:
            state.say("ioapic-many", _SPECIAL, f"Xen knows {MAX_IO_APICS}", **where)  # type: ignore[arg-type]
            raise GaveUp
        state.ioapic_functions[handle] = function
    elif known_at == function:
        state.say(
            "ioapic-duplicate",
            _SPECIAL,
            f"IOAPIC {handle} was described before, as the same device",
            offset=offset + 4,
            field="Handle",
            id=handle,
        )
    else:
        state.say(
            "ioapic-conflict",
            _SPECIAL,
            f"IOAPIC {handle} was described before, as {device_name(known_at)}",
            offset=offset + 4,
            field="Handle",
            id=handle,
        )
        raise GaveUp


def check_ioapics(state: State) -> None:
    """Each IOAPIC must have been described, and one be the southbridge's.

    Raises:
        GaveUp: one is missing, or none is at 00:14.0.
    """
    if not state.remapping:
        return
    southbridge = False
    for ioapic in state.ioapics:
        if ioapic.address in state.machine.mute_ioapics:
            continue
        function = state.ioapic_functions.get(ioapic.id)
        if function is None:
            state.say(
                "ioapic-missing",
                _TABLE,
                f"no special device entry describes IOAPIC {ioapic.id} of the MADT",
                id=ioapic.id,
            )
            raise GaveUp
        southbridge = southbridge or function == SOUTHBRIDGE
    if not southbridge:
        state.say(
            "ioapic-southbridge",
            _TABLE,
            "no IOAPIC of the MADT is described at 00:14.0",
        )
        raise GaveUp
