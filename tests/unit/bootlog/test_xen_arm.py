from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.bootlog import BootLog, BootLogParser, Line, parse_recorded
from harness.bootlog.xen_facts import (
    AddressRange,
    ArmModule,
    CpuFailure,
    MemoryRange,
    ModuleCommandLine,
)

ReadLog = Callable[[str], bytes]


def parse(*texts: str) -> BootLog:
    parser = BootLogParser("arm")
    for number, text in enumerate(texts, 1):
        parser.feed(Line("(XEN) " + text, None, number))
    return parser.log


def test_a_boot_on_32_bit(read_log: ReadLog) -> None:
    xen = parse_recorded(read_log("qemu-orangepi-pc-xen-4.17.5-armhf-dom0.log")).xen
    arm = xen.arm
    assert (arm.midr, arm.execution) == (0x410FC075, ("32",))
    assert (arm.psci, arm.smccc) == ("0.1", "1.0")
    assert (arm.gic, arm.gic_lines, arm.gic_cpus) == ("GICv2", 160, 4)
    assert (arm.gic_dist_address, arm.gic_cpu_address) == (0x1C81000, 0x1C82000)
    assert (arm.gic_hyp_address, arm.gic_vcpu_address) == (0x1C84000, 0x1C86000)
    assert arm.gic_maintenance_irq == 25
    assert (arm.timer_irqs, arm.timer_khz) == ("phys=30 hyp=26 virt=27", 24000)
    assert arm.cpus_booted == (1, 2, 3)
    assert (xen.cpus_allowed, xen.cpus_brought_up, xen.cpus_failed) == (4, 4, ())
    assert xen.dom0.kernel_module == 0x46000000
    assert xen.dom0.initrd_module == 0x4A000000
    assert xen.dom0.banks == (AddressRange("bank 0", 0x60000000, 0x70000000),)
    assert xen.dom0.paddr == AddressRange("paddr", 0x67A00000, 0x67F32200)
    assert xen.dom0.initrd == AddressRange("initrd", 0x68200000, 0x682D7E8F)
    assert xen.dom0.dtb == AddressRange("dtb", 0x68000000, 0x68005615)
    assert xen.console_owner == "DOM0"
    assert (xen.domains, xen.errors) == ({}, ())


@pytest.mark.parametrize(
    ("name", "booted"),
    [
        ("qemu-zcu102-xen-4.17.5-smp-hang-a.log", (1, 2)),
        ("qemu-zcu102-xen-4.17.5-smp-hang-b.log", (1, 2, 3)),
        ("qemu-zcu102-xen-4.17.5-maxcpus1-dom0.log", ()),
    ],
)
def test_which_cpus_came(read_log: ReadLog, name: str, booted: tuple[int, ...]) -> None:
    xen = parse_recorded(read_log(name)).xen
    assert xen.arm.cpus_booted == booted
    assert xen.arm.execution == ("64", "32")


def test_a_cpu_that_does_not_come() -> None:
    xen = parse(
        "Failed to bring up CPU1",
        "Failed to bring up CPU 1 (error -22)",
        "CPU2 never came online",
        "Failed to bring up CPU 2 (error -5)",
        "Brought up 2 CPUs",
    ).xen
    assert xen.cpus_failed == (CpuFailure(1, None), CpuFailure(2, -5))
    assert {error.id for error in xen.errors} == {"xen-cpu-lost"}


def test_what_only_an_early_console_shows() -> None:
    log = parse(
        "Checking for initrd in /chosen",
        "RAM: 0000000040000000 - 000000007fffffff",
        "",
        "MODULE[0]: 000000004f000000 - 000000004f00b000 Device Tree ",
        "MODULE[1]: 0000000046000000 - 0000000046532200 Kernel      ",
        " RESVD[0]: 0000000041000000 - 0000000041010000",
        "",
        "CMDLINE[0000000046000000]:chosen console=hvc0 earlyprintk=xen",
        "CMDLINE[0000000048000000]:domU1 ",
        "",
        "Command line: console=dtuart dom0_mem=256M",
        "Platform: Allwinner A20",
        "Xen version 4.17.5",
    )
    arm = log.xen.arm
    assert arm.ram == (MemoryRange(0x40000000, 0x7FFFFFFF, "RAM"),)
    assert arm.modules == (
        ArmModule(0, 0x4F000000, 0x4F00B000, "Device Tree"),
        ArmModule(1, 0x46000000, 0x46532200, "Kernel"),
    )
    assert arm.module_command_lines == (
        ModuleCommandLine(0x46000000, "chosen", "console=hvc0 earlyprintk=xen"),
        ModuleCommandLine(0x48000000, "domU1", ""),
    )
    assert arm.platform == "Allwinner A20"
    assert log.xen.command_line == "console=dtuart dom0_mem=256M"


