"""The HPET table: where the high precision event timer is.

Source: IA-PC HPET (High Precision Event Timers) Specification 1.0a, section 3.2.4, "The
ACPI 2.0 HPET Description Table (HPET)"; 2.3.4 for the bits of the block id.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import FormatError
from harness.formats.acpi import gas
from harness.formats.acpi.gas import Gas
from harness.formats.acpi.header import HEADER_SIZE, Header, body, build_header, checksum
from harness.formats.acpi.layout import Layout

SIZE = 56

_ID = Layout("I", ("Event Timer Block ID",))
_TAIL = Layout(
    "BHB",
    ("HPET Number", "Main Counter Minimum Clock_tick", "Page Protection And OEM Attribute"),
)


@dataclass(frozen=True)
class Hpet:
    """The table, as stored.

    Attributes:
        header: as stored.
        block_id: hardware id of the event timer block, the low half of its capabilities.
        base: where its registers are; memory.
        number: of this timer block among those of the machine; the handle by which an
            IVRS names it.
        minimum_tick: the least period, in ticks, of a periodic comparator.
        attributes: bits 0 to 3 page protection, 4 to 7 for the OEM.
        trailing: what is there beyond the 56 bytes.
    """

    header: Header
    block_id: int
    base: Gas
    number: int = 0
    minimum_tick: int = 0
    attributes: int = 0
    trailing: bytes = b""

    @property
    def checksum_ok(self) -> bool:
        """The bytes that the length field covers sum up to 0."""
        return checksum(build(self)[: self.header.length]) == 0

    @property
    def revision_id(self) -> int:
        """Of the hardware; 0 is not allowed."""
        return self.block_id & 0xFF

    @property
    def comparators(self) -> int:
        """How many there are, 1 to 32."""
        return (self.block_id >> 8 & 0x1F) + 1

    @property
    def counter_64bit(self) -> bool:
        """The main counter can be 64 bits wide."""
        return bool(self.block_id >> 13 & 1)

    @property
    def legacy_replacement(self) -> bool:
        """It can take the interrupts of the PIT and the RTC."""
        return bool(self.block_id >> 15 & 1)

    @property
    def vendor_id(self) -> int:
        """The PCI vendor id."""
        return self.block_id >> 16


def parse(data: bytes) -> Hpet:
    """Read an HPET table; lenient about its checksum.

    Raises:
        FormatError: another signature, or a length that is not that of such a table.
    """
    header, _table = body(data, SIZE)
    if header.signature != "HPET":
        raise FormatError(
            f"the signature is {header.signature!r}",
            field="Signature",
            offset=0,
            expected="'HPET'",
        )
    (block_id,) = _ID.read(data, HEADER_SIZE)
    number, tick, attributes = _TAIL.read(data, 52)
    return Hpet(
        header, block_id, gas.parse(data, 40), number, tick, attributes, trailing=data[SIZE:]
    )


def build(table: Hpet) -> bytes:
    """Its bytes, with length and checksum as they stand in the header.

    Raises:
        FormatError: a value that its field has no room for.
    """
    return (
        build_header(table.header)
        + _ID.write((table.block_id,), HEADER_SIZE)
        + gas.build(table.base, 40)
        + _TAIL.write((table.number, table.minimum_tick, table.attributes), 52)
        + table.trailing
    )
