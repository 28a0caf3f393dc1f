"""What rules look at: a script that was followed, a tree, an image; with its helpers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.devicetree.tree import Tree, cpu_address, reg
from harness.errors import FormatError
from harness.lint.facts import Facts, Range
from harness.lint.modules import Module, modules_of
from harness.lint.rule import Hit
from harness.lint.script_trace import Boot, Load, Trace, WorkingFdt, compatible
from harness.lint.symbols import Number, number, shown
from harness.lint.worktree import WorkTree

# boot/image-fdt.c adds this to the size of a tree that it uses in place (CONFIG_SYS_FDT_PAD).
FDT_PAD = 0x3000
_SUNXI = re.compile(r"(^|/)sun\d+i[-_]")


@dataclass(frozen=True)
class TreeSubject:
    """A device tree that Xen would be given, or that a script starts from.

    Attributes:
        tree: as it is.
        work: the same, as the rules for modules read it.
        errors: why the source of the tree could not be compiled; then the tree is empty.
    """

    tree: Tree
    work: WorkTree
    errors: tuple[Hit, ...] = ()


@dataclass(frozen=True)
class Boots:
    """The tree at one moment, and where things are: what rules for modules look at.

    Attributes:
        boot: the command that starts Xen; None for a tree alone.
    """

    tree: WorkTree
    boot: Boot | None = None

    @property
    def modules(self) -> tuple[Module, ...]:
        return modules_of(self.tree)


def boots_of(subject: Trace | TreeSubject) -> Iterator[Boots]:
    """Every start of Xen in a script; or the tree."""
    if isinstance(subject, TreeSubject):
        yield Boots(subject.work)
        return
    for boot in subject.boots:
        if boot.command in ("bootz", "booti", "bootm", "go"):
            yield Boots(boot.tree, boot)


def starts_xen(boot: Boot) -> bool:
    """Whether this looks like a start of Xen, not of a plain Linux."""
    named = any("xen" in load.base_name.lower() for load in boot.loads)
    return named or bool(modules_of(boot.tree))


def ram_of(facts: Facts, tree: Tree | None) -> tuple[Range, ...]:
    """The memory: of the board, else of the tree; () if neither says."""
    if facts.ram:
        return facts.ram
    found: list[Range] = []
    if tree is not None:
        for node in tree.root.children:
            if node.name.partition("@")[0] != "memory" or node.text("device_type") != "memory":
                continue
            try:
                found += [Range.of(start, size) for start, size in reg(node, tree.root) if size]
            except FormatError:
                continue
    return tuple(found)


def device_ranges(tree: Tree) -> tuple[Range, ...]:
    """The device registers that a tree describes, as the CPU sees them."""
    found: list[Range] = []
    parents = {id(child): node for _, node in tree.walk() for child in node.children}
    for path, node in tree.walk():
        parent = parents.get(id(node))
        if parent is None or "reg" not in node.properties or path.startswith("/chosen"):
            continue
        if node.name.partition("@")[0] == "memory" or path.startswith("/reserved-memory"):
            continue
        try:
            if not parent.size_cells:
                continue
            for start, size in reg(node, parent):
                address = cpu_address(tree, path, start)
                if address is not None and size:
                    found.append(Range.of(address, size, path))
        except FormatError:
            continue
    return tuple(found)


def load_of(boot: Boot, address: int | None) -> Load | None:
    """The last load before a start that put something at an address."""
    for load in reversed(boot.loads):
        if load.address.value == address is not None and compatible(load.branch, boot.branch):
            return load
    return None


def fdt_range(fdt: WorkingFdt | None, facts: Facts, load: Load | None) -> Range | None:
    """The memory that the tree takes, the room included that U-Boot adds when it starts Xen."""
    if fdt is None or fdt.address.value is None:
        return None
    total = fdt.total or (load.size if load else None)
    if total is None and load is not None and load.base_name == facts.tree_name:
        total = len(facts.files.get(load.base_name, b"")) or None
    if total is None:
        return None
    return Range.of(fdt.address.value, total + FDT_PAD, "the device tree")


def memory_of(load: Load, data: bytes | None) -> int | None:
    """The bytes of memory that a loaded file takes: Xen's own needs more than its file has."""
    if load.size is None:
        return None
    if data is not None and data[0x24:0x28] == b"\x18\x28\x6f\x01":
        start, end = (int.from_bytes(data[at : at + 4], "little") for at in (0x28, 0x2C))
        if load.size <= end - start < 1 << 28:
            return end - start
    if data is not None and data[0x38:0x3C] == b"ARM\x64":
        size = int.from_bytes(data[0x10:0x18], "little")
        if load.size <= size < 1 << 28:
            return size
    return load.size


def is_sunxi(boot: Boot, facts: Facts) -> bool:
    """Whether the board is one of Allwinner's."""
    if any(_SUNXI.search(load.file) for load in boot.loads):
        return True
    names = facts.tree.root.compatible if facts.tree else ()
    return any(name.startswith("allwinner,") for name in names)


def number_in(text: str, boot: Boot) -> Number:
    """A number at the time of a start; one that cannot be read is an unknown one."""
    sizes = {load.number: load.size for load in boot.loads}
    return number(text, sizes.get) or Number(None, shown(text))


def arguments(boot: Boot) -> list[Number]:
    """The arguments of the command that starts Xen."""
    return [number_in(text, boot) for text in boot.arguments]


def is_tree(place: Number, boot: Boot) -> bool:
    """Whether a device tree lies at an address."""
    if boot.fdt is not None and same(place, boot.fdt.address):
        return True
    load = load_of(boot, place.value)
    return load is not None and load.base_name.endswith(".dtb")


def same(one: Number, other: Number) -> bool:
    """Whether two numbers are equal, or written alike where they are not known."""
    if one.value is None or other.value is None:
        return one.value == other.value and one.text == other.text
    return one.value == other.value
