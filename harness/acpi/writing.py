"""Writes tables so that `harness.acpi.reading` reads the same bytes again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from harness.errors import InfraError, UsageError
from harness.formats.acpi.tableset import RawTable, TableSet

_ROOT = {"RSD PTR ": "RSDP"}


def check_output(path: Path) -> None:
    """Whether something may be written there.

    Raises:
        UsageError: something is there, or there is no folder for it.
        InfraError: it cannot be told.
    """
    try:
        there = path.is_symlink() or path.exists()
    except OSError as bad:
        raise InfraError.of(bad, "cannot write", path) from None
    if there:
        raise UsageError(
            f"{path} is there, and is not written over", hint="take another name, or remove it"
        )
    if not path.parent.is_dir():
        raise UsageError(
            f"-o {path}: there is no folder {path.parent}", hint=f"mkdir -p {path.parent}"
        )


def write(tables: TableSet, path: Path) -> tuple[Path, ...]:
    """One table as a file, several as a folder with a file for each, as Linux shows them.

    Each table has a file of its own because its length field may be wrong: of tables one
    after another nobody could tell where it ends.

    Returns:
        The files.

    Raises:
        UsageError: something is there already, or there is nothing to be written.
        InfraError: it cannot be written.
    """
    check_output(path)
    if not tables.tables:
        raise UsageError("no table is left, so that nothing is written")
    files = {path: tables.tables[0]}
    try:
        if len(tables.tables) > 1:
            path.mkdir()
            files = {path / name: table for name, table in _named(tables).items()}
        for file, table in files.items():
            with file.open("xb") as opened:
                opened.write(table.data)
    except OSError as bad:
        raise InfraError.of(bad, "cannot write", path) from None
    return tuple(files)


def _named(tables: TableSet) -> dict[str, RawTable]:
    """APIC, IVRS, SSDT1, SSDT2: with numbers where a signature repeats."""
    total = Counter(table.signature for table in tables.tables)
    seen: Counter[str] = Counter()
    found: dict[str, RawTable] = {}
    for table in tables.tables:
        seen[table.signature] += 1
        name = _ROOT.get(table.signature, table.signature)
        # A signature that was damaged may hold a slash.
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "_!$") else "_" for c in name)
        number = f"{seen[table.signature]}" if total[table.signature] > 1 else ""
        while f"{safe}{number}" in found:
            safe += "_"
        found[f"{safe}{number}"] = table
    return found
