"""The state of the IOMMU, in the words of the real Xen for broken tables."""

from __future__ import annotations

import pytest

from harness.bootlog import BootLogParser, IommuState, Line, final_iommu_state
from harness.bootlog.xen_iommu import iommu_option

OFF = "I/O virtualisation disabled"
INITIALISATION = "AMD-Vi: Error initialization"


def state(*texts: str, ended: bool = False) -> IommuState:
    parser = BootLogParser()
    for number, text in enumerate(texts, 1):
        parser.feed(Line("(XEN) " + text, None, number))
    return final_iommu_state(parser.log, ended=ended)


@pytest.mark.parametrize(
    "complaints",
    [
        [
            "ACPI Warning (tbutils-0189): Incorrect checksum in table [IVRS] - CA, should be 90",
            "AMD-Vi: Error: IVRS: invalid checksum 0x3a",
        ],
        ["IVHD Error: no information for IO-APIC 0", INITIALISATION],
        ["IVHD Error: Invalid IO-APIC 0x4", INITIALISATION],
        ["No southbridge IO-APIC found in IVRS table", INITIALISATION],
        ["AMD-Vi: Error: IVHD: conflicting IO-APIC 0 entries", INITIALISATION],
        ["Unrecognized IVHD special variety 0x7", INITIALISATION],
        ["AMD-Vi: Error: invalid IVHD block"],
        ["AMD-Vi: Error: IVRS: table length exceeded: 0x60 -> 0x230"],
        ["AMD-Vi: Warning: IVHD: unknown device type 0x99", INITIALISATION],
        ["AMD-Vi: Invalid IVHD Block Length!"],
        ["Cannot find supported IVHD type."],
        ["IVRS Error: Invalid Checksum 0x3a"],
        ["AMD-Vi: SP5100 erratum 28 detected, disabling IOMMU."],
    ],
)
def test_found_and_given_up_is_failed(complaints: list[str]) -> None:
    found = state(*complaints, OFF)
    assert found.state == "failed"
    assert found.messages == tuple(complaints)


def test_silence_is_absence() -> None:
    assert state(OFF) == IommuState("absent")
    assert state("AMD-Vi: IOMMU not found!", OFF).state == "absent"


@pytest.mark.parametrize(
    ("option", "asked"),
    [
        ("iommu=0", False),
        ("iommu=off", False),
        ("iommu=verbose,no", False),
        ("iommu=false", False),
        ("no-iommu", False),
        ("-iommu", False),
        ("iommu=0 iommu=1", True),
        ("iommu=required", True),
        ("iommu=verbose,debug", None),
        ("iommu=no-intremap", None),
        ("xiommu=0", None),
        ("", None),
    ],
)
def test_off_by_an_option_is_disabled(option: str, asked: bool | None) -> None:
    assert iommu_option(f"dom0_mem=512M {option} loglvl=all") is asked
    found = state(f"Command line: dom0_mem=512M {option} loglvl=all", OFF)
    assert found.state == ("disabled" if asked is False else "absent")


def test_a_warning_does_not_turn_it_off() -> None:
    warning = "AMD-Vi: Warning: IVHD: duplicate IO-APIC 0 entries"
    on = state(
        warning,
        "Only one IVHD HPET entry is supported.",
        "AMD-Vi: EFRSup not set in ACPI table; will fall back to hardware",
        "I/O virtualisation enabled",
        " - Dom0 mode: Strict",
        "Interrupt remapping disabled",
    )
    messages = (warning, "Only one IVHD HPET entry is supported.")
    assert on == IommuState("enabled", messages, interrupt_remapping=False, dom0_mode="Strict")


WAIT = "AMD IOMMU 0000:00:01.0: completion wait taking too long"


def test_a_hang_shows_only_at_the_end() -> None:
    assert state("I/O virtualisation enabled", WAIT).state == "enabled"
    assert state("I/O virtualisation enabled", WAIT, ended=True).state == "hang"
    assert state("I/O virtualisation enabled", WAIT, "Brought up 4 CPUs", ended=True).state == (
        "enabled"
    )
    found = "AMD-Vi: IVRS Block: Found type 0x10 flags 0xd1 len 0 id 0x8"
    assert state(found).state is None
    assert state(found, ended=True) == IommuState("hang", (found,))
    # once it is up, a remark about it is not where a boot hangs
    assert state(
        "I/O virtualisation enabled", "AMD-Vi: Setup I/O page table", ended=True
    ).state == ("enabled")


@pytest.mark.parametrize(
    ("reason", "blamed"),
    [
        ("Couldn't enable IOMMU and iommu=required/force", True),
        ("Couldn't enable Interrupt Remapping and iommu=required/force", True),
        ("Not enough memory to relocate the dom0 kernel image", False),
    ],
)
def test_a_panic_for_its_sake(reason: str, blamed: bool) -> None:
    found = state("Panic on CPU 0:", reason, "*" * 40)
    assert found.state == ("panic" if blamed else None)
    assert found.messages == ((reason,) if blamed else ())


def test_a_panic_in_its_code() -> None:
    found = state(
        "I/O virtualisation enabled",
        "----[ Xen-4.17.7  x86_64  debug=n  Not tainted ]----",
        "RIP:    e008:[<ffff82d0403d5d6c>] amd_iommu_ioapic_update_ire+0x7c/0x160",
    )
    assert found.state == "panic"


def test_a_listing_after_the_boot_changes_nothing_but_faults_count() -> None:
    found = state(
        "I/O virtualisation enabled",
        "Freed 656kB init memory",
        "AMD-Vi: IVRS Block: type 0x10 flags 0xd1 len 0x3c id 0x10",
        "I/O virtualisation disabled",
        "AMD-Vi: IO_PAGE_FAULT: 0000:03:00.0 d1 addr 0000000000000000 flags 0x20",
    )
    assert found.state == "enabled"
    assert found.messages == (
        "AMD-Vi: IO_PAGE_FAULT: 0000:03:00.0 d1 addr 0000000000000000 flags 0x20",
    )
