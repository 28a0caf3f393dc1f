from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.acpi.show import show, show_all
from harness.acpi.table_sections import table_sections
from harness.formats.acpi.ivrs import Ivmd, Ivrs, UnknownBlock, build, entries, finish
from harness.formats.acpi.tableset import RawTable, TableSet
from tests.unit.formats.acpi.ivrs.tables import apu2, corpus, raw_ivhd, raw_table
from tests.unit.formats.acpi.strategies import ivrs_tables

SIGNATURES = ["IVRS", "APIC", "HPET", "MCFG", "FACP", "FACS", "RSDT", "XSDT", "RSD PTR ", "DSDT"]


def shown(data: bytes, signature: str = "IVRS") -> str:
    return show(RawTable(signature, data, "table.bin"))


def row(text: str, start: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(start)]
    return found


def test_a_table_reads_like_its_specification() -> None:
    text = shown(build(apu2()))
    assert text.startswith("IVRS, 208 bytes, revision 2, of 'AMD' 'AGESA', from table.bin\n")
    assert row(text, "  024").endswith("IVinfo: 00203041h  EFRSup, GVASize=2, PASize=48, VASize=64")
    assert "IVHD type 10h, IOMMU 00:00.2  (72 bytes at 030h)" in text
    assert row(text, "  031") == (
        "  031  b0                       Flags: B0h (176)  IotlbSup, Coherent, PPRSup"
    )
    assert row(text, "  038") == (
        "  038  00 00 b8 fe 00 00 00 00  IOMMU Base Address: 00000000FEB80000h"
    )
    assert "Device entry 3, start of range: 00:01.0;" in row(text, "  048")
    assert row(text, "  068") == (
        "  068  48 00 00 d7 04 a0 00 01  Device entry 72, IOAPIC: handle 4; source device 00:14.0;"
        " DTE setting D7h (INITPass, EIntPass, NMIPass, SysMgt=1, Lint0Pass, Lint1Pass)"
    )
    assert "EFR Register Image: 058F77EF22294ADEh  PPRSup, XTSup, NXSup, GTSup," in text


def test_memory_definitions_acpi_devices_and_unknown_blocks() -> None:
    good = apu2()
    acpi = entries.acpi_hid(0xA5, "AMDI0020", uid="\\_SB.FUR0", data=0x40)
    blocks = (
        replace(good.ivhds[1], type=0x40, entries=(acpi,)),
        Ivmd(0x22, 8, 32, 0x300, 0x3FF, 0, 0x7132F000, 0x26000),
        Ivmd(0x20, 7, 32, 0, 0, 0, 0x1000, 0),
        UnknownBlock(0x51, bytes.fromhex("51080800 00030000")),
    )
    text = shown(build(finish(replace(good, blocks=blocks))))
    assert (
        "ACPI HID device: 00:14.5; HID 'AMDI0020'; no CID; UID string \\_SB.FUR0;"
        " DTE setting 40h (Lint0Pass)" in text
    )
    assert "IVMD type 22h, a range of devices" in text
    assert "Device ID: 0300h (768)  03:00.0" in text
    assert "Auxiliary Data: 03FFh (1023)  to 03:1f.7" in text
    assert "IVMD Memory Block Length: 0000000000026000h  to 71354FFFh" in text
    assert "IVMD Memory Block Length: 0000000000000000h  no memory" in text
    assert "Block of type 51h, unknown  (8 bytes at " in text


def test_what_is_wrong_is_said_where_it_is() -> None:
    data = bytearray(build(apu2()))
    data[9] ^= 1
    wrong = data[9]
    assert f"wrong: {wrong ^ 1:02X}h would be right" in row(shown(bytes(data)), "  009")
    assert "but there are 100 bytes" in row(shown(bytes(data[:100])), "  004")
    assert "the length is wrong" in row(shown(bytes(data[:100])), "  009")
    text = shown(raw_table(raw_ivhd(b"", length=0)))
    assert "No block can be read here  (24 bytes at 030h)" in text
    assert "a block of type 10h with length 0" in row(text, "  030")
    assert "but the block has 26 bytes" in shown(raw_table(raw_ivhd(b"\2\0", length=99)))
    assert "No whole device entry: 2 bytes" in shown(raw_table(raw_ivhd(b"\2\0")))
    assert "too short for its type" in shown(raw_table(raw_ivhd(b"", length=8)[:8]))


def test_a_madt() -> None:
    content = bytes.fromhex("0000e0fe 01000000 010c2100 0010c0fe 18000000 7f040102 0305")
    head = b"APIC" + (36 + len(content)).to_bytes(4, "little") + bytes(28)
    text = shown(head + content, "APIC")
    assert "I/O APIC  (12 bytes at 02Ch)" in text
    assert "I/O APIC ID: 21h (33)" in text
    assert "I/O APIC Address: FEC01000h" in text
    assert "Interrupt controller structure  (4 bytes at 038h)" in text
    assert "NMI Source  (2 bytes at 03Ch)" in text
    assert "Length: 05h  but 2 are left" in text


def test_notes_and_reconstructions_stand_at_the_top() -> None:
    table = RawTable("IVRS", build(apu2()), "a.log", reconstructed=True, notes=("made up",))
    first, second, *_ = show(table).splitlines()
    assert first.endswith("from a.log, RECONSTRUCTED")
    assert second == "  note: made up"


def test_what_a_reconstruction_does_not_know_is_not_shown_as_a_value() -> None:
    table = RawTable("IVRS", build(apu2()), reconstructed=True, unknown=(range(56, 64),))
    text = show(table)
    assert row(text, "  038").endswith("IOMMU Base Address: not known")
    assert row(text, "  036").endswith("Capability Offset: 0040h (64)")


def test_a_long_field_is_cut() -> None:
    text = shown(b"DSDT" + (5036).to_bytes(4, "little") + bytes(5028), "DSDT")
    assert "... 4744 bytes more" in text
    assert text.count("\n") < 60


def test_a_set_is_shown_in_its_order() -> None:
    one = RawTable("IVRS", build(apu2()))
    text = show_all(TableSet((one, RawTable("XXXX", b"XXXX"))))
    assert text.index("IVRS, 208 bytes") < text.index("XXXX, 4 bytes")


def covered(data: bytes) -> bytes:
    fields = [field for section in table_sections(data) for field in section.fields]
    at = 0
    for field in fields:
        assert field.offset == at, field
        at += len(field.data)
    return b"".join(field.data for field in fields)


@given(st.sampled_from(SIGNATURES), st.binary(max_size=400), st.integers(0, 500))
def test_every_byte_is_shown_once_whatever_the_table_says(
    signature: str, rest: bytes, length: int
) -> None:
    data = signature.encode() + rest
    if len(signature) == 4:
        data = signature.encode() + length.to_bytes(4, "little") + rest
    assert covered(data) == data
    assert shown(data, signature)


@given(ivrs_tables(), st.integers(0, 60))
def test_every_byte_of_a_valid_table_is_shown_once(table: Ivrs, cut: int) -> None:
    data = build(table)
    assert covered(data) == data
    assert covered(data[: -cut or None]) == data[: -cut or None]
    assert "No block can be read" not in shown(data)


@pytest.mark.parametrize("name", ["IVRS", "APIC", "HPET", "MCFG"])
def test_every_byte_of_the_tables_of_real_machines(name: str) -> None:
    for file in corpus(f"{name}.bin"):
        data = file.read_bytes()
        assert covered(data) == data, file
        assert "Behind" not in shown(data), file
