"""Damage with a name, in the language of `mutations`.

They fit any IVRS that has what they touch, such as an IOAPIC entry. Addresses of memory are
QEMU's: 0xfed1c000 is reserved there, 0x8000000 is RAM.
"""

from __future__ import annotations

from typing import Final

NAMED: Final[dict[str, str]] = {
    "good": "",
    "no-ivrs": "drop ivrs",
    "checksum-bad": "checksum=bad",
    # Special devices
    "ioapic-missing": "drop ioapic[*]",
    "hpet-missing": "drop hpet[*]",
    "ioapic-unknown": "ioapic[0].handle=0x2a",
    "ioapic-not-southbridge": "ioapic[*].source_id=0x00f8",
    "ioapic-duplicate": "dup ioapic[0]",
    "ioapic-conflicting": "dup ioapic[0]; ioapic[1].source_id=0x00f8",
    "hpet-twice": "dup hpet[0]",
    "special-variety": "hpet[0].variety=7",
    # The IOMMU
    "base-zero": "ivhd[*].base=0",
    "base-wrong": "ivhd[*].base=0xfeb80000",
    "iommu-id-zero": "ivhd[*].device_id=0",
    "iommu-id-wrong": "ivhd[*].device_id=0x0003",
    "capability-zero": "ivhd[*].capability=0",
    "capability-wrong": "ivhd[*].capability=0x60",
    # Lengths
    "ivhd-length-zero": "ivhd[0].length=0",
    "ivhd-length-short": "ivhd[0].length=16",
    "ivhd-length-long": "ivhd[-1].length=0x2000",
    "table-short": "cut 8",
    "table-without-blocks": "cut to 48",
    # Device entries
    "range-reversed": "range[0].device_id=0xff; range[0].end=0x08",
    "range-without-end": "range[0].end_type=2",
    "entry-unknown": "entry[0].type=0x99",
    "only-padding": "drop entry[*]; add entry 00000000000000000000000000000000",
    "select-last-bus": "add entry 02ffff00",
    "alias-out-of-range": "add entry 4210000000f8ff00",
    "ranges-overlapping": "add entry 0310000004200000",
    "special-truncated": "cut entry[-1] 4",
    # Blocks
    "iommu-twice": "dup ivhd[0]",
    "iommu-absent-second": "dup ivhd[0]; ivhd[1].device_id=0x0003",
    "only-type-11": "retype ivhd[0] 0x11; ivrs.ivinfo&=0xfffffffe",
    "types-10-and-11": "dup ivhd[0]; retype ivhd[1] 0x11; ivrs.ivinfo|=1",
    "only-type-40": "retype ivhd[0] 0x40",
    "efr-sup-no-features": "ivrs.ivinfo|=1; ivhd[0].features=0",
    # Memory
    "ivmd-reserved": "ivrs.ivinfo=0x00142800; add ivmd 0x20 start=0xfed1c000",
    "ivmd-ram": "ivrs.ivinfo=0x00142800; add ivmd 0x21 device_id=0x10 start=0x8000000",
    "ivmd-id-out-of-range": (
        "ivrs.ivinfo=0x00142800; add ivmd 0x21 device_id=0xfff8 start=0xfed1c000"
    ),
    "ivmd-range-reversed": (
        "ivrs.ivinfo=0x00142800; add ivmd 0x22 device_id=0x20 aux=0x10 start=0xfed1c000"
    ),
    "ivmd-overlapping": (
        "ivrs.ivinfo=0x00142800; add ivmd 0x21 device_id=0x10 start=0xfed1c000 size=0x2000; "
        "add ivmd 0x21 device_id=0x10 start=0xfed1d000 size=0x2000"
    ),
    "ivmd-flags-zero": (
        "ivrs.ivinfo=0x00142800; add ivmd 0x21 flags=0 device_id=0x10 start=0xfed1c000"
    ),
    "ivmd-exclusion": "ivrs.ivinfo=0x00142800; add ivmd 0x20 flags=8 start=0xfed1c000",
    "ivmd-length-short": "add ivmd 0x20 start=0xfed1c000; cut ivmd[-1] 16",
    "ivmd-beyond-width": "ivrs.ivinfo=0x00142800; add ivmd 0x20 start=0x10000000000000",
    "ivmd-without-iommu": (
        "ivrs.ivinfo=0x00142800; range[0].end=0x87; add ivmd 0x21 device_id=0x88 start=0xfed1c000"
    ),
    "ivmd-empty": "ivrs.ivinfo=0x00142800; add ivmd 0x20 start=0xfed1c000 size=0",
    "ivmd-nothing": "ivrs.ivinfo=0x00142800; add ivmd 0x20 start=0 size=0",
    "ivmd-first-page": "ivrs.ivinfo=0x00142800; add ivmd 0x20 start=0 size=1",
}
