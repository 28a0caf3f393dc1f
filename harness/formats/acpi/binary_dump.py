"""Tables out of bytes: one table, several one after another, or somewhere in memory.

Sources: ACPI 6.5, table 5.5 and 5.6 for the signatures, 5.2.5 to 5.2.9 for how a memory is
walked from its RSDP. `acpidump -b` of ACPICA writes each table to a file of its own, as it
lies in memory; `cat` of such files gives the concatenation.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from harness.errors import FormatError
from harness.formats.acpi import fadt, rsdp, rsdt
from harness.formats.acpi.header import HEADER_SIZE, checksum
from harness.formats.acpi.tableset import RawTable

_NAMES = """
    AEST AGDI APIC APMT ASF! BDAT BERT BGRT BOOT CCEL CDIT CEDT CPEP CRAT CSRT DBG2 DBGP DMAR
    DRTM DSDT DTPR ECDT EINJ ERST ETDT FACP FACS FPDT GTDT HEST HPET IBFT IERS IORT IVRS KEYP
    LPIT MCFG MCHI MHSP MPAM MPST MSCT MSDM NBFT NFIT PCCT PHAT PMTT PPTT PRMT PSDT RAS2 RASF
    RGRT RHCT RSDT SBST SDEI SDEV SLIC SLIT SPCR SPMI SRAT SSDT STAO SVKL SWFT TCPA TPM2 UEFI
    VFCT WAET WDAT WDDT WDRT WPBT WSMT XENV XSDT
