"""Where a finding is, in the parts that machine-readable reports want."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from harness.lint.engine import Finding, Linted

_LINE = re.compile(r":(\d+)")


@dataclass(frozen=True)
class Place:
    """A place in a file.

    Attributes:
        path: of the file; of a folder of ACPI tables, that of the table's own file.
        line: from 1; None if it has no lines, or the finding is about all of it.
        name: the node of a device tree, or the table and field: "IVRS+0x31 Flags"; "" for none.
        offset: in a binary file, in bytes; None if the finding is not about some of them, or
            the file has the table in another form.
        size: how many bytes.
    """

    path: str
    line: int | None = None
    name: str = ""
    offset: int | None = None
    size: int = 0


def place_of(finding: Finding, one: Linted) -> Place:
    """The parts of `where`; looks which file of a folder it is."""
    if finding.table is not None:
        return _in_table(finding, one.path, finding.table)
    rest = finding.where.removeprefix(one.path) if finding.where.startswith(one.path) else ""
    match = _LINE.match(rest)
    line = int(match[1]) if match else None
    name = rest[match.end() :] if match else rest
    return Place(one.path, line, name.strip(" ,:"))


def _in_table(finding: Finding, path: str, table: str) -> Place:
    file = _file_of(Path(path), table)
    if finding.offset is None:
        return Place(str(file), name=table.strip())
    name = f"{table.strip()}+{finding.offset:#x}"
    if finding.field:
        name += f" {finding.field}"
    if not _begins_with(file, table):  # a dump, a log: the table's offset is not the file's
        return Place(str(file), name=name)
    return Place(str(file), None, name, finding.offset, finding.size or 0)


def _file_of(path: Path, table: str) -> Path:
    """The first file of a folder that has such a table; the folder if none has."""
    try:
        if not path.is_dir():
            return path
        files = sorted(one for one in path.iterdir() if one.is_file())
    except OSError:
        return path
    named = sorted(files, key=lambda one: one.stem.upper() != table.upper())
    return next((one for one in named if _begins_with(one, table)), path)


def _begins_with(path: Path, table: str) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            return file.read(len(table)) == table.encode("latin-1", errors="replace")
    except (OSError, ValueError):
        return False


def absolute(path: str | Path) -> Path:
    """The path from the root; a link keeps its own name."""
    return Path(os.path.abspath(path))  # noqa: PTH100 -- resolve() would follow links


def below(path: str | Path, folder: Path) -> str | None:
    """The path from a folder, with slashes; None if it is not below it."""
    whole, root = absolute(path), absolute(folder)
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else None
