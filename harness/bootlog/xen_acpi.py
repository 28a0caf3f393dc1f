"""Rules for what Xen says about ACPI, the MADT, I/O APICs and PCI configuration space.

Formats: xen/drivers/acpi/tables.c, xen/drivers/acpi/tables/tbprint.c, xen/arch/x86/acpi/boot.c,
xen/arch/x86/io_apic.c and xen/arch/x86/x86_64/mmconfig*.c of Xen 4.8 to 4.20.
"""

from __future__ import annotations

import re
from dataclasses import replace

from harness.bootlog.draft import (
    Draft,
    Rule,
    Rules,
    adds,
    apply,
    consumed,
    first_word,
    hexadecimal,
    number,
    rule,
    sets,
)
from harness.bootlog.lines import Line
from harness.bootlog.notes import notes
from harness.bootlog.xen_facts import (
    AcpiTable,
    FacsMismatch,
    Hpet,
    IntOverride,
    IoApic,
    IrqLimits,
    Lapic,
    LapicNmi,
    Mcfg,
    PmTimer,
    SleepInfo,
)

_TABLE = rule(
    r"(\S.{3}) ([0-9A-F]{8,16}), ([0-9A-F]{4,8})"
    r"(?: \(r(\d+) (.{6})(?: (.{8}) +([0-9A-F]+) (.{4}) +([0-9A-F]+))?\))?$",
    lambda draft, m, _line: draft.add(
        "acpi_tables",
        AcpiTable(
            signature=m[1],
            address=int(m[2], 16),
            length=int(m[3], 16),
            revision=None if m[4] is None else int(m[4]),
            oem_id=None if m[5] is None else m[5].rstrip(),
            oem_table_id=None if m[6] is None else m[6].rstrip(),
            oem_revision=None if m[7] is None else int(m[7], 16),
            creator_id=None if m[8] is None else m[8].rstrip(),
            creator_revision=None if m[9] is None else int(m[9], 16),
        ),
    ),
)


def _pair(text: str) -> tuple[int, int]:
    space, _, address = text.partition(":")
    return int(space), int(address, 16)


def _sleep_info(draft: Draft, m: re.Match[str], _line: Line) -> None:
    a, b, c, d = (_pair(m[i]) for i in range(1, 5))
    draft.set("sleep_info", SleepInfo((a, b), (c, d)))


