"""ACPI tables as QEMU hands them to SeaBIOS: three fw_cfg files, one of them a script.

The script (etc/table-loader) says where the bytes of the tables (etc/acpi/tables) and of the
root pointer (etc/acpi/rsdp) go, which of them hold addresses, and which checksums follow from
that. Sources: QEMU, hw/acpi/bios-linker-loader.c; SeaBIOS, src/fw/romfile_loader.[ch].
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import FormatError
from harness.formats.acpi.header import CHECKSUM_OFFSET, HEADER_SIZE, checksum
from harness.formats.acpi.rsdp import SIZE_1, SIZE_2

TABLES = "etc/acpi/tables"
RSDP = "etc/acpi/rsdp"
LOADER = "etc/table-loader"

COMMAND_SIZE = 128

Checksums = Literal["kept", "mended"]

_ALLOCATE, _ADD_POINTER, _ADD_CHECKSUM = 1, 2, 3
_NAME = 56
_HIGH, _FSEG = 1, 2
_ALIGN = 64  # of the FACS, the strictest (ACPI 6.5, 5.2.10)
_RSDP_ALIGN = 16  # ACPI 6.5, 5.2.5.1

# Where tables hold addresses of others, (offset, bytes, signature): ACPI 6.5, 5.2.5.3 and
# 5.2.9. What an RSDT or XSDT points to are all the tables that nothing else points to.
_RSDP_POINTERS = ((16, 4, "RSDT"), (24, 8, "XSDT"))
_FADT_POINTERS = ((36, 4, "FACS"), (40, 4, "DSDT"), (132, 8, "FACS"), (140, 8, "DSDT"))
_WIDTH = {"RSDT": 4, "XSDT": 8}
_NOT_LISTED = frozenset({"RSDT", "XSDT", "FACS", "DSDT"})
_RSDP_EXTENDED_CHECKSUM = 32
_RSDP_CHECKSUM = 8


@dataclass(frozen=True)
class Allocate:
    """Put a file into memory.

    Attributes:
        align: bytes, a power of two.
        fseg: below 1 MiB, where the root pointer is searched; else in high memory.
    """

    file: str
    align: int
    fseg: bool = False


@dataclass(frozen=True)
class AddPointer:
    """Add the address of `source` to the number of `size` bytes at `offset` in `file`."""

    file: str
    source: str
    offset: int
    size: int


@dataclass(frozen=True)
class AddChecksum:
    """Make the sum of `length` bytes from `start` 0, by the byte at `offset` in `file`."""

    file: str
    offset: int
    start: int
    length: int


Command = Allocate | AddPointer | AddChecksum


@dataclass(frozen=True)
class LoaderBlobs:
    """The content of the three fw_cfg files."""

    tables: bytes
    rsdp: bytes
    loader: bytes

    @property
    def files(self) -> dict[str, bytes]:
        """Name in fw_cfg -> content."""
        return {TABLES: self.tables, RSDP: self.rsdp, LOADER: self.loader}


def loader_blobs(
    rsdp: bytes, tables: Sequence[bytes], *, checksums: Checksums = "kept"
) -> LoaderBlobs:
    """The files that give a machine these tables, in this order.

    Every byte arrives as it is given, but for the fields that hold addresses of tables (in the
    root pointer, RSDT, XSDT and FADT): where such a field holds 0, and the table is there, it
    gets the address. An RSDT and an XSDT need one such entry for each of the other tables,
    but for FACS and DSDT, and get them in the order of `tables`. A field that holds something
    else keeps it: it leads nowhere on purpose. So does a length that is not true.

    SeaBIOS takes no root pointer with a wrong checksum: it then makes tables of its own, or
    none.

    Args:
        rsdp: 20 bytes, or 36 and more.
        tables: whole tables, from the signature on; one of each but for those that an RSDT
            lists.
        checksums: "kept": a right one stays right, and a wrong one as wrong as it was, for
            all that addresses were added; "mended": SeaBIOS makes every one right.

    Raises:
        FormatError: an RSDP of fewer than 20 bytes, a stump of a table, or an RSDT or XSDT
            with too many or too few entries.
    """
    if len(rsdp) < SIZE_1:
        raise FormatError(
            f"{len(rsdp)} bytes", field="RSDP", offset=0, expected=f"{SIZE_1}, or {SIZE_2} and more"
        )
    blob, starts = _laid_out(tables)
    where = dict(zip((_signature(table) for table in tables), starts, strict=True))
    script: list[Command] = [Allocate(RSDP, _RSDP_ALIGN, fseg=True), Allocate(TABLES, _ALIGN)]
    sums: list[Command] = []
    for table, start in zip(tables, starts, strict=True):
        links = list(_links(table, tables, where, starts))
        for offset, size, target in links:
            at = start + offset
            blob[at : at + size] = target.to_bytes(size, "little")
            script.append(AddPointer(TABLES, TABLES, at, size))
        sums += _table_sums(table, start, blob, linked=bool(links), checksums=checksums)
    root, root_commands = _root(rsdp, where, checksums)
    loader = b"".join(pack_command(command) for command in (*script, *sums, *root_commands))
    return LoaderBlobs(bytes(blob), root, loader)


def _laid_out(tables: Sequence[bytes]) -> tuple[bytearray, list[int]]:
    """The tables one after another, aligned, with a spare byte before each; their starts."""
    blob, starts = bytearray(), []
    for number, table in enumerate(tables):
        if len(table) < 8:
            raise FormatError(
                f"table {number} has {len(table)} bytes",
                field="Signature",
                expected="at least a signature and a length",
            )
        start = -(-(len(blob) + 1) // _ALIGN) * _ALIGN
        blob += bytes(start - len(blob)) + table
        starts.append(start)
    return blob, starts


def _links(
    table: bytes, tables: Sequence[bytes], where: dict[str, int], starts: Sequence[int]
) -> Iterator[tuple[int, int, int]]:
    """The fields of a table that get an address: offset in it, size, start of the other table."""
    signature = _signature(table)
    if signature == "FACP":
        for offset, size, name in _FADT_POINTERS:
            if name in where and _is_zero(table, offset, size):
                yield offset, size, where[name]
        return
    if signature not in _WIDTH:
        return
    width = _WIDTH[signature]
    slots = [
        at for at in range(HEADER_SIZE, len(table) - width + 1, width) if _is_zero(table, at, width)
    ]
    listed = [
        start
        for other, start in zip(tables, starts, strict=True)
        if _signature(other) not in _NOT_LISTED
    ]
    if len(slots) != len(listed):
        raise FormatError(
            f"the {signature} has {len(slots)} entries that hold 0",
            field="Entry",
            offset=HEADER_SIZE,
            expected=f"{len(listed)}, one for each table to be listed",
        )
    for offset, target in zip(slots, listed, strict=True):
        yield offset, width, target


def _table_sums(
    table: bytes, start: int, blob: bytearray, *, linked: bool, checksums: Checksums
) -> Iterator[AddChecksum]:
    length = int.from_bytes(table[4:8], "little")
    covered = length if length <= len(table) else len(table)
    if _signature(table) == "FACS" or covered <= CHECKSUM_OFFSET:
        return
    at = start + CHECKSUM_OFFSET
    if checksums == "mended":
        yield AddChecksum(TABLES, at, start, covered)
    elif linked:
        # The spare byte makes up for what the sum is meant to be: SeaBIOS brings both
        # together to 0.
        wrong = checksum(table[:covered])
        blob[start - 1] = -wrong & 0xFF
        yield AddChecksum(TABLES, at, start - 1, covered + 1)


def _root(rsdp: bytes, where: dict[str, int], checksums: Checksums) -> tuple[bytes, list[Command]]:
    """The file of the root pointer, and what is to be done to it."""
    extended = len(rsdp) >= SIZE_2
    # Spare bytes as before a table; the pointer itself stays on a boundary of 16 bytes.
    start = _RSDP_ALIGN
    data = bytearray(start) + rsdp + b"\0"
    commands: list[Command] = []
    for offset, size, name in _RSDP_POINTERS[: 2 if extended else 1]:
        if name in where and _is_zero(rsdp, offset, size):
            at = start + offset
            data[at : at + size] = where[name].to_bytes(size, "little")
            commands.append(AddPointer(RSDP, TABLES, at, size))
    keep = checksums == "kept"
    first = checksum(rsdp[:SIZE_1])
    if keep:
        data[start - 1] = -first & 0xFF
    commands.append(AddChecksum(RSDP, start + _RSDP_CHECKSUM, start - 1, SIZE_1 + 1))
    if extended:
        length = int.from_bytes(rsdp[SIZE_1 : SIZE_1 + 4], "little")
        covered = length if SIZE_2 <= length <= len(rsdp) else len(rsdp)
        if keep:
            # This spare byte is behind; between it and the sum there may be more.
            behind = checksum(rsdp[covered:])
            data[-1] = -(checksum(rsdp[:covered]) + behind) & 0xFF
            covered = len(rsdp) + 1
        at = start + _RSDP_EXTENDED_CHECKSUM
        commands.append(AddChecksum(RSDP, at, start, covered))
    return bytes(data), commands


def _signature(table: bytes) -> str:
    return table[:4].decode("latin-1")


def _is_zero(table: bytes, offset: int, size: int) -> bool:
    return offset + size <= len(table) and not any(table[offset : offset + size])


def pack_command(command: Command) -> bytes:
    """A command as the 128 bytes that stand in etc/table-loader.

    Raises:
        FormatError: a value that its field has no room for.
    """
    try:
        if isinstance(command, Allocate):
            zone = _FSEG if command.fseg else _HIGH
            data = struct.pack("<I56sIB", _ALLOCATE, _name(command.file), command.align, zone)
        elif isinstance(command, AddPointer):
            names = _name(command.file), _name(command.source)
            data = struct.pack("<I56s56sIB", _ADD_POINTER, *names, command.offset, command.size)
        else:
            numbers = command.offset, command.start, command.length
            data = struct.pack("<I56sIII", _ADD_CHECKSUM, _name(command.file), *numbers)
    except struct.error:
        raise FormatError(f"{command} does not fit", field="command") from None
    return data.ljust(COMMAND_SIZE, b"\0")


def parse_script(data: bytes) -> tuple[Command, ...]:
    """The commands of an etc/table-loader, up to the first empty one, as QEMU pads the file.

    Raises:
        FormatError: no whole number of commands, or a command that is not one of ours.
    """
    found: list[Command] = []
    for at in range(0, len(data), COMMAND_SIZE):
        entry = data[at : at + COMMAND_SIZE]
        if len(entry) < COMMAND_SIZE:
            raise FormatError(
                f"{len(entry)} bytes are left",
                field="command",
                offset=at,
                expected=f"{COMMAND_SIZE} bytes",
            )
        number = int.from_bytes(entry[:4], "little")
        file = _text(entry[4 : 4 + _NAME])
        if number == 0:
            break
        if number == _ALLOCATE:
            align, zone = struct.unpack_from("<IB", entry, 4 + _NAME)
            found.append(Allocate(file, align, fseg=zone == _FSEG))
        elif number == _ADD_POINTER:
            source = _text(entry[4 + _NAME : 4 + 2 * _NAME])
            found.append(AddPointer(file, source, *struct.unpack_from("<IB", entry, 4 + 2 * _NAME)))
        elif number == _ADD_CHECKSUM:
            found.append(AddChecksum(file, *struct.unpack_from("<III", entry, 4 + _NAME)))
        else:
            raise FormatError(
                f"there is no command {number}",
                field="command",
                offset=at,
                expected="1 allocate, 2 add pointer, 3 add checksum",
            )
    return tuple(found)


def _name(text: str) -> bytes:
    raw = text.encode("ascii", "replace")
    if len(raw) >= _NAME:  # SeaBIOS wants its NUL
        raise FormatError(f"{text!r} is too long", field="file", expected=f"{_NAME - 1} characters")
    return raw


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1")
