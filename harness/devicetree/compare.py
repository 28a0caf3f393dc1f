"""Whether two trees tell Xen the same.

Spelling does not count: the order of modules and properties, widths of numbers, today's
names of modules or those of Xen 4.4, names of nodes that Xen does not read, a default that
is written out. The order of domains does: it makes their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from harness.devicetree.xen import Chosen, CpuPool, Domain, Module, Port, SharedMemory

Called = tuple[str, str]


def differences(
    a: Chosen, b: Chosen, *, called: Called = ("the first", "the second")
) -> tuple[str, ...]:
    """What Xen would do otherwise with `b` than with `a`, a sentence each; () for nothing.

    Args:
        called: what to call the two, as ("the card's tree", "U-Boot's").
    """
    return tuple(_Comparison(a, b, called).all())


class _Comparison:
    def __init__(self, a: Chosen, b: Chosen, called: Called) -> None:
        self.a = a
        self.b = b
        self.called = called

    def all(self) -> Iterator[str]:
        a, b = self.a, self.b
        yield from self.value(
            "Xen's command line", _line(a.xen_command_line), _line(b.xen_command_line)
        )
        yield from self.value(
            "dom0's command line", _line(a.dom0_command_line), _line(b.dom0_command_line)
        )
        yield from self.modules("dom0", a.modules, b.modules, bootargs=False)
        yield from self.domains()
        yield from self.sets("cpupool", _pools(a.cpupools), _pools(b.cpupools))
        yield from self.sets(
            "dom0's shared memory", _shared(a.shared_memory), _shared(b.shared_memory)
        )
        yield from self.sets("event channel", _channels(a), _channels(b))
        yield from self.sets("static heap", _ranges(a.static_heap), _ranges(b.static_heap))

    def value(self, what: str, a: object, b: object) -> Iterator[str]:
        if a != b:
            yield f"{what}: {_say(a)} in {self.called[0]}, {_say(b)} in {self.called[1]}"

    def sets(self, what: str, a: Iterable[str], b: Iterable[str]) -> Iterator[str]:
        in_a, in_b = sorted(a), sorted(b)
        for mine, others, name in ((in_a, in_b, self.called[0]), (in_b, in_a, self.called[1])):
            for text in mine:
                if mine.count(text) != others.count(text):
                    yield f"{what}: only in {name}: {text}"

    def modules(
        self, whose: str, a: tuple[Module, ...], b: tuple[Module, ...], *, bootargs: bool
    ) -> Iterator[str]:
        """Modules of one domain; a kind that is there once in both is compared in detail."""
        for kind in dict.fromkeys(module.kind for module in (*a, *b)):
            in_a = [module for module in a if module.kind == kind]
            in_b = [module for module in b if module.kind == kind]
            what = f"{whose}'s {kind}"
            if len(in_a) == len(in_b) == 1:
                yield from self.value(
                    f"{what}, address", hex(in_a[0].address), hex(in_b[0].address)
                )
                yield from self.value(f"{what}, size", hex(in_a[0].size), hex(in_b[0].size))
            else:
                yield from self.sets(what, map(_place, in_a), map(_place, in_b))
            if bootargs and kind == "kernel":
                yield from self.value(f"{whose}'s command line", _bootargs(in_a), _bootargs(in_b))

    def domains(self) -> Iterator[str]:
        names_a = [domain.name for domain in self.a.domains]
        names_b = [domain.name for domain in self.b.domains]
        yield from self.sets("domain", names_a, names_b)
        for number_a, domain in enumerate(self.a.domains, 1):
            if domain.name not in names_b:
                continue
            number_b = names_b.index(domain.name) + 1
            if set(names_a) == set(names_b):
                yield from self.value(f"{domain.name}, number", f"DOM{number_a}", f"DOM{number_b}")
            yield from self.domain(domain, self.b.domains[number_b - 1])

    def domain(self, a: Domain, b: Domain) -> Iterator[str]:
        for what, read in _FIELDS.items():
            yield from self.value(f"{a.name}, {what}", read(a), read(b))
        pool_a, pool_b = _cpus_of(self.a, a), _cpus_of(self.b, b)
        yield from self.value(f"{a.name}, CPUs of its cpupool", pool_a, pool_b)
        yield from self.modules(a.name, a.modules, b.modules, bootargs=True)
        yield from self.sets(
            f"{a.name}'s shared memory", _shared(a.shared_memory), _shared(b.shared_memory)
        )
        for name in sorted({*a.extra, *b.extra}):
            yield from self.value(f"{a.name}, {name}", a.extra.get(name), b.extra.get(name))
        yield from self.sets(f"{a.name}'s nodes", map(repr, a.nodes), map(repr, b.nodes))


_FIELDS: dict[str, Callable[[Domain], object]] = {
    "memory in KiB": lambda domain: domain.memory_kib,
    "CPUs": lambda domain: domain.cpus,
    "vpl011": lambda domain: domain.vpl011,
    "xen,enhanced": lambda domain: domain.enhanced or "disabled",
    "passthrough": lambda domain: domain.passthrough or _default_passthrough(domain),
    "static memory": lambda domain: ", ".join(_ranges(domain.static_mem)) or None,
    "direct-map": lambda domain: domain.direct_map,
    "nr_spis": lambda domain: domain.nr_spis,
    "xen,domain-p2m-mem-mb": lambda domain: domain.p2m_mem_mb,
    "max_grant_version": lambda domain: domain.max_grant_version,
    "max_grant_frames": lambda domain: domain.max_grant_frames,
    "max_maptrack_frames": lambda domain: domain.max_maptrack_frames,
    "llc-colors": lambda domain: domain.llc_colors,
}


def _default_passthrough(domain: Domain) -> str:
    return "enabled" if any(module.kind == "dtb" for module in domain.modules) else "disabled"


def _cpus_of(chosen: Chosen, domain: Domain) -> str | None:
    pools = (pool for pool in chosen.cpupools if pool.name == domain.cpupool)
    return next((", ".join(sorted(pool.cpus)) for pool in pools), None)


def _line(text: str | None) -> str | None:
    """A command line without what its reader passes over: how much space is between words."""
    return None if text is None else " ".join(text.split())


def _bootargs(modules: list[Module]) -> str | None:
    return next((_line(module.bootargs) for module in modules), None)


def _place(module: Module) -> str:
    return f"{module.size:#x} bytes at {module.address:#x}"


def _ranges(ranges: Iterable[tuple[int, int]]) -> list[str]:
    return [f"{size:#x} bytes at {address:#x}" for address, size in ranges]


def _pools(pools: Iterable[CpuPool]) -> list[str]:
    return [
        f"{', '.join(sorted(pool.cpus))}, scheduler {pool.scheduler or 'by default'}"
        for pool in pools
    ]


def _shared(memories: Iterable[SharedMemory]) -> list[str]:
    return [
        f"{one.id}, {one.size:#x} bytes at {one.guest_address:#x}, "
        f"host {'by Xen' if one.host_address is None else hex(one.host_address)}, "
        f"{one.role or 'borrower from Xen'}"
        for one in memories
    ]


def _channels(chosen: Chosen) -> list[str]:
    return [" to ".join(map(_port, channel.ends)) for channel in chosen.event_channels]


def _port(port: Port) -> str:
    return f"port {port.number} of {port.domain or 'dom0'}"


def _say(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return value.hex(" ") or "an empty property"
    return f'"{value}"' if isinstance(value, str) and " " in value else str(value)
