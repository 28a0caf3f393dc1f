"""What Xen says about a machine while it boots, as plain data.

Numbers are integers whatever base Xen printed them in; ranges include their end; a field is
None, or empty, when the log does not say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.bootlog.diagnoses import Diagnosis
from harness.bootlog.iommu_facts import IommuState, IvmdBlock, IvrsBlock, IvrsHeader


@dataclass(frozen=True, slots=True)
class MemoryRange:
    """One line of the e820 map: type is usable, reserved, ACPI data, ..."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class AcpiTable:
    """One ACPI table as Xen lists it; FACS has no more than address and length."""

    signature: str
    address: int
    length: int
    revision: int | None = None
    oem_id: str | None = None
    oem_table_id: str | None = None
    oem_revision: int | None = None
    creator_id: str | None = None
    creator_revision: int | None = None


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor; raw is CPUID leaf 1, EAX."""

    vendor: str
    family: int
    model: int
    stepping: int
    raw: int


@dataclass(frozen=True, slots=True)
class Lapic:
    """A CPU's local APIC, from the MADT."""

    acpi_id: int
    lapic_id: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class LapicNmi:
    """An NMI line of local APICs; acpi_id 0xff means all."""

    acpi_id: int
    polarity: str
    trigger: str
    lint: int


@dataclass(frozen=True, slots=True)
class IoApic:
    """One I/O APIC, from its MADT line and from the line after the hardware was read."""

    id: int
    address: int
    gsi_base: int | None = None
    index: int | None = None
    version: int | None = None
    gsi_last: int | None = None


@dataclass(frozen=True, slots=True)
class IntOverride:
    """An interrupt source override, from the MADT."""

    bus: int
    bus_irq: int
    global_irq: int
    polarity: str
    trigger: str


@dataclass(frozen=True, slots=True)
class Hpet:
    """The HPET table: hardware id and MMIO base."""

    id: int
    base: int


@dataclass(frozen=True, slots=True)
class PmTimer:
    """The ACPI PM timer: I/O port and width."""

    port: int
    bits: int


@dataclass(frozen=True, slots=True)
class SleepInfo:
    """PM1a and PM1b registers as (address space id, address)."""

    pm1x_cnt: tuple[tuple[int, int], tuple[int, int]]
    pm1x_evt: tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class FacsMismatch:
    """The FADT's 32 and 64 bit addresses of the FACS, and the width that Xen used."""

    address32: int
    address64: int
    using: int


@dataclass(frozen=True, slots=True)
class Mcfg:
    """A PCI memory-mapped configuration area; used is None if Xen did not say."""

    index: int
    base: int
    segment: int
    first_bus: int
    last_bus: int
    used: bool | None = None


@dataclass(frozen=True, slots=True)
class IrqLimits:
    """How many interrupts Xen can handle."""

    gsi: int
    msi: int


@dataclass(frozen=True, slots=True)
class CpuFailure:
    """A CPU that did not come up; error is Xen's negative errno, None if it does not say."""

    cpu: int
    error: int | None


@dataclass(frozen=True, slots=True)
class Hvm:
    """Hardware virtualisation: kind is SVM or VMX; pvh is what Xen says about PVH mode."""

    kind: str | None = None
    asids: bool | None = None
    hap: bool | None = None
    hap_page_sizes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    pvh: str | None = None


