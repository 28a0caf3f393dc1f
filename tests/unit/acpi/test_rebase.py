from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.acpi import mutations
from harness.acpi.builder import Spec, Timer, build, coreboot_ivrs, q35_ivrs
from harness.acpi.machine import Q35
from harness.acpi.rebase import NotAskable, Rebased, rebase
from harness.formats.acpi import hpet, ivrs, madt, mcfg
from harness.formats.acpi.header import checksum
from harness.formats.acpi.ivrs import Ivhd
from harness.formats.acpi.madt import IoApic, LocalApic
from harness.formats.acpi.tableset import RawTable, TableSet

CORPUS = Path(__file__).parents[4] / "shared" / "acpi-corpus"
IOAPICS = (IoApic(4, 0, 0xFEC00000, 0), IoApic(5, 0, 0xFEC20000, 24))
APU2 = coreboot_ivrs(base=0xF7F00000)


def apu2(data: bytes | None = APU2, **changes: object) -> TableSet:
    spec = Spec(cpus=4, ioapics=IOAPICS, ivrs=data)
    return build(replace(spec, **changes))  # type: ignore[arg-type]


def rebased(tables: TableSet, cpus: int = 1) -> Rebased:
    result = rebase(tables, cpus=cpus)
    assert isinstance(result, Rebased), result
    return result


def data_of(tables: TableSet, signature: str) -> bytes:
    table = tables.find(signature)
    assert table
    return table.data


def blocks(tables: TableSet) -> list[Ivhd]:
    found = ivrs.parse(data_of(tables, "IVRS")).blocks
    return [block for block in found if isinstance(block, Ivhd)]


def test_the_iommu_becomes_the_emulated_one_and_each_change_is_told() -> None:
    result = rebased(apu2())
    (block,) = blocks(result.tables)
    assert (block.device_id, block.capability, block.base) == (Q35.iommu, 0x40, Q35.base)
    assert result.changes == (
        "IVRS: device id 00:00.2 of the IOMMU is now 00:01.0",
        "IVRS: base address 0xf7f00000 of the IOMMU is now 0xfed80000",
        "MADT: 4 processors replaced by the emulated machine's 1",
        "FADT, FACS, DSDT: the emulated machine's own",
    )


def test_every_other_byte_stays() -> None:
    before, after = APU2, data_of(rebased(apu2()).tables, "IVRS")
    differing = {n for n in range(len(before)) if before[n] != after[n]}
    assert differing <= {9, 52, 53, *range(56, 64)}
    assert checksum(after) == 0


def test_a_table_for_the_emulated_machine_is_left_alone() -> None:
    result = rebased(build(Spec(ivrs=q35_ivrs())))
    assert data_of(result.tables, "IVRS") == q35_ivrs()
    assert result.changes == ("FADT, FACS, DSDT: the emulated machine's own",)


@pytest.mark.parametrize(
    ("damage", "field"),
    [("base=0", "base"), ("device_id=0", "device_id"), ("capability=0", "capability")],
)
def test_a_zero_is_a_defect_and_stays(damage: str, field: str) -> None:
    broken = mutations.apply_to_ivrs(APU2, f"ivhd[*].{damage}")
    (block,) = blocks(rebased(apu2(broken)).tables)
    assert getattr(block, field) == 0


def test_a_checksum_that_was_wrong_stays_wrong_by_as_much() -> None:
    broken = mutations.apply_to_ivrs(APU2, "checksum=bad")
    assert broken
    assert checksum(broken) != 0
    assert checksum(data_of(rebased(apu2(broken)).tables, "IVRS")) == checksum(broken)


def test_a_block_that_says_another_address_keeps_it() -> None:
    broken = mutations.apply_to_ivrs(APU2, "dup ivhd[0]; ivhd[1].base=0x12340000")
    assert [one.base for one in blocks(rebased(apu2(broken)).tables)] == [Q35.base, 0x12340000]


def test_a_block_that_is_too_short_for_its_type_is_not_read_past_its_end() -> None:
    broken = mutations.apply_to_ivrs(APU2, "ivhd[0].length=8")
    after = data_of(rebased(apu2(broken)).tables, "IVRS")
    assert broken
    assert after[52:54] == Q35.iommu.to_bytes(2, "little")  # the device id is within the 8 bytes
    assert after[56:] == broken[56:]  # the base is not


def test_several_iommus_are_not_askable() -> None:
    broken = mutations.apply_to_ivrs(APU2, "dup ivhd[0]; ivhd[1].device_id=0x4002")
    result = rebase(apu2(broken))
    assert isinstance(result, NotAskable)
    assert "2 IOMMUs (0000:00:00.2, 0000:40:00.2)" in result.reason


