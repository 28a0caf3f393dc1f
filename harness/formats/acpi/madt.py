"""MADT, signature "APIC": the interrupt controllers of a machine.

Source: ACPI 6.5, section 5.2.12, "Multiple APIC Description Table (MADT)", and its
subsections 5.2.12.2 to 5.2.12.13 for the structures.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from harness.errors import FormatError
from harness.formats.acpi.header import HEADER_SIZE, Header, body, build_header, checksum
from harness.formats.acpi.layout import Layout

FIRST = HEADER_SIZE + 8
PCAT_COMPAT = 1

_HEAD = Layout("II", ("Local Interrupt Controller Address", "Flags"))


@dataclass(frozen=True)
class LocalApic:
    """Type 0, 8 bytes (5.2.12.2): a processor and its local APIC.

    Attributes:
        flags: bit 0 enabled, bit 1 online capable.
        offset: of the structure in the table; not compared.
    """

    processor_uid: int
    apic_id: int
    flags: int = 1
    offset: int = field(default=0, compare=False)

    @property
    def enabled(self) -> bool:
        return bool(self.flags & 1)


@dataclass(frozen=True)
class IoApic:
    """Type 1, 12 bytes (5.2.12.3): an I/O APIC.

    Attributes:
        id: by which an IVRS names it.
        address: physical, of its registers.
        gsi_base: global system interrupt of its first input.
        offset: of the structure in the table; not compared.
    """

    id: int
    reserved: int
    address: int
    gsi_base: int
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True)
class InterruptOverride:
    """Type 2, 10 bytes (5.2.12.5): an ISA interrupt that is not identity-mapped.

    Attributes:
        bus: 0 is ISA.
        source: the ISA interrupt.
        gsi: the global system interrupt that it is.
        flags: MPS INTI: bits 0-1 polarity, 2-3 trigger mode.
        offset: of the structure in the table; not compared.
    """

    bus: int
    source: int
    gsi: int
    flags: int
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True)
class NmiSource:
    """Type 3, 8 bytes (5.2.12.6): an input of an I/O APIC that is a non-maskable interrupt."""

    flags: int
    gsi: int
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LocalApicNmi:
    """Type 4, 6 bytes (5.2.12.7): the input of local APICs that the NMI is wired to.

    Attributes:
        processor_uid: 0xff for all processors.
        flags: MPS INTI, as of an override.
        lint: the input, 0 or 1.
        offset: of the structure in the table; not compared.
    """

    processor_uid: int
    flags: int
    lint: int
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True)
class AddressOverride:
    """Type 5, 12 bytes (5.2.12.8): the 64-bit physical address of the local APICs."""

    reserved: int
    address: int
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LocalX2Apic:
    """Type 9, 16 bytes (5.2.12.12): a processor and its local x2APIC; flags as of type 0."""

    reserved: int
    x2apic_id: int
    flags: int
    processor_uid: int
    offset: int = field(default=0, compare=False)

    @property
    def enabled(self) -> bool:
        return bool(self.flags & 1)


@dataclass(frozen=True)
class LocalX2ApicNmi:
    """Type 0Ah, 12 bytes (5.2.12.13): as type 4; the uid 0xffffffff is all processors.

    Attributes:
        reserved: three bytes, as a number.
        offset: of the structure in the table; not compared.
    """

    flags: int
    processor_uid: int
    lint: int
    reserved: int = 0
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True)
class UnknownEntry:
    """A structure of another type, or of a known one with another length.

    Attributes:
        type: its first byte.
        data: all of it after the type and the length.
        offset: of the structure in the table; not compared.
    """

    type: int
    data: bytes
    offset: int = field(default=0, compare=False)


Entry = (
    LocalApic
    | IoApic
    | InterruptOverride
    | NmiSource
    | LocalApicNmi
    | AddressOverride
    | LocalX2Apic
    | LocalX2ApicNmi
    | UnknownEntry
)

# The layout of each type after its first two bytes, fields in the order of the class. Three
# reserved bytes are a byte and a word here, joined in _values and _entry.
_TYPES: dict[int, tuple[type[Any], Layout]] = {
    0: (LocalApic, Layout("BBI", ("ACPI Processor UID", "APIC ID", "Flags"))),
    1: (
        IoApic,
        Layout(
            "BBII",
            ("I/O APIC ID", "Reserved", "I/O APIC Address", "Global System Interrupt Base"),
        ),
    ),
    2: (InterruptOverride, Layout("BBIH", ("Bus", "Source", "Global System Interrupt", "Flags"))),
    3: (NmiSource, Layout("HI", ("Flags", "Global System Interrupt"))),
    4: (LocalApicNmi, Layout("BHB", ("ACPI Processor UID", "Flags", "Local APIC LINT#"))),
    5: (AddressOverride, Layout("HQ", ("Reserved", "Local APIC Address"))),
    9: (LocalX2Apic, Layout("HIII", ("Reserved", "X2APIC ID", "Flags", "ACPI Processor UID"))),
    10: (
        LocalX2ApicNmi,
        Layout(
            "HIBBH",
            ("Flags", "ACPI Processor UID", "Local x2APIC LINT#", "Reserved", "Reserved"),
        ),
    ),
}
_TYPE_OF = {kind: number for number, (kind, _layout) in _TYPES.items()}


@dataclass(frozen=True)
class Madt:
    """The table, as stored.

    Attributes:
        header: as stored.
        address: physical, 32 bits, of the local APICs.
        flags: bit 0: the machine has a pair of 8259 as well.
        entries: the structures, in the order of the table.
        trailing: what follows the table's length.
    """

    header: Header
    address: int
    flags: int
    entries: tuple[Entry, ...]
    trailing: bytes = b""

    @property
    def checksum_ok(self) -> bool:
        """The bytes that the length field covers sum up to 0."""
        return checksum(build(self)[: self.header.length]) == 0

    @property
    def ioapics(self) -> tuple[IoApic, ...]:
        """The I/O APICs, in the order of the table."""
        return tuple(entry for entry in self.entries if isinstance(entry, IoApic))

    @property
    def processors(self) -> tuple[LocalApic | LocalX2Apic, ...]:
        """The processors that are enabled, in the order of the table."""
        return tuple(
            entry
            for entry in self.entries
            if isinstance(entry, (LocalApic, LocalX2Apic)) and entry.enabled
        )


def parse(data: bytes) -> Madt:
    """Read a MADT; lenient about its checksum and about what its structures say.

    Raises:
        FormatError: another signature, or a length (of the table, of a structure) with
            which it cannot be walked.
    """
    header, table = body(data, FIRST)
    if header.signature != "APIC":
        raise FormatError(
            f"the signature is {header.signature!r}",
            field="Signature",
            offset=0,
            expected="'APIC'",
        )
    address, flags = _HEAD.read(table, HEADER_SIZE)
    entries = []
    at = FIRST
    while at < len(table):
        size = _size(table, at)
        entries.append(_entry(table[at : at + size], at))
        at += size
    return Madt(header, address, flags, tuple(entries), data[len(table) :])


def build(table: Madt) -> bytes:
    """Its bytes, with length and checksum as they stand in the header.

    Raises:
        FormatError: a value that its field has no room for.
    """
    made = build_header(table.header) + _HEAD.write((table.address, table.flags), HEADER_SIZE)
    for entry in table.entries:
        made += build_entry(entry, len(made))
    return made + table.trailing


def build_entry(entry: Entry, offset: int = 0) -> bytes:
    """The bytes of one structure; `offset` is where it will stand, for messages.

    Raises:
        FormatError: a value that its field has no room for.
    """
    if isinstance(entry, UnknownEntry):
        head = Layout("BB", ("Type", "Length")).write((entry.type, len(entry.data) + 2), offset)
        return head + entry.data
    number = _TYPE_OF[type(entry)]
    layout = _TYPES[number][1]
    return bytes([number, layout.size + 2]) + layout.write(_values(entry), offset + 2)


def _size(table: bytes, at: int) -> int:
    left = len(table) - at
    if left < 2:
        raise FormatError("one byte is left at the end of the table", field="Length", offset=at)
    size = table[at + 1]
    if not 2 <= size <= left:
        raise FormatError(
            f"a structure of type {table[at]:#x} has the length {size}",
            field="Length",
            offset=at + 1,
            expected=f"2 to {left}, the bytes that are left",
        )
    return size


def _entry(data: bytes, offset: int) -> Entry:
    kind, layout = _TYPES.get(data[0], (UnknownEntry, Layout("", ())))
    if kind is UnknownEntry or layout.size + 2 != len(data):
        return UnknownEntry(data[0], data[2:], offset)
    values = layout.read(data, 2)
    if kind is LocalX2ApicNmi:
        flags, uid, lint, low, high = values
        return LocalX2ApicNmi(flags, uid, lint, low | high << 8, offset)
    made: Entry = kind(*values, offset=offset)
    return made


def _values(entry: Entry) -> list[int]:
    values = [getattr(entry, item.name) for item in fields(entry) if item.name != "offset"]
    if isinstance(entry, LocalX2ApicNmi):
        return [*values[:-1], entry.reserved & 0xFF, entry.reserved >> 8]
    return values
