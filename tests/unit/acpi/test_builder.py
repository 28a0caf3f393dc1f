from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.acpi.builder import (
    SOUTHBRIDGE,
    Spec,
    Timer,
    build,
    coreboot_ivrs,
    q35_ivrs,
    with_roots,
)
from harness.acpi.dsdt import ASL, compile_asl, minimal_dsdt
from harness.board.load import load
from harness.errors import ToolFailed
from harness.formats.acpi import fadt, hpet, ivrs, madt, mcfg, rsdt
from harness.formats.acpi.header import checksum, parse_header
from harness.formats.acpi.ivrs import Ivhd
from harness.formats.acpi.tableset import RawTable, TableSet


@pytest.fixture(scope="module")
def iasl() -> str:
    if shutil.which("iasl") is None:
        message = "iasl is missing: apt-get install acpica-tools"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return "iasl"


def data_of(tables: TableSet, signature: str) -> bytes:
    table = tables.find(signature)
    assert table, signature
    return table.data


def test_a_set_has_what_a_machine_needs() -> None:
    tables = build(Spec(ivrs=q35_ivrs()))
    assert [table.signature for table in tables.tables] == [
        *("RSD PTR ", "RSDT", "XSDT", "FACP", "FACS", "DSDT", "APIC", "HPET", "MCFG", "IVRS"),
    ]
    for table in tables.tables:
        if table.signature not in ("RSD PTR ", "FACS"):
            assert parse_header(table.data).length == len(table.data), table.signature
            assert checksum(table.data) == 0, table.signature


def test_the_roots_have_an_entry_for_each_table_that_they_list() -> None:
    tables = build(Spec(hpet=None, mcfg=(), others=(minimal_dsdt().replace(b"DSDT", b"SSDT"),)))
    assert tables.find("HPET") is None
    assert tables.find("MCFG") is None
    assert tables.find("IVRS") is None
    for signature in ("RSDT", "XSDT"):
        assert len(rsdt.parse(data_of(tables, signature)).entries) == 3  # FACP, APIC, SSDT


def test_roots_are_replaced() -> None:
    tables = build(Spec())
    again = with_roots((*tables.tables, RawTable("SSDT", b"SSDT")))
    assert len(again.all("XSDT")) == len(again.all("RSD PTR ")) == 1
    assert len(rsdt.parse(data_of(again, "XSDT")).entries) == 5


def test_the_madt_has_exactly_the_cpus() -> None:
    table = madt.parse(data_of(build(Spec(cpus=3)), "APIC"))
    assert [(one.processor_uid, one.enabled) for one in table.processors] == [
        (0, True),
        (1, True),
        (2, True),
    ]
    assert [one.id for one in table.ioapics] == [0]


def test_what_is_q35s_is_at_q35s_ports_and_addresses() -> None:
    tables = build(Spec())
    power = fadt.parse(data_of(tables, "FACP"))
    assert (power.pm1a_evt_blk, power.pm1a_cnt_blk, power.sci_int) == (0x600, 0x604, 9)
    assert power.pm_timer
    assert power.pm_timer.address == 0x608
    assert hpet.parse(data_of(tables, "HPET")).base.address == 0xFED00000
    assert mcfg.parse(data_of(tables, "MCFG")).allocations[0].base == 0xB0000000


def test_a_board_brings_its_cpus_ioapics_and_hpet() -> None:
    board = load("apu2")
    spec = Spec.of_board(board.hardware)
    assert spec.cpus == 4
    assert [(one.id, one.address, one.gsi_base) for one in spec.ioapics] == [
        (4, 0xFEC00000, 0),
        (5, 0xFEC20000, 24),
    ]
    assert spec.hpet == Timer(0x10228201, 0xFED00000)


def test_the_ivrs_of_coreboot_for_the_apu2() -> None:
    table = ivrs.parse(coreboot_ivrs(base=0xFEB00000), strict=True)
    assert (table.header.oem_table_id, table.header.revision) == ("COREBOOT", 2)
    assert not table.efr_sup
    (block,) = table.blocks
    assert isinstance(block, Ivhd)
    assert (block.type, block.device_id, block.capability, block.base) == (
        *(0x10, 0x0002, 0x40, 0xFEB00000),
    )
    start, end, timer, southbridge, northbridge = block.entries
    assert (start.device_id, end.device_id) == (0x0008, 0x00FE)
    assert (timer.variety, timer.handle, timer.source_id, timer.data) == (2, 0, SOUTHBRIDGE, 0)
    assert (southbridge.handle, southbridge.source_id, southbridge.data) == (4, SOUTHBRIDGE, 0xD7)
    assert (northbridge.handle, northbridge.source_id, northbridge.data) == (5, 0x0001, 0)
    assert checksum(coreboot_ivrs(base=0xFEB00000)) == 0


def test_with_extended_features_coreboot_makes_a_second_block() -> None:
    data = coreboot_ivrs(base=0xFEB00000, flags=0xFE, efr=0x1234, functions=(0x100,))
    table = ivrs.parse(data, strict=True)
    assert table.efr_sup
    old, new = table.blocks
    assert isinstance(old, Ivhd)
    assert isinstance(new, Ivhd)
    assert (old.flags, new.flags, new.type, new.efr) == (0xFE, 0x3E, 0x11, 0x1234)
    assert new.entries == old.entries
    wide = [entry for entry in old.entries if entry.size == 8]
    assert {(entry.offset - old.offset - 24) % 8 for entry in wide} == {0}


def test_the_aml_is_what_iasl_makes_of_the_source(iasl: str) -> None:
    compiled = compile_asl(ASL)
    assert minimal_dsdt()[36:] == compiled[36:]
    assert len(minimal_dsdt()) == len(compiled)


def test_a_source_with_an_error_says_which(iasl: str) -> None:
    with pytest.raises(ToolFailed, match="syntax error"):
        compile_asl(ASL.replace("Scope", "Skope"))


def test_iasl_finds_nothing_wrong_with_our_tables(iasl: str, tmp_path: Path) -> None:
    for table in build(Spec(cpus=2, ivrs=q35_ivrs())).tables:
        if table.signature == "RSD PTR ":
            continue
        file = tmp_path / f"{table.signature}.bin"
        file.write_bytes(table.data)
        done = subprocess.run(
            [iasl, "-d", file.name], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        said = (done.stdout + done.stderr).lower()
        for word in ("error", "warning", "invalid", "incorrect", "truncat"):
            assert word not in said.replace("0 errors", "").replace("0 warnings", ""), said
