from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.mbr import (
    SECTOR_SIZE,
    TYPE_FAT32_LBA,
    TYPE_LINUX,
    UNUSED,
    Partition,
    Reserved,
    Table,
    build,
    parse,
    problems,
)

U32 = st.integers(0, 0xFFFFFFFF)
PARTITIONS = st.builds(Partition, st.integers(0, 255), U32, U32, st.booleans())
TABLES = st.builds(
    Table,
    st.lists(PARTITIONS, max_size=4)
    .map(tuple)
    .filter(lambda parts: not parts or parts[-1] != UNUSED),
    U32,
)
CARD = Table(
    (
        Partition(TYPE_FAT32_LBA, 2048, 16384, bootable=True),
        Partition(TYPE_LINUX, 18432, 112640),
    ),
    0x12345678,
)
LOADER = Reserved("loader", 16, 1050)


def refusal(data: bytes) -> FormatError:
    with pytest.raises(FormatError) as caught:
        parse(data)
    return caught.value


def rules(*parts: Partition, disk: int = 10_000, reserved: tuple[Reserved, ...] = ()) -> list[str]:
    return [problem.rule for problem in problems(Table(parts), disk, reserved)]


@given(TABLES, st.binary(min_size=512, max_size=512), st.binary(max_size=9))
def test_a_table_comes_back_and_boot_code_stays(table: Table, sector: bytes, rest: bytes) -> None:
    data = build(table, sector)
    assert len(data) == SECTOR_SIZE
    assert parse(data + rest) == table
    assert (data[:440], data[444:446]) == (sector[:440], sector[444:446])
    assert build(table, data) == data


def test_a_cut_sector_is_refused() -> None:
    for length in range(SECTOR_SIZE):
        error = refusal(build(CARD)[:length])
        assert (error.field, error.offset) == ("sector", length)


@given(st.binary(min_size=512, max_size=512), st.booleans())
def test_any_sector_is_read_or_refused(sector: bytes, signed: bool) -> None:
    sector = sector[:510] + (b"\x55\xaa" if signed else b"\x55\xab")
    good = signed and not any(status & 0x7F for status in sector[446:510:16])
    if good:
        assert len(parse(sector).partitions) <= 4
    else:
        assert refusal(sector).field == ("status" if signed else "signature")


