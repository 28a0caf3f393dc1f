"""Writes what Xen shall find into /chosen: the same content as a boot script's `fdt` commands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.devicetree.tree import Node, Tree, join, pairs, phandles, with_node
from harness.devicetree.xen.model import (
    Chosen,
    CpuPool,
    Domain,
    EventChannel,
    Module,
    Port,
    SharedMemory,
)
from harness.devicetree.xen.reading import (
    CHOSEN,
    CPUPOOL,
    DOMAIN,
    EVENT_CHANNEL,
    FLAGS,
    NUMBERS,
    SHARED_MEMORY,
    STRINGS,
    Cells,
    cells_of,
    is_module,
)
from harness.errors import FormatError

_BOOTARGS = ("bootargs", "xen,xen-bootargs", "xen,dom0-bootargs")


def with_chosen(tree: Tree, chosen: Chosen) -> Tree:
    """A tree whose /chosen says what `chosen` says, and nothing else to Xen.

    Properties and nodes of /chosen that are not Xen's (`stdout-path`, framebuffers) stay.
    `#address-cells` and `#size-cells` are always set; they stay as they are, or become 2
    where a number needs it. CPUs that a pool names get a phandle if they have none.

    Raises:
        FormatError: a number or text that does not fit, a name that is there twice, a CPU or
            domain that is not there.
    """
    return _Writer(tree, chosen).write()


class _Writer:
    def __init__(self, tree: Tree, chosen: Chosen) -> None:
        old = next((node for node in tree.root.children if node.name == "chosen"), None)
        self.old = _without_xens(old or Node("chosen"))
        self.tree = with_node(tree, CHOSEN, self.old)
        self.chosen = chosen
        self.next_phandle = max(phandles(self.tree), default=0) + 1
        self.pools: dict[str, int] = {}
        self.ports: dict[str, list[Node]] = {}

    def write(self) -> Tree:
        chosen, old = self.chosen, self.old
        root_cells = cells_of(self.tree.root, (2, 1))
        before = cells_of(old, root_cells)
        cells = _wide_enough(
            before,
            [(module.address, module.size) for module in chosen.modules],
            _shared_ranges(chosen.shared_memory),
            *(domain.static_mem for domain in chosen.domains),
        )
        pools = [self.cpupool(pool) for pool in chosen.cpupools]
        for channel in chosen.event_channels:
            self.connect(channel)
        properties = {**old.properties, **_cells_properties(cells)}
        for name, text in zip(
            _BOOTARGS, (chosen.bootargs, chosen.xen_bootargs, chosen.dom0_bootargs), strict=True
        ):
            if text is not None:
                properties[name] = _text(text, f"{CHOSEN} {name}")
        if chosen.static_heap:
            properties["xen,static-heap"] = _ranges(
                chosen.static_heap, root_cells, f"{CHOSEN} xen,static-heap"
            )
        children = [
            *(_module(module, cells, CHOSEN) for module in chosen.modules),
            *(self.domain(domain, cells) for domain in chosen.domains),
            *pools,
            *(_shared_memory(shared, cells, CHOSEN) for shared in chosen.shared_memory),
            *self.ports.pop("", []),
            *_recounted(old, before, cells),
        ]
        if self.ports:
            raise FormatError(
                f"an event channel ends at {next(iter(self.ports))}",
                field=CHOSEN,
                expected="the name of a domain of the tree",
            )
        _check_names(children, CHOSEN)
        return with_node(self.tree, CHOSEN, Node("chosen", properties, tuple(children)))

    def phandle(self) -> int:
        self.next_phandle += 1
        return self.next_phandle - 1

    def cpupool(self, pool: CpuPool) -> Node:
        handles = b"".join(_number(self.phandle_of(cpu), 1, cpu) for cpu in pool.cpus)
        self.pools[pool.name] = self.phandle()
        properties = {
            "compatible": _strings(CPUPOOL),
            "cpupool-cpus": handles,
            "phandle": _number(self.pools[pool.name], 1, pool.name),
        }
        if pool.scheduler is not None:
            properties["cpupool-sched"] = _text(pool.scheduler, join(CHOSEN, pool.name))
        return Node(pool.name, properties)

    def phandle_of(self, path: str) -> int:
        found = self.tree.root.locate(path)
        if found is None:
            raise FormatError("a cpupool names this CPU, which is not there", field=path)
        full, node = found
        for number, there in phandles(self.tree).items():
            if there == full:
                return number
        number = self.phandle()
        properties = {**node.properties, "phandle": _number(number, 1, full)}
        self.tree = with_node(self.tree, full, replace(node, properties=properties))
        return number

    def connect(self, channel: EventChannel) -> None:
        first, second = channel.ends
        handles = self.phandle(), self.phandle()
        self.port(first, *handles)
        self.port(second, *reversed(handles))

    def port(self, port: Port, own: int, other: int) -> None:
        name = f"evtchn@{own:x}"
        properties = {
            "compatible": _strings(EVENT_CHANNEL),
            "xen,evtchn": _number(port.number, 1, name) + _number(other, 1, name),
            "phandle": _number(own, 1, name),
        }
        self.ports.setdefault(port.domain, []).append(Node(name, properties))

    def domain(self, domain: Domain, outer: Cells) -> Node:
        path = join(CHOSEN, domain.name)
        cells = _wide_enough(
            (1, 1),
            [(module.address, module.size) for module in domain.modules],
            _shared_ranges(domain.shared_memory),
        )
        properties = {
            **domain.extra,
            "compatible": _strings(DOMAIN),
            **_cells_properties(cells),
            "memory": _number(domain.memory_kib, 2, f"{path} memory"),
            "cpus": _number(domain.cpus, 1, f"{path} cpus"),
        }
        for ours, name in FLAGS.items():
            if getattr(domain, ours):
                properties[name] = b""
        for ours, name in NUMBERS.items():
            number: int | None = getattr(domain, ours)
            if number is not None:
                properties[name] = _number(number, 1, f"{path} {name}")
        for ours, name in {"enhanced": "xen,enhanced", **STRINGS}.items():
            text: str | None = getattr(domain, ours)
            if text is not None:
                properties[name] = _text(text, f"{path} {name}")
        if domain.cpupool is not None:
            if domain.cpupool not in self.pools:
                raise FormatError(f"there is no cpupool {domain.cpupool}", field=path)
            properties["domain-cpupool"] = _number(self.pools[domain.cpupool], 1, path)
        if domain.static_mem:
            properties["xen,static-mem"] = _ranges(
                domain.static_mem, outer, f"{path} xen,static-mem"
            )
        children = (
            *(_module(module, cells, path) for module in domain.modules),
            *(_shared_memory(shared, cells, path) for shared in domain.shared_memory),
            *self.ports.pop(domain.name, []),
            *domain.nodes,
        )
        _check_names(children, path)
        return Node(domain.name, properties, children)


def _module(module: Module, cells: Cells, parent: str) -> Node:
    name = module.name or f"module@{module.address:x}"
    path = join(parent, name)
    properties = {
        "compatible": _strings(*module.compatible),
        "reg": _ranges([(module.address, module.size)], cells, path),
    }
    if module.bootargs is not None:
        properties["bootargs"] = _text(module.bootargs, f"{path} bootargs")
    return Node(name, properties)


def _shared_memory(shared: SharedMemory, cells: Cells, parent: str) -> Node:
    name = shared.name or f"shared-mem-{shared.id}"
    path = join(parent, name)
    host = b"" if shared.host_address is None else _number(shared.host_address, cells[0], path)
    properties = {
        "compatible": _strings(SHARED_MEMORY),
        "xen,shm-id": _text(shared.id, path),
        "xen,shared-mem": host + _ranges([(shared.guest_address, shared.size)], cells, path),
    }
    if shared.role is not None:
        properties["role"] = _text(shared.role, path)
    return Node(name, properties)


def _shared_ranges(shared: Iterable[SharedMemory]) -> list[tuple[int, int]]:
    return [(max(one.guest_address, one.host_address or 0), one.size) for one in shared]


def _without_xens(old: Node) -> Node:
    """/chosen without what Xen reads there."""
    known = (*_BOOTARGS, "xen,static-heap")
    ours = {DOMAIN, CPUPOOL, SHARED_MEMORY, EVENT_CHANNEL}
    children = [
        replace(node, children=tuple(child for child in node.children if not is_module(child)))
        for node in old.children
        if not is_module(node) and not ours.intersection(node.compatible)
    ]
    properties = {name: value for name, value in old.properties.items() if name not in known}
    return Node(old.name, properties, tuple(children))


def _recounted(old: Node, before: Cells, after: Cells) -> tuple[Node, ...]:
    """The child nodes with their `reg` in the cells that hold from now on."""
    if before == after:
        return old.children
    if old.properties.get("ranges"):
        raise FormatError(
            f"its ranges count {before[0]} + {before[1]} cells, the modules need {after}",
            field=f"{CHOSEN} ranges",
            expected="an empty one, or none",
        )
    nodes = []
    for node in old.children:
        properties = dict(node.properties)
        if properties.get("reg"):
            path = join(CHOSEN, node.name)
            properties["reg"] = _ranges(pairs(node, "reg", *before), after, path)
        nodes.append(replace(node, properties=properties))
    return tuple(nodes)


def _wide_enough(cells: Cells, *ranges: Iterable[tuple[int, int]]) -> Cells:
    """The given cells if every address and size fits in, else 2 where it does not."""
    numbers = [pair for some in ranges for pair in some]
    widths = []
    for width, column in zip(
        cells, zip(*numbers, strict=True) if numbers else ((), ()), strict=True
    ):
        needed = 2 if any(number >> 32 for number in column) else 1
        widths.append(width if needed <= width <= 2 else needed)
    return widths[0], widths[1]


def _cells_properties(cells: Cells) -> dict[str, bytes]:
    address, size = cells
    return {
        "#address-cells": address.to_bytes(4, "big"),
        "#size-cells": size.to_bytes(4, "big"),
    }


def _check_names(children: Iterable[Node], path: str) -> None:
    seen = set()
    for child in children:
        if child.name in seen:
            raise FormatError("two nodes of this name", field=join(path, child.name))
        seen.add(child.name)


def _ranges(ranges: Iterable[tuple[int, int]], cells: Cells, field: str) -> bytes:
    return b"".join(
        _number(address, cells[0], field) + _number(size, cells[1], field)
        for address, size in ranges
    )


def _number(value: int, width: int, field: str) -> bytes:
    if not 0 <= value < 1 << 32 * width:
        raise FormatError(f"{value:#x} does not fit in {width} cells", field=field)
    return value.to_bytes(4 * width, "big")


def _text(value: str, field: str) -> bytes:
    if "\0" in value:
        raise FormatError(f"{value!r} holds a NUL", field=field)
    return value.encode() + b"\0"


def _strings(*words: str) -> bytes:
    return b"".join(word.encode() + b"\0" for word in words)