"""
SIGNATURES = frozenset(_NAMES.split())

_LETTERS = frozenset((string.ascii_letters + string.digits + "_!$").encode())
# A FACS has no checksum to tell it by.
_SIGNATURE = re.compile(
    b"|".join(re.escape(name.encode()) for name in sorted(SIGNATURES - {"FACS"}))
)
_LARGEST = 4 << 20  # of a table that a scan believes in; the DSDTs of today are below 1 MiB
_PER_HIT = 1024  # what looking at a signature costs, in bytes summed
_MOST_SUMMED = 256 << 20


def signature_at(data: bytes, offset: int = 0) -> str | None:
    """The signature of the table that begins here, None if none seems to.

    A known signature is believed, whatever its header says; another name only with a length
    that fits.
    """
    if data[offset : offset + 8] == rsdp.SIGNATURE:
        return "RSD PTR "
    name = data[offset : offset + 4]
    if len(name) == 4 and name.decode("latin-1") in SIGNATURES:
        return name.decode("latin-1")
    length = int.from_bytes(data[offset + 4 : offset + 8], "little")
    if len(name) == 4 and set(name) <= _LETTERS and HEADER_SIZE <= length <= len(data) - offset:
        return name.decode("latin-1")
    return None


def parse(data: bytes) -> tuple[RawTable, ...]:
    """The tables in these bytes, whichever of the three forms they have.

    Raises:
        FormatError: there is no table in them, or they claim to hold absurdly many.
    """
    if signature_at(data) is not None:
        return split(data)
    tables = scan(data)
    if not tables:
        raise FormatError(
            f"{len(data)} bytes that begin with {data[:4]!r} hold no ACPI table",
            field="Signature",
            offset=0,
            expected="a table, tables one after another, or a memory dump with tables whose "
            "checksums are right",
        )
    return tables


def split(data: bytes) -> tuple[RawTable, ...]:
    """Tables one after another, zero bytes between them or not.

    What follows the last table and is no table is kept with it, as a damaged length field
    would have it; a last table that is cut short is kept as it is.

    Raises:
        FormatError: no table begins at offset 0.
    """
    if signature_at(data) is None:
        raise FormatError(
            f"{data[:4]!r} is no signature",
            field="Signature",
            offset=0,
            expected="an ACPI table",
        )
    tables = []
    at = 0
    while at < len(data):
        signature = signature_at(data, at) or ""
        size = _size(data, at)
        following = _next(data, at + size) if size else len(data)
        raw = data[at : at + size] if following < len(data) else data[at:]
        tables.append(RawTable(signature, raw, f"offset {at:#x}", notes=_remarks(raw, size)))
        at = following
    return tuple(tables)


def scan(data: bytes) -> tuple[RawTable, ...]:
    """The tables in a dump of memory.

    If the dump begins at address 0 and holds an RSDP with what it points to, these tables;
    else every known signature with a length and a checksum that fit, each content once.

    Raises:
        FormatError: more signatures and lengths than a memory would hold.
    """
    for at in rsdp.find(data):
        tables = _walk(data, at)
        if tables:
            return tables
    found: dict[bytes, RawTable] = {}
    for at, raw in _candidates(data):
        found.setdefault(raw, RawTable(raw[:4].decode("latin-1"), raw, f"offset {at:#x}"))
    return tuple(found.values())


def _size(data: bytes, at: int) -> int:
    """Bytes of the table that begins here; 0 if its header does not tell."""
    left = len(data) - at
    if data[at : at + 8] == rsdp.SIGNATURE:
        return min(rsdp.SIZE_2 if data[at + 15 : at + 16] > b"\x01" else rsdp.SIZE_1, left)
    length = int.from_bytes(data[at + 4 : at + 8], "little")
    return min(length, left) if length >= HEADER_SIZE else 0


def _next(data: bytes, at: int) -> int:
    """Where the next table begins, at or behind this offset; the end if none does."""
    if signature_at(data, at) is not None:
        return at
    # Zero bytes up to the next boundary are padding.
    rest = len(data) - len(data[at:].lstrip(b"\0")) if len(data) - at < _LARGEST else at
    return rest if signature_at(data, rest) is not None else len(data)


def _remarks(raw: bytes, size: int) -> tuple[str, ...]:
    if raw.startswith(rsdp.SIGNATURE):
        return ()
    length = int.from_bytes(raw[4:8], "little")
    if not size:
        return (f"the length field says {length}: the table is taken to fill its source",)
    if length > len(raw):
        return (f"the source ends after {len(raw):#x} bytes, the table says {length:#x}",)
    if length < len(raw):
        return (f"{len(raw) - length} bytes follow the end that the length field gives",)
    return ()


def _candidates(data: bytes) -> Iterator[tuple[int, bytes]]:
    budget = min(4 * len(data) + (16 << 20), _MOST_SUMMED)
    for match in _SIGNATURE.finditer(data):
        at = match.start()
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        budget -= _PER_HIT
        if HEADER_SIZE <= length <= min(_LARGEST, len(data) - at):
            budget -= length
            raw = data[at : at + length]
            if checksum(raw) == 0:
                yield at, raw
        if budget < 0:
            raise FormatError(
                f"by {at:#x}, more signatures of tables than a memory dump would hold",
                field="Signature",
                offset=at,
                expected="ACPI tables, or a dump of memory",
            )


def _walk(data: bytes, at: int) -> tuple[RawTable, ...]:
    """RSDP, XSDT or RSDT and what they point to, if addresses are offsets here; else ()."""
    try:
        pointer = rsdp.parse(data, at)
    except FormatError:
        return ()
    root = None
    for address in (pointer.xsdt_address, pointer.rsdt_address):
        root = root or _table(data, address, ("XSDT", "RSDT"))
    if root is None or not pointer.checksum_ok:
        return ()
    size = rsdp.SIZE_1 if pointer.revision < 2 else rsdp.SIZE_2
    tables = [RawTable("RSD PTR ", data[at : at + size], f"address {at:#x}"), root]
    seen: set[int] = set()
    for address in rsdt.parse(root.data).entries:
        table = _table(data, address)
        if table is None or address in seen:
            continue
        seen.add(address)
        tables.append(table)
        if table.signature == "FACP":
            tables += _of_fadt(data, table)
    return tuple(tables) if len(tables) > 2 else ()


def _of_fadt(data: bytes, table: RawTable) -> list[RawTable]:
    try:
        fixed = fadt.parse(table.data)
    except FormatError:
        return []
    both = (
        _table(data, fixed.facs_address, ("FACS",)),
        _table(data, fixed.dsdt_address, ("DSDT",)),
    )
    return [table for table in both if table is not None]


def _table(data: bytes, address: int, wanted: tuple[str, ...] = ()) -> RawTable | None:
    signature = signature_at(data, address) if address else None
    length = int.from_bytes(data[address + 4 : address + 8], "little")
    fits = HEADER_SIZE <= length <= min(_LARGEST, len(data) - address)
    if signature is None or not fits or (wanted and signature not in wanted):
        return None
    return RawTable(signature, data[address : address + length], f"address {address:#x}")
