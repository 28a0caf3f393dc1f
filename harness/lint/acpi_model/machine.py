"""The machine that the tables describe, or fail to: what Xen finds there."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.formats.acpi.tableset import TableSet

RAM: Literal[1] = 1
RESERVED: Literal[2] = 2
ACPI_DATA = 3
ACPI_NVS = 4
UNUSABLE = 5

CONFIG_SIZE = 256
IOMMU_CAPABILITY = 0x0F  # PCI capability "secure device", of which the IOMMU is type 3
IOMMU_CAPABILITY_TYPE = 3
EFR_SUP_BIT = 27


@dataclass(frozen=True, slots=True)
class Region:
    """A line of the E820 map: bytes [start, end), type as in the ACPI specification, 15."""

    start: int
    end: int
    type: int


@dataclass(frozen=True, slots=True)
class Ioapic:
    """An IOAPIC of the MADT; the one with GSI 0 has the ISA interrupts."""

    id: int
    address: int = 0xFEC00000
    gsi_base: int = 0


def iommu_config(
    capability: int = 0x40, msi: int = 0x60, *, efr_sup: bool = True, vendor: int = 0x1022
) -> bytes:
    """The 256 bytes of PCI configuration space of an IOMMU, as far as Xen looks at them.

    Args:
        capability: offset of the IOMMU's capability block.
        msi: offset of its MSI capability; 0 for none.
        efr_sup: bit 27 of the capability header, the extended feature register exists.
        vendor: PCI vendor id.
    """
    config = bytearray(CONFIG_SIZE)
    struct.pack_into("<HHHH", config, 0, vendor, 0x1419, 0, 0x10)
    struct.pack_into("<I", config, 8, 0x08060000)
    config[0x34] = capability
    header = IOMMU_CAPABILITY | msi << 8 | IOMMU_CAPABILITY_TYPE << 16 | efr_sup << EFR_SUP_BIT
    struct.pack_into("<I", config, capability & 0xFC, header)
    if msi:
        struct.pack_into("<BBH", config, msi, 0x05, 0, 0x80)
    return bytes(config)


# -M q35 with -vga none -net none: Intel's host bridge, ISA bridge, AHCI and SMBus. Only the
# words that could be taken for an IOMMU's capability would matter; none of them can.
_OTHER = bytes(CONFIG_SIZE)
QEMU_E820 = (
    Region(0, 0x9FC00, RAM),
    Region(0x9FC00, 0xA0000, RESERVED),
    Region(0xF0000, 0x100000, RESERVED),
    Region(0x100000, 0x0FFFF000, RAM),
    Region(0x0FFFF000, 0x10000000, RESERVED),
    Region(0xB0000000, 0xC0000000, RESERVED),
    Region(0xFED1C000, 0xFED20000, RESERVED),
    Region(0xFFFC0000, 0x100000000, RESERVED),
    Region(0xFD00000000, 0x10000000000, RESERVED),
)
QEMU_EFR = 0x29D3  # prefetch, PPR, GT, IA, GA, HE; GATS 48 bits, HATS 6 levels


@dataclass(frozen=True)
class Machine:
    """What is there, whatever the tables say. The default is QEMU 7.2's q35.

    `-M q35 -device amd-iommu,intremap=on -vga none -net none -m 256`, one IOMMU.

    Attributes:
        functions: PCI functions by segment << 16 | bus << 8 | device << 3 | function, with
            their configuration space.
        iommu_bases: physical addresses at which the registers of an IOMMU answer, by the
            IOMMU's PCI function.
        efr: extended feature registers, by the IOMMU's PCI function.
        ioapics: as the MADT has them, in its order; None to read them from the MADT.
        mute_ioapics: addresses of those whose registers read as all ones: Xen ignores them.
        ioapic_requesters: device ids that IOAPICs send interrupts with, by their address; an
            IOAPIC that is not listed uses the one that the table tells.
        e820: the memory map; None if it is not known: IVMD ranges are then taken to be
            in reserved memory.
        errors_complete_waits: the IOMMU sets ComWaitInt when it logs an illegal command too, as
            QEMU 7.2 does.
        physical_bits: width of a physical address of the processors.
        cpus: how many there are.
        x2apic: the processors have x2APIC, so that Xen sets up the IOMMU twice.
        cx16: the processors have CMPXCHG16B.
        interrupt_remapping: False with iommu=no-intremap.
        memory: bytes that Xen can allocate.
        sp5100_combined: the SB7x0 erratum 28 applies.
        iommu_off: an option turned the IOMMU off.
        after_table: bytes that lie behind the IVRS in memory; then zeros.
    """

    functions: Mapping[int, bytes] = field(
        default_factory=lambda: {
            0x00: _OTHER,
            0x08: iommu_config(),
            0xF8: _OTHER,
            0xFA: _OTHER,
            0xFB: _OTHER,
        }
    )
    iommu_bases: Mapping[int, int] = field(default_factory=lambda: {0x08: 0xFED80000})
    efr: Mapping[int, int] = field(default_factory=lambda: {0x08: QEMU_EFR})
    ioapics: tuple[Ioapic, ...] | None = None
    mute_ioapics: frozenset[int] = frozenset()
    ioapic_requesters: Mapping[int, int] = field(default_factory=lambda: {0xFEC00000: 0xA0})
    e820: tuple[Region, ...] | None = QEMU_E820
    errors_complete_waits: bool = True
    physical_bits: int = 40
    cpus: int = 1
    x2apic: bool = False
    cx16: bool = True
    interrupt_remapping: bool = True
    memory: int = 1 << 28
    sp5100_combined: bool = False
    iommu_off: bool = False
    after_table: bytes = b""

    @property
    def highest_function(self) -> int:
        return max(self.functions, default=0)

    def with_(self, **changes: object) -> Machine:
        """The same machine but for some attributes."""
        return replace(self, **changes)  # type: ignore[arg-type]

    @classmethod
    def described_by(cls, tables: TableSet, **changes: object) -> Machine:
        """The machine for which the tables tell the truth about where its IOMMUs are.

        Each IVHD block (10h, 11h, 40h) makes an IOMMU at its device id, with a capability
        block where it says and registers that answer at its base. The memory map is not
        known. This is what lint assumes of a machine of which it has the tables only.
        """
        functions: dict[int, bytes] = {0: _OTHER}
        bases: dict[int, int] = {}
        efr: dict[int, int] = {}
        table = tables.find("IVRS")
        data = table.data if table else b""
        offset = 48
        while offset + 24 <= len(data):
            kind, _flags, length, device, capability, base, segment = struct.unpack_from(
                "<BBHHHQH", data, offset
            )
            if kind in (0x10, 0x11, 0x40):
                function = segment << 16 | device
                msi = 0x64 if capability < 0x64 else 0x40
                functions.setdefault(function, iommu_config(capability & 0xFF, msi))
                bases.setdefault(function, base)
                if kind != 0x10 and offset + 32 <= len(data):
                    efr[function] = int(struct.unpack_from("<Q", data, offset + 24)[0])
            if length == 0:
                break
            offset += length
        machine = cls(
            functions=functions,
            iommu_bases=bases,
            efr=efr,
            ioapic_requesters={},
            e820=None,
            errors_complete_waits=False,
            physical_bits=52,
        )
        return machine.with_(**changes) if changes else machine
