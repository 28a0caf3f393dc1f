"""MCFG: where the PCI configuration space is mapped into memory (ECAM).

Source: PCI Firmware Specification 3.3, section 4.1.2, "MCFG Table Description".
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from harness.errors import FormatError
from harness.formats.acpi.header import HEADER_SIZE, Header, body, build_header, checksum
from harness.formats.acpi.layout import Layout

FIRST = HEADER_SIZE + 8

_LAYOUT = Layout(
    "QHBBI",
    (
        "Base Address",
        "PCI Segment Group Number",
        "Start Bus Number",
        "End Bus Number",
        "Reserved",
    ),
)


@dataclass(frozen=True)
class Allocation:
    """The configuration space of some buses.

    Attributes:
        base: physical address of bus 0 of the segment, whichever the first bus is.
        segment: PCI segment group.
        start_bus, end_bus: the first and the last.
        reserved: four bytes.
    """

    base: int
    segment: int
    start_bus: int
    end_bus: int
    reserved: int = 0


@dataclass(frozen=True)
class Mcfg:
    """The table, as stored.

    Attributes:
        header: as stored.
        allocations: in the order of the table.
        reserved: eight bytes after the header.
        trailing: bytes that make no whole allocation, and what follows the table's length.
    """

    header: Header
    allocations: tuple[Allocation, ...]
    reserved: bytes = bytes(8)
    trailing: bytes = b""

    @property
    def checksum_ok(self) -> bool:
        """The bytes that the length field covers sum up to 0."""
        return checksum(build(self)[: self.header.length]) == 0


def parse(data: bytes) -> Mcfg:
    """Read an MCFG; lenient about its checksum.

    Raises:
        FormatError: another signature, or a length that is not that of such a table.
    """
    header, table = body(data, FIRST)
    if header.signature != "MCFG":
        raise FormatError(
            f"the signature is {header.signature!r}",
            field="Signature",
            offset=0,
            expected="'MCFG'",
        )
    end = len(table) - (len(table) - FIRST) % _LAYOUT.size
    return Mcfg(
        header,
        tuple(Allocation(*_LAYOUT.read(table, at)) for at in range(FIRST, end, _LAYOUT.size)),
        table[HEADER_SIZE:FIRST],
        data[end:],
    )


def build(table: Mcfg) -> bytes:
    """Its bytes, with length and checksum as they stand in the header.

    Raises:
        FormatError: a value that its field has no room for.
    """
    made = build_header(table.header) + table.reserved.ljust(8, b"\0")[:8]
    for allocation in table.allocations:
        made += _LAYOUT.write(astuple(allocation), len(made))
    return made + table.trailing
