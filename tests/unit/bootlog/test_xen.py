from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.bootlog import Line, XenFacts, parse_recorded
from harness.bootlog.iommu_facts import IvhdEntry, IvhdSpecial, IvmdBlock, IvrsBlock
from harness.bootlog.parser import BootLogParser
from harness.bootlog.xen_facts import (
    AcpiTable,
    AddressRange,
    Cpu,
    CpuFailure,
    FacsMismatch,
    Hpet,
    IntOverride,
    IoApic,
    IrqLimits,
    Lapic,
    LapicNmi,
    Mcfg,
    MemoryRange,
    PmTimer,
    SleepInfo,
)

ReadLog = Callable[[str], bytes]


def xen(*texts: str) -> XenFacts:
    parser = BootLogParser()
    for number, text in enumerate(texts, 1):
        parser.feed(Line("(XEN) " + text, None, number))
    return parser.log.xen


def test_the_real_apu2(read_log: ReadLog) -> None:
    facts = parse_recorded(read_log("excerpt-apu2-xen-4.8.3.log")).xen
    assert (facts.version, facts.version_tuple) == ("4.8.3", (4, 8, 3))
    assert facts.distribution_version == "Debian 4.8.3+comet2+shim4.10.0+comet3-1+deb9u5"
    assert facts.compiler == "gcc (Debian 6.3.0-18) 6.3.0 20170516"
    assert (facts.debug, facts.build_date) == (False, "Fri Mar  2 16:10:09 UTC 2018")
    assert facts.bootloader == "iPXE 1.0.0+ (fd6d1)"
    # the map of this Xen has exclusive ends
    assert facts.e820[0] == MemoryRange(0, 0x9FBFF, "usable")
    assert facts.e820[-1] == MemoryRange(0x100000000, 0x12EFFFFFF, "usable")
    assert facts.system_ram_kb == 4177140
    assert facts.cpu == Cpu("AMD", 22, 48, 1, 0x730F01)
    assert facts.acpi_tables[0] == AcpiTable("RSDP", 0xF3610, 0x24, 2, "CORE")
    assert facts.acpi_tables[1] == AcpiTable(
        "DSDT", 0xCFFAF280, 0x166D, 2, "AMD", "COREBOOT", 0x10001, "INTL", 0x20161222
    )
    assert facts.acpi_tables[2] == AcpiTable("FACS", 0xCFFAF240, 0x40)
    assert facts.pm_timer == PmTimer(0x818, 32)
    assert facts.sleep_info == SleepInfo(((1, 0x804), (1, 0)), ((1, 0x800), (1, 0)))
    assert facts.facs_mismatch == FacsMismatch(0xCFFAF240, 0, 32)
    assert facts.lapic_address == 0xFEE00000
    assert facts.lapics == (Lapic(3, 3, enabled=True),)
    assert facts.lapic_nmis == (LapicNmi(255, "high", "edge", 1),)
    assert facts.ioapics == (
        IoApic(4, 0xFEC00000, 0, 0, 33, 23),
        IoApic(5, 0xFEC20000, 24, 1, 33, 55),
    )
    assert facts.int_overrides == (IntOverride(0, 9, 9, "low", "level"),)
    assert facts.irqs_used_by_override == (9,)
    assert facts.hpet == Hpet(0x10228201, 0xFED00000)
    assert (facts.cpus_allowed, facts.cpus_hotplug) == (4, 0)
    assert facts.irq_limits == IrqLimits(56, 728)
    assert facts.iommu.messages == ("AMD-Vi: IOMMU not found!",)
    assert facts.hvm.pvh == "PVH mode not supported on this platform"
    assert facts.cpus_brought_up == 4
    assert facts.sleep_modes == ("S3",)
    assert facts.dom0.paddr == AddressRange("paddr", 0x1000000, 0x26DE000)
    assert facts.console_owner == "DOM0"
    assert facts.init_memory_freed_kb == 312
    assert facts.boot_finished
    assert facts.pci_added == ("0000:00:00.0", "0000:01:00.0", "0000:02:00.0", "0000:03:00.0")


