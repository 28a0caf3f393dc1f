"""Where ImageBuilder lets U-Boot load each file.

The files are laid one behind another, from `MEMORY_START` upward:

1. 2 MiB from `MEMORY_START`, but never below 12 MiB, is the place of the script, with 2 MiB for it.
2. Then come dom0's kernel and ramdisk; of each domain kernel, ramdisk and partial device tree; Xen;
   the device tree. Each begins at the next multiple of 2 MiB behind the one before.
3. A file takes its size, or what the header of a kernel image says if that is more (zero-
   initialised data, which lies in memory and not in the file).
4. Nothing is put over a region of /reserved-memory.
5. 2 MiB must be left before `MEMORY_END`.

The order is that of ImageBuilder since 2022; before, Xen came first. ImageBuilder looks whether
the file *before* would hit a reserved region at the new place; here it is the file itself, so
that addresses can differ in a tree that has such regions.

Source: ImageBuilder, scripts/uboot-script-gen: add_size(), get_image_size(), xen_file_loading(),
fill_reserved_spaces_from_dtb().
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError
from harness.formats import zimage
from harness.formats.imagebuilder import Entry

STEP = 2 << 20
_LOWEST = 12 << 20
HEADER = 64
"""Bytes of a file that `memory_size` wants to see."""


@dataclass(frozen=True)
class Item:
    """A file that U-Boot loads.

    Attributes:
        role: that it plays in the profile.
        entry: the variable that names it.
        path: absolute.
        size: of the file; in_memory: what it takes there, in bytes.
    """

    role: str
    entry: Entry
    path: Path
    size: int
    in_memory: int


@dataclass(frozen=True)
class Layout:
    """The addresses, by role; `free`: the first one behind all files."""

    addresses: dict[str, int]
    free: int


def memory_size(head: bytes, size: int) -> int:
    """What a file takes in memory: its size, or more if the header of a kernel says so.

    Args:
        head: its first 64 bytes.
    """
    if len(head) >= zimage.ARM64_HEADER_SIZE and zimage.is_arm64_image(head):
        return max(size, zimage.parse_arm64(head, size=size).image_size)
    if len(head) >= zimage.HEADER_SIZE and zimage.is_zimage(head):
        return max(size, zimage.parse(head, size=size).size)
    return size


def lay_out(
    items: Sequence[Item], start: int, end: int, reserved: Sequence[tuple[int, int]], where: str
) -> Layout:
    """Give each file its address, in the order of `items`.

    Args:
        start, end: MEMORY_START, MEMORY_END.
        reserved: (address, size) of what must be left alone.
        where: MEMORY_END in the configuration, for the message.

    Raises:
        InputError: they do not fit.
    """
    at = max(start + STEP, _LOWEST) + STEP
    addresses: dict[str, int] = {}
    for item in items:
        address = _beside(at, item.in_memory, reserved)
        addresses[item.role] = address
        at = _up(address + item.in_memory)
        if at + STEP > end:
            need = sum(_up(one.in_memory) for one in items)
            raise InputError(
                f"{item.entry.name} would reach to {address + item.in_memory:#x}, and "
                f"MEMORY_END is {end:#x}",
                where=where,
                expected=f"room for {need >> 20} MiB of files behind MEMORY_START {start:#x}, "
                "for the script (2 MiB, not below 12 MiB), and 2 MiB at the end",
                hint=f"the file: {item.path}, {item.size} bytes, {item.in_memory} in memory",
            )
    return Layout(addresses, at)


def _beside(at: int, size: int, reserved: Sequence[tuple[int, int]]) -> int:
    """The first place from `at` on where `size` bytes hit nothing that is reserved."""
    for start, length in sorted(reserved):
        if start < at + size and at < start + length:
            at = _up(start + length)
    return at


def _up(address: int) -> int:
    return (address + STEP - 1) // STEP * STEP