def test_a_gic_of_version_3() -> None:
    arm = parse(
        "GICv3 initialization:",
        "      gic_dist_addr=0x8000000",
        "      gic_maintenance_irq=25",
        "GICv3: 288 lines, (IID 0000043b).",
    ).xen.arm
    assert (arm.gic, arm.gic_lines, arm.gic_cpus) == ("GICv3", 288, None)
    assert (arm.gic_dist_address, arm.gic_maintenance_irq) == (0x8000000, 25)


def test_an_execution_state_that_the_cpu_lacks() -> None:
    assert parse("64-bit Execution:", "32-bit Execution: Unsupported").xen.arm.execution == ("64",)


STARS = "****************************************"


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("Could not set up DOM0 guest OS", "xen-dom0-not-built"),
        ("Unable to find a compatible timer in the device tree", "xen-no-timer"),
        ("Failed to allocate requested dom0 memory. 128MB unallocated", "xen-dom0-memory"),
        ("node module@0 missing `reg' property", "xen-module-reg"),
    ],
)
def test_a_panic_has_its_reason_and_its_diagnosis(reason: str, name: str) -> None:
    log = parse("Xen version 4.17.5", "", STARS, "Panic on CPU 0:", reason, STARS, "")
    (panic,) = log.panics
    assert (panic.kind, panic.cpu, panic.reason) == ("xen panic", 0, (reason,))
    assert [error.id for error in log.xen.errors] == [name]


def test_without_modules_in_chosen() -> None:
    log = parse(
        "Xen version 4.17.5",
        "*** LOADING DOMAIN 0 ***",
        "Missing kernel boot module?",
        STARS,
        "Panic on CPU 0:",
        "Could not set up DOM0 guest OS",
        STARS,
    )
    assert [error.id for error in log.diagnoses] == ["xen-no-kernel-module", "xen-dom0-not-built"]


def test_an_unexpected_trap() -> None:
    (panic,) = parse(
        "Data Abort Trap. Syndrome=0x6",
        "Walking Hypervisor VA 0x8 on CPU0 via TTBR 0x0000000050000000",
        "CPU0: Unexpected Trap: Data Abort",
        "----[ Xen-4.17.5  arm32  debug=n  Not tainted ]----",
        "CPU:    0",
        "PC:     002603e4 foo.c#bar+0x10/0x20",
        "Xen call trace:",
        "   [<002603e4>] foo.c#bar+0x10/0x20 (PC)",
        "   [<00260400>] baz+0x4/0x20 (LR)",
        "",
        STARS,
        "Panic on CPU 0:",
        "CPU0: Unexpected Trap: Data Abort",
        STARS,
    ).panics
    assert (panic.kind, panic.cpu, panic.rip) == ("xen panic", 0, "foo.c#bar+0x10/0x20")
    assert panic.reason == ("Data Abort Trap. Syndrome=0x6", "CPU0: Unexpected Trap: Data Abort")
    assert panic.call_trace == ("foo.c#bar+0x10/0x20", "baz+0x4/0x20")
    assert (panic.first_line, panic.last_line) == (1, 14)


def test_ordinary_lines_about_cpus_are_no_panic() -> None:
    log = parse("CPU0: Guest atomics will try 1 times before pausing the domain", "CPU 1 booted.")
    assert log.panics == ()


def test_early_printk_is_xen() -> None:
    log = parse_recorded(
        b"U-Boot 2023.01 (x)\nStarting kernel ...\n\n- UART enabled -\n"
        b"- Xen must be entered in NS Hyp mode -\n- Boot failed -\n"
    )
    assert log.stage == "xen"
    assert [error.id for error in log.xen.errors] == ["xen-not-hyp", "xen-early-failure"]


def test_the_owner_of_the_console_is_followed() -> None:
    parser = BootLogParser("arm")
    owners = []
    for number, owner in enumerate(["DOM0", "DOM1", "Xen", "DOM0"], 1):
        parser.feed(Line(f"(XEN) *** Serial input to {owner} (type 'CTRL-a' x)", None, number))
        if number == 1:
            parser.feed(Line("(XEN) Freed 324kB init memory.", None, number))
        owners.append(parser.log.xen.console_owner)
    assert owners == ["DOM0", "DOM1", "Xen", "DOM0"]
