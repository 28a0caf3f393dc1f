"""Rules for what a tree divides up before Xen runs: CPU pools, memory, event channels."""

from __future__ import annotations

from harness.devicetree.tree import parent_of
from harness.lint.domain_rules import BINDING, Subject, cell, domains, hit, nodes_of
from harness.lint.facts import Facts, Range, inside
from harness.lint.modules import DOMAIN, widths_below
from harness.lint.rule import Found, Rule, rule
from harness.lint.subjects import TreeSubject, boots_of, ram_of
from harness.lint.worktree import WorkTree, leaf

PAGE = 0x1000
MAX_SHM_ID = 15
_POOL, _SHARED, _CHANNEL = "xen,cpupool", "xen,domain-shared-memory-v1", "xen,evtchn-v1"


def _phandles(tree: WorkTree) -> dict[int, str]:
    found: dict[int, str] = {}
    for path in tree.nodes:
        number = cell(tree.value(path, "phandle"))
        if number is not None:
            found.setdefault(number, path)
    return found


@rule(
    "domain.cpupool",
    "error",
    checks="A cpupool is a child of /chosen, has CPUs, and no CPU is in two; domain-cpupool names "
    "one.",
    reference="Xen docs/misc/arm/device-tree/cpupools.txt; xen/common/sched/boot-cpupool.c",
    consequence='Xen panics: "Missing or empty cpupool-cpus property!" or "Logical cpu already '
    'added to a cpupool!".',
)
def _cpupool(subject: Subject, facts: Facts) -> Found:
    del facts
    for one in boots_of(subject):
        tree = one.tree
        names = _phandles(tree)
        taken: dict[str, str] = {}
        pools = list(nodes_of(tree, _POOL))
        for path in pools:
            if parent_of(path) != "/chosen":
                yield hit(tree, path, "a cpupool that is no child of /chosen")
            value = tree.value(path, "cpupool-cpus")
            numbers = value.as_numbers() if value else None
            if not numbers:
                yield hit(tree, path, "cpupool-cpus is missing or empty", "cpupool-cpus")
            for number in numbers or ():
                cpu = names.get(number.value if number.value is not None else -1)
                if cpu is None or tree.text(cpu, "device_type") != "cpu":
                    if tree.is_known:
                        yield hit(tree, path, f"{number} is no phandle of a CPU", "cpupool-cpus")
                elif cpu in taken:
                    yield hit(tree, path, f"{cpu} is in {taken[cpu]} too", "cpupool-cpus")
                else:
                    taken[cpu] = leaf(path)
        for path in nodes_of(tree, DOMAIN):
            pool = cell(tree.value(path, "domain-cpupool"))
            if pool is not None and names.get(pool) not in pools:
                yield hit(tree, path, f"{pool:#x} is no cpupool", "domain-cpupool")


def _pairs(tree: WorkTree, path: str, name: str, above: str) -> list[Range] | None:
    """The ranges of a property; None if its cells do not fit."""
    value, widths = tree.value(path, name), widths_below(tree, above)
    numbers = value.as_numbers() if value else None
    if numbers is None or widths is None or any(n.value is None for n in numbers):
        return None
    step = sum(widths)
    if not numbers or len(numbers) % step:
        return None
    found = []
    for at in range(0, len(numbers), step):
        values = [n.value or 0 for n in numbers[at : at + step]]
        start, size = 0, 0
        for value_ in values[: widths[0]]:
            start = start << 32 | value_
        for value_ in values[widths[0] :]:
            size = size << 32 | value_
        found.append(Range.of(start, size, name))
    return found


@rule(
    "domain.static-memory",
    "error",
    checks="xen,static-mem has whole ranges, in RAM, on pages, as much as memory says.",
    reference=BINDING + '"Static Allocation"',
    consequence="Xen cannot build the domain, and panics.",
)
def _static_memory(subject: Subject, facts: Facts) -> Found:
    known = subject.tree if isinstance(subject, TreeSubject) else facts.tree
    ram = ram_of(facts, known)
    for tree, path in domains(subject):
        if tree.value(path, "direct-map") and not tree.value(path, "xen,static-mem"):
            yield hit(tree, path, "direct-map without xen,static-mem", "direct-map")
        if tree.value(path, "xen,static-mem") is None:
            continue
        ranges = _pairs(tree, path, "xen,static-mem", parent_of(path))
        if ranges is None:
            message = "xen,static-mem does not fit the cells of /chosen"
            yield hit(tree, path, message, "xen,static-mem")
            continue
        for one in ranges:
            if one.start % PAGE or one.size % PAGE or not one.size:
                yield hit(tree, path, f"{one} is not made of pages", "xen,static-mem")
            if ram and not inside(one, ram):
                yield hit(tree, path, f"{one} is not in RAM", "xen,static-mem")
        memory = tree.value(path, "memory")
        cells = [n.value for n in (memory.as_numbers() if memory else None) or ()]
        total = sum(one.size for one in ranges) // 1024
        if (
            len(cells) == 2
            and None not in cells
            and (cells[0] or 0) << 32 | (cells[1] or 0) != total
        ):
            message = f"xen,static-mem has {total:#x} KiB, memory says {cells[1]:#x}"
            yield hit(tree, path, message, "memory")


