"""Addresses in a device tree: `reg`, and what a CPU sees of it through `ranges`.

Source: Devicetree Specification 0.4, sections 2.3.5 to 2.3.8.
"""

from __future__ import annotations

from harness.devicetree.tree.node import Node, Tree, parent_of
from harness.errors import FormatError


def reg(node: Node, parent: Node, name: str = "reg") -> tuple[tuple[int, int], ...]:
    """The (address, size) pairs of a node, as its parent counts addresses; () without any.

    Raises:
        FormatError: the size of the property does not fit the parent's cells.
    """
    return pairs(node, name, parent.address_cells, parent.size_cells)


def pairs(
    node: Node, name: str, address_cells: int, size_cells: int
) -> tuple[tuple[int, int], ...]:
    """The (address, size) pairs of any property, with the numbers of cells given."""
    rows = _rows(node, name, (address_cells, size_cells))
    return tuple((address, size) for address, size in rows)


def _rows(node: Node, name: str, widths: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """A property's rows of numbers, each number of so many cells."""
    value = node.properties.get(name, b"")
    step = 4 * sum(widths)
    if value and (not step or len(value) % step):
        raise FormatError(
            f"{name} has {len(value)} bytes",
            field=f"{node.name} {name}",
            expected=f"a multiple of {step}: {' + '.join(map(str, widths))} cells a row",
        )
    rows = []
    for start in range(0, len(value), step or 1):
        row, at = [], start
        for width in widths:
            row.append(int.from_bytes(value[at : at + 4 * width], "big"))
            at += 4 * width
        rows.append(tuple(row))
    return tuple(rows)


def cpu_address(tree: Tree, path: str, address: int) -> int | None:
    """The address at which the CPU sees an address from the `reg` of a node.

    Args:
        path: of the node whose `reg` has the address.

    Returns:
        None if a bus on the way up does not pass the address on.

    Raises:
        FormatError: there is no such node, or a `ranges` does not fit its cells.
    """
    found = tree.root.locate(path)
    if found is None:
        raise FormatError("there is no such node", field=path)
    bus_path = parent_of(found[0])
    while bus_path != "/":
        bus = tree.root.find(bus_path)
        parent = tree.root.find(parent_of(bus_path))
        if bus is None or parent is None or "ranges" not in bus.properties:
            return None
        rows = _rows(bus, "ranges", (bus.address_cells, parent.address_cells, bus.size_cells))
        if rows:  # an empty one says that the addresses are the same
            there = [up + address - low for low, up, size in rows if low <= address < low + size]
            if not there:
                return None
            address = there[0]
        bus_path = parent_of(bus_path)
    return address
