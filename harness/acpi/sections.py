"""A table as sections of fields, each with its place and its bytes: what show and diff work on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.formats.acpi.header import HEADER_SIZE, checksum

Speller = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        offset: in the table.
        data: its bytes; fewer than the field has when the table ends in it.
        label: its name in the specification.
        text: its value, readable.
    """

    offset: int
    data: bytes
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """Fields that belong together, under a title: "I/O APIC", "IVHD type 10h, IOMMU 00:00.2"."""

    title: str
    offset: int
    fields: tuple[Field, ...]

    @property
    def size(self) -> int:
        return sum(len(field.data) for field in self.fields)


def number_text(value: int, size: int) -> str:
    """A value of `size` bytes: "00FEB80000h", "21h (33)"."""
    text = f"{value:0{2 * size}X}h"
    return f"{text} ({value})" if 9 < value < 0x10000 else text


class Reader:
    """Cuts fields off a table, one after another.

    Args:
        data: the whole table.
        offset: where to begin.
        end: where to stop; the field that does not fit is cut there.
    """

    def __init__(self, data: bytes, offset: int, end: int | None = None) -> None:
        self.data = data
        self.at = offset
        self.end = len(data) if end is None else min(end, len(data))
        self.fields: list[Field] = []

    def number(self, size: int, label: str, spell: Speller | None = None) -> int:
        """The number of the next `size` bytes; `spell` says more about its value."""
        raw = self._take(size)
        value = int.from_bytes(raw, "little")
        if raw:
            text = number_text(value, len(raw))
            words = spell(value) if spell else ""
            if len(raw) < size:
                words = f"cut, {size} bytes expected"
            self._add(raw, label, f"{text}  {words}" if words else text)
        return value

    def text(self, size: int, label: str) -> str:
        """The characters of the next `size` bytes."""
        raw = self._take(size)
        value = raw.decode("latin-1")
        if raw:
            self._add(raw, label, quoted(value))
        return value

    def raw(self, size: int, label: str, text: str = "") -> bytes:
        """The next `size` bytes as they are."""
        raw = self._take(size)
        if raw:
            self._add(raw, label, text or f"{len(raw)} bytes")
        return raw

    def rest(self, label: str) -> None:
        """All that is left, if any."""
        self.raw(self.end - self.at, label)

    def section(self, title: str) -> Section:
        """The fields cut since the last section."""
        offset = self.fields[0].offset if self.fields else self.at
        made = Section(title, offset, tuple(self.fields))
        self.fields = []
        return made

    def _take(self, size: int) -> bytes:
        return self.data[self.at : min(self.at + max(size, 0), self.end)]

    def _add(self, raw: bytes, label: str, text: str) -> None:
        self.fields.append(Field(self.at, raw, label, text))
        self.at += len(raw)


def quoted(text: str) -> str:
    """The text in quotation marks, on one line, all of it visible."""
    return ascii(text) if text.isprintable() and text.isascii() else repr(text.encode("latin-1"))


def read_layout(reader: Reader, layout: str) -> None:
    """Cut the fields that `layout` lists: lines of a size in bytes and a label.

    A size with an `s` behind it is text, with an `x` bytes as they are.
    """
    for line in layout.strip().splitlines():
        size, _, label = line.strip().partition(" ")
        if size.endswith("s"):
            reader.text(int(size[:-1]), label)
        elif size.endswith("x"):
            reader.raw(int(size[:-1]), label)
        else:
            reader.number(int(size), label)


def header_section(data: bytes) -> Section:
    """The standard header of a table (ACPI 6.5, section 5.2.6), with what its sum says."""
    reader = Reader(data, 0, HEADER_SIZE)
    reader.text(4, "Signature")
    length = reader.number(4, "Length", lambda value: _length_text(value, len(data)))
    reader.number(1, "Revision")
    reader.number(1, "Checksum", lambda value: _checksum_text(data, length, value))
    read_layout(
        reader,
        """
        6s OEM ID
        8s OEM Table ID
        4 OEM Revision
        4s Creator ID
        4 Creator Revision
        """,
    )
    return reader.section("Header")


def _length_text(length: int, there: int) -> str:
    return "" if length == there else f"but there are {there} bytes"


def _checksum_text(data: bytes, length: int, stored: int) -> str:
    if not HEADER_SIZE <= length <= len(data):
        return "cannot be checked: the length is wrong"
    total = checksum(data[:length])
    if total == 0:
        return "right"
    return f"wrong: {stored - total & 0xFF:02X}h would be right"


def sections_end(sections: Iterable[Section]) -> int:
    """Where the last field ends."""
    return max(
        (field.offset + len(field.data) for one in sections for field in one.fields), default=0
    )
