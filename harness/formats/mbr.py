"""The partition table of a disk's first sector (DOS, "MBR").

Sources: Linux, block/partitions/msdos.c; util-linux, libfdisk/src/dos.c. Numbers are
little-endian, sectors have 512 bytes. The logical partitions inside an extended one are not
read.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.errors import FormatError
from harness.formats.problem import Problem

SECTOR_SIZE = 512
ENTRIES = 4
TYPE_FAT32_LBA, TYPE_LINUX, TYPE_GPT = 0x0C, 0x83, 0xEE

_ID_OFFSET = 440
_TABLE_OFFSET = 446
_ENTRY = struct.Struct("<B3sB3sII")
_SIGNATURE = b"\x55\xaa"
_BOOTABLE = 0x80

# The geometry that partitioning tools take for disks that have none.
_HEADS, _SECTORS = 255, 63
_LAST_CYLINDER = 1023


@dataclass(frozen=True)
class Partition:
    """One of the four entries.

    Attributes:
        type: 0x0c FAT32 (LBA), 0x83 Linux, ...; 0 for an entry that is not used.
        start: its first sector.
        sectors: how many it has.
        bootable: it is marked as active; U-Boot looks for boot.scr on such ones.
    """

    type: int
    start: int
    sectors: int
    bootable: bool = False

    @property
    def end(self) -> int:
        """The sector after its last one."""
        return self.start + self.sectors

    @property
    def used(self) -> bool:
        return self.type != 0 and self.sectors != 0


UNUSED = Partition(0, 0, 0)


@dataclass(frozen=True)
class Table:
    """A partition table.

    Attributes:
        partitions: up to four; the first is partition 1. `UNUSED` stands for an entry that
            is left out, those after the last used one are not listed.
        disk_id: what Linux makes PARTUUIDs of: "12345678-02".
    """

    partitions: tuple[Partition, ...]
    disk_id: int = 0


@dataclass(frozen=True)
class Reserved:
    """Sectors that no partition may have, such as those of the loader."""

    name: str
    start: int
    sectors: int


def parse(data: bytes) -> Table:
    """Read the table of a disk's first sector; what follows the sector is not looked at.

    Raises:
        FormatError: no whole sector, no signature, or an entry that is none.
    """
    if len(data) < SECTOR_SIZE:
        raise FormatError(
            f"the sector ends after {len(data)} bytes",
            field="sector",
            offset=len(data),
            expected=f"{SECTOR_SIZE} bytes",
        )
    if data[510:512] != _SIGNATURE:
        raise FormatError(
            f"the signature is {data[510:512].hex(' ')}",
            field="signature",
            offset=510,
            expected="a disk with a DOS partition table: 55 aa",
        )
    partitions = []
    for number in range(ENTRIES):
        offset = _TABLE_OFFSET + number * _ENTRY.size
        status, _, kind, _, start, sectors = _ENTRY.unpack_from(data, offset)
        if status & ~_BOOTABLE:
            raise FormatError(
                f"the status of partition {number + 1} is {status:#04x}",
                field="status",
                offset=offset,
                expected="0x00, or 0x80 for a bootable one: this may be boot code or a FAT"
                " without a partition table",
            )
        partitions.append(Partition(kind, start, sectors, status == _BOOTABLE))
    while partitions and partitions[-1] == UNUSED:
        partitions.pop()
    (disk_id,) = struct.unpack_from("<I", data, _ID_OFFSET)
    return Table(tuple(partitions), disk_id)


def build(table: Table, sector: bytes = bytes(SECTOR_SIZE)) -> bytes:
    """The first sector of a disk, as sfdisk writes it.

    Args:
        sector: what is there; its boot code is kept.

    Raises:
        FormatError: more than four partitions, a value that its field cannot hold, or a
            `sector` that is none.
    """
    if len(sector) != SECTOR_SIZE:
        raise FormatError(
            f"{len(sector)} bytes", field="sector", offset=0, expected=f"{SECTOR_SIZE} bytes"
        )
    if len(table.partitions) > ENTRIES:
        raise FormatError(
            f"{len(table.partitions)} partitions",
            field="partitions",
            offset=_TABLE_OFFSET,
            expected=f"at most {ENTRIES}",
        )
    _check("disk_id", table.disk_id, 2**32, _ID_OFFSET)
    raw = bytearray(sector)
    raw[_TABLE_OFFSET:510] = bytes(ENTRIES * _ENTRY.size)
    raw[510:] = _SIGNATURE
    struct.pack_into("<I", raw, _ID_OFFSET, table.disk_id)
    for number, part in enumerate(table.partitions):
        offset = _TABLE_OFFSET + number * _ENTRY.size
        _check("type", part.type, 2**8, offset + 4)
        _check("start", part.start, 2**32, offset + 8)
        _check("sectors", part.sectors, 2**32, offset + 12)
        first = _chs(part.start) if part.sectors else bytes(3)
        last = _chs(part.end - 1) if part.sectors else bytes(3)
        status = _BOOTABLE if part.bootable else 0
        _ENTRY.pack_into(raw, offset, status, first, part.type, last, part.start, part.sectors)
    return bytes(raw)


def _check(field: str, value: int, limit: int, offset: int) -> None:
    if not 0 <= value < limit:
        raise FormatError(
            f"the value is {value:#x}",
            field=field,
            offset=offset,
            expected=f"0 to {limit - 1:#x}",
        )


def _chs(sector: int) -> bytes:
    """Head, sector with the cylinder's upper bits, cylinder; the last ones beyond their reach."""
    track, number = divmod(sector, _SECTORS)
    cylinder, head = divmod(track, _HEADS)
    if cylinder > _LAST_CYLINDER:
        cylinder, head, number = _LAST_CYLINDER, _HEADS - 1, _SECTORS - 1
    return bytes([head, number + 1 | cylinder >> 2 & 0xC0, cylinder & 0xFF])


