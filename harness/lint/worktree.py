"""The device tree while a script edits it: paths, and properties that may be partly unknown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.devicetree.tree import Tree
from harness.lint.symbols import Number


@dataclass(frozen=True)
class Value:
    """The value of a property: its bytes (of a given tree), or what a script wrote.

    Attributes:
        line: of the script that set it; None in a given tree.
    """

    raw: bytes | None = None
    strings: tuple[str, ...] | None = None
    numbers: tuple[Number, ...] | None = None
    line: int | None = None

    def as_strings(self) -> tuple[str, ...]:
        """Its strings; () if it is no text."""
        if self.strings is not None:
            return self.strings
        if not self.raw or self.raw[-1]:
            return ()
        return tuple(part.decode(errors="replace") for part in self.raw[:-1].split(b"\0"))

    def as_numbers(self) -> tuple[Number, ...] | None:
        """Its cells; None if it has none, or a part of one."""
        if self.numbers is not None:
            return self.numbers
        if self.raw is None or len(self.raw) % 4:
            return None
        cells = [self.raw[at : at + 4] for at in range(0, len(self.raw), 4)]
        return tuple(Number(int.from_bytes(cell, "big"), f"0x{cell.hex()}") for cell in cells)

    @property
    def size(self) -> int:
        """Its bytes in the tree, as far as they are known."""
        if self.raw is not None:
            return len(self.raw)
        if self.numbers is not None:
            return 4 * len(self.numbers)
        return sum(len(text.encode()) + 1 for text in self.strings or ())


class WorkTree:
    """A tree that can be edited.

    Attributes:
        is_known: whether it began as a given tree; else only what a script made of it is known.
        nodes: path to properties, parents before their children.
        lines: the script's line that made a node.
    """

    def __init__(self, base: Tree | None = None) -> None:
        self.is_known = base is not None
        self.nodes: dict[str, dict[str, Value]] = {"/": {}}
        self.lines: dict[str, int] = {}
        if base is not None:
            self.nodes = {
                path: {name: Value(raw=raw) for name, raw in node.properties.items()}
                for path, node in base.walk()
            }

    def copy(self) -> WorkTree:
        twin = WorkTree()
        twin.is_known = self.is_known
        twin.nodes = {path: dict(properties) for path, properties in self.nodes.items()}
        twin.lines = dict(self.lines)
        return twin

    def merge(self, other: WorkTree) -> None:
        """Add what another branch of the script made; where both did, this one's stays."""
        self.is_known = self.is_known and other.is_known
        for path, properties in other.nodes.items():
            self.nodes[path] = {**properties, **self.nodes.get(path, {})}
        self.lines = {**other.lines, **self.lines}

    def path(self, name: str) -> str:
        """A path in full: "/chosen/" without its last slash, an alias as what it stands for."""
        if not name.startswith("/"):
            alias, slash, rest = name.partition("/")
            value = self.nodes.get("/aliases", {}).get(alias)
            target = value.as_strings() if value else ()
            name = (target[0] if target else f"/{alias}") + slash + rest
        name = "/" + "/".join(part for part in name.split("/") if part)
        if name in self.nodes:
            return name
        return self._without_addresses(name) or name

    def _without_addresses(self, name: str) -> str | None:
        """As libfdt looks a path up: a part without its unit address will do."""
        at = "/"
        for part in name.split("/")[1:]:
            if not part:
                continue
            found = [
                path
                for path in self.children(at)
                if part in {leaf(path), leaf(path).partition("@")[0]}
            ]
            if not found:
                return None
            exact = [path for path in found if leaf(path) == part]
            at = (exact or found)[0]
        return at

    def children(self, path: str) -> Iterator[str]:
        """The paths of a node's children."""
        start = path.rstrip("/") + "/"
        for each in self.nodes:
            if each.startswith(start) and each != "/" and "/" not in each[len(start) :]:
                yield each

    def remove(self, path: str) -> None:
        """Remove a node with all below it."""
        for each in [p for p in self.nodes if p == path or p.startswith(f"{path}/")]:
            del self.nodes[each]

    def value(self, path: str, name: str) -> Value | None:
        return self.nodes.get(path, {}).get(name)

    def text(self, path: str, name: str) -> str | None:
        """A property's first string; None without the property."""
        value = self.value(path, name)
        if value is None:
            return None
        return next(iter(value.as_strings()), "")


def leaf(path: str) -> str:
    """The name of a node, with its unit address."""
    return path.rpartition("/")[2]
