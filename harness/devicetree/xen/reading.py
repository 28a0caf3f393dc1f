"""Reads what Xen finds in /chosen. Properties are looked up as Xen 4.17 does it."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.devicetree.tree import Node, Tree, join, pairs, parent_of, phandles
from harness.devicetree.xen.model import (
    Chosen,
    CpuPool,
    Domain,
    EventChannel,
    Module,
    ModuleKind,
    Port,
    SharedMemory,
)
from harness.errors import FormatError

CHOSEN = "/chosen"
MODULE = ("multiboot,module", "xen,multiboot-module")
DOMAIN = "xen,domain"
CPUPOOL = "xen,cpupool"
SHARED_MEMORY = "xen,domain-shared-memory-v1"
EVENT_CHANNEL = "xen,evtchn-v1"

# A domain's properties that are one number or one string, by our name for them.
NUMBERS = {
    "nr_spis": "nr_spis",
    "p2m_mem_mb": "xen,domain-p2m-mem-mb",
    "max_grant_version": "max_grant_version",
    "max_grant_frames": "max_grant_frames",
    "max_maptrack_frames": "max_maptrack_frames",
}
STRINGS = {"passthrough": "passthrough", "llc_colors": "llc-colors"}
FLAGS = {"vpl011": "vpl011", "direct_map": "direct-map"}
DOMAIN_PROPERTIES = frozenset(
    {
        "compatible",
        "#address-cells",
        "#size-cells",
        "phandle",
        "linux,phandle",
        "memory",
        "cpus",
        "xen,enhanced",
        "domain-cpupool",
        "xen,static-mem",
        *NUMBERS.values(),
        *STRINGS.values(),
        *FLAGS.values(),
    }
)

_KINDS: dict[str, ModuleKind] = {
    "xen,linux-zimage": "kernel",
    "multiboot,kernel": "kernel",
    "xen,linux-initrd": "ramdisk",
    "multiboot,ramdisk": "ramdisk",
    "xen,xsm-policy": "xsm",
    "multiboot,device-tree": "dtb",
}
_GUESSES: tuple[ModuleKind, ...] = ("kernel", "ramdisk")


def read_chosen(tree: Tree) -> Chosen:
    """Read /chosen. Nodes and properties that are not Xen's are passed over.

    Raises:
        FormatError: what Xen would stop at, or read otherwise than it is written; the field
            is the path of the node, with the property if there is one.
    """
    for child in tree.root.children:
        if child.name == "chosen":
            return _Reader(tree).read(child)
    raise FormatError(
        "there is no such node",
        field=CHOSEN,
        expected="a node with the modules that Xen shall start",
        hint="fdt mknode / chosen, in the boot script",
    )


Cells = tuple[int, int]


def cells_of(node: Node, inherited: Cells) -> Cells:
    """The cells of addresses and sizes in the children of a node.

    The specification has 2 and 1 where a node does not say; Xen, like early Linux, goes on
    with what holds for the node itself.
    """
    address = node.address_cells if "#address-cells" in node.properties else inherited[0]
    size = node.size_cells if "#size-cells" in node.properties else inherited[1]
    return address, size


def is_module(node: Node) -> bool:
    """Whether Xen takes a node below /chosen for a module."""
    return any(name in node.compatible for name in MODULE)


@dataclass
class _Reader:
    tree: Tree
    guesses: int = 0  # modules without a kind so far, over all domains as Xen counts them
    links: dict[str, tuple[Port, int]] = field(default_factory=dict)  # path: end, other's phandle

    def read(self, chosen: Node) -> Chosen:
        paths = phandles(self.tree)
        root_cells = cells_of(self.tree.root, (2, 1))
        cells = cells_of(chosen, root_cells)
        modules: list[Module] = []
        domains: list[Domain] = []
        pools: list[CpuPool] = []
        shared: list[SharedMemory] = []
        for node in chosen.children:
            path = join(CHOSEN, node.name)
            if is_module(node):
                modules.append(self.module(node, path, cells))
            elif DOMAIN in node.compatible:
                domains.append(self.domain(node, path, cells, paths))
            elif CPUPOOL in node.compatible:
                pools.append(_cpupool(node, path, paths))
            elif SHARED_MEMORY in node.compatible:
                shared.append(_shared_memory(node, path, cells))
            elif EVENT_CHANNEL in node.compatible:
                self.link(node, path, "")
            else:  # Xen does find modules one level further down
                inner = cells_of(node, cells)
                modules += [
                    self.module(child, join(path, child.name), inner)
                    for child in node.children
                    if is_module(child)
                ]
        _check_cpupools(domains, pools)
        return Chosen(
            bootargs=_text(chosen, CHOSEN, "bootargs"),
            xen_bootargs=_text(chosen, CHOSEN, "xen,xen-bootargs"),
            dom0_bootargs=_text(chosen, CHOSEN, "xen,dom0-bootargs"),
            modules=tuple(modules),
            domains=tuple(domains),
            cpupools=tuple(pools),
            shared_memory=tuple(shared),
            event_channels=self.event_channels(paths),
            static_heap=_ranges(chosen, CHOSEN, "xen,static-heap", root_cells),
        )

    def module(self, node: Node, path: str, cells: Cells) -> Module:
        ranges = _ranges(node, path, "reg", cells)
        if len(ranges) != 1:
            raise FormatError(
                f"reg has {len(ranges)} ranges" if ranges else "the module has no reg",
                field=path,
                expected=f"one address and size, {cells[0]} + {cells[1]} cells",
            )
        kinds = [kind for name, kind in _KINDS.items() if name in node.compatible]
        if not kinds:
            kinds = [_GUESSES[self.guesses] if self.guesses < len(_GUESSES) else "unknown"]
            self.guesses += 1
        return Module(
            kinds[0], *ranges[0], _text(node, path, "bootargs"), node.compatible, node.name
        )

    def domain(self, node: Node, path: str, outer: Cells, paths: dict[int, str]) -> Domain:
        cells = cells_of(node, outer)
        modules: list[Module] = []
        shared: list[SharedMemory] = []
        others: list[Node] = []
        for child in node.children:
            inner = join(path, child.name)
            if is_module(child):
                modules.append(self.module(child, inner, cells))
            elif SHARED_MEMORY in child.compatible:
                shared.append(_shared_memory(child, inner, cells))
            elif EVENT_CHANNEL in child.compatible:
                self.link(child, inner, node.name)
            else:
                others.append(child)
        pool = _number(node, path, "domain-cpupool")
        if pool is not None and parent_of(paths.get(pool, "/")) != CHOSEN:
            raise FormatError(
                f"{pool:#x} refers to no cpupool",
                field=f"{path} domain-cpupool",
                expected="the phandle of a xen,cpupool node in /chosen",
            )
        return Domain(
            name=node.name,
            memory_kib=_required(node, path, "memory", 2),
            cpus=_required(node, path, "cpus", 1),
            modules=tuple(modules),
            enhanced=_enhanced(node),
            cpupool=None if pool is None else paths[pool].rpartition("/")[2],
            # Xen counts these as it does the domain's own reg, were there one.
            static_mem=_ranges(node, path, "xen,static-mem", outer),
            shared_memory=tuple(shared),
            extra={k: v for k, v in node.properties.items() if k not in DOMAIN_PROPERTIES},
            nodes=tuple(others),
            vpl011=FLAGS["vpl011"] in node.properties,
            direct_map=FLAGS["direct_map"] in node.properties,
            passthrough=_text(node, path, STRINGS["passthrough"]),
            llc_colors=_text(node, path, STRINGS["llc_colors"]),
            **{ours: _number(node, path, name) for ours, name in NUMBERS.items()},
        )

    def link(self, node: Node, path: str, domain: str) -> None:
        cells = node.cells("xen,evtchn")
        if cells is None or len(cells) != 2:
            raise FormatError(
                "no link to another event channel",
                field=f"{path} xen,evtchn",
                expected="two cells: the local port, the phandle of the other end",
            )
        self.links[path] = (Port(domain, cells[0]), cells[1])

    def event_channels(self, paths: dict[int, str]) -> tuple[EventChannel, ...]:
        found: dict[EventChannel, None] = {}
        for path, (port, phandle) in self.links.items():
            other = paths.get(phandle, "")
            back = self.links.get(other)
            if back is None or paths.get(back[1]) != path:
                raise FormatError(
                    f"{phandle:#x} refers to {other or 'nothing'}",
                    field=f"{path} xen,evtchn",
                    expected="the phandle of a xen,evtchn-v1 node that refers back",
                )
            found[EventChannel((port, back[0]))] = None
        return tuple(found)


def _cpupool(node: Node, path: str, paths: dict[int, str]) -> CpuPool:
    cells = node.cells("cpupool-cpus")
    unknown = [hex(cell) for cell in cells or () if cell not in paths]
    if not cells or unknown:
        raise FormatError(
            f"{', '.join(unknown)} refers to nothing" if unknown else "the pool has no CPU",
            field=f"{path} cpupool-cpus",
            expected="phandles of CPU nodes",
        )
    cpus = tuple(paths[cell] for cell in cells)
    return CpuPool(node.name, cpus, _text(node, path, "cpupool-sched"))


def _check_cpupools(domains: list[Domain], pools: list[CpuPool]) -> None:
    names = {pool.name for pool in pools}
    for domain in domains:
        if domain.cpupool is not None and domain.cpupool not in names:
            raise FormatError(
                f"{domain.cpupool} is no cpupool",
                field=f"{join(CHOSEN, domain.name)} domain-cpupool",
                expected="the phandle of a xen,cpupool node in /chosen",
            )


def _shared_memory(node: Node, path: str, cells: Cells) -> SharedMemory:
    value = node.properties.get("xen,shared-mem", b"")
    address, size = cells
    widths = [address, address, size]
    if len(value) == 4 * (address + size):  # without the host's address
        widths = [address, size]
    shm_id = _text(node, path, "xen,shm-id")
    if shm_id is None or len(value) != 4 * sum(widths) or not value:
        raise FormatError(
            f"xen,shared-mem has {len(value)} bytes" if shm_id else "there is no xen,shm-id",
            field=path,
            expected=f"an id; host address, guest address, size: {widths} cells",
        )
    numbers = []
    for width in widths:
        numbers.append(int.from_bytes(value[: 4 * width], "big"))
        value = value[4 * width :]
    host = numbers[0] if len(numbers) == 3 else None
    return SharedMemory(
        shm_id, numbers[-2], numbers[-1], host, _text(node, path, "role"), node.name
    )


def _enhanced(node: Node) -> str | None:
    """`xen,enhanced`: present without a value, or with one that is no string, is "enabled"."""
    if "xen,enhanced" not in node.properties:
        return None
    words = node.strings("xen,enhanced")
    return words[0] if words else "enabled"


def _text(node: Node, path: str, name: str) -> str | None:
    if name not in node.properties:
        return None
    words = node.strings(name)
    if not words:
        raise FormatError("the value is no string", field=f"{path} {name}")
    if len(words) > 1:
        raise FormatError(
            f"{len(words)} strings: Xen takes {words[0]!r} for the whole",
            field=f"{path} {name}",
            expected="one string",
            hint='in U-Boot\'s "fdt set", put the value in quotes',
        )
    return words[0]


def _number(node: Node, path: str, name: str) -> int | None:
    return _required(node, path, name, 1) if name in node.properties else None


def _required(node: Node, path: str, name: str, width: int) -> int:
    value = node.properties.get(name)
    if value is None or len(value) != 4 * width:
        raise FormatError(
            "the property is missing" if value is None else f"{len(value)} bytes",
            field=f"{path} {name}",
            expected="one cell" if width == 1 else f"{width} cells",
        )
    return int.from_bytes(value, "big")


def _ranges(node: Node, path: str, name: str, cells: Cells) -> tuple[tuple[int, int], ...]:
    try:
        return pairs(node, name, *cells)
    except FormatError as bad:
        raise FormatError(bad.message, field=f"{path} {name}", expected=bad.expected) from bad
