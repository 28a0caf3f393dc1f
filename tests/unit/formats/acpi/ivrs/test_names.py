from __future__ import annotations

import pytest

from harness.formats.acpi.ivrs import names
from harness.formats.acpi.ivrs.names import Bits, Layout, reserved_bits, spell

LAYOUTS: dict[str, tuple[Layout, int]] = {
    "IVinfo": (names.IVINFO, 32),
    "flags 10h": (names.ivhd_flags(0x10), 8),
    "flags 11h": (names.ivhd_flags(0x11), 8),
    "info": (names.IOMMU_INFO, 16),
    "features": (names.ivhd_features(0x10), 32),
    "attributes": (names.ivhd_features(0x40), 32),
    "EFR": (names.EFR, 64),
    "DTE": (names.DTE_FLAGS, 8),
    "extended DTE": (names.EXTENDED_DTE, 32),
    "IVMD": (names.IVMD_FLAGS, 8),
}
# Of the chapter's tables: the bits that are reserved.
RESERVED = {
    "IVinfo": 0xFF80001C,
    "flags 10h": 0,
    "flags 11h": 0xC0,
    "info": 0xE0E0,
    "features": 0,
    "attributes": 0xF0001FFF,
    "DTE": 0x08,
    "extended DTE": 0x7FFFFFFF,
    "IVMD": 0xF0,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_bit_has_two_names(name: str) -> None:
    layout, width = LAYOUTS[name]
    seen = 0
    for bits in layout:
        assert not bits.mask & seen, bits.name
        assert bits.mask < 1 << width
        seen |= bits.mask
    assert len({bits.name for bits in layout}) == len(layout)


@pytest.mark.parametrize("name", RESERVED)
def test_the_reserved_bits(name: str) -> None:
    layout, width = LAYOUTS[name]
    assert reserved_bits((1 << width) - 1, layout) == RESERVED[name]


def test_a_real_machine() -> None:
    """What a ThinkPad's firmware says, and what Xen prints of the same register."""
    assert spell(0x203043, names.IVINFO) == "EFRSup, DmaRemapSup, GVASize=2, PASize=48, VASize=64"
    assert spell(0xB0, names.ivhd_flags(0x10)) == "IotlbSup, Coherent, PPRSup"
    assert spell(0xB0, names.ivhd_flags(0x11)) == "IotlbSup, Coherent, reserved bits 80h"
    assert spell(0x80048F6F, names.ivhd_features(0x10)) == (
        "XTSup, NXSup, GTSup, GLXSup=1, IASup, GASup, PASmax=15, PNCounters=4, PNBanks=2, HATS=2"
    )
    assert spell(0, names.EFR) == "none"


def test_fields_of_several_bits() -> None:
    bits = Bits("HATS", 10, 2)
    assert bits.mask == 0xC00
    assert bits.of(0xFFFF_FBFF) == 2
