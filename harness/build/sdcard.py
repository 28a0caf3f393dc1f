"""The SD card of a board, or the disk that an emulated one boots from: without root, no loop mount.

    offset          what
    0               partition table (DOS)
    loader_kib      SPL and U-Boot, where the boot ROM of the SoC looks (Allwinner: 8 KiB)
    1 MiB           partition 1, FAT, bootable: boot.scr, uboot.env
    ... boot_mib    partition 2, ext4: xen, zImage, initrd, board.dtb, files of domains
    size_mib        partition 3, ext4: dom0's root, if it is to be on the card

Sources: U-Boot doc/board/allwinner/sunxi.rst (places on the card), include/config_distro_bootcmd.h
(U-Boot looks for /boot.scr on the first bootable partition).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from harness import tools
from harness.board.booting import Card
from harness.build.bootscript import FILES_PARTITION
from harness.build.filenames import check_ext4_names, check_fat_names
from harness.build.loader import Piece, check_places
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
# All that is asked for, so that a host's /etc/mke2fs.conf has no say; U-Boot reads them all.
_FEATURES = (
    "none,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,large_file,"
    "huge_file,dir_nlink,extra_isize"
)


def write_card(
    image: Path,
    card: Card,
    loader: tuple[Piece, ...],
    boot: Mapping[str, bytes],
    files: Mapping[str, Path],
    root: Path | None = None,
) -> None:
    """Write the image of a card, whole or not at all; the same input gives the same bytes.

    Args:
        image: is made, and must not be there yet; it is sparse.
        loader: SPL and U-Boot, as one piece or two; empty if the loader is not on the card.
        boot: files of the FAT partition.
        files: files of the ext4 partition, as name -> file.
        root: the file system of a third partition; the card is then as large as it must be.

    Raises:
        ProfileError: the loader does not fit before the first partition, or the card is too small.
        InputError: a name that a file system cannot hold, or a file that cannot be read.
        ToolMissing, ToolFailed: mtools or e2fsprogs.
        OSError: the image cannot be written.
    """
    table = _table(card, root)
    fat, ext4 = table.partitions[0], table.partitions[FILES_PARTITION - 1]
    check_places(loader, table)
    check_fat_names(boot)
    check_ext4_names(files)
    _check_room(card, boot, files)
    with image.open("xb") as out:
        try:
            end = table.partitions[-1].start + table.partitions[-1].sectors
            # Emulated cards have a size that is a power of two.
            out.truncate(1 << (end * SECTOR - 1).bit_length())
            out.write(mbr.build(table))
            for piece in loader:
                out.seek(piece.offset)
                out.write(piece.data)
            out.flush()
            with tempfile.TemporaryDirectory(prefix=".sdcard-", dir=image.parent) as work:
                _make_fat(image, fat, boot, Path(work))
                _make_ext4(image, ext4, files, Path(work))
            if root is not None:
                out.seek(table.partitions[-1].start * SECTOR)
                _copy(root, out)
        except BaseException:
            image.unlink(missing_ok=True)
            raise


def _copy(root: Path, out: BinaryIO) -> None:
    """What is not empty: an image is sparse, and most of it is."""
    empty = bytes(_MIB)
    with root.open("rb") as source:
        while piece := source.read(_MIB):
            if piece == empty[: len(piece)]:
                out.seek(len(piece), os.SEEK_CUR)
            else:
                out.write(piece)


def _table(card: Card, root: Path | None) -> mbr.Table:
    sectors = card.boot_mib * _MIB // SECTOR
    second = FIRST_SECTOR + sectors
    rest = card.size_mib * _MIB // SECTOR - second
    partitions = [
        mbr.Partition(_FAT16_LBA, FIRST_SECTOR, sectors, bootable=True),
        mbr.Partition(_LINUX, second, rest, bootable=False),
    ]
    if root is not None:
        size = -(-root.stat().st_size // SECTOR)
        partitions.append(mbr.Partition(_LINUX, second + rest, size, bootable=False))
    return mbr.Table(tuple(partitions), disk_id=0x68617273)


def _check_room(card: Card, boot: Mapping[str, bytes], files: Mapping[str, Path]) -> None:
    try:
        sizes = {name: path.stat().st_size for name, path in files.items()}
    except OSError as bad:
        raise InputError(f"cannot be read: {bad.strerror}", where=str(bad.filename)) from None
    rooms = (
        (1, card.boot_mib, {name: len(data) for name, data in boot.items()}),
        (FILES_PARTITION, card.size_mib - card.boot_mib - 1, sizes),
    )
    for number, have, needed in rooms:
        need = sum(needed.values())
        # What the file systems need themselves is under a tenth at these sizes.
        if need > have * _MIB * 9 // 10:
            biggest = max(needed, key=lambda name: needed[name])
            raise ProfileError(
                f"{need / _MIB:.1f} MiB of files do not fit on partition {number} of {have} MiB"
                f" (the biggest: {biggest}, {needed[biggest] / _MIB:.1f} MiB)",
                where="boot.card.boot_mib" if number == 1 else "boot.card.size_mib",
                expected="a larger partition" if number == 1 else "a card of a larger power of two",
            )


def _make_fat(
    image: Path, partition: mbr.Partition, files: Mapping[str, bytes], work: Path
) -> None:
    place = f"{_link(image, work)}@@{partition.start * SECTOR}"
    env = {
        **os.environ,
        "SOURCE_DATE_EPOCH": _NOW,
        "TZ": "UTC",  # FAT keeps local time
        "MTOOLS_SKIP_CHECK": "1",
        "MTOOLSRC": os.devnull,
    }
    size = str(partition.sectors)
    # Heads and sectors as in the partition table: mformat refuses to guess for an image.
    geometry = ["-h", "255", "-s", "63", "-H", str(partition.start)]
    tools.run(
        ["mformat", "-i", place, "-T", size, *geometry, "-v", "BOOT", "-N", _SERIAL, "::"],
        cwd=work,
        env=env,
    )
    for name, data in files.items():
        (work / "file").write_bytes(data)
        tools.run(["mcopy", "-i", place, "file", f"::{name}"], cwd=work, env=env)


def _make_ext4(
    image: Path, partition: mbr.Partition, files: Mapping[str, Path], work: Path
) -> None:
    folder = work / "files"
    folder.mkdir()
    commands = []
    for name, path in files.items():
        # mke2fs copies links as links; a hard link would need the same file system.
        (folder / name).write_bytes(path.read_bytes())
        (folder / name).chmod(0o644)
        # It takes times and owner of a file from the one that it reads.
        times = [f"{field} @{_NOW}" for field in ("atime", "ctime", "mtime", "crtime")]
        commands += [f'set_inode_field "/{name}" {what}' for what in (*times, "uid 0", "gid 0")]
    link = _link(image, work)
    offset = partition.start * SECTOR
    env = {**os.environ, "E2FSPROGS_FAKE_TIME": _NOW}
    tools.run(
        [
            *("mke2fs", "-q", "-t", "ext4", "-O", _FEATURES, "-b", "4096", "-I", "256"),
            *("-i", "16384", "-L", "files", "-U", _UUID, "-m", "0", "-d", "files"),
            *("-E", f"offset={offset},hash_seed={_UUID},root_owner=0:0,nodiscard"),
            *(link, f"{partition.sectors * SECTOR // 1024}k"),
        ],
        cwd=work,
        env=env,
    )
    (work / "commands").write_text("\n".join([*commands, ""]), encoding="ascii")
    tools.run(["debugfs", "-w", "-f", "commands", f"{link}?offset={offset}"], cwd=work, env=env)


def _link(image: Path, work: Path) -> str:
    """Another name of the image: mtools gives "@@" a meaning, e2fsprogs "?"."""
    link = work / "image"
    if not link.is_symlink():
        link.symlink_to(image.resolve())
    return link.name
