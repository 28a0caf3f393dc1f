"""The ACPI tables of a boot: what the user gave, completed and fitted to the emulated machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.acpi.builder import Spec, build, coreboot_ivrs, q35_ivrs
from harness.board import Board, load
from harness.build.acpi import FILES, boot_tables, write_tables
from harness.errors import FormatError, InputError, UsageError, UserError
from harness.formats.acpi import ivrs, madt
from harness.formats.acpi.fwcfg import LOADER, RSDP, TABLES, parse_script
from harness.formats.acpi.tableset import TableSet

APU2 = coreboot_ivrs(base=0xF7F00000)
CORPUS = Path(__file__).parents[4] / "shared" / "acpi-corpus"


def file_of(folder: Path, data: bytes, name: str = "table.bin") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def with_machine(**changes: object) -> Board:
    board = load("apu2")
    assert board.targets.qemu
    machine = board.targets.qemu.model_copy(update=changes)
    return board.model_copy(update={"targets": board.targets.model_copy(update={"qemu": machine})})


def data_of(tables: TableSet, signature: str) -> bytes:
    table = tables.find(signature)
    assert table
    return table.data


def ids(tables: TableSet) -> list[tuple[int, int]]:
    return [(one.id, one.address) for one in madt.parse(data_of(tables, "APIC")).ioapics]


def test_an_ivrs_of_the_board_gets_the_boards_ioapics(tmp_path: Path) -> None:
    path = file_of(tmp_path, APU2)
    made = boot_tables(load("apu2"), ivrs_file=path, acpi=None)
    assert made.files == (str(path),)
    assert ids(made.tables) == [(4, 0xFEC00000), (5, 0xFEC20000)]
    assert len(madt.parse(data_of(made.tables, "APIC")).processors) == 4
    (block,) = ivrs.parse(data_of(made.tables, "IVRS")).ivhds
    assert (block.device_id, block.capability, block.base) == (0x08, 0x40, 0xFED80000)
    signatures = {table.signature for table in made.tables.tables}
    assert {
        "RSD PTR ",
        "XSDT",
        "FACP",
        "FACS",
        "DSDT",
        "APIC",
        "HPET",
        "MCFG",
        "IVRS",
    } <= signatures
    assert any("board apu2 (4, 5)" in one for one in made.changes)
    assert any("device id 00:00.2" in one for one in made.changes)


def test_an_ioapic_that_the_ivrs_forgets_is_in_the_madt_all_the_same(tmp_path: Path) -> None:
    path = file_of(tmp_path, coreboot_ivrs(base=0xF7F00000, ioapics=(4,)))
    made = boot_tables(load("apu2"), ivrs_file=path, acpi=None)
    assert [one for one, _address in ids(made.tables)] == [4, 5]


def test_an_ivrs_of_another_machine_brings_its_own_ioapics(tmp_path: Path) -> None:
    path = file_of(tmp_path, coreboot_ivrs(base=0xF7F00000, ioapics=(33, 34)))
    made = boot_tables(load("apu2"), ivrs_file=path, acpi=None)
    assert [one for one, _address in ids(made.tables)] == [33, 34]
    assert any("those that the IVRS names (33, 34)" in one for one in made.changes)


def test_one_for_the_emulated_machine_is_not_changed(tmp_path: Path) -> None:
    path = file_of(tmp_path, q35_ivrs())
    made = boot_tables(load("apu2"), ivrs_file=path, acpi=None)
    assert data_of(made.tables, "IVRS") == q35_ivrs()
    assert [one for one in made.changes if one.startswith("IVRS")] == []


def test_a_set_keeps_its_madt_and_an_ivrs_beside_it_replaces_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    tables = build(Spec(cpus=2, ivrs=APU2))
    for signature in ("APIC", "IVRS"):
        file_of(folder, data_of(tables, signature), signature)
    other = file_of(tmp_path, q35_ivrs())
    made = boot_tables(load("apu2"), ivrs_file=other, acpi=folder)
    assert made.files == (str(folder), str(other))
    assert ids(made.tables) == [(0, 0xFEC00000)]
    assert [one.data for one in made.tables.all("IVRS")] == [q35_ivrs()]
    assert any("2 processors replaced by the emulated machine's 4" in one for one in made.changes)


def test_a_set_without_an_ivrs_gets_none(tmp_path: Path) -> None:
    path = file_of(tmp_path, data_of(build(Spec()), "APIC"))
    assert boot_tables(load("apu2"), ivrs_file=None, acpi=path).tables.find("IVRS") is None


def test_a_file_without_an_ivrs_is_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path, data_of(build(Spec()), "APIC"))
    with pytest.raises(InputError, match="no IVRS, but APIC") as caught:
        boot_tables(load("apu2"), ivrs_file=path, acpi=None)
    assert "--acpi" in str(caught.value)


def test_two_ivrs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 IVRS"):
        boot_tables(load("apu2"), ivrs_file=file_of(tmp_path, APU2 + APU2), acpi=None)


def test_garbage_is_a_format_error_with_its_offset(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as caught:
        boot_tables(load("apu2"), ivrs_file=file_of(tmp_path, bytes(64)), acpi=None)
    assert caught.value.offset == 0


@pytest.mark.parametrize("length", range(0, len(APU2), 7))
def test_a_truncated_table_boots_or_is_refused(tmp_path: Path, length: int) -> None:
    path = file_of(tmp_path, APU2[:length])
    try:
        made = boot_tables(load("apu2"), ivrs_file=path, acpi=None)
    except UserError as bad:
        assert str(path) in str(bad)  # noqa: PT017 -- either outcome is right
    else:
        assert made.tables.find("IVRS")


def test_several_iommus_are_refused_with_the_reason(tmp_path: Path) -> None:
    table = ivrs.parse(APU2)
    (block,) = table.ivhds
    two = ivrs.finish(replace(table, blocks=(block, replace(block, device_id=0x0102))))
    with pytest.raises(InputError, match="2 IOMMUs"):
        boot_tables(load("apu2"), ivrs_file=file_of(tmp_path, ivrs.build(two)), acpi=None)


@pytest.mark.parametrize("name", ["apu2-no-iommu", "virt-arm64", "cubieboard2"])
def test_a_machine_without_an_iommu_takes_no_tables(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no IOMMU at|no emulated machine of type q35"):
        boot_tables(load(name), ivrs_file=file_of(tmp_path, APU2), acpi=None)


def test_the_iommu_must_be_where_the_tables_say(tmp_path: Path) -> None:
    board = with_machine(devices=("e1000e", "amd-iommu,intremap=on"))
    with pytest.raises(UsageError, match="that is e1000e"):
        boot_tables(board, ivrs_file=file_of(tmp_path, APU2), acpi=None)


def test_what_is_written_is_what_firmware_loads(tmp_path: Path) -> None:
    made = boot_tables(load("apu2"), ivrs_file=file_of(tmp_path, APU2), acpi=None)
    work = tmp_path / "work"
    work.mkdir()
    write_tables(made.tables, work)
    assert data_of(made.tables, "IVRS") in (work / FILES[TABLES]).read_bytes()
    assert (work / FILES[RSDP]).read_bytes().count(b"RSD PTR ") == 1
    assert parse_script((work / FILES[LOADER]).read_bytes())


def test_every_machine_of_the_corpus_boots_or_says_why_not(tmp_path: Path) -> None:
    if not CORPUS.is_dir():
        pytest.skip("no collection of real tables beside this checkout")
    refused = []
    folders = [path for path in CORPUS.iterdir() if path.is_dir()]
    for folder in folders:
        try:
            made = boot_tables(load("apu2"), ivrs_file=None, acpi=folder)
        except InputError as bad:
            assert "IOMMUs" in str(bad)  # noqa: PT017
            refused.append(folder.name)
        else:
            assert made.tables.find("IVRS")
    assert len(refused) < len(folders) // 2