def _madt_ioapic(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.add("ioapics", IoApic(int(m[1], 16), int(m[2], 16), int(m[3])))


def _read_ioapic(draft: Draft, m: re.Match[str], _line: Line) -> None:
    index, id_, version, address, first, last = (number(text) for text in m.groups())
    known = draft.many.get("ioapics", [])
    for position, ioapic in enumerate(known):
        if ioapic.address == address and ioapic.index is None:
            known[position] = replace(
                ioapic, id=id_, index=index, version=version, gsi_base=first, gsi_last=last
            )
            draft.changes += 1
            return
    draft.add("ioapics", IoApic(id_, address, first, index, version, last))


def _mcfg_used(used: bool) -> Rule:
    def action(draft: Draft, m: re.Match[str], _line: Line) -> None:
        segment, first = int(m[1], 16), int(m[2], 16)
        areas = draft.many.get("mcfg", [])
        for position, area in enumerate(areas):
            if (area.segment, area.first_bus) == (segment, first):
                areas[position] = replace(area, used=used)
                draft.changes += 1

    verb = "Using" if used else "Not using"
    return rule(rf"PCI: {verb} MCFG for segment ([0-9a-f]+) bus ([0-9a-f]+)-", action)


def _cpus_allowed(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("cpus_allowed", int(m[1]))
    if m[2]:
        draft.set("cpus_hotplug", int(m[2]))


_HEX = r"\[0x([0-9a-f]+)\]"

_ACPI: Rules = {
    "LAPIC": [
        rule(
            rf"LAPIC \(acpi_id{_HEX} lapic_id{_HEX} (enabled|disabled)\)",
            lambda draft, m, _line: draft.add(
                "lapics", Lapic(int(m[1], 16), int(m[2], 16), m[3] == "enabled")
            ),
        )
    ],
    "X2APIC": [
        rule(
            rf"X2APIC \(apic_id{_HEX} uid{_HEX} (enabled|disabled)\)",
            lambda draft, m, _line: draft.add(
                "lapics", Lapic(int(m[2], 16), int(m[1], 16), m[3] == "enabled")
            ),
        )
    ],
    "LAPIC_NMI": [
        rule(
            rf"LAPIC_NMI \(acpi_id{_HEX} (\w+) (\w+) lint{_HEX}\)",
            lambda draft, m, _line: draft.add(
                "lapic_nmis", LapicNmi(int(m[1], 16), m[2], m[3], int(m[4], 16))
            ),
        )
    ],
    "X2APIC_NMI": [rule(r"X2APIC_NMI \(", consumed)],
    "NMI_SRC": [rule(r"NMI_SRC \(", consumed)],
    "IOAPIC": [rule(rf"IOAPIC \(id{_HEX} address{_HEX} gsi_base\[(\d+)\]\)", _madt_ioapic)],
    "INT_SRC_OVR": [
        rule(
            r"INT_SRC_OVR \(bus (\d+) bus_irq (\d+) global_irq (\d+) (\w+) (\w+)\)",
            lambda draft, m, _line: draft.add(
                "int_overrides", IntOverride(int(m[1]), int(m[2]), int(m[3]), m[4], m[5])
            ),
        )
    ],
    "HPET": [
        rule(
            r"HPET id: (0x[0-9a-f]+|0) base: (0x[0-9a-f]+|0)$",
            lambda draft, m, _line: draft.set("hpet", Hpet(number(m[1]), number(m[2]))),
        )
    ],
    "Local": [rule(r"Local APIC address (0x[0-9a-f]+)", sets("lapic_address", hexadecimal))],
    "PM-Timer": [
        rule(
            r"PM-Timer IO Port: (0x[0-9a-f]+) \((\d+) bits\)",
            lambda draft, m, _line: draft.set("pm_timer", PmTimer(int(m[1], 16), int(m[2]))),
        )
    ],
    "SLEEP": [
        rule(
            r"SLEEP INFO: pm1x_cnt\[(\d+:[0-9a-f]+),(\d+:[0-9a-f]+)\], "
            r"pm1x_evt\[(\d+:[0-9a-f]+),(\d+:[0-9a-f]+)\]",
            _sleep_info,
        )
    ],
    "v5": [rule(r"v5 SLEEP INFO: ", consumed)],
    "32/64X": [
        rule(
            r"32/64X FACS address mismatch in FADT - ([0-9a-f]+)/([0-9a-f]+), using (\d+)",
            lambda draft, m, _line: draft.set(
                "facs_mismatch", FacsMismatch(int(m[1], 16), int(m[2], 16), int(m[3]))
            ),
        )
    ],
    "": [rule(r" +wakeup_vec\[[0-9a-f]+\], vec_size\[[0-9a-f]+\]", consumed)],
    "BIOS": [rule(r"BIOS IRQ0 pin2 override ignored", consumed)],
}
_IRQ_USED = rule(r"IRQ(\d+) used by override", adds("irqs_used_by_override", int))


def acpi_line(draft: Draft, text: str, line: Line) -> bool:
    """The text of a line behind `ACPI: `; False if no rule knows it."""
    rules = _ACPI.get(first_word(text), ())
    return apply(rules, draft, text, line) or apply((_TABLE, _IRQ_USED), draft, text, line)


ACPI_RULES: Rules = {
    "ACPI": [
        rule(
            r"ACPI sleep modes: (.*)",
            lambda draft, m, _line: draft.set("sleep_modes", tuple(m[1].split())),
        ),
        rule(r"ACPI (?:BIOS )?(?:Warning|Error)", notes("acpi")),
    ],
    "IOAPIC#": [
        rule(
            r"IOAPIC\[(\d+)\]: apic_id (\d+), version (\d+), address (0x[0-9a-f]+), "
            r"GSI (\d+)-(\d+)",
            _read_ioapic,
        )
    ],
    "PCI:": [
        rule(
            r"PCI: MCFG configuration (\d+): base ([0-9a-f]+) segment ([0-9a-f]+) "
            r"buses ([0-9a-f]+) - ([0-9a-f]+)",
            lambda draft, m, _line: draft.add(
                "mcfg",
                Mcfg(int(m[1]), int(m[2], 16), int(m[3], 16), int(m[4], 16), int(m[5], 16)),
            ),
        ),
        rule(r"PCI: MCFG area at [0-9a-f]+ reserved in E820", consumed),
        _mcfg_used(used=True),
        _mcfg_used(used=False),
        rule(r"PCI: (?:Found \S+|Not using MMCONFIG)", consumed),
    ],
    "ERST": [rule(r"ERST (?:table was not found|support is initialized)", consumed)],
    "ERST:": [rule(r"ERST: ", notes("acpi"))],
    "HEST:": [rule(r"HEST: Table (?:parsing has been initialized|not found)", consumed)],
    "HEST": [rule(r"HEST table was not found", consumed)],
    "SMP:": [
        rule(
            r"SMP: Allowing (\d+) CPUs(?: \((\d+) hotplug CPUs\))?",
            _cpus_allowed,
        )
    ],
    "IRQ": [
        rule(
            r"IRQ limits: (\d+) GSI, (\d+) MSI/MSI-X",
            lambda draft, m, _line: draft.set("irq_limits", IrqLimits(int(m[1]), int(m[2]))),
        )
    ],
}
