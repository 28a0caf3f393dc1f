"""The I/O Virtualization Reporting Structure, AMD's ACPI table of IOMMUs. Pure.

Source: AMD I/O Virtualization Technology (IOMMU) Specification, document 48882, chapter 5.
`model` has the blocks and `device_entry` the device entries, with their constants; `names` has
the specification's words for the bits; `entries` makes device entries; `ranges` pairs the starts
of ranges with their ends.
"""

from harness.formats.acpi.ivrs.building import build, build_block, finish, with_length
from harness.formats.acpi.ivrs.device_entry import DeviceEntry, bdf
from harness.formats.acpi.ivrs.model import Block, Ivhd, Ivmd, Ivrs, UnknownBlock
from harness.formats.acpi.ivrs.parsing import parse, parse_with_faults

__all__ = [
    "Block",
    "DeviceEntry",
    "Ivhd",
    "Ivmd",
    "Ivrs",
    "UnknownBlock",
    "bdf",
    "build",
    "build_block",
    "finish",
    "parse",
    "parse_with_faults",
    "with_length",
]
