"""The specification's names for the bits of an IVRS.

Source: AMD IOMMU Specification (48882): chapter "I/O Virtualization ACPI Table", and for the EFR
images the registers at MMIO offsets 0030h and 01A0h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.formats.acpi.ivrs import device_entry as d
from harness.formats.acpi.ivrs import model


@dataclass(frozen=True, slots=True)
class Bits:
    """One field of a number: `width` bits from bit `low` on."""

    name: str
    low: int
    width: int = 1

    @property
    def mask(self) -> int:
        return ((1 << self.width) - 1) << self.low

    def of(self, value: int) -> int:
        """The field's value."""
        return (value & self.mask) >> self.low


Layout = tuple[Bits, ...]

IVINFO: Final[Layout] = (
    Bits("EFRSup", 0),
    Bits("DmaRemapSup", 1),
    Bits("GVASize", 5, 3),
    Bits("PASize", 8, 7),
    Bits("VASize", 15, 7),
    Bits("HtAtsResv", 22),
)
_IVHD_FLAGS: Final[Layout] = (
    Bits("HtTunEn", 0),
    Bits("PassPW", 1),
    Bits("ResPassPW", 2),
    Bits("Isoc", 3),
    Bits("IotlbSup", 4),
    Bits("Coherent", 5),
)
_IVHD_FLAGS_10H: Final[Layout] = (*_IVHD_FLAGS, Bits("PreFSup", 6), Bits("PPRSup", 7))
IOMMU_INFO: Final[Layout] = (Bits("MSInum", 0, 5), Bits("UnitID", 8, 5))
_ATTRIBUTES: Final[Layout] = (
    Bits("PNCounters", 13, 4),
    Bits("PNBanks", 17, 6),
    Bits("MsiNumPPR", 23, 5),
)
_FEATURES_10H: Final[Layout] = (
    Bits("XTSup", 0),
    Bits("NXSup", 1),
    Bits("GTSup", 2),
    Bits("GLXSup", 3, 2),
    Bits("IASup", 5),
    Bits("GASup", 6),
    Bits("HESup", 7),
    Bits("PASmax", 8, 5),
    *_ATTRIBUTES,
    Bits("GATS", 28, 2),
    Bits("HATS", 30, 2),
)
EFR: Final[Layout] = (
    Bits("PreFSup", 0),
    Bits("PPRSup", 1),
    Bits("XTSup", 2),
    Bits("NXSup", 3),
    Bits("GTSup", 4),
    Bits("GAPPISup", 5),
    Bits("IASup", 6),
    Bits("GASup", 7),
    Bits("HESup", 8),
    Bits("PCSup", 9),
    Bits("HATS", 10, 2),
    Bits("GATS", 12, 2),
    Bits("GLXSup", 14, 2),
    Bits("SmiFSup", 16, 2),
    Bits("SmiFRC", 18, 3),
    Bits("GAMSup", 21, 3),
    Bits("DualPprLogSup", 24, 2),
    Bits("DualEventLogSup", 28, 2),
    Bits("SATSSup", 31),
    Bits("PASmax", 32, 5),
    Bits("USSup", 37),
    Bits("DevTblSegSup", 38, 2),
    Bits("PprOvrflwEarlySup", 40),
    Bits("PPRAutoRspSup", 41),
    Bits("MarcSup", 42, 2),
    Bits("BlkStopMrkSup", 44),
    Bits("PerfOptSup", 45),
    Bits("MsiCapMmioSup", 46),
    Bits("GIOSup", 48),
    Bits("HASup", 49),
    Bits("EPHSup", 50),
    Bits("AttrFWSup", 51),
    Bits("HDSup", 52),
    Bits("InvIotlbTypeSup", 54),
    Bits("vIommuSup", 55),
    Bits("VmGuardIOSup", 56),
    Bits("VmTableSize", 57, 4),
    Bits("GAUpdateDisSup", 61),
    Bits("ForcePhyDestSup", 62),
    Bits("SNPSup", 63),
)
DTE_FLAGS: Final[Layout] = (
    Bits("INITPass", 0),
    Bits("EIntPass", 1),
    Bits("NMIPass", 2),
    Bits("SysMgt", 4, 2),
    Bits("Lint0Pass", 6),
    Bits("Lint1Pass", 7),
)
EXTENDED_DTE: Final[Layout] = (Bits("AtsDisabled", 31),)
IVMD_FLAGS: Final[Layout] = (
    Bits("Unity", 0),
    Bits("IR", 1),
    Bits("IW", 2),
    Bits("ExclusionRange", 3),
)

ENTRY_NAMES: Final = {
    d.PAD4: "4-byte padding",
    d.ALL: "all devices",
    d.SELECT: "select device",
    d.RANGE_START: "start of range",
    d.RANGE_END: "end of range",
    d.PAD8: "8-byte padding",
    d.ALIAS_SELECT: "alias select",
    d.ALIAS_RANGE_START: "alias start of range",
    d.EXTENDED_SELECT: "extended select",
    d.EXTENDED_RANGE_START: "extended start of range",
    d.SPECIAL: "special device",
    d.ACPI_HID: "ACPI HID device",
}
IVMD_NAMES: Final = {
    model.IVMD_ALL: "all devices",
    model.IVMD_SELECT: "one device",
    model.IVMD_RANGE: "a range of devices",
}
VARIETY_NAMES: Final = {d.VARIETY_IOAPIC: "IOAPIC", d.VARIETY_HPET: "HPET"}
UID_FORMAT_NAMES: Final = {
    d.UID_NONE: "none",
    d.UID_INTEGER: "integer",
    d.UID_STRING: "string",
}


def ivhd_flags(ivhd_type: int) -> Layout:
    """The layout of an IVHD's flags: bits 6 and 7 exist in type 10h only."""
    return _IVHD_FLAGS_10H if ivhd_type == model.IVHD_10H else _IVHD_FLAGS


def ivhd_features(ivhd_type: int) -> Layout:
    """The layout of the 32 bits at offset 20: features in type 10h, attributes in the others."""
    return _FEATURES_10H if ivhd_type == model.IVHD_10H else _ATTRIBUTES


def reserved_bits(value: int, layout: Layout) -> int:
    """The bits set in `value` that no field of the layout has."""
    for bits in layout:
        value &= ~bits.mask
    return value


def spell(value: int, layout: Layout) -> str:
    """The fields that are not 0: "IotlbSup, PASmax=15, reserved bits 20h"; "none" if all are."""
    words = []
    for bits in layout:
        number = bits.of(value)
        if number:
            words.append(bits.name if bits.width == 1 else f"{bits.name}={number}")
    left = reserved_bits(value, layout)
    if left:
        words.append(f"reserved bits {left:X}h")
    return ", ".join(words) or "none"
