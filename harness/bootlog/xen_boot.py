"""Rules for what Xen says about itself, the machine and dom0 while it boots.

Formats: xen/common/version.c, xen/arch/x86/{setup,e820,smpboot,time}.c, xen/arch/x86/hvm/hvm.c,
xen/arch/x86/pv/dom0_build.c, xen/drivers/passthrough/pci.c.
"""

from __future__ import annotations

import re

from harness.bootlog.draft import (
    Action,
    Draft,
    Rule,
    Rules,
    adds,
    consumed,
    hexadecimal,
    opens,
    rule,
    sets,
)
from harness.bootlog.lines import Line
from harness.bootlog.notes import Note, notes
from harness.bootlog.xen_facts import AddressRange, Cpu, MemoryRange

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


def _version(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("version", m[1])
    found = _VERSION.match(m[1])
    if found:
        draft.set("version_tuple", tuple(int(x) for x in found.groups() if x is not None))


def _banner(draft: Draft, m: re.Match[str], line: Line) -> None:
    _version(draft, m, line)
    parts = m[2].strip()[1:-1].split(") (")
    draft.set("banner", m.string.strip())
    if parts[0] and "@" not in parts[0]:
        draft.set("distribution_version", parts[0])
    if len(parts) > 1:
        draft.set("compiler", parts[-1])
    if m[3]:
        draft.set("debug", m[3] == "y")
        draft.set("build_date", m[4].strip())


def _inclusive(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.add("e820", MemoryRange(int(m[1], 16), int(m[2], 16), m[3]))


def _exclusive(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.add("e820", MemoryRange(int(m[1], 16), int(m[2], 16) - 1, m[3]))


def _cpu(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("cpu", Cpu(m[1], int(m[2]), int(m[3]), int(m[4]), int(m[5], 16)))


def _no_irq_handler(draft: Draft, m: re.Match[str], line: Line) -> None:
    counts: dict[int, int] = draft.one.setdefault("irq_counts", {})
    counts[int(m[1])] = counts.get(int(m[1]), 0) + 1
    draft.add("notes", Note(line.number, line.at, "irq-handler", m.string.strip(), harmless=True))


def _counts(name: str) -> Action:
    def action(draft: Draft, _match: re.Match[str], _line: Line) -> None:
        draft.update(name, draft.one.get(name, 0) + 1)

    return action


def _dom0_range(field: str, name: str) -> Action:
    return lambda draft, m, _line: draft.set(
        field, AddressRange(name, int(m[1], 16), int(m[2], 16))
    )


def _dom0_alloc(draft: Draft, m: re.Match[str], line: Line) -> None:
    _dom0_range("dom0.alloc", "alloc")(draft, m, line)
    if m[3]:
        draft.set("dom0.pages_to_allocate", int(m[3]))


def _dom0_kernel(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("dom0.kernel", m[1])
    draft.set("dom0.paddr", AddressRange("paddr", int(m[2], 16), int(m[3], 16)))


def _virtual(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.add("dom0.virtual", AddressRange(m[1], int(m[2], 16), int(m[3], 16)))


def _builds_dom0(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("dom0.kind", m[1])
    draft.section = "dom0"


def _pci(name: str) -> Action:
    def action(draft: Draft, m: re.Match[str], _line: Line) -> None:
        # Xen repeats itself for a listing, dom0 when it scans again: each device once.
        if m[1] not in draft.many.get(name, ()):
            draft.add(name, m[1])

    return action


def _page_sizes(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("hvm.hap_page_sizes", tuple(re.split(r",\s*", m[1].strip())))


def _hvm_kind(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("hvm.kind", m[1])


_PCI_RULES: tuple[Rule, ...] = (
    rule(r"PCI add (?:device|virtual function|extended function) (\S+)", _pci("pci_added")),
    rule(r"PCI remove device (\S+)", _pci("pci_removed")),
    rule(r"PCI phantom ", consumed),
)
_SERIAL = rule(
    r"\*\*\* Serial input (?:->|to) (\S+)",
    lambda draft, m, _line: draft.update("console_owner", m[1]),
)
_NO_HANDLER = rule(r"CPU(\d+): No irq handler for vector ([0-9a-f]+)", _no_irq_handler)

BOOT_RULES: Rules = {
    "Xen": [rule(r"Xen version (\S+)((?: \(.*\))?)(?: debug=([yn])\S*\s+(.*))?", _banner)],
    # A trace without the boot in front of it still tells the version.
    "----[": [rule(r"----\[ Xen-(\S+)", _version)],
    "build-id:": [rule(r"build-id: ([0-9a-f]+)", sets("build_id"))],
    "Bootloader:": [rule(r"Bootloader: (.*?) *$", sets("bootloader"))],
    "Command": [rule(r"Command line: (.*?) *$", sets("command_line"))],
    "Xen-e820": [rule(r"Xen-e820 RAM map:", opens("e820"))],
    "System": [rule(r"System RAM: \d+MB \((\d+)kB\)", sets("system_ram_kb", int))],
    "CPU": [
        rule(
            r"CPU Vendor: ([^,]+), Family (\d+) \(\w+\), Model (\d+) \(\w+\), "
            r"Stepping (\d+) \(raw ([0-9a-f]+)\)",
            _cpu,
        )
    ],
    "Using": [rule(r"Using scheduler: (.*)", sets("scheduler"))],
    "Platform": [rule(r"Platform timer is (.*)", sets("platform_timer"))],
    "Detected": [rule(r"Detected (\d{1,9}\.\d{1,9}) MHz processor", sets("mhz", float))],
    "Brought": [rule(r"Brought up (\d+) CPUs", sets("cpus_brought_up", int))],
    "Not": [rule(r"Not responding", _counts("cpus_not_responding"))],
    "Stuck": [rule(r"Stuck \?\?", _counts("cpus_not_responding"))],
    "HVM:": [
        rule(r"HVM: ASIDs (enabled|disabled)", sets("hvm.asids", lambda x: x == "enabled")),
        rule(r"HVM: (\w+) enabled", _hvm_kind),
        rule(
            r"HVM: Hardware Assisted Paging \(HAP\) ((?:not )?detected.*)",
            sets("hvm.hap", lambda x: x == "detected"),
        ),
        rule(r"HVM: HAP page sizes: (.*)", _page_sizes),
        rule(r"HVM: (PVH .*)", sets("hvm.pvh")),
    ],
    "SVM:": [rule(r"SVM: Supported advanced features:", opens("hvm-features"))],
    "VMX:": [rule(r"VMX: Supported advanced features:", opens("hvm-features"))],
    "***": [
        rule(r"\*\*\* Building a (\w+) Dom\d+ \*\*\*", _builds_dom0),
        _SERIAL,
    ],
    "PHYSICAL": [rule(r"PHYSICAL MEMORY ARRANGEMENT", opens("dom0"))],
    "VIRTUAL": [rule(r"VIRTUAL MEMORY ARRANGEMENT", opens("dom0-virtual"))],
    "Dom0": [
        rule(r"Dom0 has maximum (\d+) VCPUs", sets("dom0.max_vcpus", int)),
        rule(r"Dom0 has maximum (\d+) PIRQs", sets("dom0.max_pirqs", int)),
    ],
    "d0": [rule(r"d0 has maximum (\d+) PIRQs", sets("dom0.max_pirqs", int))],
    "Freed": [rule(r"Freed (\d+)kB init memory", sets("init_memory_freed_kb", int))],
    "PCI": _PCI_RULES,
    "CPU#": [_NO_HANDLER],
    "spurious": [rule(r"spurious 8259A interrupt", notes("spurious-irq", harmless=True))],
    "mtrr:": [rule(r"mtrr: ", notes("mtrr"))],
    "Uhhuh.": [
        rule(
            r"Uhhuh\. NMI received for unknown reason ([0-9a-f]+)",
            lambda draft, m, _line: draft.set("nmi_unknown_reason", int(m[1], 16)),
        )
    ],
}
# What Xen goes on to say after the boot. Anything else is somebody reading its log ("xl dmesg").
RUNTIME_RULES: Rules = {"PCI": _PCI_RULES, "***": [_SERIAL], "CPU#": [_NO_HANDLER]}

BOOT_SECTIONS: Rules = {
    "e820": [
        rule(r" \[([0-9a-f]+), ([0-9a-f]+)\] \((.*)\)", _inclusive),
        rule(r" ([0-9a-f]+) - ([0-9a-f]+) \((.*)\)", _exclusive),
    ],
    "hvm-features": [rule(r" - (.*)", adds("hvm.features"))],
    "dom0": [
        rule(r" Xen  kernel: (.*)", sets("dom0.xen_kernel")),
        rule(r" Dom0 kernel: (.*), paddr 0x([0-9a-f]+) -> 0x([0-9a-f]+)", _dom0_kernel),
        rule(r" Dom0 alloc\.: +([0-9a-f]+)->([0-9a-f]+)(?: \((\d+) pages)?", _dom0_alloc),
        rule(r" Init\. ramdisk: +([0-9a-f]+)->([0-9a-f]+)", _dom0_range("dom0.initrd", "initrd")),
    ],
    "dom0-virtual": [
        rule(r" ENTRY ADDRESS: +([0-9a-f]+)", sets("dom0.entry", hexadecimal)),
        rule(r" (\S[^:]*): +([0-9a-f]+)->([0-9a-f]+)", _virtual),
    ],
}
