"""Complete sets of ACPI tables: what a machine needs to boot, from a few parameters.

Sources: ACPI 6.5, section 5.2; for what is at which port and address on q35, QEMU's hw/isa
and hw/i386/acpi-build.c; for the apu2's IVRS, coreboot's northbridge/amd/pi/00730F01.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.acpi.dsdt import minimal_dsdt
from harness.board.hardware import Hardware
from harness.formats.acpi import facs, fadt, gas, hpet, ivrs, madt, mcfg, rsdp, rsdt
from harness.formats.acpi.gas import Gas
from harness.formats.acpi.header import Header, sealed
from harness.formats.acpi.ivrs import Ivhd, Ivrs, entries
from harness.formats.acpi.madt import InterruptOverride, IoApic, LocalApic, LocalApicNmi
from harness.formats.acpi.mcfg import Allocation
from harness.formats.acpi.tableset import RawTable, TableSet

OEM_ID = "HARNES"
OEM_TABLE_ID = "HARNESS"
CREATOR = "HRNS"
ORIGIN = "made"

LAPIC_ADDRESS = 0xFEE00000
IOAPIC_ADDRESS = 0xFEC00000
HPET_ADDRESS = 0xFED00000
_IOAPIC_INPUTS = 24

# What the RSDT and XSDT do not list: others lead to these.
_UNLISTED = frozenset({"RSD PTR ", "RSDT", "XSDT", "FACS", "DSDT"})


@dataclass(frozen=True)
class Timer:
    """A HPET: the low half of its capabilities, its address, and its number for the IVRS."""

    block_id: int = 0x8086A201
    address: int = HPET_ADDRESS
    number: int = 0


@dataclass(frozen=True)
class Power:
    """The ports of ACPI's fixed hardware; the defaults are q35's under SeaBIOS.

    Attributes:
        sci: the interrupt of ACPI events.
        base: of the PM1 event block; control is at +4, the timer at +8, GPE0 at +20h.
        smi: the port that turns ACPI mode on (by the value `enable`) and off (`disable`).
    """

    sci: int = 9
    base: int = 0x600
    smi: int = 0xB2
    enable: int = 2
    disable: int = 3


# IRQ 0 is at input 2; the SCI is level-triggered, active high, as the ICH9 has it.
_OVERRIDES = (InterruptOverride(0, 0, 2, 0), InterruptOverride(0, 9, 9, 0xD))


@dataclass(frozen=True)
class Spec:
    """What a table set says; the defaults are QEMU's q35 with one CPU.

    Attributes:
        cpus: as many as the machine has, exactly: an operating system waits seconds for each
            that does not start. APIC ids from 0.
        ioapics: the first one takes the ISA interrupts.
        overrides: ISA interrupts that are not identity-mapped.
        hpet: None for none.
        mcfg: where PCI configuration space is in memory; none makes no MCFG.
        ivrs: the table, whole, true or not; None for none.
        dsdt: the table; None = a minimal one.
        others: more tables, to be listed after these.
    """

    cpus: int = 1
    ioapics: tuple[IoApic, ...] = (IoApic(0, 0, IOAPIC_ADDRESS, 0),)
    overrides: tuple[InterruptOverride, ...] = _OVERRIDES
    hpet: Timer | None = Timer()
    mcfg: tuple[Allocation, ...] = (Allocation(0xB0000000, 0, 0, 0xFF),)
    power: Power = Power()
    ivrs: bytes | None = None
    dsdt: bytes | None = None
    others: tuple[bytes, ...] = ()

    @classmethod
    def of_board(cls, hardware: Hardware, *, ivrs: bytes | None = None) -> Spec:
        """What a profile states of CPUs, I/O APICs and HPET; q35's for what it does not state.

        The I/O APICs have 24 inputs each, one behind the other.
        """
        spec = cls(ivrs=ivrs)
        if hardware.cpu:
            spec = replace(spec, cpus=hardware.cpu.count)
        if hardware.ioapics:
            spec = replace(
                spec,
                ioapics=tuple(
                    IoApic(one.id, 0, one.address, number * _IOAPIC_INPUTS)
                    for number, one in enumerate(hardware.ioapics)
                ),
            )
        if hardware.hpet:
            spec = replace(spec, hpet=Timer(hardware.hpet.id, hardware.hpet.address))
        return spec


def build(spec: Spec) -> TableSet:
    """The tables of a machine, from the root pointer on, with right lengths and checksums.

    Addresses of tables are 0: who puts them into memory knows them (`formats.acpi.fwcfg`).

    Raises:
        FormatError: a value that its field has no room for.
    """
    tables = [
        RawTable("FACP", fixed_description(spec.power), ORIGIN),
        RawTable("FACS", facs.build(facs.Facs()), ORIGIN),
        RawTable("DSDT", spec.dsdt or minimal_dsdt(), ORIGIN),
        RawTable("APIC", interrupt_controllers(spec), ORIGIN),
    ]
    if spec.hpet:
        tables.append(RawTable("HPET", event_timer(spec.hpet), ORIGIN))
    if spec.mcfg:
        made = mcfg.build(mcfg.Mcfg(_header("MCFG", 1), spec.mcfg))
        tables.append(RawTable("MCFG", sealed(made), ORIGIN))
    if spec.ivrs is not None:
        tables.append(RawTable("IVRS", spec.ivrs, ORIGIN))
    tables += [RawTable(one[:4].decode("latin-1"), one, ORIGIN) for one in spec.others]
    return with_roots(tables)


def with_roots(tables: Iterable[RawTable]) -> TableSet:
    """A set with a root pointer, an RSDT and an XSDT that have an entry for each table.

    Those that are there are replaced.
    """
    kept = tuple(t for t in tables if t.signature not in ("RSD PTR ", "RSDT", "XSDT"))
    count = sum(table.signature not in _UNLISTED for table in kept)
    roots = [RawTable("RSD PTR ", rsdp.build(rsdp.sealed(rsdp.Rsdp(OEM_ID, 2, 0))), ORIGIN)]
    for signature in ("RSDT", "XSDT"):
        made = rsdt.build(rsdt.Rsdt(_header(signature, 1), (0,) * count))
        roots.append(RawTable(signature, sealed(made), ORIGIN))
    return TableSet((*roots, *kept), ORIGIN)


def fixed_description(power: Power) -> bytes:
    """A FADT of revision 3 (ACPI 2.0), whose registers are I/O ports."""
    base = power.base
    fields = fadt.Fadt(
        _header("FACP", 3),
        int_model=1,
        sci_int=power.sci,
        smi_cmd=power.smi,
        acpi_enable=power.enable,
        acpi_disable=power.disable,
        pm1a_evt_blk=base,
        pm1a_cnt_blk=base + 4,
        pm_tmr_blk=base + 8,
        gpe0_blk=base + 0x20,
        pm1_evt_len=4,
        pm1_cnt_len=2,
        pm_tmr_len=4,
        gpe0_blk_len=16,
        # No C2 and C3 state.
        p_lvl2_lat=0xFFF,
        p_lvl3_lat=0xFFF,
        century=0x32,
        # WBINVD, C1 on all CPUs, SLP_BUTTON and RTC_S4 as in QEMU, RESET_REG_SUP.
        flags=0x1 | 0x4 | 0x20 | 0x80 | 0x400,
        reset_reg=Gas(gas.SYSTEM_IO, 8, 0, 0, 0xCF9),
        reset_value=0xF,
        arm_boot_arch=0,
        minor_version=0,
        x_firmware_ctrl=0,
        x_dsdt=0,
        x_pm1a_evt_blk=Gas(gas.SYSTEM_IO, 32, 0, 0, base),
        x_pm1b_evt_blk=Gas(),
        x_pm1a_cnt_blk=Gas(gas.SYSTEM_IO, 16, 0, 0, base + 4),
        x_pm1b_cnt_blk=Gas(),
        x_pm2_cnt_blk=Gas(),
        x_pm_tmr_blk=Gas(gas.SYSTEM_IO, 32, 0, 0, base + 8),
        x_gpe0_blk=Gas(gas.SYSTEM_IO, 128, 0, 0, base + 0x20),
        x_gpe1_blk=Gas(),
    )
    return sealed(fadt.build(fields))


def interrupt_controllers(spec: Spec) -> bytes:
    """A MADT with the spec's CPUs, I/O APICs and overrides; NMI is LINT 1 of every CPU."""
    lapics = (LocalApic(number, number) for number in range(spec.cpus))
    nmi = LocalApicNmi(0xFF, 0, 1)
    made = madt.Madt(
        _header("APIC", 1),
        LAPIC_ADDRESS,
        madt.PCAT_COMPAT,
        (*lapics, *spec.ioapics, *spec.overrides, nmi),
    )
    return sealed(madt.build(made))


