"""From samples to what each CPU does. Pure: the same for a live machine and for kept samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from harness.forensics.model import Activity, CpuDiagnosis, Progress, Spot
from harness.forensics.samples import Sample
from harness.forensics.spots import known
from harness.formats.registers import CpuRegisters
from harness.symbols import Code, Place, SymbolTable, callers, is_wait

# Functions that call everything: being in one of them says nothing about a loop.
_ROOTS = frozenset(
    {
        "__start_xen",
        "__high_start",
        "start_xen",
        "start_secondary",
        "primary_switched",
        "secondary_switched",
        "init_done",
        "startup_cpu_idle_loop",
        "start_kernel",
        "rest_init",
        "kernel_init",
    }
)
# Nobody calls these: what is above them on the stack is of earlier times.
_OUTERMOST = frozenset({"__high_start", "idle_loop", "start_xen", "start_kernel"})
# Where Xen for x86 is (arch/x86/include/asm/config.h: XEN_VIRT_START, one GiB).
_XEN_X86 = range(0xFFFF82D000000000, 0xFFFF82D0C0000000)
# Without symbols: a loop that stays in so few bytes is one.
_SMALL_LOOP = 0x400
# Fewer samples are no evidence of anything that moves or does not.
_FEWEST = 3
# How far up a caller may say what is waited for.
_NEAR = 3
# A CPU whose thread ran for less of the time, and waited for the host much longer, was starved.
_STARVED_SHARE, _STARVED_RATIO = 0.02, 5.0


@dataclass(frozen=True)
class Look:
    """One CPU in one sample: its place, and its callers (address and place), innermost first."""

    registers: CpuRegisters
    place: Place | None
    chain: tuple[tuple[int, Place, bool], ...]
    waits: bool

    def name_at(self, depth: int) -> str:
        """The function at this depth from the outside; the CPU itself is the innermost."""
        inner = len(self.chain) - depth
        if inner > 0:
            return self.chain[inner - 1][1].name
        return self.place.name if inner == 0 and self.place else ""


@dataclass(frozen=True)
class Names:
    """What gives names to addresses.

    Args:
        xen: the symbols of the Xen under test.
        kernel: those of a kernel, if the user gave them.
        code: Xen's, as it is in memory.
    """

    xen: SymbolTable | None = None
    kernel: SymbolTable | None = None
    code: Code = field(default_factory=lambda: Code(()))

    def of(self, cpu: CpuRegisters) -> SymbolTable | None:
        """The table that is right for what this CPU executes."""
        if cpu.arch == "x86":
            tables = [one for one in (self.xen, self.kernel) if one is not None]
            return next((one for one in tables if one.is_code(cpu.pc)), None)
        # A hypervisor's addresses mean nothing to its guests, and the other way round.
        return self.xen if cpu.level == 2 else self.kernel


def diagnose(samples: Sequence[Sample], names: Names = Names()) -> tuple[CpuDiagnosis, ...]:
    """What each CPU does, by its number; only of CPUs that are in all samples."""
    if not samples:
        return ()
    every = set.intersection(*({one.cpu for one in sample.registers} for sample in samples))
    return tuple(_cpu(number, samples, names) for number in sorted(every))


def progress(cpus: Sequence[CpuDiagnosis]) -> Progress:
    """Whether the guest gets anywhere, by what its CPUs do."""
    if not cpus or all(one.activity == "unknown" for one in cpus):
        return "unknown"
    if any(one.activity == "moves" for one in cpus):
        return "some"
    return "unknown" if any(one.activity == "starved" for one in cpus) else "none"


def _cpu(number: int, samples: Sequence[Sample], names: Names) -> CpuDiagnosis:
    looks = [_look(number, sample, names) for sample in samples]
    share, waited = _host(number, samples)
    activity, where, depth = _activity(number, looks, share, waited)
    there = sum(look.name_at(depth) == where for look in looks) if depth >= 0 else len(looks)
    last = looks[-1]
    flags = {look.registers.interrupts for look in looks}
    inner = len(last.chain) - depth if depth >= 0 else 0
    found = CpuDiagnosis(
        number,
        activity,
        where,
        _context(last.registers, last.place, names),
        tuple(Spot(address, str(place), sure) for address, place, sure in last.chain[inner:]),
        tuple(Spot(look.registers.pc, str(look.place or "")) for look in looks),
        there,
        next(iter(flags)) if len(flags) == 1 else None,
        host_share=None if share is None else round(share, 3),
    )
    return replace(found, waits_for=_waits_for(found))


def _look(number: int, sample: Sample, names: Names) -> Look:
    registers = next(one for one in sample.registers if one.cpu == number)
    table = names.of(registers)
    place = table.code_at(registers.pc) if table else None
    chain: tuple[tuple[int, Place, bool], ...] = ()
    if table is not None and place is not None and table is names.xen:
        stack = sample.stacks.get(number, b"")
        found = callers(table, names.code, registers.arch, registers.pc, stack, registers.link)
        ends = [number for number, one in enumerate(found, 1) if one.name in _OUTERMOST]
        chain = tuple(
            (one.address, one.place, one.sure) for one in found[: min(ends, default=None)]
        )
    around = sample.around.get(number)
    waits = around is not None and is_wait(registers.arch, Code([around]), registers.pc)
    return Look(registers, place, chain, waits)


def _host(number: int, samples: Sequence[Sample]) -> tuple[float | None, float]:
    """The share of the time for which the host ran this CPU, and let it wait."""
    first, last = samples[0].times.get(number), samples[-1].times.get(number)
    took = samples[-1].at - samples[0].at
    if first is None or last is None or took <= 0:
        return None, 0.0
    return max(0.0, last[0] - first[0]) / took, max(0.0, last[1] - first[1]) / took


def _activity(
    number: int, looks: Sequence[Look], share: float | None, waited: float
) -> tuple[Activity, str, int]:
    """What it does, where, and the depth of `where` from the outside (-1: not in the chain)."""
    same_pc = len({look.registers.pc for look in looks}) == 1
    if same_pc and number and _never_ran(looks):
        return "not started", "", -1
    where, depth = _common(looks)
    there = where or _address(looks)
    # Who idles has interrupts on, but for moments.
    idles = any(look.registers.interrupts is not False for look in looks)
    if all(look.registers.halted or look.waits or (idles and _idles(look)) for look in looks):
        return _sleeping(looks, there, depth)
    if len(looks) < _FEWEST:
        return "unknown", there, depth
    if same_pc and share is not None and _starved(share, waited):
        return "starved", there, depth
    return _executing(looks, where, depth)


def _sleeping(looks: Sequence[Look], where: str, depth: int) -> tuple[Activity, str, int]:
    # x86 only: ARM's WFI ends with an interrupt also where it is masked.
    if all(look.registers.halted and look.registers.interrupts is False for look in looks):
        return "stopped", where, depth
    # Sent there by Xen, for good: from an interrupt, so that the idle loop is on the stack too.
    inner = looks[-1].name_at(len(looks[-1].chain))
    spot = known(inner)
    if spot is not None and spot.kind == "dead":
        return "stopped", inner, -1
    # Not in what the idle loop does to pass the time.
    idle = _idles(looks[-1])
    return ("asleep", idle, -1) if idle else ("asleep", where, depth)


def _starved(share: float, waited: float) -> bool:
    return share < _STARVED_SHARE < waited and waited > _STARVED_RATIO * share


def _without_names(looks: Sequence[Look]) -> Activity:
    places = sorted(look.registers.pc for look in looks)
    if places[-1] - places[0] < _SMALL_LOOP:
        return "spins"
    # A loop with its calls is met in the same few places again and again.
    apart = sum(b - a >= _SMALL_LOOP for a, b in pairwise(places))
    return "loops" if 2 * (apart + 1) <= len(places) else "moves"


def _executing(looks: Sequence[Look], where: str, depth: int) -> tuple[Activity, str, int]:
    if any(look.place is None for look in looks):
        return _without_names(looks), _address(looks), -1
    if not where:
        return "moves", looks[-1].name_at(len(looks[-1].chain)), -1
    if all(look.name_at(len(look.chain)) == where for look in looks):
        return "spins", where, depth
    return ("moves" if where in _ROOTS else "loops"), where, depth


def _never_ran(looks: Sequence[Look]) -> bool:
    """Parked by the firmware in 16 or 32-bit code (x86), or never powered (ARM)."""
    if looks[0].registers.arch == "x86":
        return all(look.registers.bits != 64 and look.registers.halted for look in looks)
    state = {"PSTATE", "PSR", "PC", "R15"}
    return all(
        not any(value for name, value in look.registers.values.items() if name not in state)
        for look in looks
    )


def _idles(look: Look) -> str:
    """The function of the idle loop that it is in, or ""."""
    names = [look.place.name] if look.place else []
    names += [place.name for _, place, _ in look.chain]
    spots = ((name, known(name)) for name in names)
    return next((name for name, spot in spots if spot is not None and spot.kind == "idle"), "")


def _common(looks: Sequence[Look]) -> tuple[str, int]:
    """The innermost function in which all samples are, in the same call of it; its depth."""
    depth = 0
    shortest = min(len(look.chain) for look in looks)
    while depth < shortest:
        if len({look.chain[len(look.chain) - 1 - depth][0] for look in looks}) > 1:
            break
        depth += 1
    named = {look.name_at(depth) for look in looks}
    if len(named) == 1 and (name := named.pop()):
        # That all samples are in what a loop calls is chance: what counts is who calls it.
        while depth and (spot := known(name)) is not None and spot.kind == "helper":
            depth -= 1
            name = looks[0].name_at(depth)
        return name, depth
    # Chains of different length without a common outer end: what the CPUs are in counts.
    inner = {look.name_at(len(look.chain)) for look in looks}
    if len(inner) == 1 and (name := inner.pop()):
        return name, -1
    return "", -1


def _address(looks: Sequence[Look]) -> str:
    """The function of the last sample, else the lowest address of all."""
    last = looks[-1]
    return last.place.name if last.place else f"{min(one.registers.pc for one in looks):#x}"


def _context(cpu: CpuRegisters, place: Place | None, names: Names) -> str:
    if cpu.arch == "x86":
        if cpu.bits != 64:
            return "firmware" if cpu.pc < 0x100000 or cpu.pc >= 0xFF000000 else "early code"
        if cpu.pc in _XEN_X86 or (place is not None and names.of(cpu) is names.xen):
            return "Xen"
        return "guest kernel" if cpu.pc >> 63 else "guest user"
    if cpu.level == 2:
        return "Xen" if place is not None else "hypervisor mode"
    return {0: "guest user", 1: "guest kernel", 3: "secure firmware"}.get(
        -1 if cpu.level is None else cpu.level, ""
    )


def _waits_for(cpu: CpuDiagnosis) -> str:
    if cpu.activity not in {"spins", "loops", "asleep", "stopped"}:
        return ""
    chain = [cpu.where, *(spot.function for spot in cpu.callers[:_NEAR])]
    if cpu.activity in {"asleep", "stopped"}:
        chain = [cpu.spots[-1].function, *chain]
    for name in chain:
        spot = known(name)
        if spot is None or spot.kind == "helper":
            continue
        # Only who sleeps waits for an interrupt, and only with them on.
        if spot.kind == "idle" and cpu.activity != "asleep":
            continue
        return spot.says
    return "an interrupt" if cpu.activity == "asleep" else ""


def waits_on(cpu: CpuDiagnosis) -> Mapping[str, int]:
    """Bitmaps of Xen that tell which CPUs this one waits for: symbol -> offset in bytes."""
    names = [cpu.where, *(spot.function for spot in cpu.callers[:_NEAR])]
    spots = [known(name) for name in names]
    return dict(spot.mask for spot in spots if spot is not None and spot.mask is not None)
