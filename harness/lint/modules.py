"""The modules that Xen finds in a tree: what a boot loader put into memory, and says so.

Source: Xen xen/common/device-tree/bootinfo-fdt.c (xen/arch/arm/bootfdt.c up to 4.20),
`early_scan_node`, `process_multiboot_node`; docs/misc/arm/device-tree/booting.txt.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from harness.devicetree.tree import parent_of
from harness.lint.symbols import Number
from harness.lint.worktree import WorkTree, leaf

GENERIC = {"multiboot,module": "multiboot,module", "xen,multiboot-module": "multiboot,module"}
KINDS = {
    "multiboot,kernel": "kernel",
    "xen,linux-zimage": "kernel",
    "multiboot,ramdisk": "ramdisk",
    "xen,linux-initrd": "ramdisk",
    "multiboot,device-tree": "dtb",
    "multiboot,microcode": "microcode",
    "xen,xsm-policy": "xsm",
}
# Names of Xen 4.4, which every later Xen still reads, but not when it is started by UEFI.
LEGACY = {
    "xen,multiboot-module": "multiboot,module",
    "xen,linux-zimage": "multiboot,kernel",
    "xen,linux-initrd": "multiboot,ramdisk",
}
KNOWN = (*GENERIC, *KINDS)
# Xen looks for modules this deep: /chosen/domU1/module@0.
DEEPEST = 3
DOMAIN = "xen,domain"


@dataclass(frozen=True)
class Module:
    """A node that is a module, or was meant to be one.

    Attributes:
        path: of its node.
        line: of the script that made the node; None in a given tree.
        compatible: as it is spelt.
        kind: what Xen takes it for, its guess included; "" for a node that Xen passes over.
        guessed: Xen has to guess the kind.
        domain: the path of the `xen,domain` that it belongs to; "" for dom0's.
        reg: the cells of its `reg`; None without one.
        widths: how many cells an address and a size have here; None where it is not known.
        address, size: read from `reg`; None where they cannot be.
        reg_line: of the script that set `reg`.
        has_bootargs: whether it has a command line.
    """

    path: str
    line: int | None
    compatible: tuple[str, ...]
    compatible_line: int | None
    kind: str
    guessed: bool
    domain: str
    reg: tuple[Number, ...] | None
    reg_line: int | None
    widths: tuple[int, int] | None
    address: Number | None
    size: Number | None
    has_bootargs: bool

    @property
    def is_seen(self) -> bool:
        """Whether Xen sees that it is a module."""
        return any(name in GENERIC for name in self.compatible)


def meant(text: str) -> str | None:
    """The name that a wrong one was meant to be: hyphens lost, letters swapped."""
    if text in KNOWN:
        return None
    plain = _plain(text)
    for name in KNOWN:
        if _plain(name) == plain:
            return name
    close = difflib.get_close_matches(text, KNOWN, 1, 0.8)
    return close[0] if close else None


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


def modules_of(tree: WorkTree) -> tuple[Module, ...]:
    """All modules of a tree, in its order, with Xen's guesses."""
    found: list[Module] = []
    guesses = 0
    for path in tree.nodes:
        depth = path.count("/")
        if not path.startswith("/chosen/") or depth > DEEPEST:
            continue
        value = tree.value(path, "compatible")
        names = value.as_strings() if value else ()
        seen = any(name in GENERIC for name in names)
        looks = any(name in KINDS or meant(name) for name in names)
        named = leaf(path).partition("@")[0] == "module"
        if not (seen or looks or named):
            continue
        kind = next((KINDS[name] for name in names if name in KINDS), "")
        guessed = seen and not kind
        if guessed:
            kind = ("kernel", "ramdisk")[guesses] if guesses < 2 else "unknown"
            guesses += 1
        found.append(_module(tree, path, names, kind if seen else "", guessed))
    return tuple(found)


def _module(tree: WorkTree, path: str, names: tuple[str, ...], kind: str, guessed: bool) -> Module:
    parent = parent_of(path)
    above = tree.value(parent, "compatible")
    widths = widths_below(tree, parent)
    reg = tree.value(path, "reg")
    numbers = reg.as_numbers() if reg else None
    address, size = _place(numbers, widths)
    compatible = tree.value(path, "compatible")
    return Module(
        path=path,
        line=tree.lines.get(path),
        compatible=names,
        compatible_line=compatible.line if compatible else tree.lines.get(path),
        kind=kind,
        guessed=guessed,
        domain=parent if above and DOMAIN in above.as_strings() else "",
        reg=numbers if reg else None,
        reg_line=reg.line if reg else tree.lines.get(path),
        widths=widths,
        address=address,
        size=size,
        has_bootargs=bool(tree.text(path, "bootargs")),
    )


def widths_below(tree: WorkTree, path: str) -> tuple[int, int] | None:
    """The cells of an address and of a size below a node.

    Xen takes them from the nearest node above that has the property; without any they are
    2 and 1. None where a part of the tree is not known.
    """
    found = []
    for name, default in (("#address-cells", 2), ("#size-cells", 1)):
        at = path
        while tree.value(at, name) is None and at != "/":
            at = parent_of(at)
        value = tree.value(at, name)
        if value is None:
            if not tree.is_known:
                return None
            found.append(default)
            continue
        numbers = value.as_numbers()
        if not numbers or numbers[0].value is None or not 0 < numbers[0].value <= 4:
            return None
        found.append(numbers[0].value)
    return found[0], found[1]


def _place(
    numbers: tuple[Number, ...] | None, widths: tuple[int, int] | None
) -> tuple[Number | None, Number | None]:
    if numbers is None:
        return None, None
    if widths is None:
        # Without the tree: two cells can only be one address and one size.
        widths = {2: (1, 1), 3: (2, 1), 4: (2, 2)}.get(len(numbers), (0, 0))
    if sum(widths) > len(numbers) or not all(widths):
        return None, None
    return (
        _joined(numbers[: widths[0]]),
        _joined(numbers[widths[0] : sum(widths)]),
    )


def _joined(cells: tuple[Number, ...]) -> Number:
    """A number of several cells; where only the last one is not zero, it keeps what it is."""
    if all(cell.value == 0 for cell in cells[:-1]):
        return cells[-1]
    value = 0
    for cell in cells:
        if cell.value is None:
            return Number(None, " ".join(each.text for each in cells))
        value = value << 32 | cell.value
    return Number(value, " ".join(cell.text for cell in cells))