@pytest.mark.parametrize("bit", range(16))
def test_another_signature_is_refused(bit: int) -> None:
    data = bytearray(build(CARD))
    data[510 + bit // 8] ^= 1 << bit % 8
    error = refusal(bytes(data))
    assert (error.field, error.offset) == ("signature", 510)


@pytest.mark.parametrize("status", [1, 0x7F, 0x81, 0xFF])
def test_boot_code_is_no_table(status: int) -> None:
    data = bytearray(build(CARD))
    data[462] = status
    error = refusal(bytes(data))
    assert (error.field, error.offset) == ("status", 462)
    assert "partition 2" in str(error)


def test_a_partition_that_is_left_out_keeps_the_numbers() -> None:
    table = Table((UNUSED, CARD.partitions[1]))
    assert parse(build(table)) == table
    assert [part.used for part in table.partitions] == [False, True]


@pytest.mark.parametrize(
    ("table", "field"),
    [
        (Table((UNUSED,) * 5), "partitions"),
        (Table((), 2**32), "disk_id"),
        (Table((), -1), "disk_id"),
        (Table((Partition(256, 0, 0),)), "type"),
        (Table((Partition(1, 2**32, 0),)), "start"),
        (Table((Partition(1, 0, 2**32),)), "sectors"),
        (Table((Partition(1, -1, 5),)), "start"),
    ],
)
def test_what_a_field_cannot_hold_is_refused(table: Table, field: str) -> None:
    with pytest.raises(FormatError) as caught:
        build(table)
    assert caught.value.field == field


@pytest.mark.parametrize("length", [0, 511, 513])
def test_only_into_a_sector(length: int) -> None:
    with pytest.raises(FormatError, match=f"{length} bytes"):
        build(CARD, bytes(length))


class TestSfdisk:
    @pytest.mark.parametrize(
        ("sectors", "table"),
        [
            (131072, CARD),
            (6144, Table((Partition(0xC, 1, 1), Partition(0x83, 63, 1), Partition(7, 2047, 9)), 1)),
            (
                2**25,
                Table(
                    (
                        Partition(TYPE_FAT32_LBA, 2048, 16_000_000),
                        Partition(TYPE_LINUX, 16_450_559, 2),
                        Partition(TYPE_LINUX, 16_450_561, 100, bootable=True),
                        Partition(TYPE_LINUX, 20_000_000, 13_554_432),
                    ),
                    0xFFFFFFFF,
                ),
            ),
        ],
    )
    def test_it_writes_the_same(
        self, tool: Callable[[str], str], tmp_path: Path, sectors: int, table: Table
    ) -> None:
        disk = tmp_path / "disk"
        with disk.open("wb") as out:
            out.truncate(sectors * SECTOR_SIZE)
        script = f"label: dos\nlabel-id: {table.disk_id:#010x}\n" + "".join(
            f"start={part.start},size={part.sectors},type={part.type:x}"
            f"{',bootable' if part.bootable else ''}\n"
            for part in table.partitions
        )
        subprocess.run(
            [tool("sfdisk"), "-q", "--no-reread", "--no-tell-kernel", str(disk)],
            input=script.encode(),
            check=True,
            capture_output=True,
        )
        with disk.open("rb") as written:
            theirs = written.read(SECTOR_SIZE)
        assert parse(theirs) == table
        assert build(table) == theirs


class TestProblems:
    def test_a_good_table_has_none(self) -> None:
        assert problems(CARD, 131072, (LOADER,)) == ()
        assert rules() == []

    def test_partitions_may_touch(self) -> None:
        assert rules(Partition(0x83, 10, 5), Partition(0x83, 15, 5), Partition(0x83, 5, 5)) == []

    @pytest.mark.parametrize(
        "other", [(10, 5), (14, 1), (8, 3), (5, 20), (12, 1)], ids=lambda span: f"{span}"
    )
    def test_an_overlap(self, other: tuple[int, int]) -> None:
        parts = (Partition(0x83, 10, 5), UNUSED, Partition(0x0C, *other))
        (problem,) = problems(Table(parts), 100)
        assert (problem.rule, problem.severity) == ("mbr.overlap", "error")
        assert problem.message.startswith("partitions 1 (sectors 10 to 14) and 3 (sectors")
        assert problem.offset == 446 + 2 * 16 + 8

    def test_each_pair_is_told(self) -> None:
        assert rules(*[Partition(0x83, 10, 5)] * 3) == ["mbr.overlap"] * 3

    @pytest.mark.parametrize(("end", "outside"), [(100, False), (101, True), (2**32, True)])
    def test_beyond_the_disk(self, end: int, outside: bool) -> None:
        found = rules(Partition(0x83, 50, end - 50), disk=100)
        assert found == (["mbr.outside"] if outside else [])

    def test_over_the_table(self) -> None:
        assert rules(Partition(0x83, 0, 5)) == ["mbr.table"]

    @pytest.mark.parametrize(
        ("start", "sectors", "hit"),
        [(1, 15, False), (1, 16, True), (1065, 5, True), (1066, 5, False), (20, 1, True)],
    )
    def test_over_the_loader(self, start: int, sectors: int, hit: bool) -> None:
        found = problems(Table((Partition(0x83, start, sectors),)), 9999, (LOADER,))
        assert [problem.rule for problem in found] == (["mbr.reserved"] if hit else [])
        assert all("overlaps the loader (sectors 16 to 1065)" in each.message for each in found)

    def test_a_type_without_sectors_is_a_warning(self) -> None:
        (problem,) = problems(Table((Partition(0x83, 10, 0),)), 100)
        assert (problem.rule, problem.severity) == ("mbr.empty", "warning")

    def test_an_entry_without_a_type_is_not_used(self) -> None:
        assert rules(Partition(0, 0, 999_999), Partition(0x83, 10, 5)) == []

    def test_a_gpt_is_no_card_for_this_loader(self) -> None:
        assert rules(Partition(0xEE, 1, 9_999)) == ["mbr.gpt"]

    @given(TABLES, U32, U32, U32)
    def test_any_table_can_be_judged(
        self, table: Table, disk: int, start: int, sectors: int
    ) -> None:
        found = problems(table, disk, (Reserved("loader", start, sectors),))
        used = [part for part in table.partitions if part.used]
        outside = sum(part.end > disk for part in used)
        assert [problem.rule for problem in found].count("mbr.outside") == outside
