"""What rules may know besides the file that they look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.devicetree.tree import Tree
from harness.lint.acpi_model import Region


@dataclass(frozen=True)
class Range:
    """Addresses from `start` to before `end`, and whose they are."""

    start: int
    end: int
    name: str = ""

    @classmethod
    def of(cls, start: int, size: int, name: str = "") -> Range:
        return cls(start, start + size, name)

    @property
    def size(self) -> int:
        return self.end - self.start

    def overlaps(self, other: Range) -> bool:
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        # One byte stands for a size that is not known.
        span = f"{self.start:#x}" if self.size <= 1 else f"{self.start:#x}-{self.end - 1:#x}"
        return f"{self.name} at {span}" if self.name else span


def inside(one: Range, ranges: tuple[Range, ...]) -> bool:
    """Whether a range lies in the union of others, which may touch each other."""
    at = one.start
    for each in sorted(ranges, key=lambda each: each.start):
        if each.start <= at < each.end:
            at = each.end
    return at >= one.end


@dataclass(frozen=True)
class Facts:
    """What is known of the board and of the other files.

    Attributes:
        files: base name to content of the files that were given, and of those beside them
            that a file names.
        tree: the device tree that was given, if it is one.
        tree_name: its base name.
        tree_is_base: whether a script or a configuration was given too: then the tree is what
            these start from, and may be one without modules.
        ram: the board's memory; () if it is not known.
        io: the board's device registers; () if they are not known.
        cpus: how many CPUs the board has.
        e820: the memory map that the firmware gives; None if it is not known.
        pci: PCI functions, segment << 16 | bus << 8 | device << 3 | function, without host
            bridges; None if they are not known.
        loader_top: bytes at the end of RAM that U-Boot keeps for itself while a script runs.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    tree: Tree | None = None
    tree_name: str = ""
    tree_is_base: bool = False
    ram: tuple[Range, ...] = ()
    io: tuple[Range, ...] = ()
    cpus: int | None = None
    e820: tuple[Region, ...] | None = None
    pci: frozenset[int] | None = None
    loader_top: int = 0x5000000
