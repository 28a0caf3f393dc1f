"""The root system description pointer: where an operating system starts to look.

Source: ACPI 6.5, section 5.2.5.3, "Root System Description Pointer (RSDP) Structure", and
5.2.5.1 for where it lies (on a 16-byte boundary). ACPI 1.0 knew the first 20 bytes only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.errors import FormatError
from harness.formats.acpi.header import checksum
from harness.formats.acpi.layout import Layout

SIGNATURE = b"RSD PTR "
SIZE_1 = 20
SIZE_2 = 36

_EXTENDED = Layout("IQB", ("Length", "XSDT Address", "Extended Checksum"))


@dataclass(frozen=True)
class Rsdp:
    """The pointer, as stored.

    Attributes:
        oem_id: up to six characters, Latin-1, without the NUL bytes at the end.
        revision: 0 for ACPI 1.0, whose pointer has 20 bytes; 2 or more have 36.
        rsdt_address: physical, 32 bits.
        checksum: makes the sum of the first 20 bytes 0.
        length: of the whole structure in bytes; 0 in revision 0, which has no such field.
        xsdt_address: physical, 64 bits; 0 in revision 0.
        extended_checksum: makes the sum of `length` bytes 0; 0 in revision 0.
        reserved: three bytes.
        trailing: what `length` claims beyond the 36 bytes.
    """

    oem_id: str
    revision: int
    rsdt_address: int
    checksum: int = 0
    length: int = 0
    xsdt_address: int = 0
    extended_checksum: int = 0
    reserved: bytes = bytes(3)
    trailing: bytes = b""

    @property
    def checksum_ok(self) -> bool:
        """The sum of the first 20 bytes is 0."""
        return checksum(build(self)[:SIZE_1]) == 0

    @property
    def extended_checksum_ok(self) -> bool | None:
        """The sum of the first `length` bytes is 0; None for revision 0, which has none."""
        if not _extended(self.revision):
            return None
        return checksum(build(self)[: self.length]) == 0


def find(data: bytes) -> tuple[int, ...]:
    """Offsets of the 16-byte boundaries at which the signature stands."""
    found = []
    at = data.find(SIGNATURE)
    while at >= 0:
        if at % 16 == 0:
            found.append(at)
        at = data.find(SIGNATURE, at + 1)
    return tuple(found)


def parse(data: bytes, offset: int = 0) -> Rsdp:
    """Read the pointer at `offset`; lenient about its checksums.

    Raises:
        FormatError: the signature is not there, or the bytes end before the structure.
    """
    if data[offset : offset + 8] != SIGNATURE:
        raise FormatError(
            f"the signature is {data[offset : offset + 8]!r}",
            field="Signature",
            offset=offset,
            expected="'RSD PTR '",
        )
    _need(data, offset, SIZE_1)
    first = Rsdp(
        oem_id=data[offset + 9 : offset + 15].rstrip(b"\0").decode("latin-1"),
        revision=data[offset + 15],
        rsdt_address=int.from_bytes(data[offset + 16 : offset + 20], "little"),
        checksum=data[offset + 8],
    )
    if not _extended(first.revision):
        return first
    _need(data, offset, SIZE_2)
    length, xsdt, extended = _EXTENDED.read(data, offset + SIZE_1)
    _need(data, offset, length)
    return replace(
        first,
        length=length,
        xsdt_address=xsdt,
        extended_checksum=extended,
        reserved=data[offset + 33 : offset + SIZE_2],
        trailing=data[offset + SIZE_2 : offset + length],
    )


def build(rsdp: Rsdp) -> bytes:
    """Its bytes: 20 in revision 0 and 1, 36 and `trailing` later.

    Raises:
        FormatError: a value that its field has no room for.
    """
    oem_id = rsdp.oem_id.encode("latin-1", "replace")
    if len(oem_id) > 6:
        raise FormatError(
            f"{rsdp.oem_id!r} does not fit", field="OEMID", offset=9, expected="6 characters"
        )
    head = Layout("B", ("Checksum",)).write((rsdp.checksum,), 8)
    tail = Layout("BI", ("Revision", "RsdtAddress")).write((rsdp.revision, rsdp.rsdt_address), 15)
    made = SIGNATURE + head + oem_id.ljust(6, b"\0") + tail
    if not _extended(rsdp.revision):
        return made
    made += _EXTENDED.write((rsdp.length, rsdp.xsdt_address, rsdp.extended_checksum), SIZE_1)
    return made + rsdp.reserved.ljust(3, b"\0")[:3] + rsdp.trailing


def sealed(rsdp: Rsdp) -> Rsdp:
    """The same with its length and both checksums right."""
    size = len(build(rsdp)) if _extended(rsdp.revision) else 0
    bare = replace(rsdp, length=size, checksum=0, extended_checksum=0)
    first = replace(bare, checksum=-checksum(build(bare)[:SIZE_1]) & 0xFF)
    if not size:
        return first
    return replace(first, extended_checksum=-checksum(build(first)) & 0xFF)


def _extended(revision: int) -> bool:
    # Revision 1 was never specified; consumers take it for the short form.
    return revision >= 2


def _need(data: bytes, offset: int, size: int) -> None:
    if len(data) - offset < size:
        raise FormatError(
            f"{max(len(data) - offset, 0)} bytes are left",
            field="Length" if size > SIZE_2 else "RSDP",
            offset=offset,
            expected=f"{size} bytes",
        )
