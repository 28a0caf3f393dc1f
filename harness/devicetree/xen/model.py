"""The nouns of Xen's device tree bindings.

Sources: Xen 4.17, docs/misc/arm/device-tree/booting.txt and cpupools.txt; where these are
silent, xen/arch/arm/bootfdt.c and domain_build.c. `SINCE` has what came later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.devicetree.tree import Node

ModuleKind = Literal["kernel", "ramdisk", "dtb", "xsm", "unknown"]

# What to write for each kind. The names of Xen 4.4 ("xen,linux-zimage") are read as well.
COMPATIBLE: Mapping[ModuleKind, tuple[str, ...]] = {
    "kernel": ("multiboot,kernel", "multiboot,module"),
    "ramdisk": ("multiboot,ramdisk", "multiboot,module"),
    "dtb": ("multiboot,device-tree", "multiboot,module"),
    "xsm": ("xen,xsm-policy", "multiboot,module"),
    "unknown": ("multiboot,module",),
}

# Properties of a domain, and forms of them, by the first Xen that reads them.
# An older Xen ignores the property; it refuses the form of `xen,shared-mem`.
SINCE: Mapping[str, str] = {
    "sve": "4.18",
    "max_grant_version": "4.18",
    "max_grant_frames": "4.18",
    "max_maptrack_frames": "4.18",
    "passthrough": "4.19",
    "xen,shared-mem without host address": "4.19",
    "llc-colors": "4.20",
}


@dataclass(frozen=True)
class Module:
    """A file that the boot loader has put into memory.

    Attributes:
        kind: for a module without a specific name what Xen takes it for: the first of them
            is the kernel, the second the ramdisk; "unknown" for further ones. (Xen also
            looks for the magic of an XSM policy from the second on; a tree cannot tell.)
        address, size: bytes, physical.
        bootargs: the command line that comes with it.
        compatible: as the tree spells it; () stands for today's names of the kind.
        name: of its node; "" for one made of the address. It means nothing to Xen.
    """

    kind: ModuleKind
    address: int
    size: int
    bootargs: str | None = None
    compatible: tuple[str, ...] = ()
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.compatible:
            object.__setattr__(self, "compatible", COMPATIBLE[self.kind])


@dataclass(frozen=True)
class CpuPool:
    """CPUs that Xen schedules apart from others.

    Attributes:
        name: of its node.
        cpus: paths of the CPUs' nodes.
        scheduler: "credit2", "null", ...; None for Xen's default.
    """

    name: str
    cpus: tuple[str, ...]
    scheduler: str | None = None


@dataclass(frozen=True)
class SharedMemory:
    """A domain's view of memory that it shares with another, set up at boot.

    Attributes:
        id: which memory, at most 15 characters.
        guest_address, size: where the domain sees it; bytes.
        host_address: physical; None lets Xen choose (4.19).
        role: "owner" or "borrower"; None: a borrower from Xen itself.
        name: of its node; "" for one made of the id.
    """

    id: str
    guest_address: int
    size: int
    host_address: int | None = None
    role: str | None = None
    name: str = field(default="", compare=False)


@dataclass(frozen=True, order=True)
class Port:
    """One end of an event channel; `domain` is the name of a Domain, "" for dom0."""

    domain: str
    number: int


@dataclass(frozen=True)
class EventChannel:
    """A static event channel; the order of its ends has no meaning."""

    ends: tuple[Port, Port]

    def __post_init__(self) -> None:
        low, high = sorted(self.ends)
        object.__setattr__(self, "ends", (low, high))


@dataclass(frozen=True)
class Domain:
    """A domain that Xen itself starts ("dom0less").

    Attributes:
        name: of its node, as "domU1".
        memory_kib: RAM, KiB.
        cpus: number of virtual CPUs.
        modules: kernel, ramdisk, dtb (the partial tree for devices passed through).
        vpl011: it has an emulated PL011, whose output Xen prints.
        enhanced: Xen's interfaces, `xen,enhanced`: "enabled", "no-xenstore", "disabled" or
            another word; None, the property is absent, means disabled.
        passthrough: "enabled", "disabled"; None, absent, means enabled if there is a dtb.
        cpupool: name of a CpuPool.
        static_mem: (address, size) of host memory that is its RAM.
        direct_map: it sees that memory at the host's addresses.
        nr_spis: shared interrupts that its GIC has.
        p2m_mem_mb: memory for its page tables, MiB.
        max_grant_version, max_grant_frames, max_maptrack_frames: limits of grant tables.
        llc_colors: its share of the last-level cache.
        shared_memory: what it shares.
        extra: properties that are none of the above, raw.
        nodes: child nodes that are none of the above.
    """

    name: str
    memory_kib: int
    cpus: int
    modules: tuple[Module, ...] = ()
    vpl011: bool = False
    enhanced: str | None = None
    passthrough: str | None = None
    cpupool: str | None = None
    static_mem: tuple[tuple[int, int], ...] = ()
    direct_map: bool = False
    nr_spis: int | None = None
    p2m_mem_mb: int | None = None
    max_grant_version: int | None = None
    max_grant_frames: int | None = None
    max_maptrack_frames: int | None = None
    llc_colors: str | None = None
    shared_memory: tuple[SharedMemory, ...] = ()
    extra: Mapping[str, bytes] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """All that Xen reads in /chosen.

    Attributes:
        bootargs: for Xen or for dom0, depending on the others; see `xen_command_line`.
        xen_bootargs: `xen,xen-bootargs`.
        dom0_bootargs: `xen,dom0-bootargs`.
        modules: of dom0.
        domains: in the order of the tree: the first is domain 1.
        cpupools: in the order of the tree.
        shared_memory: of dom0.
        event_channels: between any two domains.
        static_heap: (address, size) of host memory that is Xen's heap.
    """

    bootargs: str | None = None
    xen_bootargs: str | None = None
    dom0_bootargs: str | None = None
    modules: tuple[Module, ...] = ()
    domains: tuple[Domain, ...] = ()
    cpupools: tuple[CpuPool, ...] = ()
    shared_memory: tuple[SharedMemory, ...] = ()
    event_channels: tuple[EventChannel, ...] = ()
    static_heap: tuple[tuple[int, int], ...] = ()

    @property
    def xen_command_line(self) -> str | None:
        """What Xen takes for its own command line; None: it finds none.

        Without `xen,xen-bootargs`, Xen takes `bootargs` only if dom0 has a line of its own.
        """
        if self.xen_bootargs is not None:
            return self.xen_bootargs
        if self.dom0_bootargs is not None or self._kernel_bootargs:
            return self.bootargs
        return None

    @property
    def dom0_command_line(self) -> str | None:
        """What dom0 gets for its command line; None: nothing."""
        if self.dom0_bootargs is not None:
            return self.dom0_bootargs
        return self._kernel_bootargs or self.bootargs

    @property
    def _kernel_bootargs(self) -> str | None:
        for module in self.modules:
            if module.kind == "kernel" and module.bootargs is not None:
                return module.bootargs
        return None
