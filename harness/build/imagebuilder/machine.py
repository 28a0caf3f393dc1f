"""What the device tree says of the machine: its memory, its maker, its console."""

from __future__ import annotations

import re

from harness.build.imagebuilder.files import ImageArch
from harness.build.imagebuilder.profile import Hardware
from harness.build.imagebuilder.warn import Warnings
from harness.devicetree.tree import Tree, pairs, resolve
from harness.errors import FormatError, InputError
from harness.formats.imagebuilder import Config, Entry

_FOUR_GIB = 1 << 32


def memory(
    config: Config, start: Entry, end: Entry, arch: ImageArch, tree: Tree, warnings: Warnings
) -> tuple[int, int]:
    """MEMORY_START and MEMORY_END.

    Raises:
        InputError: they do not describe a range that the architecture has.
    """
    first, last = config.number(start), config.number(end)
    limit = 1 << 64 if arch == "aarch64" else _FOUR_GIB
    if not first < last <= limit:
        raise InputError(
            f"MEMORY_START is {first:#x}, MEMORY_END {last:#x}",
            where=config.where(end),
            expected=f"an end behind the start, at most {limit:#x}",
        )
    ram = _ram(tree)
    if ram and not any(low <= first and last <= low + size for low, size in ram):
        have = ", ".join(f"{low:#x} to {low + size:#x}" for low, size in ram)
        warnings.of(end, f"{first:#x} to {last:#x} is not inside the tree's memory: {have}")
    return first, last


def _ram(tree: Tree) -> list[tuple[int, int]]:
    """(start, size) of the memory that the tree has; many trees leave that to the loader."""
    root = tree.root
    nodes = [n for n in root.children if n.text("device_type") == "memory"]
    try:
        cells = root.address_cells, root.size_cells
        return [pair for node in nodes for pair in pairs(node, "reg", *cells) if pair[1]]
    except FormatError:
        return []


def hardware(tree: Tree) -> Hardware:
    """Who made the board, and its console."""
    model = _plain(tree.root.text("model") or "")
    compatible = [_plain(text) for text in tree.root.compatible]
    first, last = (compatible[0], compatible[-1]) if compatible else ("", "")
    chosen = tree.find("/chosen")
    told = (chosen.text("stdout-path") if chosen else None) or ""
    port, _, options = told.partition(":")
    speed = re.match(r"\d{3,7}", options)
    baud = int(speed[0]) if speed and 300 <= int(speed[0]) <= 4_000_000 else 115200
    return Hardware(
        vendor=first.partition(",")[0] if "," in first else "unknown",
        model=model or first or "unknown",
        soc=last or "unknown",
        port=_plain(resolve(tree, told) or port) or "serial",
        baud=baud,
    )


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isprintable())
