"""The tables that are asked about: those of files that belong together, complete."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from harness.acpi.reading import read
from harness.ask import Q35
from harness.errors import FormatError
from harness.formats.acpi import ivrs
from harness.formats.acpi.header import with_checksum
from harness.formats.acpi.tableset import RawTable, TableSet

_IVINFO = slice(36, 40)
_EFR_SUP = b"\x01\0\0\0"
_CAPABILITY, _BASE = slice(6, 8), slice(8, 16)  # in an IVHD


def inputs_of(paths: Iterable[str]) -> dict[str, TableSet]:
    """The tables of each file or folder that has an IVRS.

    Tables of files without one, as a MADT beside an IVRS, count for the others as well, as
    they do for lint. If no file has an IVRS, each is asked about as it is.

    Raises:
        InputError: one cannot be read.
    """
    own = {path: read(Path(path)) for path in paths}
    lone = [t for each in own.values() if each.find("IVRS") is None for t in each.tables]
    asked = {path: each for path, each in own.items() if each.find("IVRS") is not None}
    return {path: _with(each, lone) for path, each in asked.items()} or own


def _with(own: TableSet, lone: Iterable[RawTable]) -> TableSet:
    have = {table.signature for table in own.tables}
    return replace(own, tables=(*own.tables, *(t for t in lone if t.signature not in have)))


def completed(tables: TableSet) -> tuple[TableSet, str]:
    """The set, with what a log does not tell of its IVRS made up, and what was, in words.

    Without an address of its registers, Xen would not get as far as to the rest of the table.
    """
    told: list[str] = []
    made = tuple(_completed(table, told) if table.unknown else table for table in tables.tables)
    if not told:
        return tables, ""
    what = ", ".join(dict.fromkeys(told))
    return replace(tables, tables=made), f"IVRS: from a log, which does not tell: {what}; made up"


def _completed(table: RawTable, told: list[str]) -> RawTable:
    data = bytearray(table.data)
    if _unknown(table, _IVINFO):
        data[_IVINFO] = _EFR_SUP
        told.append("IVinfo")
    try:
        blocks = ivrs.parse(table.data).ivhds
    except FormatError:
        return table
    values = {
        "capability offset": (_CAPABILITY, Q35.capability),
        "base address": (_BASE, Q35.base),
    }
    for block in blocks:
        for name, (field, value) in values.items():
            place = slice(block.offset + field.start, block.offset + field.stop)
            if _unknown(table, place):
                data[place] = value.to_bytes(field.stop - field.start, "little")
                told.append(name)
    return replace(table, data=with_checksum(bytes(data)))


def _unknown(table: RawTable, place: slice) -> bool:
    return any(one.start < place.stop and place.start < one.stop for one in table.unknown)
