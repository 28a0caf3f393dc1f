"""The ACPI tables of one machine, as bytes, in the order in which they were found."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.formats.acpi.header import HEADER_SIZE, Header, checksum, parse_header


@dataclass(frozen=True)
class RawTable:
    """One table, whole, unread.

    Attributes:
        signature: four characters as the table begins, "IVRS", "APIC"; "RSD PTR " of the
            root pointer.
        data: the bytes, from the signature on. May be fewer or more than the length field
            says, where the source had them so.
        origin: where it was read, for messages: "dump.txt:12", "tables/IVRS".
        reconstructed: made from something else than its bytes, as from a boot log: what
            the source did not tell is made up, the checksum first of all.
        unknown: offsets, as ranges, of what was made up; nothing said about them says
            anything about the firmware.
        notes: what its reader had to assume, one sentence each.
    """

    signature: str
    data: bytes = field(repr=False)
    origin: str = ""
    reconstructed: bool = False
    unknown: tuple[range, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def header(self) -> Header | None:
        """The standard header; None for RSDP and FACS, which have none, and for a stump."""
        if self.signature in ("RSD PTR ", "FACS") or len(self.data) < HEADER_SIZE:
            return None
        return parse_header(self.data)

    @property
    def checksum_ok(self) -> bool | None:
        """Whether the bytes that the length field covers sum up to 0.

        None when there is no standard header to say, or the table ends before its length.
        """
        header = self.header
        if header is None or not HEADER_SIZE <= header.length <= len(self.data):
            return None
        return checksum(self.data[: header.length]) == 0


@dataclass(frozen=True)
class TableSet:
    """The tables of one machine.

    Attributes:
        tables: in the order in which they were found; a signature may repeat (SSDT).
        origin: the file or folder that they were read from.
        form: what it was recognised as, "a hex dump".
    """

    tables: tuple[RawTable, ...]
    origin: str = ""
    form: str = ""

    def find(self, signature: str) -> RawTable | None:
        """The first table of this signature, or None."""
        return next((table for table in self.tables if table.signature == signature), None)

    def all(self, signature: str) -> tuple[RawTable, ...]:
        """All tables of this signature."""
        return tuple(table for table in self.tables if table.signature == signature)
