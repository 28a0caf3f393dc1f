"""Setting up the IOMMUs, in the order of the releases, and the first commands to them.

Sources: iommu_init.c amd_iommu_prepare(), amd_iommu_init(), amd_iommu_init_one(),
enable_iommu(); iommu_cmd.c flush_command_buffer(); iommu_intr.c
amd_iommu_ioapic_update_ire(), iov_supports_xt(); xen/arch/x86/mm.c ioremap().
"""

from __future__ import annotations

from harness.lint.acpi_model.detection import answers, check_end, read_features, supported_type
from harness.lint.acpi_model.entries import last_device_id, parse_ivhd
from harness.lint.acpi_model.ivmd import parse_ivmd
from harness.lint.acpi_model.machine import RAM
from harness.lint.acpi_model.special import check_ioapics
from harness.lint.acpi_model.state import Ended, GaveUp, Iommu, Mappings, State
from harness.lint.acpi_model.table import IVMD_TYPES, TableBytes, blocks
from harness.lint.acpi_model.wording import device_name
from harness.lint.acpi_model.wording import hexadecimal as x

IA_SUP = 1 << 6
STATUS = 0x2020  # offset of the status register
_PREPARE = "iommu_init.c: amd_iommu_prepare()"
_LAST = "iommu_acpi.c: get_last_bdf_acpi()"
_TABLE = "iommu_acpi.c: parse_ivrs_table()"


def prepare(table: TableBytes, state: State) -> None:
    """Everything until the table is accepted: amd_iommu_prepare(), amd_iommu_init() in 4.12.

    Raises:
        GaveUp: Xen returns an error.
        Ended: Xen does not come back.
    """
    if state.remapping and state.machine.sp5100_combined:
        state.say("sp5100", "iommu_init.c: amd_sp5100_erratum28()", "SATA combined mode is on")
        raise GaveUp
    if state.no_msi:
        state.note("fadt-no-msi", _PREPARE, "the FADT's boot flags say that MSI must not be used")
        raise GaveUp
    if not state.version.type_before_detection:
        state.ivhd_type = supported_type(table, state)
    state.entries = (_last_device_id(table, state) | 7) + 1
    for iommu in state.iommus:
        if iommu.segment not in state.mappings:
            state.mappings[iommu.segment] = Mappings(state.entries)
        if state.version.early_detection:
            _map_registers(iommu, state)
            read_features(iommu, state)
    _parse(table, state)


def _last_device_id(table: TableBytes, state: State) -> int:
    """get_last_bdf_acpi()"""
    last = 0
    for block in blocks(table, state, _LAST):
        if table.length < block.offset + block.length:
            raise GaveUp
        if block.type == state.ivhd_type:
            last = max(last, last_device_id(table, block, state))
    return last


def _parse(table: TableBytes, state: State) -> None:
    """parse_ivrs_table()"""
    for block in blocks(table, state, _TABLE):
        state.debug(
            f"IVRS Block: type {x(block.type)} flags {x(block.flags)} len {x(block.length)} "
            f"id {x(block.device_id)}"
        )
        check_end(table, block, state, _TABLE)
        if block.type == state.ivhd_type:
            parse_ivhd(table, block, state)
        elif block.type in IVMD_TYPES:
            parse_ivmd(table, block, state)
    check_ioapics(state)


def _map_registers(iommu: Iommu, state: State) -> None:
    """map_iommu_mmio_region(): an address that the processor cannot reach is a page fault."""
    if not iommu.address >> state.machine.physical_bits:
        return
    state.note(
        "base-unreachable",
        "iommu_init.c: map_iommu_mmio_region()",
        f"the processors have {state.machine.physical_bits} address bits, fewer than "
        f"{iommu.base:#x} needs: a fatal page fault",
        offset=iommu.offset + 8,
        field="IOMMU Base Address",
    )
    raise Ended("panic")


def x2apic_first(table: TableBytes, state: State) -> bool:
    """iov_supports_xt(): with x2APIC, Xen prepares the IOMMU early; False if that failed.

    A failure frees all IOMMUs, and setting them up again later is then a BUG_ON().
    """
    try:
        prepare(table, state)
    except GaveUp:
        return False
    for apic, ioapic in enumerate(state.ioapics):
        function = state.ioapic_functions.get(ioapic.id)
        if function is None:
            break
        if state.iommu_of(function) is None:
            state.say(
                "ioapic-iommu-xt",
                "iommu_intr.c: iov_supports_xt()",
                f"{device_name(function)} of IOAPIC {ioapic.id} is behind no IOMMU",
                apic=apic,
                id=ioapic.id,
            )
            break
    return True


