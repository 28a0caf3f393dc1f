"""The DSDT: the part of ACPI that is a program, here as short as an operating system takes it.

A PCI host bridge and the way to switch off: Linux finds no PCI device without the bridge. Xen
does not run AML. Source: ACPI 6.5, chapter 19 (ASL) and 20 (AML); PCI Firmware Specification
3.3, section 4.1, for the host bridge.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness import tools
from harness.errors import InfraError
from harness.formats.acpi.header import Header, build_header, sealed

ASL = r"""DefinitionBlock ("", "DSDT", 2, "HARNES", "MINIMAL ", 1)
{
    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
                    0x0000, 0x0000, 0x00FF, 0x0000, 0x0100)
                IO (Decode16, 0x0CF8, 0x0CF8, 0x01, 0x08)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0x0000, 0x0000, 0x0CF7, 0x0000, 0x0CF8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0x0000, 0x0D00, 0xFFFF, 0x0000, 0xF300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable,
                    ReadWrite,
                    0x00000000, 0x000A0000, 0x000BFFFF, 0x00000000, 0x00020000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,
                    ReadWrite,
                    0x00000000, 0xC0000000, 0xFEBFFFFF, 0x00000000, 0x3EC00000)
            })
        }
    }
    Name (_S5, Package () { 0x00, 0x00, 0x00, 0x00 })
}
"""
"""The source of `minimal_dsdt`."""

# What iasl makes of it, without the header: a boot needs no compiler. A test compares them.
_AML = bytes.fromhex(
    "10400a5f53425f5b82480950434930085f4849440c41d00a08085f4349440c41d00a03085f55494400085f43"
    "52531142070a6e880d00020c0000000000ff00000000014701f80cf80c0108880d00010c0300000000f70c00"
    "00f80c880d00010c030000000dffff000000f3871700000c030000000000000a00ffff0b0000000000000002"
    "00871700000c0100000000000000c0ffffbffe000000000000c03e7900085f53355f12060400000000"
)


def minimal_dsdt() -> bytes:
    """The DSDT of `ASL`."""
    header = Header("DSDT", 0, 2, 0, "HARNES", "MINIMAL", 1, "INTL", 0x20200925)
    return sealed(build_header(header) + _AML)


def compile_asl(source: str) -> bytes:
    """A table from ASL source, through iasl.

    Raises:
        ToolMissing: iasl is not installed.
        ToolFailed: the source has errors; with what iasl says of them.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="harness-asl-") as name:
            folder = Path(name)
            (folder / "table.asl").write_text(source, encoding="ascii", errors="replace")
            tools.run(["iasl", "-p", "table", "table.asl"], cwd=folder, timeout=60)
            return (folder / "table.aml").read_bytes()
    except OSError as bad:
        raise InfraError.of(bad, "cannot compile ASL") from None
