"""What Xen answers to its debug keys: 'h', '0', 'd', 'q', 'Q' and 'r', parsed; pure and total.

Every function takes lines of a console as they are, with `(XEN) ` and whatever others printed
between, and gives what it recognises: on text that is no answer, an empty result. The wording is
Xen's: common/keyhandler.c, common/sched/, arch/x86/traps.c, arch/arm/traps.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.bootlog.xen import plain_text

_PREFIX = "(XEN)"
# More than Xen can have; a damaged line must not ask for a list of a billion.
_MOST_CPUS = 4096
# Numbers are bounded, because Python refuses to read very long ones.
_DEC = r"\d{1,20}"
_HEX = r"[0-9a-f]{1,16}"


@dataclass(frozen=True, slots=True)
class Frame:
    """A row of a call trace: the address, and "domain.c#idle_loop+0x138/0x150" or ""."""

    address: int
    symbol: str


@dataclass(frozen=True, slots=True)
class CpuState:
    """One dump of registers, of a physical CPU or of a virtual one.

    Attributes:
        title: as printed: "CPU0 host", "CPU1 guest", "Dom0 vcpu#0".
        cpu: the physical CPU; None if it is not said.
        vcpu: the virtual one, as "d0v1"; None for a state of Xen itself.
        context: the processor's mode: "Hypervisor", "32-bit Guest SVC", "pv guest (d0v0)".
        pc: the program counter (PC or RIP), and its symbol or "".
        registers: values by Xen's names; banked ones as "SP_svc", x86's code segment as "cs".
        call_trace: innermost first; empty for guests.
    """

    title: str
    cpu: int | None = None
    vcpu: str | None = None
    context: str = ""
    pc: int | None = None
    symbol: str = ""
    registers: Mapping[str, int] = field(default_factory=dict)
    call_trace: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class VcpuInfo:
    """A virtual CPU in the answer to 'q'.

    Attributes:
        vcpu: its number in its domain.
        cpu: the physical CPU on which it runs or ran last.
        runs: whether it runs now, or wants to ("[has=T]").
        hard, soft: the physical CPUs that it may run on, and should.
        fields: everything else as printed: poll, upcall_mask, pause_count, pause_flags ...
    """

    vcpu: int
    cpu: int
    runs: bool
    hard: tuple[int, ...] = ()
    soft: tuple[int, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DomainInfo:
    """A domain in the answer to 'q'.

    Attributes:
        domain: its number; 32767 and near are Xen's own.
        pages, max_pages, xenheap_pages: of 4 KiB; 0xffffffff is "no limit"; None: not said.
        fields: everything as printed: refcnt, dying, pause_count, handle, vm_assist ...
        rangesets: what it may access, as printed: {"Interrupts": "1-23", "I/O Memory": ...}.
        notes: further lines, as "paging assistance: hap refcounts translate external".
    """

    domain: int
    pages: int | None = None
    max_pages: int | None = None
    xenheap_pages: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    rangesets: Mapping[str, str] = field(default_factory=dict)
    vcpus: tuple[VcpuInfo, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScheduledVcpu:
    """A virtual CPU in the answer to 'r'. `fields`: cpu, credit, flags, w (weight), load ..."""

    domain: int
    vcpu: int
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pcpu:
    """A physical CPU in the answer to 'r'.

    Attributes:
        current: who has it: "d0v1", "idle", or "" if it is not said.
        fields: everything as printed: runq, sibling, core, current, prev ...
    """

    cpu: int
    current: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CpuPool:
    """A cpupool in the answer to 'r': its own scheduler, CPUs and domains.

    Attributes:
        pool: its number; None for the CPUs that are in no pool.
        scheduler: as "SMP Credit Scheduler rev2 (credit2)".
    """

    pool: int | None
    cpus: tuple[int, ...] = ()
    scheduler: str = ""
    granularity: str = ""
    pcpus: tuple[Pcpu, ...] = ()
    vcpus: tuple[ScheduledVcpu, ...] = ()

    @property
    def domains(self) -> tuple[int, ...]:
        """The numbers of the domains that it schedules."""
        return tuple(dict.fromkeys(one.domain for one in self.vcpus))


@dataclass(frozen=True, slots=True)
class RunQueues:
    """The answer to 'r'. `now_ns`: Xen's clock, nanoseconds since it started; None: not said."""

    now_ns: int | None = None
    online: tuple[int, ...] = ()
    pools: tuple[CpuPool, ...] = ()


@dataclass(frozen=True, slots=True)
class PciOwner:
    """A PCI device in the answer to 'Q'.

    Attributes:
        sbdf: its address, "0000:03:00.0".
        domain: who has it; None: nobody, it is in quarantine (Xen's DomIO), as a device is that
            can be assigned, but was not yet.
        msis: the interrupts of Xen that its MSIs are.
    """

    sbdf: str
    domain: int | None
    msis: tuple[int, ...] = ()


