"""ACPI tables as text: every field with its offset, its bytes, its name and what it says."""

from __future__ import annotations

from collections.abc import Iterator

from harness.acpi.sections import Field, quoted
from harness.acpi.table_sections import table_sections
from harness.formats.acpi.tableset import RawTable, TableSet

BYTES_IN_ROW = 8
ROWS_OF_BYTES = 32
"""Rows of bytes that are shown of one field."""


def show(table: RawTable) -> str:
    """One table, readable.

    The first line names it, notes on how it was read follow. Each row has the offset in the
    table (hexadecimal), up to eight bytes, the field's name in the words of its
    specification, and its value with its flags spelled out. Never raises: what cannot be
    read is shown as bytes.
    """
    rows = [_title(table), *(f"  note: {note}" for note in table.notes)]
    unknown = _unknown_bytes(table)
    for section in table_sections(table.data):
        rows += ["", f"{section.title}  ({section.size} bytes at {section.offset:03X}h)"]
        for field in section.fields:
            end = field.offset + len(field.data)
            rows += _rows(field, unknown=all(unknown[field.offset : end]))
    return "\n".join(rows) + "\n"


def show_all(tables: TableSet) -> str:
    """All tables of a set, one after another."""
    return "\n".join(show(table) for table in tables.tables)


def _title(table: RawTable) -> str:
    words = [table.signature.strip(), f"{len(table.data)} bytes"]
    header = table.header
    if header is not None:
        words.append(f"revision {header.revision}")
        words.append(f"of {quoted(header.oem_id)} {quoted(header.oem_table_id)}")
    if table.origin:
        words.append(f"from {table.origin}")
    if table.reconstructed:
        words.append("RECONSTRUCTED")
    return ", ".join(words)


def _unknown_bytes(table: RawTable) -> bytearray:
    """For each byte of the table 1 if what it was reconstructed from did not tell it."""
    mask = bytearray(len(table.data))
    for places in table.unknown:
        shown = range(len(mask))[places.start : places.stop]
        mask[shown.start : shown.stop] = b"\1" * len(shown)
    return mask


def _rows(field: Field, *, unknown: bool) -> Iterator[str]:
    data = field.data[: BYTES_IN_ROW * ROWS_OF_BYTES]
    words = f"{field.label}: {'not known' if unknown else field.text}"
    for at in range(0, len(data), BYTES_IN_ROW):
        row = data[at : at + BYTES_IN_ROW].hex(" ")
        place = f"  {field.offset + at:03x}  {row:<23}"
        yield f"{place}  {words}" if at == 0 else place.rstrip()
    left = len(field.data) - len(data)
    if left:
        yield f"       ... {left} bytes more"
