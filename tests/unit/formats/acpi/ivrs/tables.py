"""Tables for tests, small ones written by hand, and where the real ones are."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from harness.formats.acpi.header import Header, with_checksum
from harness.formats.acpi.ivrs import Ivhd, Ivrs, entries, finish

ROOT = Path(__file__).resolve().parents[5]
CORPUS = ROOT.parent / "shared" / "acpi-corpus"


def raw_table(blocks: bytes, ivinfo: int = 0x203040, length: int | None = None) -> bytes:
    """A table with these bytes as its blocks, with a right checksum."""
    size = 48 + len(blocks) if length is None else length
    head = struct.pack("<4sIBB6s8sI4sI", b"IVRS", size, 2, 0, b"HARNES", b"TEST", 1, b"TEST", 1)
    return with_checksum(head + struct.pack("<IQ", ivinfo, 0) + blocks)


def raw_ivhd(content: bytes, length: int | None = None, kind: int = 0x10) -> bytes:
    """An IVHD of 00:00.2 with this content."""
    efr = b"" if kind == 0x10 else struct.pack("<QQ", 0x58F77EF22294ADE, 0)
    size = 24 + len(efr) + len(content) if length is None else length
    head = struct.pack("<BBHHHQHHI", kind, 0x30, size, 2, 0x40, 0xFEB80000, 0, 0, 0)
    return head + efr + content


def apu2() -> Ivrs:
    """Two IVHDs as firmware makes them for one IOMMU with two I/O APICs."""
    devices = (
        *entries.device_range(0x08, 0xFFFE),
        *entries.alias_range(0xFF00, 0xFFFF, 0xA5),
        entries.pad4(),
        entries.hpet(0, 0xA0),
        entries.ioapic(4, 0xA0, 0xD7),
        entries.ioapic(5, 0x01),
    )
    common = (0xB0, 0, 2, 0x40, 0xFEB80000, 0, 0)
    blocks = (
        Ivhd(0x10, *common, 0x80048F6F, None, None, devices),
        Ivhd(0x11, *common, 0x40200, 0x58F77EF22294ADE, 0, devices),
    )
    header = Header("IVRS", 0, 2, 0, "AMD", "AGESA", 1, "AMD", 0)
    return finish(Ivrs(header, 0x203041, 0, blocks))


def corpus(name: str = "IVRS.bin") -> list[Path]:
    """The real tables of that name; skips the test where the collection is not."""
    found = sorted(CORPUS.glob(f"*/{name}"))
    if not found:
        pytest.skip(f"the collection of real ACPI tables is not at {CORPUS}")
    return found