def problems(
    table: Table, disk_sectors: int, reserved: Sequence[Reserved] = ()
) -> tuple[Problem, ...]:
    """What is wrong with where the partitions are.

    Args:
        disk_sectors: how many the disk has.
        reserved: what else lies on the disk outside of partitions.

    Rules: mbr.gpt, mbr.empty, mbr.table (over the table itself), mbr.outside, mbr.overlap,
    mbr.reserved.
    """
    found = []
    used = [(n, part) for n, part in enumerate(table.partitions, 1) if part.used]
    for number, part in enumerate(table.partitions, 1):
        offset = _TABLE_OFFSET + (number - 1) * _ENTRY.size
        what = f"partition {number} ({_span(part.start, part.end)})"
        if part.type == TYPE_GPT:
            found.append(
                Problem(
                    "mbr.gpt",
                    "error",
                    f"partition {number} is of type 0xee: the table of this disk is a GPT",
                    "the GPT's own sectors begin at 1 and have 16 KiB: a loader at 8 KiB is"
                    " inside of them",
                    offset,
                )
            )
        if part.type and not part.sectors:
            found.append(
                Problem(
                    "mbr.empty",
                    "warning",
                    f"partition {number} has a type ({part.type:#04x}) and no sectors",
                    "U-Boot and Linux do not see it; those after it keep their numbers",
                    offset + 12,
                )
            )
        if not part.used:
            continue
        if part.start == 0:
            found.append(
                Problem(
                    "mbr.table",
                    "error",
                    f"{what} begins at sector 0, where the partition table is",
                    "a file system in it writes over the table",
                    offset + 8,
                )
            )
        if part.end > disk_sectors:
            found.append(
                Problem(
                    "mbr.outside",
                    "error",
                    f"{what} ends beyond the disk, which has {disk_sectors} sectors",
                    "reads of its end fail: U-Boot and Linux refuse the file system",
                    offset + 12,
                )
            )
        found += [
            Problem(
                "mbr.reserved",
                "error",
                f"{what} overlaps the {other.name}"
                f" ({_span(other.start, other.start + other.sectors)})",
                f"whoever writes to the partition destroys the {other.name}, and the other way"
                " round",
                offset + 8,
            )
            for other in reserved
            if part.start < other.start + other.sectors and other.start < part.end
        ]
    for (one, first), (two, second) in combinations(used, 2):
        if first.start < second.end and second.start < first.end:
            found.append(
                Problem(
                    "mbr.overlap",
                    "error",
                    f"partitions {one} ({_span(first.start, first.end)}) and"
                    f" {two} ({_span(second.start, second.end)}) overlap",
                    "each file system writes into the other",
                    _TABLE_OFFSET + (two - 1) * _ENTRY.size + 8,
                )
            )
    return tuple(found)


def _span(start: int, end: int) -> str:
    return f"sectors {start} to {end - 1}"
