"""RSDT and XSDT: the addresses of all other tables, 32 or 64 bits wide.

Sources: ACPI 6.5, section 5.2.7 (RSDT) and 5.2.8 (XSDT).
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import FormatError
from harness.formats.acpi.header import HEADER_SIZE, Header, body, build_header, checksum
from harness.formats.acpi.layout import Layout

_WIDTH = {"RSDT": 4, "XSDT": 8}


@dataclass(frozen=True)
class Rsdt:
    """An RSDT or an XSDT; the signature in the header says which.

    Attributes:
        header: as stored.
        entries: physical addresses of tables.
        trailing: bytes that make no whole entry, and what follows the table's length.
    """

    header: Header
    entries: tuple[int, ...]
    trailing: bytes = b""

    @property
    def checksum_ok(self) -> bool:
        """The bytes that the length field covers sum up to 0."""
        return checksum(build(self)[: self.header.length]) == 0


def parse(data: bytes) -> Rsdt:
    """Read an RSDT or XSDT; lenient about its checksum.

    Raises:
        FormatError: another signature, or a length that is not that of such a table.
    """
    header, table = body(data, HEADER_SIZE)
    width = _width(header)
    end = len(table) - (len(table) - HEADER_SIZE) % width
    return Rsdt(
        header,
        tuple(
            int.from_bytes(table[at : at + width], "little")
            for at in range(HEADER_SIZE, end, width)
        ),
        data[end:],
    )


def build(table: Rsdt) -> bytes:
    """Its bytes, with length and checksum as they stand in the header.

    Raises:
        FormatError: an address too wide for the table.
    """
    code = {4: "I", 8: "Q"}[_width(table.header)]
    count = len(table.entries)
    entries = Layout(code * count, ("Entry",) * count).write(table.entries, HEADER_SIZE)
    return build_header(table.header) + entries + table.trailing


def _width(header: Header) -> int:
    if header.signature not in _WIDTH:
        raise FormatError(
            f"the signature is {header.signature!r}",
            field="Signature",
            offset=0,
            expected="'RSDT' or 'XSDT'",
        )
    return _WIDTH[header.signature]
