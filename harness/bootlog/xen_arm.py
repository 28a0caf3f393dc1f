"""Rules for what Xen says on ARM: processor, firmware interfaces, GIC, memory, domains.

Formats: xen/arch/arm/{setup,bootfdt,psci,time,gic-v2,gic-v3,smpboot,kernel,domain_build}.c of
Xen 4.17; 4.18 to 4.20 where they differ (memory of a domU with 0x in front, "for %pd").
"""

from __future__ import annotations

import re

from harness.bootlog.draft import Action, Draft, Rules, adds, rule, sets
from harness.bootlog.lines import Line
from harness.bootlog.xen_facts import (
    AddressRange,
    ArmModule,
    CpuFailure,
    MemoryRange,
    ModuleCommandLine,
)

BUILDING = "building"
"""The scalar that names the domain being built: "dom0", "dom1" ... or "" until Xen says which."""

_PENDING = "building_size"
COLLECTED_ONLY = frozenset([BUILDING, _PENDING])

MAX_DOMAINS = 64


def _processor(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("arm.midr", int(m[1], 16))
    draft.set("arm.processor", m[2].strip())


def _gic(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("arm.gic", m[1])
    draft.set("arm.gic_lines", int(m[2]))
    if m[3]:
        draft.set("arm.gic_cpus", int(m[3]))


def _gic_section(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("arm.gic", m[1])
    draft.section = "gic"


def _gic_address(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set(f"arm.gic_{m[1]}_address", int(m[2], 16))
    draft.section = "gic"


def _timer(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("arm.timer_irqs", m[1])
    draft.set("arm.timer_khz", int(m[2]))


def _cpu_failed(draft: Draft, m: re.Match[str], _line: Line) -> None:
    if m[1] not in {str(one.cpu) for one in draft.many.get("cpus_failed", ())}:
        draft.add("cpus_failed", CpuFailure(int(m[1]), int(m[2]) if m[2] else None))


def _ram(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.add("arm.ram", MemoryRange(int(m[1], 16), int(m[2], 16), "RAM"))


def _module(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.add("arm.modules", ArmModule(int(m[1]), int(m[2], 16), int(m[3], 16), m[4].strip()))


def _command_line(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.add("arm.module_command_lines", ModuleCommandLine(int(m[1], 16), m[2], m[3].strip()))


# Domains are built one after the other; some lines name theirs, the others are of the last one.


def _loads_dom0(draft: Draft, _m: re.Match[str], _line: Line) -> None:
    draft.update(BUILDING, "dom0")
    draft.section = "dom0"


def _loads_domu(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.update(BUILDING, "")
    draft.update(_PENDING, (int(m[1]), int(m[2], 16)))  # in hexadecimal, whatever its prefix


def _named(draft: Draft, domain: str) -> str:
    """Turns to the domain with this id; returns its name, "" if there are too many."""
    name = f"dom{int(domain)}"
    if int(domain) > MAX_DOMAINS:
        name = ""
    draft.update(BUILDING, name)
    size = draft.one.get(_PENDING)
    if name not in {"", "dom0"} and size:
        draft.set(f"{name}.cpus", size[0])
        draft.set(f"{name}.memory_kb", size[1])
        draft.update(_PENDING, None)
    return name


def _kernel(draft: Draft, m: re.Match[str], _line: Line) -> None:
    name = _named(draft, m[1])
    if name:
        draft.set(f"{name}.kernel_module", int(m[2], 16))


def _ramdisk(draft: Draft, m: re.Match[str], _line: Line) -> None:
    name = draft.one.get(BUILDING, "dom0")
    if name:
        draft.set(f"{name}.initrd_module", int(m[1], 16))


def _memory(draft: Draft, m: re.Match[str], _line: Line) -> None:
    name = _named(draft, m[2].lstrip("dom"))
    if name:
        draft.set(f"{name}.memory_mb", int(m[1]))


def _bank(draft: Draft, m: re.Match[str], _line: Line) -> None:
    name = _named(draft, m[1]) if m[1] else draft.one.get(BUILDING, "dom0")
    if name:
        bank = AddressRange(f"bank {m[2]}", int(m[3], 16), int(m[4], 16))
        draft.add(f"{name}.banks", bank)


def _zimage(draft: Draft, m: re.Match[str], _line: Line) -> None:
    name = draft.one.get(BUILDING, "dom0")
    if name:
        draft.set(f"{name}.paddr", AddressRange("paddr", int(m[1], 16), int(m[2], 16)))


def _placed(field: str) -> Action:
    def action(draft: Draft, m: re.Match[str], _line: Line) -> None:
        name = _named(draft, m[1])
        if name:
            draft.set(f"{name}.{field}", AddressRange(field, int(m[2], 16), int(m[3], 16)))

    return action


_H = r"(?:0x)?([0-9a-f]{1,16})"
_BANK = rule(rf"(?:d(\d{{1,5}}) )?(?:STATIC )?BANK\[(\d{{1,3}})\] {_H}-{_H}", _bank)

ARM_RULES: Rules = {
    "Using": [
        rule(r"Using PSCI v(\S+)", sets("arm.psci")),
        rule(r"Using SMC Calling Convention v(\S+)", sets("arm.smccc")),
    ],
    "Processor:": [rule(r"Processor: ([0-9a-f]{1,16}): (.*)", _processor)],
    "32-bit": [rule(r"(32)-bit Execution:(?! Unsupported)", adds("arm.execution"))],
    "64-bit": [rule(r"(64)-bit Execution:", adds("arm.execution"))],
    "Generic": [rule(r"Generic Timer IRQ: (.*?) +Freq: (\d{1,12}) KHz", _timer)],
    "GICv#": [
        rule(r"(GICv\d): (\d{1,6}) lines(?:, (\d{1,6}) cpus?)?", _gic),
        rule(r"(GICv\d) initialization:", _gic_section),
    ],
    "P2M:": [rule(r"P2M: (\d+-bit IPA.*)", sets("arm.p2m"))],
    "Platform:": [rule(r"Platform: (.*\S)", sets("arm.platform"))],
    "CPU": [rule(r"CPU (\d{1,5}) booted", adds("arm.cpus_booted", int))],
    "Failed": [rule(r"Failed to bring up CPU ?(\d{1,5})(?: \(error (-?\d{1,6})\))?", _cpu_failed)],
    "RAM:": [rule(rf"RAM: {_H} - {_H}", _ram)],
    "MODULE#": [rule(rf"MODULE\[(\d{{1,3}})\]: {_H} - {_H} (.*)", _module)],
    "CMDLINE#": [rule(rf"CMDLINE\[{_H}\]:(\S+) ?(.*)", _command_line)],
    "***": [
        rule(r"\*\*\* LOADING DOMAIN 0 \*\*\*", _loads_dom0),
        rule(rf"\*\*\* LOADING DOMU cpus=(\d{{1,5}}) memory={_H}KB \*\*\*", _loads_domu),
    ],
    "Loading": [
        rule(rf"Loading d(\d{{1,5}}) kernel from boot module @ {_H}", _kernel),
        rule(rf"Loading ramdisk from boot module @ {_H}", _ramdisk),
        rule(rf"Loading zImage from [0-9a-f]+ to {_H}-{_H}", _zimage),
        rule(rf"Loading d(\d{{1,5}}) initrd from [0-9a-f]+ to {_H}-{_H}", _placed("initrd")),
        rule(rf"Loading d(\d{{1,5}}) DTB to {_H}-{_H}", _placed("dtb")),
    ],
    "Allocating": [
        rule(r"Allocating (?:1:1 )?mappings totalling (\d{1,9})MB for (d(?:om)?\d{1,5})", _memory)
    ],
    "BANK#": [_BANK],
    "d0": [_BANK],
    "d#": [_BANK],
}
ARM_SECTIONS: Rules = {
    "gic": [
        rule(r" +gic_(dist|cpu|hyp|vcpu)_addr=(?:0x)?([0-9a-f]{1,16})", _gic_address),
        rule(r" +gic_maintenance_irq=(\d{1,5})", sets("arm.gic_maintenance_irq", int)),
    ]
}