def xen_lines(lines: Iterable[str]) -> list[str]:
    """What Xen itself said: without prefix and time stamp, and without lines of others.

    Others are dom0, and domains whose console Xen prints ("(XEN) DOM1: ...").
    """
    said = []
    for line in lines:
        text = plain_text(line)
        if text.startswith(_PREFIX):
            text = text.removeprefix(_PREFIX).removeprefix(" ")
            if not re.match(r"DOM\d{1,5}: |\*\*\* Serial input ", text):
                said.append(text)
    return said


def parse_help(lines: Iterable[str]) -> Mapping[str, str]:
    """The answer to 'h': the keys that this Xen knows, and what they do, in its order."""
    pattern = re.compile(r" *key '(.)' \(ascii '[0-9a-f]{2}'\) => (.*)")
    found = (pattern.match(text) for text in _answer(lines, "h"))
    return {match[1]: match[2].rstrip() for match in found if match}


def parse_registers(lines: Iterable[str]) -> tuple[CpuState, ...]:
    """The answer to '0' (the virtual CPUs of dom0) or 'd' (all physical CPUs)."""
    states: list[list[str]] = []
    for text in _answer(lines, "0d"):
        if text.startswith("*** Dumping "):
            states.append([])
        if states:
            states[-1].append(text)
    return tuple(_cpu_state(state) for state in states)


def parse_domains(lines: Iterable[str]) -> tuple[DomainInfo, ...]:
    """The answer to 'q'."""
    domains: list[list[str]] = []
    for text in _answer(lines, "q"):
        if re.match(rf"General information for domain {_DEC}:", text):
            domains.append([])
        if text.startswith("Notifying guest"):
            break
        if domains:
            domains[-1].append(text)
    return tuple(_domain(domain) for domain in domains)


def parse_run_queues(lines: Iterable[str]) -> RunQueues:
    """The answer to 'r'."""
    now: int | None = None
    online: tuple[int, ...] = ()
    pools: list[list[str]] = []
    for text in _answer(lines, "r"):
        if match := re.match(rf"NOW=({_DEC})", text):
            now = int(match[1])
        elif match := re.match(r"Online Cpus: *(.*)", text):
            online = cpu_list(match[1])
        elif re.match(rf"Cpupool {_DEC}:|Idle cpupool:", text):
            pools.append([])
        if pools:
            pools[-1].append(text)
    return RunQueues(now, online, tuple(_pool(pool) for pool in pools))


# drivers/passthrough/pci.c, _dump_pci_devices: "dom 0" until Xen 4.14, then "d0"; "DomIO:800a"
# or "d[IO]" for the quarantine.
_PCI = re.compile(
    r"([0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]) - "
    r"(?:dom ?(\d{1,5})|d(\d{1,5})|DomIO\S*|d\[IO\])"
    r"(?: .*?)?(?:MSIs < ([\d ]*)>)?\s*$",
    re.ASCII,
)


def parse_pci_devices(lines: Iterable[str]) -> tuple[PciOwner, ...]:
    """The answer to 'Q', in its order. It has no head, so `lines` begin where the key was hit."""
    found = []
    for text in xen_lines(lines):
        if match := _PCI.match(text):
            domain = match[2] or match[3]
            msis = [int(one) for one in (match[4] or "").split() if len(one) < 10]
            found.append(PciOwner(match[1], int(domain) if domain else None, tuple(msis)))
    return tuple(found)


def cpu_list(text: str) -> tuple[int, ...]:
    """A bitmap as Xen prints it: "0-1,3" (also in braces) gives (0, 1, 3)."""
    cpus: set[int] = set()
    for first, last in re.findall(rf"({_DEC})(?:-({_DEC}))?", text):
        low, high = int(first), int(last or first)
        if low <= high < _MOST_CPUS:
            cpus.update(range(low, high + 1))
    return tuple(sorted(cpus))


def _answer(lines: Iterable[str], keys: str) -> list[str]:
    """Xen's lines, from the last answer to one of these keys on, if its head is there."""
    said = xen_lines(lines)
    head = re.compile(rf"'[{keys}]' pressed -> ")
    begins = [number for number, text in enumerate(said) if head.match(text)]
    return said[begins[-1] + 1 :] if begins else said


def _pairs(text: str) -> dict[str, str]:
    """All `name=value` of a line; a value may be in braces, and "d[IDLE]v0" is one."""
    return dict(re.findall(r"\b(\w{1,40})=(\{[^}]*\}|d\[\w+\]v\d+|[^\s,\]]*)", text))


_TITLE = re.compile(r"\*\*\* Dumping (.+?) state(?: \((d\w+)\))?: \*\*\*")
# ARM has own copies of some registers for each of its modes.
_BANK = re.compile(r" *(USR|SVC|ABT|UND|IRQ|FIQ|HYP): +(?=[A-Z])")
_REGISTER = re.compile(rf"\b([A-Za-z]\w{{0,15}}): *({_HEX})(?![\w-])")
_PC = re.compile(rf"(?:RIP|PC): +(?:({_HEX}):)?(?:\[<)?({_HEX})(?:>\])? *(.*)")
_CONTEXT = re.compile(r"(?:MODE|CONTEXT): ?(.*)")
_FRAME = re.compile(rf" +\[<({_HEX})>\] (?:[RSF] )?(.*)")