@rule(
    "domain.shared-memory",
    "error",
    checks="Static shared memory has an id of at most 15 characters, the role owner or borrower, "
    "and whole pages; one id is one place.",
    reference=BINDING + '"Static Shared Memory"; Xen static-shmem.c, process_shm_node',
    consequence='Xen says "fdt: node parsing failed" and panics.',
)
def _shared_memory(subject: Subject, facts: Facts) -> Found:
    del facts
    for one in boots_of(subject):
        tree = one.tree
        places: dict[str, tuple[int | None, ...]] = {}
        for path in nodes_of(tree, _SHARED):
            name = tree.text(path, "xen,shm-id")
            if not name or len(name) > MAX_SHM_ID:
                message = (
                    "there is no xen,shm-id" if not name else f'xen,shm-id "{name}" is too long'
                )
                hint = f"at most {MAX_SHM_ID} characters"
                yield hit(tree, path, message, "xen,shm-id", hint)
            role = tree.text(path, "role")
            if role is not None and role not in ("owner", "borrower"):
                yield hit(tree, path, f'role is "{role}"', "role", "owner or borrower")
            value = tree.value(path, "xen,shared-mem")
            numbers = value.as_numbers() if value else None
            widths = widths_below(tree, parent_of(path))
            if not numbers or widths is None or any(n.value is None for n in numbers):
                if not numbers:
                    yield hit(tree, path, "there is no xen,shared-mem")
                continue
            address, size = widths
            if len(numbers) not in (2 * address + size, address + size):
                message = f"xen,shared-mem has {len(numbers)} cells"
                hint = "host address (4.19: optional), guest address, size"
                yield hit(tree, path, message, "xen,shared-mem", hint)
                continue
            if any((n.value or 0) % PAGE for n in numbers):
                yield hit(tree, path, "xen,shared-mem is not made of pages", "xen,shared-mem")
            host = (*[n.value for n in numbers[:address]], numbers[-1].value)
            if name and len(numbers) > address + size and places.setdefault(name, host) != host:
                message = f'"{name}" is at another place in another node'
                yield hit(tree, path, message, "xen,shared-mem")


@rule(
    "domain.event-channel",
    "error",
    checks="A static event channel has a port and the phandle of another one, which names it back.",
    reference=BINDING + '"Static Event Channel"; Xen static-evtchn.c',
    consequence="Xen does not make the channel, or panics.",
)
def _event_channel(subject: Subject, facts: Facts) -> Found:
    del facts
    for one in boots_of(subject):
        tree, names = one.tree, _phandles(one.tree)
        channels = {path: tree.value(path, "xen,evtchn") for path in nodes_of(tree, _CHANNEL)}
        for path, value in channels.items():
            numbers = (value.as_numbers() if value else None) or ()
            if len(numbers) != 2:
                message = f"xen,evtchn has {len(numbers)} cells"
                yield hit(tree, path, message, "xen,evtchn", "<PORT &OTHER>")
                continue
            other = names.get(numbers[1].value if numbers[1].value is not None else -1)
            back = channels.get(other) if other else None
            cells = (back.as_numbers() if back else None) or ()
            if other is None or not (len(cells) == 2 and names.get(cells[1].value or 0) == path):
                message = f"{other or numbers[1]} is no channel that names this one back"
                yield hit(tree, path, message, "xen,evtchn")


@rule(
    "domain.configuration",
    "note",
    checks="Nothing in the tree needs a Xen that was configured for it.",
    reference="Xen xen/common/Kconfig, xen/arch/arm/Kconfig: BOOT_TIME_CPUPOOLS, STATIC_MEMORY, "
    "STATIC_SHM, STATIC_EVTCHN",
    consequence="A Xen without the option, as Debian's packages are, panics over the node or "
    "passes over it.",
)
def _configuration(subject: Subject, facts: Facts) -> Found:
    del facts
    for one in boots_of(subject):
        tree = one.tree
        for name, option in (
            (_POOL, "CONFIG_BOOT_TIME_CPUPOOLS"),
            (_SHARED, "CONFIG_STATIC_SHM"),
            (_CHANNEL, "CONFIG_STATIC_EVTCHN"),
        ):
            for path in list(nodes_of(tree, name))[:1]:
                yield hit(tree, path, f"{name} needs a Xen with {option}")
        for path in nodes_of(tree, DOMAIN):
            if tree.value(path, "xen,static-mem"):
                message = "xen,static-mem needs a Xen with CONFIG_STATIC_MEMORY"
                yield hit(tree, path, message, "xen,static-mem")
                break


RULES: tuple[Rule, ...] = (
    _cpupool,
    _static_memory,
    _shared_memory,
    _event_channel,
    _configuration,
)
