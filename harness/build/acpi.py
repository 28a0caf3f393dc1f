"""The ACPI tables of a boot: the user's, completed, and fitted to the emulated machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.acpi.builder import Spec, build
from harness.acpi.reading import read
from harness.acpi.rebase import NotAskable, named_ioapics, rebase
from harness.board import Board
from harness.errors import FormatError, InfraError, InputError, UsageError
from harness.formats.acpi import ivrs
from harness.formats.acpi.fwcfg import LOADER, RSDP, TABLES, loader_blobs
from harness.formats.acpi.tableset import RawTable, TableSet

_IOMMU = "amd-iommu"
_ROOT = "RSD PTR "
# Names of files in the work folder, of the fw_cfg files.
FILES = {TABLES: "acpi-tables", RSDP: "acpi-rsdp", LOADER: "acpi-loader"}


@dataclass(frozen=True)
class BootTables:
    """A complete set of tables.

    Attributes:
        files: what the user gave.
        tables: as they are booted, from the root pointer on.
        changes: in words, one sentence each, what is not as it was given.
    """

    files: tuple[str, ...]
    tables: TableSet
    changes: tuple[str, ...] = ()


def boot_tables(board: Board, *, ivrs_file: Path | None, acpi: Path | None) -> BootTables:
    """The tables to boot `board` in QEMU with.

    With an IVRS alone, the others are made: the I/O APICs are the board's if the IVRS names any
    of them, else those that it names. With a set, what the emulated machine has otherwise is
    replaced; an IVRS beside it takes the place of the set's.

    Raises:
        UsageError: the emulated machine has no IOMMU where a table could describe it.
        InputError, FormatError: a file cannot be read, or a table not be walked.
    """
    cpus = _machine(board)
    given = TableSet(()) if acpi is None else _read(acpi)
    if ivrs_file is not None:
        others = tuple(one for one in given.tables if one.signature != "IVRS")
        given = replace(given, tables=(*others, _only_ivrs(ivrs_file)))
    notes = [f"{one.signature}: {note}" for one in given.tables for note in one.notes]
    if acpi is None:
        given, made = _completed(board, given, cpus)
        notes += made
    rebased = rebase(given, cpus=cpus)
    if isinstance(rebased, NotAskable):
        raise InputError(
            f"these tables cannot be booted in QEMU: {rebased.reason}",
            where=str(ivrs_file or acpi),
            expected="tables that describe one IOMMU, or none",
        )
    files = tuple(str(path) for path in (acpi, ivrs_file) if path is not None)
    return BootTables(files, rebased.tables, (*notes, *rebased.changes))


def _machine(board: Board) -> int:
    """How many CPUs the emulated machine has; it must be one that tables can be fitted to."""
    machine = board.targets.qemu
    if machine is None or machine.machine.partition(",")[0] != "q35":
        raise UsageError(
            f"--ivrs and --acpi: board {board.name} has no emulated machine of type q35",
            expected="a board whose targets.qemu is a q35 with an amd-iommu",
        )
    first = machine.devices[0] if machine.devices else "none"
    if first.partition(",")[0] != _IOMMU:
        # Only there its address is known: it has no property for it, and takes the first slot.
        raise UsageError(
            f"--ivrs and --acpi: the emulated machine of {board.name} has no IOMMU at 00:01.0",
            expected=f"{_IOMMU} as the first of targets.qemu.devices; that is {first}",
        )
    return machine.smp


def _read(path: Path) -> TableSet:
    tables = read(path)
    for table in tables.all("IVRS"):
        _walk(table)
    return tables


def _only_ivrs(path: Path) -> RawTable:
    tables = _read(path)
    found = tables.all("IVRS")
    if len(found) != 1:
        what = ", ".join(dict.fromkeys(one.signature for one in tables.tables)) or "nothing"
        raise InputError(
            f"it holds {len(found)} IVRS tables" if found else f"it holds no IVRS, but {what}",
            where=str(path),
            expected="one IVRS",
            hint="a whole set of tables is given by --acpi",
        )
    return found[0]


def _walk(table: RawTable) -> None:
    try:
        ivrs.parse(table.data)
    except FormatError as bad:
        bad.where = table.origin
        raise


def _completed(board: Board, given: TableSet, cpus: int) -> tuple[TableSet, list[str]]:
    """The same with a MADT and a HPET; and what is to be said of them."""
    spec = Spec.of_board(board.hardware)
    emulated = Spec.of_board(board.hardware_of("qemu"))
    named = dict.fromkeys(named_ioapics(given))
    ids = [one.id for one in spec.ioapics]
    known = [one for one in named if one in ids]
    said: list[str] = []
    tables = given.tables
    if known:
        spec = replace(spec, cpus=cpus)
        tables = (*tables, *build(spec).all("APIC"))
        listed = ", ".join(str(one) for one in ids)
        said.append(
            f"MADT: none was given; its I/O APICs are those of board {board.name} ({listed})"
        )
    # Without, rebasing makes a MADT with those that the IVRS names.
    tables = (*tables, *build(emulated).all("HPET"))
    return replace(given, tables=tables), said


def write_tables(tables: TableSet, folder: Path) -> None:
    """Write the fw_cfg files (`FILES`) of a complete set.

    Raises:
        FormatError: they cannot be handed over.
        InfraError: a file cannot be written.
    """
    (root,) = tables.all(_ROOT)
    others = [table.data for table in tables.tables if table.signature != _ROOT]
    blobs = loader_blobs(root.data, others, checksums="kept")
    try:
        for name, data in blobs.files.items():
            (folder / FILES[name]).write_bytes(data)
    except OSError as bad:
        raise InfraError.of(bad, "cannot write", folder) from None
