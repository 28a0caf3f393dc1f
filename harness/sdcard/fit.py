"""Checks the hashes of a FIT: how U-Boot and its parts are packed for 64-bit boards.

Source: U-Boot doc/usage/fit/source_file_format.rst and boot/image-fit.c: images/NAME with `data`
inside the tree, or behind it (`data-offset`, `data-size`; `data-position` from its start), and
nodes `hash...` with `algo` and `value`.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from harness.devicetree.tree import Node, parse_dtb
from harness.errors import FormatError

_ALGORITHMS: dict[str, Callable[[bytes], bytes]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
}


@dataclass(frozen=True)
class Fit:
    """A FIT whose hashes are right.

    Attributes:
        size: bytes from its first to the last of its data.
        hashes: how many were checked; there need not be any.
        description: of the whole.
    """

    size: int
    hashes: int
    description: str


def parse(data: bytes) -> Fit:
    """Read a FIT and check its hashes; what follows it is passed over.

    Raises:
        FormatError: not a FIT, cut, or a hash that does not fit.
    """
    tree = parse_dtb(data)
    total = int.from_bytes(data[4:8], "big")
    images = tree.root.find("/images")
    if images is None or not images.children:
        raise FormatError("a device tree without images", field="/images", expected="a FIT")
    size, hashes = total, 0
    for image in images.children:
        content, end = _content(image, data, total)
        size = max(size, end)
        for node in image.children:
            if node.name.startswith("hash"):
                hashes += _check(image, node, content)
    return Fit(size, hashes, tree.root.text("description") or "")


def _content(image: Node, data: bytes, total: int) -> tuple[bytes, int]:
    """The data of an image, and where it ends."""
    inside = image.properties.get("data")
    if inside is not None:
        return inside, total
    length = _cell(image, "data-size")
    position, offset = _cell(image, "data-position"), _cell(image, "data-offset")
    if length is None or (position is None and offset is None):
        raise FormatError(
            f"{image.name} has no data",
            field=f"/images/{image.name}",
            expected="data, or data-size",
        )
    start = position if position is not None else (total + 3 & ~3) + (offset or 0)
    content = data[start : start + length]
    if len(content) != length:
        raise FormatError(
            f"{image.name} ends at {start + length:#x}, {len(data):#x} bytes are there",
            field=f"/images/{image.name}/data-size",
        )
    return content, start + length


def _cell(node: Node, name: str) -> int | None:
    cells = node.cells(name)
    return cells[0] if cells and len(cells) == 1 else None


def _check(image: Node, node: Node, content: bytes) -> int:
    stored = node.properties.get("value")
    make = _ALGORITHMS.get(node.text("algo") or "")
    if stored is None or make is None:
        return 0
    if make(content) != stored:
        raise FormatError(
            f"the {node.text('algo')} of {image.name} is {make(content).hex()[:16]},"
            f" stored is {stored.hex()[:16]}",
            field=f"/images/{image.name}/{node.name}",
            expected="equal ones: the file was damaged",
        )
    return 1
