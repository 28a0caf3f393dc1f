"""A device tree as frozen nodes, and the ways to name one of them.

Sources: Devicetree Specification 0.4, chapter 2 (nodes, paths, phandles), section 3.3
(`/aliases`); libfdt for what it leaves open.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from harness.errors import FormatError


@dataclass(frozen=True)
class Node:
    """One node.

    Attributes:
        name: with its unit address ("serial@1c28000"); "/" for the root.
        properties: name to raw value, in the order of the tree.
        children: in the order of the tree.
    """

    name: str
    properties: Mapping[str, bytes] = field(default_factory=dict)
    children: tuple[Node, ...] = ()

    def find(self, path: str) -> Node | None:
        """The node at a path below this one; a name without its unit address will do if unique."""
        found = self.locate(path)
        return None if found is None else found[1]

    def locate(self, path: str) -> tuple[str, Node] | None:
        """As `find`, with the path in full, unit addresses included, from this node on."""
        at, node = "", self
        for word in path.strip("/").split("/") if path.strip("/") else ():
            child = node._child(word)
            if child is None:
                return None
            at, node = f"{at}/{child.name}", child
        return at or "/", node

    def _child(self, word: str) -> Node | None:
        for child in self.children:
            if child.name == word:
                return child
        if "@" in word:
            return None
        matches = [child for child in self.children if child.name.partition("@")[0] == word]
        return matches[0] if len(matches) == 1 else None

    def walk(self, path: str = "/") -> Iterator[tuple[str, Node]]:
        """This node and all below it with their paths, parents first, in the order of the tree."""
        yield path, self
        for child in self.children:
            yield from child.walk(join(path, child.name))

    def text(self, name: str) -> str | None:
        """A property's one string; None without the property, or if it is not one string."""
        found = self.strings(name)
        return found[0] if found and len(found) == 1 else None

    def strings(self, name: str) -> tuple[str, ...] | None:
        """A property's strings, () if it is empty; None without it, or if it is not text."""
        value = self.properties.get(name)
        if value is None or (value and value[-1] != 0):
            return None
        try:
            return tuple(part.decode() for part in value.split(b"\0")[:-1])
        except UnicodeDecodeError:
            return None

    def cells(self, name: str) -> tuple[int, ...] | None:
        """A property's 32-bit big-endian cells; None without it, or if its size is not 4n."""
        value = self.properties.get(name)
        if value is None or len(value) % 4:
            return None
        return struct.unpack(f">{len(value) // 4}I", value)

    @property
    def compatible(self) -> tuple[str, ...]:
        """The strings of `compatible`, the most specific first; () without any."""
        return self.strings("compatible") or ()

    @property
    def address_cells(self) -> int:
        """`#address-cells`, which holds for the children's `reg`; 2 when absent."""
        return self._one_cell("#address-cells", 2)

    @property
    def size_cells(self) -> int:
        """`#size-cells`, which holds for the children's `reg`; 1 when absent."""
        return self._one_cell("#size-cells", 1)

    def _one_cell(self, name: str, default: int) -> int:
        if name not in self.properties:
            return default
        found = self.cells(name)
        # libfdt takes 4 for the most that there can be.
        if found is None or len(found) != 1 or found[0] > 4:
            raise FormatError(
                f"{name} is {self.properties[name].hex(' ') or 'empty'}",
                field=f"{self.name} {name}",
                expected="one cell, 0 to 4",
            )
        return found[0]


@dataclass(frozen=True)
class Tree:
    """A device tree.

    Attributes:
        root: the node "/".
        reservations: (address, size) of memory that a kernel must leave alone.
        boot_cpuid: `reg` of the CPU that boots.
    """

    root: Node
    reservations: tuple[tuple[int, int], ...] = ()
    boot_cpuid: int = 0

    def find(self, path: str) -> Node | None:
        return self.root.find(path)

    def walk(self) -> Iterator[tuple[str, Node]]:
        return self.root.walk()


def join(path: str, name: str) -> str:
    """The path of a child."""
    return f"{path.rstrip('/')}/{name}"


def parent_of(path: str) -> str:
    """The path of a node's parent; "/" for the root's own."""
    return path.rstrip("/").rpartition("/")[0] or "/"


def resolve(tree: Tree, name: str) -> str | None:
    """The full path of what `stdout-path`, `dtuart=` and U-Boot name: a path or an alias.

    Args:
        name: "/soc/serial@1c28000", "serial0", "serial0:115200n8", "usb0/hub".
    """
    path = name.partition(":")[0]
    if not path.startswith("/"):
        alias, slash, rest = path.partition("/")
        aliases = tree.root.find("/aliases")
        start = aliases.text(alias) if aliases else None
        if not start or not start.startswith("/"):
            return None
        path = start + slash + rest
    found = tree.root.locate(path)
    return None if found is None else found[0]


def phandles(tree: Tree) -> dict[int, str]:
    """The path of each node that can be referred to, by its phandle."""
    found: dict[int, str] = {}
    for path, node in tree.walk():
        for name in ("phandle", "linux,phandle"):
            cells = node.cells(name)
            if cells and len(cells) == 1:
                found.setdefault(cells[0], path)
    return found


def with_node(tree: Tree, path: str, node: Node) -> Tree:
    """A tree with one node replaced, or added behind its siblings; its name is the path's last.

    Args:
        path: with unit addresses in full, as `Node.walk` gives it.

    Raises:
        FormatError: there is no parent.
    """
    return replace(tree, root=_with(tree.root, path, path.strip("/"), node))


def _with(at: Node, path: str, rest: str, node: Node) -> Node:
    if not rest:
        return replace(node, name=at.name)
    word, _, below = rest.partition("/")
    children = list(at.children)
    names = [child.name for child in children]
    if word in names:
        place = names.index(word)
        children[place] = _with(children[place], path, below, node)
    elif not below:
        children.append(replace(node, name=word))
    else:
        raise FormatError(f"there is no node {word}", field=path)
    return replace(at, children=tuple(children))
