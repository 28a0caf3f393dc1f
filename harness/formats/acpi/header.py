"""The header that nearly every ACPI table starts with, and its checksum.

Source: ACPI 6.5, section 5.2.6, "System Description Table Header". All numbers are
little-endian (section 5.2.2).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from harness.errors import FormatError

HEADER_SIZE = 36
CHECKSUM_OFFSET = 9

_LAYOUT = struct.Struct("<4sIBB6s8sI4sI")


@dataclass(frozen=True)
class Header:
    """A table header, as stored: none of it needs to be true.

    The texts are Latin-1 without the NUL bytes at their end (other padding is kept), so
    that every byte can be told; `build_header` pads them with NUL again.

    Attributes:
        signature: four characters, "IVRS".
        length: bytes of the whole table, this header included, as the table says.
        revision: of the table's format.
        checksum: the byte that makes the sum of all bytes of the table 0, modulo 256.
        oem_id: up to six characters.
        oem_table_id: up to eight characters.
        oem_revision: 32 bits.
        creator_id: of the tool that made the table, up to four characters.
        creator_revision: 32 bits.
    """

    signature: str
    length: int
    revision: int
    checksum: int
    oem_id: str
    oem_table_id: str
    oem_revision: int
    creator_id: str
    creator_revision: int


def checksum(data: bytes) -> int:
    """The sum of the bytes modulo 256: 0 for a table whose checksum is right."""
    return sum(data) & 0xFF


def with_checksum(data: bytes) -> bytes:
    """The same table with the checksum byte (offset 9) that makes its sum 0.

    Raises:
        FormatError: the table ends before its checksum byte.
    """
    if len(data) <= CHECKSUM_OFFSET:
        raise FormatError(f"the table has {len(data)} bytes", field="Checksum", offset=len(data))
    others = checksum(data[:CHECKSUM_OFFSET]) + checksum(data[CHECKSUM_OFFSET + 1 :])
    return data[:CHECKSUM_OFFSET] + bytes([-others & 0xFF]) + data[CHECKSUM_OFFSET + 1 :]


def sealed(data: bytes) -> bytes:
    """The same table with the length that it has, and then the checksum that it needs.

    Raises:
        FormatError: fewer than 36 bytes.
    """
    parse_header(data)
    return with_checksum(data[:4] + struct.pack("<I", len(data)) + data[8:])


def body(data: bytes, least: int) -> tuple[Header, bytes]:
    """The header of a table, and the whole table as far as its length field goes.

    Raises:
        FormatError: the length field is less than `least` bytes, or more than there are;
            the table cannot be walked then.
    """
    header = parse_header(data)
    if header.length < least:
        raise FormatError(
            f"the length is {header.length}",
            field="Length",
            offset=4,
            expected=f"at least {least} bytes for {header.signature!r}",
        )
    if header.length > len(data):
        raise FormatError(
            f"the length is {header.length:#x}, but only {len(data):#x} bytes are there",
            field="Length",
            offset=4,
            expected="the whole table",
        )
    return header, data[: header.length]


def parse_header(data: bytes, offset: int = 0) -> Header:
    """Read the header at `offset`; lenient about every value in it.

    Raises:
        FormatError: fewer than 36 bytes are there.
    """
    if offset < 0 or len(data) - offset < HEADER_SIZE:
        raise FormatError(
            f"{max(len(data) - max(offset, 0), 0)} bytes are left",
            field="header",
            offset=offset,
            expected=f"an ACPI table header of {HEADER_SIZE} bytes",
        )
    (
        signature,
        length,
        revision,
        stored,
        oem_id,
        oem_table_id,
        oem_revision,
        creator_id,
        creator_revision,
    ) = _LAYOUT.unpack_from(data, offset)
    return Header(
        signature.decode("latin-1"),
        length,
        revision,
        stored,
        _text(oem_id),
        _text(oem_table_id),
        oem_revision,
        _text(creator_id),
        creator_revision,
    )


def build_header(header: Header) -> bytes:
    """The 36 bytes of a header, with its length and checksum as they stand in it.

    Raises:
        FormatError: a value that its field has no room for.
    """
    return _LAYOUT.pack(
        _bytes(header.signature, 4, "Signature", 0),
        _number(header.length, 4, "Length", 4),
        _number(header.revision, 1, "Revision", 8),
        _number(header.checksum, 1, "Checksum", 9),
        _bytes(header.oem_id, 6, "OEMID", 10),
        _bytes(header.oem_table_id, 8, "OEM Table ID", 16),
        _number(header.oem_revision, 4, "OEM Revision", 24),
        _bytes(header.creator_id, 4, "Creator ID", 28),
        _number(header.creator_revision, 4, "Creator Revision", 32),
    )


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("latin-1")


def _bytes(text: str, size: int, field: str, offset: int) -> bytes:
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        raw = b""
    if len(raw) != len(text) or len(raw) > size:
        raise FormatError(
            f"{text!r} does not fit", field=field, offset=offset, expected=f"{size} characters"
        )
    return raw.ljust(size, b"\0")


def _number(value: int, size: int, field: str, offset: int) -> int:
    if not 0 <= value < 1 << 8 * size:
        raise FormatError(
            f"{value:#x} does not fit", field=field, offset=offset, expected=f"{size} bytes"
        )
    return value
