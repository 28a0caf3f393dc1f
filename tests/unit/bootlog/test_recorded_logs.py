"""Every recorded log: its stages, its panics, the state of its IOMMU."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.bootlog import (
    BootLog,
    BootLogParser,
    LineAssembler,
    final_iommu_state,
    parse_recorded,
    read_recorded,
    to_json,
    unexplained,
)
from harness.bootlog.linux import LinuxFacts

ReadLog = Callable[[str], bytes]

UNTIL_IOMMU = "xen acpi iommu"
UNTIL_DOM0 = "firmware loader xen acpi iommu smp dom0-build"
# log: architecture, stages reached, state of the IOMMU, the same if the boot went silent there
EXPECTED = {
    "apu2-hardware-hang-tail.log": ("x86", "iommu", None, None),
    "apu2-hardware-xen-4.8.3-no-iommu.log": (
        "x86",
        "xen acpi iommu smp dom0-build kernel",
        "absent",
        "absent",
    ),
    "excerpt-apu2-hang-tail.log": ("x86", "iommu", None, None),
    "excerpt-apu2-xen-4.8.3.log": (
        "x86",
        "xen acpi iommu smp dom0-build kernel",
        "absent",
        "absent",
    ),
    "qemu-orangepi-pc-xen-4.17.5-armhf-dom0.log": (
        "arm",
        "spl uboot xen smp iommu dom0-build kernel userspace login",
        "absent",
        "absent",
    ),
    "qemu-orangepi-pc-xen-4.17.5-dom0-xl.log": (
        "arm",
        "spl uboot xen smp iommu dom0-build kernel userspace",
        "absent",
        "absent",
    ),
    "qemu-orangepi-pc-xen-4.17.5-dom0less-baremetal-alone.log": (
        "arm",
        "spl uboot xen smp iommu dom0-build",
        "absent",
        "absent",
    ),
    "qemu-orangepi-pc-xen-4.17.5-dom0less-dom0-and-baremetal.log": (
        "arm",
        "spl uboot xen smp iommu dom0-build kernel userspace login",
        "absent",
        "absent",
    ),
    "qemu-q35-amd-iommu-xen-4.17.7-dom0.log": (
        "x86",
        UNTIL_DOM0 + " kernel userspace login",
        "enabled",
        "enabled",
    ),
    "qemu-q35-xen-4.14.6-ivhd-length-0-rejected.log": ("x86", UNTIL_IOMMU, "failed", "failed"),
    "qemu-q35-xen-4.17.7-dom0-smap-crash.log": ("x86", UNTIL_DOM0, "enabled", "enabled"),
    "qemu-q35-xen-4.17.7-iommu-required-panic.log": ("x86", "xen acpi", "panic", "panic"),
    "qemu-q35-xen-4.17.7-ivhd-length-0-hang.log": ("x86", "xen acpi", None, "hang"),
    "qemu-q35-xen-4.17.7-ivhd-length-0-nmi-fatal-trace.txt": ("x86", "xen", "panic", "panic"),
    "qemu-q35-xen-4.17.7-ivrs-wrong-base-hang.log": ("x86", UNTIL_IOMMU, "enabled", "hang"),
    "qemu-q35-xen-4.17.7-mwait-panic.log": (
        "x86",
        "firmware loader xen acpi iommu",
        "enabled",
        "enabled",
    ),
    "qemu-q35-xen-4.17.7-tiny-memory-panic.log": ("x86", "xen", None, None),
    "qemu-q35-xen-4.20-iommu-enabled.log": ("x86", UNTIL_IOMMU, "enabled", "enabled"),
    "qemu-zcu102-xen-4.17.5-maxcpus1-dom0.log": (
        "arm",
        "xen smp iommu dom0-build kernel userspace login",
        "absent",
        "absent",
    ),
    "qemu-zcu102-xen-4.17.5-smp-hang-a.log": ("arm", "xen", None, None),
    "qemu-zcu102-xen-4.17.5-smp-hang-b.log": ("arm", "xen smp iommu", "absent", "absent"),
}


def test_stages_and_iommu(any_log: Path) -> None:
    arch, stages, state, silent = EXPECTED[any_log.name]
    log = parse_recorded(any_log.read_bytes())
    assert log.arch == arch
    assert " ".join(log.stages) == stages
    assert log.xen.iommu.state == state
    assert final_iommu_state(log, ended=False).state == state
    assert final_iommu_state(log, ended=True).state == silent


@pytest.mark.parametrize(
    ("name", "kind", "cpu", "reason", "symbol", "frames", "lines"),
    [
        (
            "qemu-q35-xen-4.17.7-mwait-panic.log",
            "xen panic",
            2,
            ("GENERAL PROTECTION FAULT", "[error_code=0000]"),
            "mwait_idle_with_hints+0xd0/0xe0",
            3,
            (223, 264),
        ),
        (
            "qemu-q35-xen-4.17.7-tiny-memory-panic.log",
            "xen panic",
            0,
            ("Not enough memory to relocate the dom0 kernel image",),
            None,
            0,
            (25, 27),
        ),
        (
            "qemu-q35-xen-4.17.7-iommu-required-panic.log",
            "xen panic",
            0,
            ("Couldn't enable IOMMU and iommu=required/force",),
            None,
            0,
            (91, 93),
        ),
        (
            "qemu-q35-xen-4.17.7-ivhd-length-0-nmi-fatal-trace.txt",
            "xen panic",
            0,
            ("FATAL TRAP: vec 2, NMI[0000] IN INTERRUPT CONTEXT",),
            "drivers/passthrough/amd/iommu_acpi.c#get_supported_ivhd_type+0x7c/0x160",
            7,
            (3, 52),
        ),
        (
            "qemu-q35-xen-4.17.7-dom0-smap-crash.log",
            "dom0 crash",
            0,
            (
                "d0v0 Unhandled: vec 14, #PF[0001]",
                "Domain 0 (vcpu#0) crashed on cpu#0",
                "Hardware Dom0 crashed: rebooting machine in 5 seconds.",
            ),
            None,
            0,
            (291, 333),
        ),
    ],
)
def test_the_panic_of_a_log(
    read_log: ReadLog,
    name: str,
    kind: str,
    cpu: int,
    reason: tuple[str, ...],
    symbol: str | None,
    frames: int,
    lines: tuple[int, int],
) -> None:
    (panic,) = parse_recorded(read_log(name)).panics
    assert (panic.kind, panic.cpu, panic.reason, panic.rip) == (kind, cpu, reason, symbol)
    assert len(panic.call_trace) == frames
    assert (panic.first_line, panic.last_line) == lines


def test_no_other_log_has_a_panic(any_log: Path) -> None:
    log = parse_recorded(any_log.read_bytes())
    name = any_log.name
    assert bool(log.panics) == (log.xen.iommu.state == "panic" or "panic" in name or "cra" in name)


def test_resets_are_seen(any_log: Path) -> None:
    whys = [reset.why for reset in parse_recorded(any_log.read_bytes()).resets]
    resetting = "Resetting with ACPI MEMORY or I/O RESET_REG."
    assert whys == {
        "qemu-q35-xen-4.17.7-mwait-panic.log": ["Reboot in five seconds...", resetting],
        "qemu-q35-xen-4.17.7-tiny-memory-panic.log": ["Reboot in five seconds..."],
        "qemu-q35-xen-4.17.7-dom0-smap-crash.log": [
            "Hardware Dom0 crashed: rebooting machine in 5 seconds.",
            resetting,
        ],
    }.get(name := any_log.name, []), name


@pytest.mark.parametrize(
    ("name", "partial", "mid_line"),
    [
        ("excerpt-apu2-hang-tail.log", "(", True),
        ("qemu-q35-xen-4.17.7-ivhd-length-0-nmi-fatal-trace.txt", "", False),
        ("qemu-zcu102-xen-4.17.5-maxcpus1-dom0.log", "/ # ", False),
        ("qemu-zcu102-xen-4.17.5-smp-hang-a.log", "", False),
    ],
)
def test_how_a_log_ends(read_log: ReadLog, name: str, partial: str, mid_line: bool) -> None:
    log = parse_recorded(read_log(name))
    assert (log.partial, log.ends_mid_line) == (partial, mid_line)


def test_the_hang_of_the_apu2_names_the_next_stage(read_log: ReadLog) -> None:
    log = parse_recorded(read_log("excerpt-apu2-hang-tail.log"))
    assert (log.stage, log.next_stage) == ("iommu", "smp")
    assert log.xen.no_irq_handler == ((1, 1), (2, 1))
    assert log.warnings == ()  # none of its remarks is unknown in good boots
    assert [note.kind for note in log.notes] == ["spurious-irq", "irq-handler", "irq-handler"]


def test_host_times_are_the_times_of_the_stages(read_log: ReadLog) -> None:
    log = parse_recorded(read_log("qemu-orangepi-pc-xen-4.17.5-dom0-xl.log"))
    assert log.stages["xen"] == 6.14
    assert log.stages["userspace"] == 19.11
    assert log.stage_lines["smp"] == 129


def test_nothing_of_the_acpi_part_is_unexplained(any_log: Path) -> None:
    assert unexplained(read_recorded(any_log.read_bytes()).lines) == []


def test_an_unknown_line_of_the_acpi_part_is_unexplained() -> None:
    data = b"(XEN) ACPI: LAPIC (acpi_id[0x00] lapic_id[0x00] purple)\n(XEN) IRQ limits: many\n"
    assert [line.number for line in unexplained(read_recorded(data).lines)] == [1, 2]


def parse_in_chunks(data: bytes, size: int) -> BootLog:
    assembler, parser = LineAssembler(), BootLogParser()
    for start in range(0, len(data), size):
        for line in assembler.feed(data[start : start + size], None):
            parser.feed(line)
        parser.see_partial(assembler.partial)
    return parser.log


def test_a_live_console_gives_the_same_facts_one_byte_at_a_time(any_log: Path) -> None:
    data = any_log.read_bytes()
    whole = parse_in_chunks(data, len(data))
    bytewise = parse_in_chunks(data, 1)
    assert bytewise.stage_lines == whole.stage_lines
    assert bytewise.xen == whole.xen
    assert bytewise.linux == whole.linux
    assert bytewise.ipxe == whole.ipxe
    assert bytewise.uboot == whole.uboot
    assert (bytewise.panics, bytewise.resets) == (whole.panics, whole.resets)
    assert (bytewise.last_line, bytewise.partial) == (whole.last_line, whole.partial)


def test_any_truncation_gives_a_log(any_log: Path) -> None:
    data = any_log.read_bytes()
    whole = parse_recorded(data)
    step = max(37, len(data) // 200 // 37 * 37)
    for end in range(0, len(data), step):
        log = parse_recorded(data[:end], whole.arch)
        assert log.stages.keys() <= whole.stages.keys()
        assert len(log.panics) <= len(whole.panics)


def test_the_facts_are_json(any_log: Path) -> None:
    log = parse_recorded(any_log.read_bytes())
    facts = json.loads(json.dumps(to_json(log), allow_nan=False))
    assert facts["stage"] == log.stage
    xen = facts["xen"]
    assert set(xen["iommu"]) == {"state", "messages", "interrupt_remapping", "dom0_mode"}
    assert xen["version"] == log.xen.version
    assert len(xen["acpi_tables"]) == len(log.xen.acpi_tables)
    assert (facts["linux"] is None) == (log.linux == LinuxFacts())
    assert json.dumps(facts["uboot"] or {}).count('"severity"') == len(log.uboot.errors)