def enable(state: State) -> None:
    """amd_iommu_init_one() for each IOMMU, then the IOAPICs' interrupts.

    Raises:
        Ended: a command is never completed.
    """
    _check_device_tables(state)
    state.debug("Disabled HAP memory map sharing with IOMMU")
    owner: dict[int, Iommu] = {}
    for number, iommu in enumerate(state.iommus):
        if not state.version.early_detection:
            _map_registers(iommu, state)
            read_features(iommu, state)
        owner[iommu.address] = iommu
        # Invalidate-all is the first command, if the IOMMU has it.
        if iommu.features & IA_SUP:
            _command(state, iommu, owner)
        state.debug(f"IOMMU {number} Enabled.")
    if state.remapping:
        _program_ioapics(state, owner)


def _check_device_tables(state: State) -> None:
    """amd_iommu_setup_device_table(): an id with an interrupt table needs an IOMMU.

    The target of an alias gets a table, but an IOMMU only if an entry describes it too: without,
    a null pointer is read, in amd_iommu_intremap_table_order().
    """
    if not state.version.early_detection:
        return
    for segment, maps in sorted(state.mappings.items()):
        for device in range(maps.entries):
            if maps.valid[device] and maps.intremap[device] and not maps.iommu[device]:
                state.note(
                    "alias-target",
                    "iommu_init.c: amd_iommu_setup_device_table()",
                    f"{device_name(segment << 16 | device)} is the source of an alias and is "
                    "behind no IOMMU itself: a fatal page fault",
                    field="Source DeviceID",
                )
                raise Ended("panic")


def _program_ioapics(state: State, owner: dict[int, Iommu]) -> None:
    """Writing a pin's route a second time has the IOMMU forget the first."""
    for ioapic in state.ioapics:
        function = state.ioapic_functions.get(ioapic.id)
        if function is None or ioapic.address in state.machine.mute_ioapics:
            continue
        iommu = state.iommu_of(function) or _of_function_0(state, function)
        if iommu is None:
            device = f"{function & 0xFFFF:04x}"
            state.say(
                "ioapic-iommu",
                "iommu_intr.c: amd_iommu_ioapic_update_ire()",
                f"{device_name(function)} of IOAPIC {ioapic.id} is behind no IOMMU: its interrupts "
                "are not remapped",
                segment=f"{function >> 16:04x}",
                id=device,
            )
        elif ioapic.gsi_base == 0:
            _command(state, iommu, owner)


def _of_function_0(state: State, function: int) -> Iommu | None:
    """find_iommu_for_device() once the IOMMU is enabled: a function may use function 0's."""
    first = state.iommu_of(function & ~7)
    return first if first is not None and first.function != function else None


def _is_memory(state: State, address: int) -> bool:
    return any(
        region.type == RAM and region.start <= address < region.end
        for region in state.machine.e820 or ()
    )


def _command(state: State, iommu: Iommu, owner: dict[int, Iommu]) -> None:
    """A completion wait ends only if the hardware reads this command buffer."""
    if answers(iommu, state):
        if owner[iommu.address] is iommu:
            return
        if state.version.polls_status and state.machine.errors_complete_waits:
            return  # what lies in the other command buffer is no command
    elif state.version.polls_status and _is_memory(state, iommu.address + STATUS):
        state.note(
            "base-memory",
            "iommu_cmd.c: flush_command_buffer()",
            "the registers are looked for in RAM, which reads back the bit that Xen waits for",
            offset=iommu.offset + 8,
            field="IOMMU Base Address",
        )
        return
    why = (
        "the registers of the IOMMU are not there"
        if not answers(iommu, state)
        else f"the IOMMU was set up again by the block at {owner[iommu.address].offset:#x}"
    )
    key = "completion-wait" if state.version.polls_for_ever else "completion-bit"
    state.say(
        key,
        "iommu_cmd.c: flush_command_buffer()",
        f"the command is never completed: {why}",
        offset=iommu.offset + 8,
        field="IOMMU Base Address",
        device=device_name(iommu.function),
    )
    if state.version.polls_for_ever:
        raise Ended("hang")