def event_timer(timer: Timer) -> bytes:
    """An HPET table."""
    base = Gas(gas.SYSTEM_MEMORY, 0, 0, 0, timer.address)
    return sealed(hpet.build(hpet.Hpet(_header("HPET", 1), timer.block_id, base, timer.number)))


def q35_ivrs(
    *, iommu: int = 0x0008, capability: int = 0x40, base: int = 0xFED80000, ioapic: int = 0
) -> bytes:
    """The smallest IVRS that Xen enables QEMU's amd-iommu with; the defaults are where it is.

    One IVHD of type 10h with the devices of bus 0 from 00:01.0 on, the I/O APIC and the HPET.
    """
    devices = (
        *entries.device_range(0x0008, 0x00FF),
        entries.ioapic(ioapic, SOUTHBRIDGE),
        entries.hpet(0, SOUTHBRIDGE),
    )
    block = Ivhd(0x10, 0xD1, 0, iommu, capability, base, entries=devices)
    return ivrs.build(ivrs.finish(Ivrs(_header("IVRS", 2), 0, 0, (block,))))


SOUTHBRIDGE = 0x00A0
"""00:14.0, whose id requests of the southbridge's I/O APIC and HPET carry."""


def coreboot_ivrs(
    *,
    base: int,
    ioapics: Iterable[int] = (4, 5),
    flags: int = 0,
    info: int = 0,
    features: int = 0,
    efr: int | None = None,
    functions: Iterable[int] = (),
) -> bytes:
    """The IVRS that coreboot makes for a GX-412TC (the apu2).

    What coreboot copies from AMD's AGESA, or finds on the board, is an argument here.

    Args:
        base: of the IOMMU's registers: the BAR at 44h of 00:00.2, which coreboot assigns.
        ioapics: ids of the southbridge's I/O APIC and the northbridge's.
        flags, info, features: of the IVHD, from AGESA.
        efr: the extended features register; with one, the IVinfo says EFRSup, and there is a
            block of type 11h too.
        functions: ids of functions behind bridges, each an entry of its own.

    Raises:
        FormatError: a value that its field has no room for.
    """
    southbridge, *northbridges = ioapics
    devices = (
        *entries.device_range(0x0008, 0x00FE),
        *(entries.select(one) for one in functions),
    )
    padding = (entries.pad4(),) if sum(one.size for one in devices) % 8 else ()
    devices = (
        *devices,
        *padding,  # eight-byte entries start on a boundary of eight bytes
        entries.hpet(0, SOUTHBRIDGE),
        entries.ioapic(southbridge, SOUTHBRIDGE, 0xD7),
        *(entries.ioapic(one, 0x0001) for one in northbridges),
    )
    iommu, capability = 0x0002, 0x40
    block = Ivhd(0x10, flags, 0, iommu, capability, base, 0, info, features, entries=devices)
    blocks = [block]
    if efr is not None:
        blocks.append(replace(block, type=0x11, flags=flags & 0x3F, features=0, efr=efr, efr2=0))
    header = Header("IVRS", 0, 2, 0, "CORE  ", "COREBOOT", 0, "CORE", 0)
    table = Ivrs(header, 0 if efr is None else 1, 0, tuple(blocks))
    return ivrs.build(ivrs.finish(table))


def _header(signature: str, revision: int) -> Header:
    return Header(signature, 0, revision, 0, OEM_ID, OEM_TABLE_ID, 1, CREATOR, 1)