def test_another_segment_is_told() -> None:
    broken = mutations.apply_to_ivrs(APU2, "ivhd[0].segment=1")
    result = rebased(apu2(broken))
    assert "IVRS: PCI segment 1 of the IOMMU is now 0" in result.changes
    assert blocks(result.tables)[0].segment == 0


def test_memory_of_the_other_machine_is_told() -> None:
    with_memory = mutations.apply_to_ivrs(APU2, "ivmd-reserved")
    assert any("1 IVMD blocks" in one for one in rebased(apu2(with_memory)).changes)


def test_the_madt_keeps_its_ioapics_and_overrides() -> None:
    result = rebased(apu2(), cpus=2)
    table = madt.parse(data_of(result.tables, "APIC"))
    given = madt.parse(data_of(apu2(), "APIC"))
    assert table.processors == (LocalApic(0, 0), LocalApic(1, 1))
    assert table.ioapics == given.ioapics
    assert table.entries[2:] == given.entries[4:]
    assert table.checksum_ok


def test_a_madt_with_a_wrong_checksum_keeps_it_wrong() -> None:
    tables = apu2()
    given = bytearray(data_of(tables, "APIC"))
    given[9] = (given[9] + 5) & 0xFF
    broken = TableSet(
        tuple(RawTable("APIC", bytes(given)) if t.signature == "APIC" else t for t in tables.tables)
    )
    assert checksum(data_of(rebased(broken).tables, "APIC")) == 5


def test_an_ioapic_elsewhere_is_moved_to_the_one_that_is_there() -> None:
    moved = (replace(IOAPICS[0], address=0xFEC10000),)
    result = rebased(apu2(ioapics=moved))
    assert madt.parse(data_of(result.tables, "APIC")).ioapics[0].address == Q35.ioapic
    assert "MADT: the address 0xfec10000 of I/O APIC 4 is now 0xfec00000" in result.changes


def test_hpet_and_configuration_space_elsewhere_are_told() -> None:
    elsewhere = (mcfg.Allocation(0xF8000000, 0, 0, 0x3F),)
    result = rebased(apu2(hpet=Timer(address=0xFED01000), mcfg=elsewhere))
    assert hpet.parse(data_of(result.tables, "HPET")).base.address == Q35.hpet
    assert checksum(data_of(result.tables, "HPET")) == 0
    assert mcfg.parse(data_of(result.tables, "MCFG")).allocations[0].base == Q35.config_space
    assert "HPET: the address 0xfed01000 is now 0xfed00000" in result.changes
    assert "MCFG: the emulated machine's own" in result.changes


def test_an_ivrs_alone_gets_a_madt_with_the_ioapics_that_it_names() -> None:
    result = rebased(TableSet((RawTable("IVRS", APU2),)))
    assert [one.id for one in madt.parse(data_of(result.tables, "APIC")).ioapics] == [4, 5]
    assert any("none was given" in one and "(4, 5)" in one for one in result.changes)
    assert result.tables.find("FACP")


def test_no_tables_at_all_are_a_question_too() -> None:
    result = rebased(TableSet(()))
    assert result.tables.find("IVRS") is None
    assert any("none was given" in one for one in result.changes)


def test_other_tables_are_left_out_and_told() -> None:
    result = rebased(apu2(others=(b"SSDT" + bytes(40),)))
    assert "left out: SSDT" in result.changes
    assert result.tables.find("SSDT") is None


@pytest.mark.parametrize("signature", ["IVRS", "APIC"])
def test_a_table_that_cannot_be_walked_is_not_askable(signature: str) -> None:
    result = rebase(TableSet((RawTable(signature, b"JUNK" + bytes(60)),)))
    assert isinstance(result, NotAskable)
    assert "cannot be walked" in result.reason


@pytest.fixture
def corpus() -> list[TableSet]:
    if not CORPUS.is_dir():
        pytest.skip(f"there is no {CORPUS}")
    return [
        TableSet(
            tuple(RawTable(one.stem, one.read_bytes()) for one in sorted(folder.glob("*.bin")))
        )
        for folder in sorted(CORPUS.iterdir())
        if folder.is_dir()
    ]


def test_all_real_machines_but_the_one_with_two_iommus_can_be_asked(
    corpus: list[TableSet],
) -> None:
    results = [rebase(tables) for tables in corpus]
    assert [isinstance(one, NotAskable) for one in results].count(True) == 1
    for given, result in zip(corpus, results, strict=True):
        if isinstance(result, NotAskable):
            continue
        for signature in ("IVRS", "APIC"):
            before, after = given.find(signature), result.tables.find(signature)
            assert before
            assert after
            assert before.checksum_ok == after.checksum_ok
        again = rebase(result.tables)
        assert isinstance(again, Rebased)
        told = [one for one in again.changes if "IVMD" not in one and "FADT" not in one]
        assert told == []
