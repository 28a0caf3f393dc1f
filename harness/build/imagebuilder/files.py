"""The configuration and the files that it names, as far as an import needs to see them."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import Literal

from harness.build.imagebuilder.layout import HEADER, Item, memory_size
from harness.devicetree.tree import Tree, pairs, parse_dtb
from harness.errors import FormatError, InputError
from harness.formats import cpio, zimage
from harness.formats.imagebuilder import Config, Entry, parse

_LONGEST_CONFIG = 256 << 10
_LARGEST_TREE = 16 << 20
_LARGEST_RAMDISK = 256 << 20
_GZIP = b"\x1f\x8b"
_HOSTNAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

ImageArch = Literal["arm", "aarch64"]


def read_config(file: Path) -> Config:
    """Read a configuration; nothing of it is run.

    Raises:
        InputError: it cannot be read, or is not one.
    """
    data = _read(file, _LONGEST_CONFIG, str(file), "the configuration")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as bad:
        raise FormatError(
            "not a text file", offset=bad.start, where=str(file), expected="UTF-8"
        ) from None
    return parse(text, str(file))


def item(config: Config, folder: Path, role: str, entry: Entry) -> Item:
    """A file that the configuration names.

    Args:
        folder: what relative paths are relative to.

    Raises:
        InputError: it is not there, is empty, or cannot be read.
    """
    path = (folder / entry.value).absolute()
    where = config.where(entry)
    if not path.is_file():
        what = "is not a file" if path.exists() else "is not there"
        raise InputError(
            f"{path} {what}",
            where=where,
            expected=f"a path from {folder.absolute()}, the folder of the configuration",
        )
    try:
        with path.open("rb") as file:
            head = file.read(HEADER)
        size = path.stat().st_size
    except OSError as bad:
        raise InputError(f"{path} cannot be read: {bad.strerror}", where=where) from None
    if not size:
        raise InputError(f"{path} is empty", where=where)
    return Item(role, entry, path, size, memory_size(head, size))


def xen_arch(config: Config, xen: Item) -> tuple[ImageArch, bool]:
    """What Xen's image is for, and whether it is packed with gzip.

    Raises:
        InputError: it is neither a zImage nor an arm64 Image.
    """
    where = config.where(xen.entry)
    head = _read(xen.path, HEADER, where, "Xen", part=True)
    packed = head.startswith(_GZIP)
    if packed:
        head = _unpacked(_read(xen.path, 1 << 20, where, "Xen", part=True), HEADER)
    if zimage.is_arm64_image(head):
        return "aarch64", packed
    if zimage.is_zimage(head):
        return "arm", packed
    raise InputError(
        f"{xen.path} is no image that U-Boot can start",
        where=where,
        expected="Xen for arm64 (an Image: ARM\\x64 at 0x38) or for arm (a zImage: 0x016f2818 at "
        "0x24); not xen-syms, which is ELF, and no uImage",
    )


def tree_of(config: Config, dtb: Item) -> Tree:
    """The device tree.

    Raises:
        FormatError: it is damaged, or no .dtb.
    """
    where = config.where(dtb.entry)
    data = _read(dtb.path, _LARGEST_TREE, where, "the device tree")
    try:
        return parse_dtb(data)
    except FormatError as bad:
        inside = f" ({bad.where})" if bad.where else ""
        raise FormatError(
            f"{dtb.path}: {bad.message}{inside}", where=where, expected=bad.expected
        ) from None


def reserved(config: Config, dtb: Item, tree: Tree) -> list[tuple[int, int]]:
    """The (address, size) of each static region of /reserved-memory.

    Raises:
        FormatError: a `reg` that does not fit the cells of its parent.
    """
    node = tree.find("/reserved-memory")
    try:
        if node is None:
            return []
        cells = node.address_cells, node.size_cells
        return [pair for child in node.children for pair in pairs(child, "reg", *cells)]
    except FormatError as bad:
        where = config.where(dtb.entry)
        raise FormatError(f"{dtb.path}, /reserved-memory: {bad}", where=where) from None


def hostname_in(ramdisk: Item) -> str | None:
    """What etc/hostname of a ramdisk says; None if that cannot be seen."""
    try:
        if ramdisk.size > _LARGEST_RAMDISK:
            return None
        data = ramdisk.path.read_bytes()
        if data.startswith(_GZIP):
            data = _unpacked(data, _LARGEST_RAMDISK)
        entries = cpio.parse(data)
    except (OSError, FormatError):
        return None
    names = [e.data for e in entries if e.path.removeprefix("./") == "etc/hostname"]
    text = names[0].decode("ascii", errors="replace").strip() if names else ""
    return text if _HOSTNAME.fullmatch(text) else None


def _unpacked(data: bytes, most: int) -> bytes:
    """The beginning of what is packed; as much as there is of a damaged file."""
    try:
        return zlib.decompressobj(wbits=31).decompress(data, most)
    except (zlib.error, gzip.BadGzipFile):
        return b""


def _read(path: Path, most: int, where: str, what: str, *, part: bool = False) -> bytes:
    """The file, or its first `most` bytes if a part will do."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{what} is no file: {path}", where=where, expected="a file")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as bad:
        said = bad.strerror or str(bad)
        raise InputError(f"{what} cannot be read: {path}: {said}", where=where) from None
    if len(data) > most and not part:
        raise InputError(
            f"{what} has more than {most} bytes: {path}", where=where, expected="a smaller file"
        )
    return data[:most]
