"""What Xen must print of the ACPI tables that a boot was given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.acpi.builder import Spec, build, coreboot_ivrs, q35_ivrs
from harness.acpi.mutations import NAMED, apply_to_ivrs
from harness.acpi.rebase import Rebased, rebase
from harness.board import load
from harness.bootlog import STAGES, BootLog, BootLogParser, Line
from harness.expectations import Given, expectations, prediction
from harness.formats.acpi import ivrs
from harness.formats.acpi.ivrs.device_entry import RANGE_END
from harness.formats.acpi.madt import IoApic
from harness.formats.acpi.tableset import TableSet
from harness.judging import rules_for_log
from harness.rules import Outcome, Progress, evaluate

APU2 = load("apu2")
CMDLINE = APU2.xen.cmdline
NICS = (0x100, 0x200, 0x300)
IOAPICS = (IoApic(4, 0, 0xFEC00000, 0), IoApic(5, 0, 0xFEC20000, 24))
BOOTED = """\
(XEN) Xen version 4.17.7 (Debian 4.17.7+13-g2445b30a44-0+deb12u1) (m@x) (gcc) debug=n Sat
(XEN) Xen-e820 RAM map:
(XEN)  [0000000000000000, 000000000009fbff] (usable)
(XEN)  [0000000000100000, 000000007fffefff] (usable)
(XEN)  [000000007ffff000, 000000007fffffff] (reserved)
"""
AFTER = """\
(XEN) I/O virtualisation enabled
(XEN) Brought up 4 CPUs
"""


def parsed(text: str) -> BootLog:
    parser = BootLogParser("x86")
    for number, line in enumerate(text.splitlines(), 1):
        parser.feed(Line(line, None, number))
    return parser.log


def tables_of(data: bytes, ioapics: tuple[IoApic, ...] = IOAPICS) -> TableSet:
    rebased = rebase(build(Spec(cpus=4, ivrs=data, ioapics=ioapics)), cpus=4)
    assert isinstance(rebased, Rebased)
    return rebased.tables


def mutated(name: str) -> bytes:
    data = apply_to_ivrs(q35_ivrs(), NAMED[name])
    assert data
    return data


TABLES = tables_of(coreboot_ivrs(base=0xFEB00000, functions=NICS))


def given(tables: TableSet, cmdline: str = CMDLINE, booted: str = BOOTED) -> Given:
    return Given(tables, prediction(APU2, tables, parsed(booted)), cmdline)


def printed(one: Given) -> str:
    """What Xen prints of these tables."""
    assert one.predicted
    return "".join(f"(XEN) {said.text}\n" for said in one.predicted.lines)


def judged(one: Given, text: str, last: str = "login") -> dict[str, Outcome]:
    stages = STAGES["x86"]
    progress = Progress(stages, stages.index(last), last == "login")
    log = parsed(text)
    lines = [Line(line, None, n) for n, line in enumerate(text.splitlines(), 1)]
    wanted = expectations(APU2, "qemu", None, "login", one)
    return {e.id: evaluate(e, log, lines, progress) for e in wanted}


def of_tables(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {key: one.state for key, one in outcomes.items() if key.startswith("acpi.")}


def test_each_block_and_entry_is_expected() -> None:
    one = given(TABLES)
    states = of_tables(judged(one, BOOTED + printed(one) + AFTER))
    table = TABLES.find("IVRS")
    assert table
    (block,) = ivrs.parse(table.data).ivhds
    entries = [entry for entry in block.entries if entry.type != RANGE_END]
    wanted = {"acpi.devices", "acpi.ivhd.0", *(f"acpi.ivhd.0.{n}" for n in range(len(entries)))}
    assert states == dict.fromkeys(wanted, "met")


def test_an_entry_that_xen_does_not_print_fails_and_is_named() -> None:
    one = given(TABLES)
    said = printed(one).replace("variety 0x1 handle 0x5", "variety 0x1 handle 0x6")
    outcomes = judged(one, BOOTED + said + AFTER)
    failed = {key: o.detail for key, o in outcomes.items() if o.state == "failed"}
    (wrong,) = (key for key in failed if key.startswith("acpi."))
    assert "variety 1 handle 5" in failed[wrong]
    assert "variety 1 handle 6" in failed[wrong]


def test_a_block_that_is_missing_fails_with_all_its_entries() -> None:
    one = given(TABLES)
    states = of_tables(judged(one, BOOTED + "(XEN) Command line: loglvl=all\n" + AFTER))
    assert {states[key] for key in states if key != "acpi.devices"} == {"failed"}


def test_a_boot_that_did_not_get_there_is_not_judged() -> None:
    one = given(TABLES)
    states = of_tables(judged(one, BOOTED, last="acpi"))
    assert set(states.values()) == {"not judged"}


@pytest.mark.parametrize(
    "cmdline",
    ["loglvl=all", "loglvl=all iommu=verbose", "iommu=verbose,debug", "loglvl=warning iommu=debug"],
)
def test_where_xen_prints_nothing_nothing_is_expected(cmdline: str) -> None:
    one = given(TABLES, cmdline)
    assert of_tables(judged(one, BOOTED + printed(one) + AFTER)) == {"acpi.devices": "met"}


@pytest.mark.parametrize(
    "booted", ["SeaBIOS\n", BOOTED.replace("4.17.7", "4.99.0"), BOOTED.replace("4.17.7", "5.0.0")]
)
def test_a_xen_that_is_not_known_is_expected_to_print_nothing(booted: str) -> None:
    one = given(TABLES, booted=booted)
    assert one.predicted is None
    assert of_tables(judged(one, BOOTED + AFTER)) == {"acpi.devices": "met"}


def test_behind_a_fault_nothing_is_expected_and_the_iommu_still_is() -> None:
    bad = mutated("ioapic-missing")
    one = given(tables_of(bad, (IoApic(0, 0, 0xFEC00000, 0),)))
    assert one.predicted
    assert one.predicted.outcome == "failed"
    outcomes = judged(one, BOOTED + printed(one) + AFTER.replace("enabled", "disabled"))
    assert set(of_tables(outcomes).values()) == {"met"}
    state = outcomes["hardware.iommu.state"]
    assert state.state == "failed"
    assert "no information for IO-APIC 0" in state.detail
    assert outcomes["amd-vi-error"].state == "failed"


def test_ivmd_blocks_are_expected_by_the_memory_map_of_the_log() -> None:
    in_ram = mutated("ivmd-ram")
    one = given(tables_of(in_ram, (IoApic(0, 0, 0xFEC00000, 0),)))
    assert one.predicted
    assert one.predicted.outcome == "failed"  # 4.17: the log says that this is RAM
    assert "acpi.ivmd.0" in judged(one, BOOTED + printed(one) + AFTER)


def test_ioapics_and_hpet_are_those_of_the_tables() -> None:
    said = (
        "(XEN) ACPI: IOAPIC (id[0x04] address[0xfec00000] gsi_base[0])\n"
        "(XEN) ACPI: IOAPIC (id[0x05] address[0xfec20000] gsi_base[24])\n"
        "(XEN) ACPI: HPET id: 0x8086a201 base: 0xfed00000\n"
    )
    one = given(TABLES)
    outcomes = judged(one, BOOTED + said + AFTER)
    assert outcomes["hardware.ioapics"].state == "met"
    assert outcomes["hardware.hpet"].state == "met"
    without = replace(TABLES, tables=tuple(t for t in TABLES.tables if t.signature != "HPET"))
    assert "hardware.hpet" not in judged(given(without), BOOTED + said + AFTER)


@pytest.mark.parametrize(
    "line",
    [
        "AMD-Vi: Warning: no IOMMU for 0000:02:00.0; cannot be handed to d0",
        "AMD-Vi: No iommu for 0000:02:00.0; cannot be handed to d0",
        "AMD-Vi: No iommu for device 0000:02:00.0; cannot be handed to d0",
    ],
)
def test_a_device_of_the_board_without_an_iommu_is_named(line: str) -> None:
    one = given(TABLES)
    outcome = judged(one, f"{BOOTED}{printed(one)}{AFTER}(XEN) {line}\n")["acpi.devices"]
    assert outcome.state == "failed"
    assert "02:00.0" in outcome.detail


def test_the_log_of_such_a_boot_is_judged_without_the_tables() -> None:
    text = BOOTED + "(XEN) ACPI: RSDP 000F59B0, 0024 (r2 HARNES)\n"
    rules = rules_for_log(APU2, "x86", None, text.splitlines())
    names = {one.id for one in rules.expectations}
    assert rules.facts_of == "qemu"
    assert "acpi.devices" in names
    assert not names & {"hardware.ioapics", "hardware.hpet"}
    other = rules_for_log(APU2, "x86", None, text.replace("HARNES", "COREv4").splitlines())
    assert other.facts_of == "board"
    assert "hardware.ioapics" in {one.id for one in other.expectations}


def test_a_device_of_the_emulated_machine_alone_may_be_without_one() -> None:
    line = "(XEN) AMD-Vi: Warning: no IOMMU for 0000:00:1f.3; cannot be handed to d0\n"
    one = given(TABLES)
    assert judged(one, BOOTED + printed(one) + AFTER + line)["acpi.devices"].state == "met"