@dataclass(frozen=True, slots=True)
class AddressRange:
    """A part of a domain's memory as Xen prints it: the end is the first address behind it."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Dom0Build:
    """How dom0 was built; kind is PV, PVH or None (older Xen, ARM). Ends are exclusive.

    Attributes:
        kernel_module, initrd_module: where its modules were (ARM).
        paddr, initrd, dtb: where kernel, initrd and device tree were copied to.
    """

    kind: str | None = None
    xen_kernel: str | None = None
    kernel: str | None = None
    paddr: AddressRange | None = None
    alloc: AddressRange | None = None
    pages_to_allocate: int | None = None
    initrd: AddressRange | None = None
    virtual: tuple[AddressRange, ...] = ()
    entry: int | None = None
    max_vcpus: int | None = None
    max_pirqs: int | None = None
    memory_mb: int | None = None
    banks: tuple[AddressRange, ...] = ()
    kernel_module: int | None = None
    initrd_module: int | None = None
    dtb: AddressRange | None = None


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """A domain beside dom0: how Xen built it (dom0less), and what it printed. Ends are exclusive.

    Attributes:
        cpus, memory_kb: as its node asks for them.
        kernel_module, initrd_module: where its modules were.
        paddr, initrd, dtb: where kernel, initrd and device tree were copied to.
        line_count: lines that it printed; of them, the first and last 20 are kept.
        panicked: the panic of the kernel in it, and its line; it is not the board's.
        crashed: what Xen said when it killed the domain.
    """

    cpus: int | None = None
    memory_kb: int | None = None
    memory_mb: int | None = None
    banks: tuple[AddressRange, ...] = ()
    kernel_module: int | None = None
    initrd_module: int | None = None
    paddr: AddressRange | None = None
    initrd: AddressRange | None = None
    dtb: AddressRange | None = None
    line_count: int = 0
    first_lines: tuple[str, ...] = ()
    last_lines: tuple[str, ...] = ()
    panicked: str | None = None
    panicked_line: int | None = None
    crashed: str | None = None


@dataclass(frozen=True, slots=True)
class ArmModule:
    """A boot module as Xen lists it; kind is "Xen", "Device Tree", "Kernel", "Ramdisk" ..."""

    index: int
    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class ModuleCommandLine:
    """The bootargs of a module: its address, the name of the node above it, and the text."""

    address: int
    node: str
    text: str


@dataclass(frozen=True, slots=True)
class Arm:
    """What only ARM says.

    Attributes:
        midr: the CPU's Main ID register.
        execution: states that it has: "64", "32".
        gic_dist_address ... gic_vcpu_address: of the interrupt controller's parts.
        timer_irqs: as printed ("phys=30 hyp=26 virt=27").
        cpus_booted: CPUs beside the first that reported, in the order of the log.
        ram, modules, module_command_lines: printed only to a console that works early. Ends of
            modules are exclusive.
    """

    processor: str | None = None
    midr: int | None = None
    execution: tuple[str, ...] = ()
    psci: str | None = None
    smccc: str | None = None
    gic: str | None = None
    gic_lines: int | None = None
    gic_cpus: int | None = None
    gic_dist_address: int | None = None
    gic_cpu_address: int | None = None
    gic_hyp_address: int | None = None
    gic_vcpu_address: int | None = None
    gic_maintenance_irq: int | None = None
    timer_khz: int | None = None
    timer_irqs: str | None = None
    p2m: str | None = None
    platform: str | None = None
    cpus_booted: tuple[int, ...] = ()
    ram: tuple[MemoryRange, ...] = ()
    modules: tuple[ArmModule, ...] = ()
    module_command_lines: tuple[ModuleCommandLine, ...] = ()


@dataclass(frozen=True, slots=True)
class XenFacts:
    """Everything that Xen said about one boot.

    Attributes:
        console_owner: who gets what is typed: "DOM0", "DOM1", "Xen"; the last one said.
        domains: those beside dom0, by their ids.
        errors: what went wrong on ARM, explained.
    """

    version: str | None = None
    version_tuple: tuple[int, ...] = ()
    distribution_version: str | None = None
    banner: str | None = None
    compiler: str | None = None
    debug: bool | None = None
    build_date: str | None = None
    build_id: str | None = None
    bootloader: str | None = None
    command_line: str | None = None
    e820: tuple[MemoryRange, ...] = ()
    system_ram_kb: int | None = None
    cpu: Cpu | None = None
    acpi_tables: tuple[AcpiTable, ...] = ()
    lapic_address: int | None = None
    lapics: tuple[Lapic, ...] = ()
    lapic_nmis: tuple[LapicNmi, ...] = ()
    ioapics: tuple[IoApic, ...] = ()
    int_overrides: tuple[IntOverride, ...] = ()
    irqs_used_by_override: tuple[int, ...] = ()
    hpet: Hpet | None = None
    pm_timer: PmTimer | None = None
    sleep_info: SleepInfo | None = None
    sleep_modes: tuple[str, ...] = ()
    facs_mismatch: FacsMismatch | None = None
    mcfg: tuple[Mcfg, ...] = ()
    cpus_allowed: int | None = None
    cpus_hotplug: int | None = None
    irq_limits: IrqLimits | None = None
    ivrs: IvrsHeader | None = None
    ivrs_found: tuple[IvrsBlock, ...] = ()
    ivrs_blocks: tuple[IvrsBlock, ...] = ()
    ivmd_blocks: tuple[IvmdBlock, ...] = ()
    ivhd_type_used: int | None = None
    iommu_features: tuple[str, ...] = ()
    iommus_enabled: int = 0
    iommu: IommuState = field(default_factory=IommuState)
    hvm: Hvm = Hvm()
    cpus_brought_up: int | None = None
    cpus_failed: tuple[CpuFailure, ...] = ()
    cpus_not_responding: int = 0
    scheduler: str | None = None
    platform_timer: str | None = None
    mhz: float | None = None
    nmi_unknown_reason: int | None = None
    no_irq_handler: tuple[tuple[int, int], ...] = ()
    dom0: Dom0Build = Dom0Build()
    pci_added: tuple[str, ...] = ()
    pci_removed: tuple[str, ...] = ()
    console_owner: str | None = None
    init_memory_freed_kb: int | None = None
    arm: Arm = Arm()
    domains: dict[int, DomainFacts] = field(default_factory=dict)
    errors: tuple[Diagnosis, ...] = ()

    @property
    def boot_finished(self) -> bool:
        """True once Xen has freed its init code: it is up and dom0 may run."""
        return self.init_memory_freed_kb is not None
