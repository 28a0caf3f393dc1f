"""Reads the modules of Xen out of a device tree that U-Boot prints (`fdt print /chosen`).

Format: cmd/fdt.c, fdt_print() and print_data(): one node or property a line, indented by tabs,
cells as <0x00000001 0x00000002>, strings as "a", "b".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.bootlog.diagnoses import Diagnosis
from harness.bootlog.lines import Line
from harness.bootlog.uboot_facts import BootModule, UbootFacts

MAX_DEPTH = 16
MAX_MODULES = 100
_CELLS = 16

_OPENS = re.compile(r"(\t*)([\w,.+@-]{1,80}) \{")
_CLOSES = re.compile(r"\t*\};")
_PROPERTY = re.compile(
    r"\t+(reg|compatible|bootargs|xen,xen-bootargs|#address-cells|#size-cells) = (.*);"
)
_STRING = re.compile(r'"([^"]*)"')
_CELL = re.compile(r"0x([0-9a-f]{1,8})")


@dataclass(slots=True)
class _Node:
    name: str
    line: int
    properties: dict[str, str] = field(default_factory=dict)


class PrintedTree:
    """Follows the lines of a printed tree, whatever stands around it.

    Attributes:
        xen_bootargs: of /chosen: the command line of Xen.
    """

    def __init__(self) -> None:
        self._open: list[_Node] = []
        self._modules: dict[str, BootModule] = {}
        self.xen_bootargs: str | None = None

    @property
    def modules(self) -> tuple[BootModule, ...]:
        return tuple(self._modules.values())

    def feed(self, text: str, line: Line) -> bool:
        """Takes a line; returns whether it belongs to a tree."""
        if text.endswith("{"):
            return self._begin(text, line)
        if not self._open:
            return False
        if text.endswith("};"):
            return self._end(text)
        if not text.startswith("\t"):
            self._open.clear()  # the print was cut
            return False
        match = _PROPERTY.fullmatch(text.rstrip())
        if match:
            self._open[-1].properties[match[1]] = match[2]
        return True

    def _begin(self, text: str, line: Line) -> bool:
        match = _OPENS.fullmatch(text)
        if match is None:
            return False
        if not match[1]:
            self._open.clear()
        if len(self._open) < MAX_DEPTH:
            self._open.append(_Node(match[2], line.number))
        return True

    def _end(self, text: str) -> bool:
        if _CLOSES.fullmatch(text) is None:
            return False
        node = self._open[-1]
        path = "/".join(one.name for one in self._open)
        self._open.pop()
        if path == "chosen":
            own = node.properties.get("bootargs", "")
            words = _STRING.search(node.properties.get("xen,xen-bootargs", own))
            self.xen_bootargs = words[1] if words else self.xen_bootargs
        if self._open and len(self._modules) < MAX_MODULES:
            module = _module(node, self._open[-1], path)
            if module:
                self._modules[path] = module
        return True


def _module(node: _Node, parent: _Node, path: str) -> BootModule | None:
    compatible = tuple(_STRING.findall(node.properties.get("compatible", "")))
    cells = [int(cell, 16) for cell in _CELL.findall(node.properties.get("reg", ""))[:_CELLS]]
    if not any("module" in one for one in compatible) or len(cells) < 2:
        return None
    addresses = _count(parent, "#address-cells", len(cells) // 2)
    sizes = _count(parent, "#size-cells", len(cells) - addresses)
    start = _joined(cells[:addresses])
    size = _joined(cells[addresses : addresses + sizes])
    bootargs = _STRING.search(node.properties.get("bootargs", ""))
    return BootModule(
        path, start, start + size, compatible, bootargs[1] if bootargs else None, node.line
    )


def _count(parent: _Node, name: str, default: int) -> int:
    """How many cells; a print of the module's node alone does not say."""
    found = _CELL.search(parent.properties.get(name, ""))
    count = int(found[1], 16) if found else default
    return count if 1 <= count <= 2 else default


def _joined(cells: Sequence[int]) -> int:
    value = 0
    for cell in cells[-2:]:
        value = value << 32 | cell
    return value


def overlaps(facts: UbootFacts) -> list[Diagnosis]:
    """What lies over each other in memory when U-Boot starts the image, as far as it says."""
    taken: list[tuple[str, int, int, int]] = []
    if facts.kernel_image:
        image = facts.kernel_image
        end = image.address + max(0, image.end - image.start)
        taken.append(("the image that is booted", image.address, end, 0))
    if facts.moved_image:
        taken.append(
            ("the image that is booted", facts.moved_image.start, facts.moved_image.end, 0)
        )
    if facts.fdt_place:
        taken.append(("the device tree", facts.fdt_place.start, facts.fdt_place.end + 1, 0))
    taken += [(one.path, one.start, one.end, one.line) for one in facts.modules]
    found = []
    for position, (name, start, end, line) in enumerate(taken):
        for other, start2, end2, line2 in taken[:position]:
            if start < end2 and start2 < end:
                text = f"{name} {start:#x}-{end:#x} overlaps {other} {start2:#x}-{end2:#x}"
                found.append(_overlap(text, max(line, line2)))
    return found


def _overlap(text: str, line: int) -> Diagnosis:
    return Diagnosis(
        "uboot-modules-overlap",
        "error",
        line,
        None,
        text,
        "two things were loaded over each other: what was loaded last has damaged the other one",
        "choose addresses that lie further apart than the files are long",
    )