def test_the_whole_log_of_the_real_apu2(read_log: ReadLog) -> None:
    facts = parse_recorded(read_log("apu2-hardware-xen-4.8.3-no-iommu.log")).xen
    assert len(facts.e820) == 7
    assert [table.signature for table in facts.acpi_tables] == (
        [
            "RSDP",
            "XSDT",
            "FACP",
            "DSDT",
            "FACS",
            "SSDT",
            "TCPA",
            "APIC",
            "HEST",
            "SSDT",
            "SSDT",
            "HPET",
        ]
    )
    assert [lapic.lapic_id for lapic in facts.lapics] == [0, 1, 2, 3]
    assert facts.irqs_used_by_override == (0, 2, 9)
    assert facts.hvm.kind == "SVM"
    assert (facts.hvm.asids, facts.hvm.hap) == (True, True)
    assert facts.hvm.hap_page_sizes == ("4kB", "2MB", "1GB")
    assert len(facts.hvm.features) == 6
    assert facts.scheduler == "SMP Credit Scheduler (credit)"
    assert (facts.platform_timer, facts.mhz) == ("14.318MHz HPET", 998.163)
    assert facts.no_irq_handler == ((1, 1), (2, 1), (3, 1))
    assert facts.dom0.kernel == "64-bit, PAE, lsb"
    assert facts.dom0.alloc == AddressRange("alloc", 0x124000000, 0x128000000)
    assert facts.dom0.pages_to_allocate == 114688
    assert facts.dom0.entry == 0xFFFFFFFF82498180
    assert [part.name for part in facts.dom0.virtual] == [
        "Loaded kernel",
        "Init. ramdisk",
        "Phys-Mach map",
        "Start info",
        "Page tables",
        "Boot stack",
        "TOTAL",
    ]
    assert (facts.dom0.max_vcpus, facts.dom0.max_pirqs) == (4, 632)
    assert len(facts.pci_added) == 21


def test_a_current_xen(read_log: ReadLog) -> None:
    facts = parse_recorded(read_log("qemu-q35-xen-4.20-iommu-enabled.log")).xen
    assert (facts.version, facts.version_tuple) == ("4.20.4-pre", (4, 20, 4))
    assert facts.build_id == "ea92b67a6c7ec0dc9541bc73daef97756b70e672"
    assert facts.e820[0] == MemoryRange(0, 0x9FBFF, "usable")  # inclusive ends here
    assert facts.mcfg == (Mcfg(0, 0xB0000000, 0, 0, 255, used=True),)
    assert facts.ivrs is not None
    assert (facts.ivrs.length, facts.ivrs.checksum, facts.ivrs.oem_id) == (0x60, 0x90, "BOCHS")
    assert facts.ivrs_found == (IvrsBlock(0x10, 0xD1, 0x30, 8),)
    assert facts.ivhd_type_used == 0x10
    special = IvhdSpecial("0000:00:14.0", 1, 0)
    assert facts.ivrs_blocks == (
        IvrsBlock(
            *(0x10, 0xD1, 0x30, 8),
            *(0xFED80000, 0x40, 0, 0, 0),
            entries=(
                IvhdEntry(3, 8, 0, range_end=0xFF),
                IvhdEntry(0x48, 0, 0, special=special),
                IvhdEntry(0x48, 0, 0, special=IvhdSpecial("0000:00:14.0", 2, 0)),
            ),
        ),
    )
    assert facts.iommu_features[0] == "Prefetch Pages Command"
    assert len(facts.iommu_features) == 17
    assert facts.iommus_enabled == 1


def test_dom0_under_an_emulated_iommu(read_log: ReadLog) -> None:
    facts = parse_recorded(read_log("qemu-q35-amd-iommu-xen-4.17.7-dom0.log")).xen
    assert facts.iommu.interrupt_remapping is True
    assert facts.iommu.dom0_mode == "Relaxed"
    assert facts.dom0.kind == "PV"
    assert facts.dom0.initrd == AddressRange("initrd", 0x7F904000, 0x7F9FFC34)
    assert len(facts.ivrs_blocks[0].entries) == 8
    assert facts.pci_added[-1] == "0000:00:1f.3"


