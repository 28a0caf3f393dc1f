from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.acpi.builder import Spec, build
from harness.acpi.mutations import NAMED, apply
from harness.acpi.random_mutations import random_mutation
from harness.errors import FormatError, HarnessError, UsageError
from harness.formats.acpi import ivrs
from harness.formats.acpi.header import Header, checksum
from harness.formats.acpi.ivrs import Ivhd, Ivrs, entries
from harness.formats.acpi.tableset import RawTable, TableSet


def tables_of(count: int = 1) -> TableSet:
    devices = (
        *entries.device_range(8, 0xFF),
        entries.alias_select(0x10, 0x18),
        entries.ioapic(0, 0xA0),
        entries.hpet(0, 0xA0),
    )
    block = Ivhd(0x10, 0, 0, 0x08, 0x40, 0xFED80000, entries=devices)
    header = Header("IVRS", 0, 2, 0, "OEM", "TABLE", 1, "ME", 1)
    made = ivrs.build(ivrs.finish(Ivrs(header, 0, 0, (block,) * count)))
    return build(Spec(ivrs=made))


TABLES = tables_of()


def data_of(tables: TableSet) -> bytes:
    table = tables.find("IVRS")
    assert table is not None
    return table.data


def read(mutation: str, tables: TableSet = TABLES) -> Ivrs:
    return ivrs.parse(data_of(apply(tables, mutation)))


def is_whole(data: bytes) -> bool:
    return checksum(data) == 0 and int.from_bytes(data[4:8], "little") == len(data)


def test_nothing_is_nothing() -> None:
    assert apply(TABLES, "good") == TABLES
    assert apply(TABLES, " ; ") == TABLES


def test_a_field_of_a_block() -> None:
    data = data_of(apply(TABLES, "ivhd.length=0"))
    assert data[50:52] == b"\0\0"
    assert checksum(data) == 0


def test_a_field_of_an_entry() -> None:
    assert read("entry[2].device_id=0xfff8").ivhds[0].entries[2].device_id == 0xFFF8
    assert read("ioapic.handle=5").ivhds[0].entries[3].handle == 5
    assert read("hpet[-1].variety=7").ivhds[0].entries[4].variety == 7
    assert read("range[0].end=0x87").ivhds[0].entries[1].device_id == 0x87


@pytest.mark.parametrize(
    ("operation", "value"),
    [("+=8", 0x48), ("-=0x10", 0x30), ("|=3", 0x43), ("&=0xf", 0), ("^=0x41", 1), ("=-1", 0xFFFF)],
)
def test_operations(operation: str, value: int) -> None:
    assert read(f"ivhd[0].capability{operation}").ivhds[0].capability == value


def test_all_of_a_kind() -> None:
    assert [one.base for one in read("ivhd[*].base=1", tables_of(3)).ivhds] == [1, 1, 1]


def test_sizes_are_mended_around_a_change() -> None:
    for text in (
        "drop entry[2]",
        "dup entry[3]",
        "dup ivhd[0]",
        "cut ivhd 4",
        "add entry 02100000",
    ):
        data = data_of(apply(TABLES, text))
        assert is_whole(data), text
        assert sum(block.length for block in ivrs.parse(data).ivhds) == len(data) - 48, text


def test_a_dropped_range_takes_its_end_along() -> None:
    assert [one.type for one in read("drop range[0]").ivhds[0].entries] == [66, 72, 72]


def test_swapping() -> None:
    assert [one.variety for one in read("swap entry[3] entry[4]").ivhds[0].entries[3:]] == [2, 1]
    with pytest.raises(UsageError, match="cannot be exchanged"):
        apply(TABLES, "swap entry[3] entry[3]")


def test_retyping_makes_the_header_long_and_short() -> None:
    long = read("retype ivhd[0] 0x11")
    assert (long.ivhds[0].type, long.ivhds[0].efr, len(long.ivhds[0].entries)) == (0x11, 0, 5)
    assert data_of(apply(TABLES, "retype ivhd 0x40; retype ivhd 0x10")) == data_of(TABLES)


def test_an_added_memory_block() -> None:
    block = read("add ivmd 0x21 device_id=0x10 start=0xfed1c000 size=0x2000").ivmds[0]
    assert (block.type, block.flags, block.device_id, block.start, block.size) == (
        0x21,
        7,
        0x10,
        0xFED1C000,
        0x2000,
    )


