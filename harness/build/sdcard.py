"""The SD card of a board, or the disk that an emulated one boots from: without root, no loop mount.

    offset          what
    0               partition table (DOS)
    loader_kib      SPL and U-Boot, where the boot ROM of the SoC looks (Allwinner: 8 KiB)
    1 MiB           partition 1, FAT, bootable: boot.scr, uboot.env
    ... boot_mib    partition 2, ext4: xen, zImage, initrd, board.dtb, files of domains

Sources: U-Boot doc/board/allwinner/sunxi.rst (places on the card), include/config_distro_bootcmd.h
(U-Boot looks for /boot.scr on the first bootable partition).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from harness import tools
from harness.board.booting import Card
from harness.build.bootscript import FILES_PARTITION
from harness.errors import InputError, ProfileError
from harness.formats import mbr

SECTOR = 512
FIRST_SECTOR = 2048
_MIB = 1 << 20
_FAT16_LBA, _LINUX = 0x0E, 0x83
# Fixed, so that the same files make the same file system.
_UUID = "6b657268-6172-6e65-7373-000000000002"
_SERIAL = "68617273"
# What mke2fs and mtools would otherwise take from the clock (2000-01-01).
_NOW = "946684800"


@dataclass(frozen=True)
class Piece:
    """A part of the loader: a file that lies at a fixed place of the card.

    Args:
        offset: in bytes from the start of the card.
        name: where it is from, for messages.
    """

    name: str
    offset: int
    data: bytes

    @property
    def end(self) -> int:
        """The offset of the first byte behind it."""
        return self.offset + len(self.data)


def write_card(
    image: Path,
    card: Card,
    loader: tuple[Piece, ...],
    boot: Mapping[str, bytes],
    files: Mapping[str, Path],
) -> None:
    """Write the image of a card.

    Args:
        image: is made; it is sparse.
        loader: SPL and U-Boot, as one piece or two; empty if the loader is not on the card.
        boot: files of the FAT partition.
        files: files of the ext4 partition, as name -> file.

    Raises:
        ProfileError: the loader does not fit before the first partition, or the card is too small.
        ToolMissing, ToolFailed: mtools or e2fsprogs.
    """
    table = _table(card)
    _check_loader(loader, table)
    _check_room(card, files)
    with image.open("xb") as out:
        out.truncate(card.size_mib * _MIB)
        out.write(mbr.build(table))
        for piece in loader:
            out.seek(piece.offset)
            out.write(piece.data)
    fat, ext4 = table.partitions[0], table.partitions[FILES_PARTITION - 1]
    _make_fat(image, fat, boot)
    _make_ext4(image, ext4, files)


def _table(card: Card) -> mbr.Table:
    sectors = card.boot_mib * _MIB // SECTOR
    second = FIRST_SECTOR + sectors
    rest = card.size_mib * _MIB // SECTOR - second
    return mbr.Table(
        (
            mbr.Partition(_FAT16_LBA, FIRST_SECTOR, sectors, bootable=True),
            mbr.Partition(_LINUX, second, rest, bootable=False),
        ),
        disk_id=0x68617273,
    )


def _check_loader(loader: tuple[Piece, ...], table: mbr.Table) -> None:
    limit = min(partition.start for partition in table.partitions) * SECTOR
    for piece, following in zip_longest(loader, loader[1:]):
        end, what = limit, "the first partition"
        if following is not None and following.offset < limit:
            end, what = following.offset, following.name
        if piece.end > end:
            raise ProfileError(
                f"{piece.name} reaches to {piece.end:#x}, over {what} at {end:#x}",
                where="boot.card",
                expected=f"at most {end - piece.offset} bytes; it has {len(piece.data)}",
            )


def _check_room(card: Card, files: Mapping[str, Path]) -> None:
    have = (card.size_mib - card.boot_mib - 1) * _MIB
    need = sum(path.stat().st_size for path in files.values())
    # Inodes, group descriptors and bitmaps of ext4 are under a tenth at these sizes.
    if need > have * 9 // 10:
        raise ProfileError(
            f"{need / _MIB:.1f} MiB of files do not fit on partition 2 of {have / _MIB:.0f} MiB",
            where="boot.card.size_mib",
            expected="a card of the next power of two",
        )


def _make_fat(image: Path, partition: mbr.Partition, files: Mapping[str, bytes]) -> None:
    place = f"{image}@@{partition.start * SECTOR}"
    env = {**os.environ, "SOURCE_DATE_EPOCH": _NOW, "MTOOLS_SKIP_CHECK": "1"}
    size = str(partition.sectors)
    # Heads and sectors as in the partition table: mformat refuses to guess for an image.
    geometry = ["-h", "255", "-s", "63", "-H", str(partition.start)]
    tools.run(
        ["mformat", "-i", place, "-T", size, *geometry, "-v", "BOOT", "-N", _SERIAL, "::"], env=env
    )
    for name, data in files.items():
        source = image.with_name(f"{image.name}.{name}")
        source.write_bytes(data)
        try:
            tools.run(["mcopy", "-i", place, source, f"::{name}"], env=env)
        finally:
            source.unlink()


def _make_ext4(image: Path, partition: mbr.Partition, files: Mapping[str, Path]) -> None:
    folder = image.with_name(f"{image.name}.files")
    folder.mkdir()
    for name, path in files.items():
        if "/" in name:
            raise InputError(f"{name!r} is not a file name")
        # mke2fs copies links as links; a hard link would need the same file system.
        data = path.read_bytes()
        (folder / name).write_bytes(data)
        os.utime(folder / name, (int(_NOW), int(_NOW)))
    offset = partition.start * SECTOR
    tools.run(
        [
            *("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum,^64bit"),
            *("-L", "files", "-U", _UUID, "-m", "0", "-d", folder),
            *("-E", f"offset={offset},hash_seed={_UUID},root_owner=0:0,nodiscard"),
            *(image, f"{partition.sectors * SECTOR // 1024}k"),
        ],
        env={**os.environ, "E2FSPROGS_FAKE_TIME": _NOW},
    )
    for name in files:
        (folder / name).unlink()
    folder.rmdir()