def _cpu_state(lines: list[str]) -> CpuState:
    head = _TITLE.match(lines[0])
    title = head[1] if head else ""
    vcpu = head[2] if head else None
    if match := re.fullmatch(rf"Dom({_DEC}) vcpu#({_DEC})", title):
        vcpu = f"d{match[1]}v{match[2]}"
    named = re.match(rf"CPU({_DEC}) ", title)
    cpu = int(named[1]) if named else None
    context, symbol = "", ""
    pc: int | None = None
    registers: dict[str, int] = {}
    trace: list[Frame] = []
    for text in lines[1:]:
        if match := re.match(rf"CPU: +({_DEC})", text):
            # For a state of dom0, it is the CPU that prints: Xen has no other at hand.
            cpu = int(match[1]) if named else None
        elif match := _PC.match(text):
            pc, symbol = int(match[2], 16), match[3].rstrip()
            if match[1]:
                registers["cs"] = int(match[1], 16)
        elif match := _FRAME.match(text):
            trace.append(Frame(int(match[1], 16), match[2].rstrip()))
        else:
            if match := _CONTEXT.search(text):
                context, text = match[1].rstrip(), text[: match.start()]  # noqa: PLW2901 -- the rest
            bank = _BANK.match(text)
            suffix = f"_{bank[1].lower()}" if bank else ""
            for name, value in _REGISTER.findall(text, bank.end() if bank else 0):
                registers[name + suffix] = int(value, 16)
    return CpuState(title, cpu, vcpu, context, pc, symbol, registers, tuple(trace))


_VCPU = re.compile(rf" +VCPU({_DEC}): CPU({_DEC}) \[has=([TF])\] *(.*)")
_RANGESET = re.compile(r"    ([^\s{][^{]{0,40})\{([^}]*)\}")


def _domain(lines: list[str]) -> DomainInfo:
    number = int(re.findall(_DEC, lines[0])[0])
    fields: dict[str, str] = {}
    ranges: dict[str, str] = {}
    vcpus: list[VcpuInfo] = []
    notes: list[str] = []
    affinity: dict[str, str] = {}
    for text in lines[1:]:
        if match := _VCPU.match(text):
            hard, soft = (cpu_list(affinity.get(name, "")) for name in ("hard", "soft"))
            pairs = _pairs(match[4])
            one = VcpuInfo(int(match[1]), int(match[2]), match[3] == "T", hard, soft, pairs)
            vcpus.append(one)
        elif re.match(rf" +UNIT{_DEC} affinities:", text):
            affinity = _pairs(text)
        elif vcpus:
            # What follows a virtual CPU is about it; the mapping is its own.
            pairs = dict(vcpus[-1].fields) | _pairs(text)
            last = vcpus[-1]
            vcpus[-1] = VcpuInfo(last.vcpu, last.cpu, last.runs, last.hard, last.soft, pairs)
        elif match := _RANGESET.fullmatch(text):
            ranges[match[1].rstrip()] = match[2].strip()
        elif re.match(r"    \w+=", text):
            fields |= _pairs(text)
        else:
            notes.append(text.strip())
    return DomainInfo(
        number,
        _count(fields.get("nr_pages")),
        _count(fields.get("max_pages")),
        _count(fields.get("xenheap_pages")),
        fields,
        ranges,
        tuple(vcpus),
        tuple(notes),
    )


def _count(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(_DEC, text) else None


_SCHEDULED = re.compile(rf"\s+(?:{_DEC}: )?\[({_DEC})\.({_DEC})\] (.*)")
_CPU = re.compile(rf"CPU\[({_DEC})\] *(.*)")
_HOLDER = re.compile(r"d\[?(\w+)\]?v(\d+)")


def _pool(lines: list[str]) -> CpuPool:
    number = re.match(rf"Cpupool ({_DEC}):", lines[0])
    cpus: tuple[int, ...] = ()
    scheduler = granularity = ""
    pcpus: dict[int, dict[str, str]] = {}
    vcpus: dict[tuple[int, int], ScheduledVcpu] = {}
    for text in lines[1:]:
        if match := re.match(r"Cpus: *(.*)", text):
            cpus = cpu_list(match[1])
        elif match := re.match(r"Scheduler: *(.*)", text):
            scheduler = match[1].rstrip()
        elif match := re.match(r"Scheduling granularity: *(.*)", text):
            granularity = match[1].rstrip()
        elif match := _CPU.match(text):
            pcpus.setdefault(int(match[1]), {}).update(_pairs(match[2]))
        elif match := _SCHEDULED.match(text):
            key = int(match[1]), int(match[2])
            vcpus.setdefault(key, ScheduledVcpu(*key, _pairs(match[3])))
    return CpuPool(
        int(number[1]) if number else None,
        cpus,
        scheduler,
        granularity,
        tuple(Pcpu(cpu, _holder(fields), fields) for cpu, fields in pcpus.items()),
        tuple(vcpus.values()),
    )


def _holder(fields: Mapping[str, str]) -> str:
    match = _HOLDER.fullmatch(fields.get("current", ""))
    if not match:
        return ""
    return "idle" if match[1] == "IDLE" else f"d{match[1]}v{match[2]}"