def test_cutting_and_truncating() -> None:
    whole = data_of(TABLES)
    assert is_whole(data_of(apply(TABLES, "cut 8")))
    assert len(data_of(apply(TABLES, "cut to 48"))) == 48
    stump = data_of(apply(TABLES, "truncate 60"))
    assert (len(stump), int.from_bytes(stump[4:8], "little")) == (60, len(whole))


def test_checksums() -> None:
    assert checksum(data_of(apply(TABLES, "checksum=bad"))) == 0x3A
    assert data_of(apply(TABLES, "checksum=0x12"))[9] == 0x12
    assert checksum(data_of(apply(TABLES, "ivhd.flags=1; checksum=keep"))) == 1
    assert data_of(apply(TABLES, "header.checksum=7"))[9] == 7


def test_the_other_tables_stay() -> None:
    changed = apply(TABLES, "no-ivrs")
    assert changed.find("IVRS") is None
    assert changed.tables == tuple(one for one in TABLES.tables if one.signature != "IVRS")


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_name_applies(name: str) -> None:
    changed = apply(TABLES, name)
    assert (changed == TABLES) == (name == "good")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("ioapic-mising", "ioapic-missing"),
        ("ivdh.length=0", "ivhd"),
        ("ivhd.lenght=0", "length"),
        ("ivhd[3].length=0", "ivhd[0] to ivhd[0]"),
        ("ivmd.flags=0", "a ivmd in it"),
        ("dorp entry[0]", "drop"),
        ("checksum=wrong", "checksum=bad"),
        ("drop header", "block"),
        ("add entry 0g", "hexadecimal"),
        ("add ivmd 0x20 begin=3", "begin"),
        ("retype entry[0] 0x11", "retype ivhd"),
        ("cut to 48; drop ivhd[0]", "a ivhd in it"),
        ("byte[0x10000]=1", "behind the end"),
        ("byte[-1]=1", "no offset"),
        ("cut 100000", "cannot be left"),
        ("truncate x", "cannot be left"),
        ("cut ivhd x", "bytes to lose"),
    ],
)
def test_what_is_wrong_is_told_with_the_nearest(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        apply(TABLES, text)
    assert hint in str(caught.value)


def test_without_an_ivrs() -> None:
    with pytest.raises(UsageError, match="no IVRS"):
        apply(TableSet(()), "good")


def test_a_stump_cannot_be_counted() -> None:
    with pytest.raises(FormatError):
        apply(TableSet((RawTable("IVRS", b"IVRS" + bytes(20)),)), "drop entry[0]")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*NAMED, "truncate 50", "truncate 8", "dup block[*]"]), max_size=4))
def test_names_one_after_another_are_done_or_refused(names: list[str]) -> None:
    with contextlib.suppress(HarnessError):
        apply(TABLES, "; ".join(names))


@settings(max_examples=200)
@given(st.text("abdeghiloprtuvmn[]0x1-*.;=|^ ", max_size=40))
def test_any_text_is_done_or_refused(text: str) -> None:
    with contextlib.suppress(HarnessError):
        apply(TABLES, text)


def test_the_text_of_a_random_mutation_gives_it_again() -> None:
    texts = set()
    for seed in range(150):
        text, changed = random_mutation(seed, TABLES)
        assert apply(TABLES, text) == changed
        assert random_mutation(seed, TABLES) == (text, changed)
        texts.add(text)
    assert len(texts) > 130


def test_random_mutations_mend_most_checksums_and_not_all() -> None:
    sums = [data_of(changed) for seed in range(300) if (changed := _ivrs(seed)) is not None]
    right = sum(checksum(data[: int.from_bytes(data[4:8], "little")]) == 0 for data in sums)
    assert len(sums) * 0.7 < right < len(sums)


def _ivrs(seed: int) -> TableSet | None:
    changed = random_mutation(seed, TABLES)[1]
    return changed if changed.find("IVRS") else None


def test_nothing_to_draw_from() -> None:
    with pytest.raises(UsageError, match="no IVRS"):
        random_mutation(1, TableSet(()))
