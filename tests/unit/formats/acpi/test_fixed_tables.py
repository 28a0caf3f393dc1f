"""RSDP, RSDT and XSDT, FADT, FACS, HPET, MCFG: their fields, each at its place."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.acpi import facs, fadt, gas, hpet, mcfg, rsdp, rsdt
from harness.formats.acpi.facs import Facs
from harness.formats.acpi.fadt import Fadt
from harness.formats.acpi.gas import Gas
from harness.formats.acpi.header import Header, sealed
from harness.formats.acpi.hpet import Hpet
from harness.formats.acpi.layout import Layout
from harness.formats.acpi.mcfg import Allocation, Mcfg
from harness.formats.acpi.rsdp import Rsdp
from harness.formats.acpi.rsdt import Rsdt


def header(signature: str, revision: int = 1) -> Header:
    return Header(signature, 0, revision, 0, "COREv4", "COREBOOT", 0, "CORE", 0)


def test_rsdp_of_acpi_1() -> None:
    data = bytes.fromhex("5253442050545220 e1 424f43485320 00 4c1bfe07")
    pointer = rsdp.parse(data)
    assert pointer == Rsdp("BOCHS ", 0, 0x07FE1B4C, checksum=0xE1)
    assert rsdp.build(pointer) == data
    assert pointer.extended_checksum_ok is None
    assert rsdp.sealed(pointer).checksum_ok


def test_rsdp_of_acpi_2_has_two_checksums() -> None:
    pointer = rsdp.sealed(Rsdp("COREv4", 2, 0xCFFB59B0, xsdt_address=0x1CFFB5A00))
    data = rsdp.build(pointer)
    assert len(data) == 36
    assert sum(data[:20]) % 256 == sum(data) % 256 == 0
    assert data[20:32] == struct.pack("<IQ", 36, 0x1CFFB5A00)
    assert rsdp.parse(data) == pointer
    first = rsdp.parse(data[:8] + bytes([data[8] ^ 1]) + data[9:])
    assert (first.checksum_ok, first.extended_checksum_ok) == (False, False)
    second = rsdp.parse(data[:35] + b"\1")
    assert (second.checksum_ok, second.extended_checksum_ok) == (True, False)


def test_rsdp_cut_anywhere_is_refused() -> None:
    data = rsdp.build(rsdp.sealed(Rsdp("OEM", 2, 1, xsdt_address=2, trailing=b"more")))
    assert rsdp.parse(data).trailing == b"more"
    for size in range(len(data)):
        with pytest.raises(FormatError):
            rsdp.parse(data[:size])


@given(st.binary(min_size=28, max_size=60))
def test_rsdp_is_built_as_it_was(rest: bytes) -> None:
    data = rsdp.SIGNATURE + rest
    try:
        pointer = rsdp.parse(data)
    except FormatError as bad:
        assert bad.field == "Length"  # noqa: PT017
        return
    made = rsdp.build(pointer)
    assert data.startswith(made)
    assert len(made) >= 20


def test_rsdp_is_found_on_boundaries_of_16_bytes_only() -> None:
    memory = bytearray(0x200)
    for at in (0x10, 0x28, 0x1F0):
        memory[at : at + 8] = rsdp.SIGNATURE
    assert rsdp.find(bytes(memory)) == (0x10, 0x1F0)
    assert rsdp.parse(bytes(memory), 0x10).revision == 0
    with pytest.raises(FormatError):
        rsdp.parse(bytes(memory), 0x1F0)


def test_what_does_not_fit_a_pointer() -> None:
    for bad in (Rsdp("1234567", 0, 0), Rsdp("", 0, 1 << 32), Rsdp("", 2, 0, xsdt_address=1 << 64)):
        with pytest.raises(FormatError, match="does not fit"):
            rsdp.build(bad)


@pytest.mark.parametrize(("signature", "width"), [("RSDT", 4), ("XSDT", 8)])
def test_pointers_to_tables(signature: str, width: int) -> None:
    data = sealed(rsdt.build(Rsdt(header(signature), (0x1000, 0xFFFFFFFF))))
    assert len(data) == 36 + 2 * width
    table = rsdt.parse(data)
    assert table.entries == (0x1000, 0xFFFFFFFF)
    odd = sealed(data + b"abc")
    assert rsdt.parse(odd).entries == table.entries
    assert rsdt.parse(odd).trailing == b"abc"
    with pytest.raises(FormatError, match="does not fit"):
        rsdt.build(replace(table, entries=(1 << 8 * width,)))


def test_facs() -> None:
    data = bytearray(range(64))
    data[:8] = b"FACS" + struct.pack("<I", 64)
    table = facs.parse(bytes(data) + b"behind")
    assert table.hardware_signature == 0x0B0A0908
    assert table.waking_vector == 0x0F0E0D0C
    assert table.global_lock == 0x13121110
    assert table.flags == 0x17161514
    assert table.x_waking_vector == 0x1F1E1D1C1B1A1918
    assert (table.version, table.ospm_flags) == (32, 0x27262524)
    assert table.reserved == (bytes(range(33, 36)), bytes(range(40, 64)))
    assert facs.build(table) == bytes(data) + b"behind"
    assert facs.parse(facs.build(Facs())) == Facs()
    for size in range(64):
        with pytest.raises(FormatError):
            facs.parse(bytes(data[:size]))
    with pytest.raises(FormatError):
        facs.parse(b"FACS" + struct.pack("<I", 65) + bytes(56))


def test_hpet_of_the_southbridge() -> None:
    data = bytes.fromhex(
        "48504554 38000000 01 00 434f52457634 434f5245424f4f54 00000000 434f5245 00000000"
        "01822210 00400000 0000d0fe00000000 00 8037 00"
    )
    table = hpet.parse(sealed(data))
    assert table.base == Gas(0, 0x40, 0, 0, 0xFED00000)
    assert (table.number, table.minimum_tick, table.attributes) == (0, 0x3780, 0)
    assert (table.revision_id, table.comparators, table.vendor_id) == (1, 3, 0x1022)
    assert (table.counter_64bit, table.legacy_replacement) == (False, True)
    made = Hpet(table.header, 0xFFFFFFFF, table.base)
    assert (made.comparators, made.counter_64bit, made.legacy_replacement) == (32, True, True)
    with pytest.raises(FormatError, match="does not fit"):
        hpet.build(replace(table, minimum_tick=1 << 16))


def test_mcfg() -> None:
    table = Mcfg(header("MCFG"), (Allocation(0xF8000000, 0, 0, 63), Allocation(1 << 40, 1, 2, 3)))
    data = sealed(mcfg.build(table))
    assert data[44:60] == struct.pack("<QHBBI", 0xF8000000, 0, 0, 63, 0)
    assert mcfg.parse(data).allocations == table.allocations
    odd = mcfg.parse(sealed(data + bytes(15)))
    assert (odd.allocations, odd.trailing) == (table.allocations, bytes(15))
    with pytest.raises(FormatError, match="does not fit"):
        mcfg.build(replace(table, allocations=(Allocation(0, 0, 0, 256),)))


def fadt_of(size: int) -> bytes:
    raw = bytes(index * 7 & 0xFF for index in range(size))
    return sealed(b"FACP" + raw[4:])


@pytest.mark.parametrize(
    ("size", "last"),
    [
        (116, "flags"),
        (128, "reset_reg"),
        (132, "minor_version"),
        (244, "x_gpe1_blk"),
        (268, "sleep_status_reg"),
        (276, "hypervisor_id"),
    ],
)
def test_fadt_of_each_revision_ends_with_its_last_field(size: int, last: str) -> None:
    data = fadt_of(size)
    table = fadt.parse(data)
    present = [one.name for one in fields(Fadt) if getattr(table, one.name) is not None]
    assert present[-2:] == [last, "rest"]
    assert table.rest == b""
    assert fadt.build(table) == data
    assert table.checksum_ok


@pytest.mark.parametrize("size", range(116, 300))
def test_fadt_of_any_length_keeps_what_makes_no_field(size: int) -> None:
    data = fadt_of(size)
    assert fadt.build(fadt.parse(data)) == data
    for cut in (size - 1, 115, 36):
        with pytest.raises(FormatError):
            fadt.parse(data[:cut])


def test_fadt_fields_have_the_places_that_iasl_gives_them(
    tool: Callable[[str], str], tmp_path: Path
) -> None:
    # Every byte differs from its neighbours, so a field at a wrong place has a wrong value.
    table = fadt.parse(fadt_of(276))
    raw = fadt.build(replace(table, header=replace(table.header, revision=6)))
    (tmp_path / "facp.dat").write_bytes(sealed(raw))
    subprocess.run([tool("iasl"), "-d", "facp.dat"], cwd=tmp_path, check=True, capture_output=True)
    text = (tmp_path / "facp.dsl").read_text("latin-1")
    rows = {
        int(at, 16): int(value.replace(" ", ""), 16)
        for at, size, value in re.findall(
            r"^\[([0-9A-F]{3})h \d{4} +([0-9A-F]{1,3})h?\] +[^:]+ : ([0-9A-F]+)\b", text, re.M
        )
    }
    at = 36
    compared = 0
    for one in fields(Fadt)[1:-1]:
        value = getattr(table, one.name)
        if isinstance(value, Gas):
            assert rows[at + 4] == value.address, one.name
            at += gas.SIZE
        else:
            assert rows.get(at, value) == value, one.name
            at += Layout(dict(sizes())[one.name], ("",)).size
        compared += at in rows
    assert compared > 45


def sizes() -> list[tuple[str, str]]:
    return [(name, kind) for kind, name, _words in fadt._FIELDS]


def test_fadt_says_where_facs_dsdt_and_timer_are() -> None:
    old = Fadt(header("FACP"), firmware_ctrl=1, dsdt=2, pm_tmr_blk=0x818, pm_tmr_len=4)
    assert (old.facs_address, old.dsdt_address) == (1, 2)
    assert old.pm_timer == Gas(gas.SYSTEM_IO, 32, 0, 0, 0x818)
    assert replace(old, pm_tmr_blk=0).pm_timer is None
    timer = Gas(gas.SYSTEM_IO, 32, 0, 3, 0x608)
    new = replace(old, x_firmware_ctrl=3, x_dsdt=0, x_pm_tmr_blk=timer)
    assert (new.facs_address, new.dsdt_address, new.pm_timer) == (3, 2, timer)
    assert replace(new, x_pm_tmr_blk=Gas()).pm_timer == old.pm_timer


def test_fadt_without_a_field_in_the_middle_is_not_built() -> None:
    with pytest.raises(FormatError, match="RESET_REG before it has none"):
        fadt.build(Fadt(header("FACP"), reset_value=6))
    with pytest.raises(FormatError, match="does not fit"):
        fadt.build(Fadt(header("FACP"), sci_int=1 << 16))
    with pytest.raises(FormatError, match="does not fit"):
        fadt.build(Fadt(header("FACP"), reset_reg=Gas(space=256)))
