"""An image of a card, opened for reading: its first bytes, its partitions, their file systems."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from harness.errors import FormatError, InputError
from harness.formats import mbr
from harness.formats.zimage_problems import compression
from harness.sdcard.filesystems import Ext4, Fat, FileSystem, kind_of

HEAD = 4 << 20
"""Bytes that are read from the start; loaders end long before."""

_START_OF_FILESYSTEM = 2048


@dataclass(frozen=True)
class Volume:
    """A partition; `filesystem` is None if it is neither FAT nor ext4."""

    number: int
    partition: mbr.Partition
    filesystem: FileSystem | None

    @property
    def offset(self) -> int:
        """Of its first byte, in the image."""
        return self.partition.start * mbr.SECTOR_SIZE


@dataclass(frozen=True)
class Image:
    """An image.

    Attributes:
        size: in bytes.
        head: the first `HEAD` bytes.
        table: the partition table, or what is wrong with it.
        volumes: the partitions in use, by number.
    """

    name: str
    size: int
    head: bytes
    table: mbr.Table | FormatError
    volumes: tuple[Volume, ...]

    def volume(self, number: int) -> Volume | None:
        return next((v for v in self.volumes if v.number == number), None)

    @property
    def searched(self) -> tuple[Volume, ...]:
        """Where U-Boot looks for boot.scr: on bootable partitions, without any on partition 1.

        Source: U-Boot include/config_distro_bootcmd.h, `scan_dev_for_boot_part`.
        """
        bootable = tuple(v for v in self.volumes if v.partition.bootable)
        first = self.volume(1)
        return bootable or ((first,) if first else ())


@contextmanager
def open_image(path: Path) -> Iterator[Image]:
    """Open the image of a card, or a card in a reader; it is not written to.

    Raises:
        InputError: it is not there, cannot be read, is empty or compressed.
    """
    try:
        with _opened(path) as file:
            head = file.read(HEAD)
            size = file.seek(0, 2)
            starts = {}
            table = _table(head)
            for number, partition in _used(table):
                file.seek(min(partition.start * mbr.SECTOR_SIZE, size))
                starts[number] = file.read(_START_OF_FILESYSTEM)
    except OSError as bad:
        raise InputError(f"cannot be read: {bad.strerror}", where=str(path)) from None
    packed = compression(head)
    if packed:
        raise InputError(f"a {packed} file", where=str(path), hint="unpack it first")
    if size < mbr.SECTOR_SIZE:
        raise InputError(
            f"{size} bytes are no card", where=str(path), expected="the image of an SD card"
        )
    with tempfile.TemporaryDirectory(prefix="harness-sdcard-") as folder:
        work = Path(folder)
        # The tools give "@@", "?" and ":" in a name a meaning.
        (work / "image").symlink_to(path.resolve())
        volumes = tuple(
            Volume(number, partition, _filesystem(partition, starts[number], work))
            for number, partition in _used(table)
        )
        yield Image(path.name, size, head, table, volumes)


def _opened(path: Path) -> BinaryIO:
    # Not blocking: to open a FIFO would wait for its writer.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise InputError(
        "cannot be read: it is neither a file nor a card",
        where=str(path),
        expected="the image of an SD card",
    )


def _table(head: bytes) -> mbr.Table | FormatError:
    try:
        return mbr.parse(head)
    except FormatError as bad:
        return bad


def _used(table: mbr.Table | FormatError) -> list[tuple[int, mbr.Partition]]:
    if isinstance(table, FormatError):
        return []
    return [(n, part) for n, part in enumerate(table.partitions, 1) if part.used]


def _filesystem(partition: mbr.Partition, start: bytes, work: Path) -> FileSystem | None:
    kind = kind_of(start)
    if kind is None:
        return None
    make = Fat if kind == "fat" else Ext4
    return make("image", partition.start * mbr.SECTOR_SIZE, work)
