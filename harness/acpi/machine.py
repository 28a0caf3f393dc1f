"""The emulated machine that tables are asked about: what of it a table can name."""

from __future__ import annotations

from dataclasses import dataclass

from harness.acpi.builder import HPET_ADDRESS, IOAPIC_ADDRESS


@dataclass(frozen=True)
class Machine:
    """A machine in QEMU; the defaults are q35 with nothing but an amd-iommu in it.

    The amd-iommu has no address property: without other devices it is 00:01.0.

    Attributes:
        machine, cpu, devices: of QEMU. acpi=off leaves ACPI to the tables that it is given.
        iommu, capability, base: of the IOMMU: its device id, the offset of its capability in
            configuration space, the address of its registers.
        ioapic, hpet: addresses; it has one of each.
        config_space: address of PCI configuration space (segment 0, buses 0 to 255).
    """

    emulator: str = "qemu-system-x86_64"
    machine: str = "q35,kernel-irqchip=split,acpi=off"
    # MONITOR is announced by TCG and faults; SMAP stops a PV dom0: as in the apu2's profile.
    cpu: str = "EPYC,monitor=off,smap=off"
    devices: tuple[str, ...] = ("amd-iommu,intremap=on",)
    iommu: int = 0x0008
    capability: int = 0x40
    base: int = 0xFED80000
    ioapic: int = IOAPIC_ADDRESS
    hpet: int = HPET_ADDRESS
    config_space: int = 0xB0000000


Q35 = Machine()