def test_what_only_arm_says(read_log: ReadLog) -> None:
    facts = parse_recorded(read_log("qemu-zcu102-xen-4.17.5-maxcpus1-dom0.log")).xen
    assert facts.arm.midr == 0x410FD034
    assert facts.arm.execution == ("64", "32")
    assert (facts.arm.psci, facts.arm.smccc) == ("1.1", "1.0")
    assert (facts.arm.gic, facts.arm.gic_lines, facts.arm.gic_cpus) == ("GICv2", 192, 4)
    assert facts.arm.timer_khz == 62500
    assert facts.arm.p2m == "40-bit IPA with 40-bit PA and 8-bit VMID"
    assert facts.dom0.memory_mb == 512
    assert facts.dom0.banks == (AddressRange("bank 0", 0x20000000, 0x40000000),)
    assert facts.dom0.initrd == AddressRange("initrd", 0x28200000, 0x282F1328)
    assert facts.cpus_brought_up == 1


def test_cpus_that_do_not_come_up() -> None:
    facts = xen("Not responding.", "Failed to bring up CPU 5 (error -5)", "Brought up 4 CPUs")
    assert facts.cpus_failed == (CpuFailure(5, -5),)
    assert facts.cpus_not_responding == 1


def test_ivrs_details() -> None:
    facts = xen(
        "AMD-Vi: IVRS Block: type 0x11 flags 0xb0 len 0x90 id 0x2",
        "AMD-Vi: IVHD Device Entry: type 0x42 id 0x200 flags 0xff",
        "AMD-Vi:  Dev_Id Alias: 0xa4",
        "AMD-Vi: IVHD Device Entry: type 0x43 id 0x300 flags 0",
        "AMD-Vi:  Dev_Id Range: 0x300 -> 0x3ff alias 0xa5",
        "AMD-Vi: IVMD Block: type 0x20 phys 0xfed1c000 len 0",
    )
    (block,) = facts.ivrs_blocks
    assert block.entries == (
        IvhdEntry(0x42, 0x200, 0xFF, alias=0xA4),
        IvhdEntry(0x43, 0x300, 0, range_end=0x3FF, alias=0xA5),
    )
    assert facts.ivmd_blocks == (IvmdBlock(0x20, 0xFED1C000, 0),)


def test_an_entry_without_a_block_is_dropped() -> None:
    facts = xen(
        "AMD-Vi:  Dev_Id Alias: 0xa4",
        "AMD-Vi: IVHD Device Entry: type 0x42 id 0x200 flags 0xff",
        "AMD-Vi: IVHD: IOMMU @ 0xfed80000 cap @ 0x40 seg 0x0000 info 0 attr 0",
    )
    assert facts.ivrs_blocks == ()


def test_an_area_that_xen_does_not_use() -> None:
    facts = xen(
        "PCI: MCFG configuration 0: base f8000000 segment 0000 buses 00 - 3f",
        "PCI: Not using MCFG for segment 0000 bus 00-3f",
    )
    assert facts.mcfg == (Mcfg(0, 0xF8000000, 0, 0, 0x3F, used=False),)


@pytest.mark.parametrize(
    "version",
    [
        "Xen version 4.19.0 (root@host) (gcc (GCC) 13.2.0) debug=y Thu Jan  1 00:00:00 UTC 1970",
        "Xen version 4.19.0",
    ],
)
def test_a_banner_without_distribution(version: str) -> None:
    facts = xen(version)
    assert (facts.version, facts.distribution_version) == ("4.19.0", None)
    assert facts.compiler in {"gcc (GCC) 13.2.0", None}


def test_the_owner_of_the_console_changes() -> None:
    facts = xen(
        "*** Serial input to DOM0 (type 'CTRL-a' three times to switch input)",
        "Freed 656kB init memory",
        "*** Serial input to Xen (type 'CTRL-a' three times to switch input)",
    )
    assert facts.console_owner == "Xen"
