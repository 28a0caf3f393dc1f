"""A release of Xen reads the tables of a machine: the whole course.

`predict` is written as Xen boots: tables are found, IOMMUs detected, the table parsed, the
IOMMUs enabled. Each step is a module of this package, with the functions of Xen that it
follows. The bytes are read as Xen reads them, not through a parser that knows better.
"""

from __future__ import annotations

from harness.formats.acpi.tableset import TableSet
from harness.lint.acpi_model.detection import detect, supported_type
from harness.lint.acpi_model.enabling import enable, prepare, x2apic_first
from harness.lint.acpi_model.machine import Machine
from harness.lint.acpi_model.madt import ioapics
from harness.lint.acpi_model.prediction import Outcome, Prediction, Said
from harness.lint.acpi_model.state import Ended, GaveUp, State
from harness.lint.acpi_model.table import PATIENCE, TableBytes
from harness.lint.acpi_model.versions import XenVersion
from harness.lint.acpi_model.wording import is_problem, worded

_FADT_BOOT_FLAGS = 109
_FADT_NO_MSI = 1 << 3


def predict(
    tables: TableSet, machine: Machine | None = None, version: XenVersion | str = "4.17"
) -> Prediction:
    """What Xen does, with iommu=verbose,debug loglvl=all, until `Brought up n CPUs`.

    Args:
        tables: the IVRS is read, the MADT for its IOAPICs, the FADT for its boot flags.
        machine: what is really there; the default is QEMU's q35 with one IOMMU.
        version: 4.8 to 4.20.

    Raises:
        UsageError: a version that is not known.
    """
    if isinstance(version, str):
        version = XenVersion.parse(version)
    machine = machine or Machine()
    state = State(version, machine, remapping=machine.interrupt_remapping)
    state.ioapics = machine.ioapics if machine.ioapics is not None else ioapics(tables)
    state.e820 = list(machine.e820) if machine.e820 is not None else None
    state.no_msi = _no_msi(tables)
    table = None
    try:
        table = _find(tables, state)
        outcome = _course(table, state)
    except Ended as end:
        outcome = end.outcome
    return _prediction(outcome, table, state)


def _find(tables: TableSet, state: State) -> TableBytes | None:
    """acpi_get_table(): the first IVRS; a wrong checksum is told and ignored."""
    raw = tables.find("IVRS")
    if raw is None or len(raw.data) < 8 or raw.data[:4] != b"IVRS":
        return None
    table = TableBytes(raw.data, state.machine.after_table)
    if table.length > PATIENCE:
        state.note(
            "table-huge",
            "drivers/acpi/tables/tbutils.c: acpi_tb_checksum()",
            f"Xen sums up {table.length:#x} bytes of memory, table or not",
            offset=4,
            field="Length",
        )
        raise Ended("hang")
    total = table.sum()
    if total:
        stored = table.number(9, 1)
        state.say(
            "table-checksum",
            "drivers/acpi/tables/tbutils.c: acpi_tb_verify_checksum()",
            "the checksum is wrong",
            offset=9,
            field="Checksum",
            stored=f"{stored:02X}",
            right=f"{stored - total & 0xFF:02X}",
        )
    return table


def _course(table: TableBytes | None, state: State) -> Outcome:
    if state.machine.iommu_off:
        state.lines.clear()
        return "disabled"
    try:
        table = _detect(table, state)
    except GaveUp:
        told = any(is_problem(said.text) for said in state.lines)
        if not state.version.early_detection:
            _print(state, "not-found")
        return "failed" if told else "absent"
    try:
        _set_up(table, state)
    except GaveUp:
        _print(state, "initialization")
        return "failed"
    enable(state)
    return "enabled"


def _detect(table: TableBytes | None, state: State) -> TableBytes:
    """acpi_ivrs_init(), until 4.12 amd_iov_detect(). Raises GaveUp when there is no IOMMU."""
    if table is None:
        state.note("no-ivrs", "drivers/acpi/tables.c: acpi_table_parse()", "there is no IVRS")
        raise GaveUp
    if state.version.type_before_detection:
        state.ivhd_type = supported_type(table, state)
    detect(table, state)
    return table


def _set_up(table: TableBytes, state: State) -> None:
    if state.version.needs_cx16 and not state.machine.cx16:
        state.say("no-cx16", "pci_amd_iommu.c: iov_detect()", "the processors have no CMPXCHG16B")
        raise GaveUp
    if not state.machine.x2apic or not state.version.early_detection:
        prepare(table, state)
        return
    if not x2apic_first(table, state):
        state.note(
            "x2apic-bug",
            "iommu_init.c: amd_iommu_prepare()",
            "setting up for x2APIC failed and forgot the IOMMUs; the second attempt without "
            "any is a BUG_ON()",
        )
        raise Ended("panic")


def _print(state: State, key: str) -> None:
    """A line that only sums up what went wrong before."""
    state.lines.append(Said(*worded(key, state.version)))


def _no_msi(tables: TableSet) -> bool:
    """acpi_gbl_FADT.boot_flags; they do not count in a FADT before revision 2."""
    fadt = tables.find("FACP")
    if fadt is None or len(fadt.data) < _FADT_BOOT_FLAGS + 2 or fadt.data[8] < 2:
        return False
    return bool(fadt.data[_FADT_BOOT_FLAGS] & _FADT_NO_MSI)


def _prediction(outcome: Outcome, table: TableBytes | None, state: State) -> Prediction:
    messages = dict.fromkeys(said.text for said in state.lines if is_problem(said.text))
    guessed = state.guessed or (table is not None and table.outside)
    return Prediction(
        outcome,
        tuple(messages),
        "run" if state.version.measured and not guessed else "source",
        tuple(state.lines),
        tuple(state.trail),
    )
