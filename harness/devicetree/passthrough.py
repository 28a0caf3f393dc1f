"""Devices that dom0 leaves alone, and the partial trees that give them to other domains.

Source: Xen 4.17, docs/misc/arm/passthrough.txt and passthrough-noiommu.txt; the cells of
`xen,reg` as `scan_pfdt_node` in xen/arch/arm/domain_build.c counts them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.devicetree.tree import Node, Tree, join, with_node
from harness.errors import FormatError

_MARK = "xen,passthrough"


@dataclass(frozen=True)
class AssignedDevice:
    """A device of a partial tree.

    Attributes:
        path: of its node in the partial tree.
        host_path: of the device in the board's own tree (`xen,path`); None: not given.
        ranges: (host address, size, guest address) of its registers (`xen,reg`); () if it
            is not given. Xen refuses a device without; and one without a host path, unless
            it is forced.
        force: it may be given away without an IOMMU (`xen,force-assign-without-iommu`).
    """

    path: str
    host_path: str | None
    ranges: tuple[tuple[int, int, int], ...]
    force: bool


def passed_through(tree: Tree) -> tuple[str, ...]:
    """The paths of the devices in a board's tree that Xen hides from dom0."""
    return tuple(path for path, node in tree.walk() if _MARK in node.properties)


def with_passed_through(tree: Tree, paths: Iterable[str]) -> Tree:
    """A board's tree in which Xen hides some more devices from dom0.

    Raises:
        FormatError: there is no such node.
    """
    for path in paths:
        found = tree.root.locate(path)
        if found is None:
            raise FormatError("there is no such node to pass through", field=path)
        full, node = found
        marked = replace(node, properties={**node.properties, _MARK: b""})
        tree = with_node(tree, full, marked)
    return tree


def assigned(partial: Tree) -> tuple[AssignedDevice, ...]:
    """The devices that a partial tree gives to its domain.

    Raises:
        FormatError: a `xen,reg` that does not fit the cells of the node around it.
    """
    top = partial.root.find("/passthrough")
    if top is None:
        raise FormatError(
            "there is no such node",
            field="/passthrough",
            expected="a node around those of the devices: Xen copies it into the domain's tree",
        )
    return tuple(_devices(top, "/passthrough"))


def _devices(parent: Node, path: str) -> Iterable[AssignedDevice]:
    address, size = parent.address_cells, parent.size_cells
    for node in parent.children:
        here = join(path, node.name)
        value = node.properties.get("xen,reg")
        if value is not None or "xen,path" in node.properties:
            yield AssignedDevice(
                here,
                node.text("xen,path"),
                () if value is None else tuple(_rows(value, (address, size, address), here)),
                "xen,force-assign-without-iommu" in node.properties,
            )
        yield from _devices(node, here)


def _rows(value: bytes, widths: tuple[int, int, int], path: str) -> Iterable[tuple[int, int, int]]:
    step = 4 * sum(widths)
    if not value or not step or len(value) % step:
        raise FormatError(
            f"{len(value)} bytes",
            field=f"{path} xen,reg",
            expected=f"a multiple of {step}: host address, size, guest address",
        )
    first, second = 4 * widths[0], 4 * (widths[0] + widths[1])
    for start in range(0, len(value), step):
        row = value[start : start + step]
        yield (
            int.from_bytes(row[:first], "big"),
            int.from_bytes(row[first:second], "big"),
            int.from_bytes(row[second:], "big"),
        )
