from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given

from harness.acpi.diff import diff
from harness.acpi.ivrs_diff import diff_ivrs
from harness.formats.acpi.header import with_checksum
from harness.formats.acpi.ivrs import (
    Block,
    DeviceEntry,
    Ivhd,
    Ivmd,
    Ivrs,
    UnknownBlock,
    build,
    entries,
    finish,
)
from harness.formats.acpi.tableset import RawTable, TableSet
from tests.unit.formats.acpi.ivrs.tables import apu2, corpus
from tests.unit.formats.acpi.strategies import ivrs_tables

GOOD = apu2()
BOTH = "IVRS: IVHD 10h, 11h at 00:00.2: "
MEMORY = Ivmd(0x21, 8, 32, 0x300, 0, 0, 0x7132F000, 0x26000)


def tables(*data: bytes) -> TableSet:
    names = [one[:4].decode() for one in data]
    return TableSet(tuple(RawTable(name, one) for name, one in zip(names, data, strict=True)))


def changes(old: Ivrs, new: Ivrs) -> tuple[str, ...]:
    return diff(tables(build(old)), tables(build(new)))


def with_blocks(change: Callable[[Ivhd], Block], table: Ivrs = GOOD) -> Ivrs:
    return finish(replace(table, blocks=tuple(change(block) for block in table.ivhds)))


def with_entries(*devices: DeviceEntry) -> Ivrs:
    return with_blocks(lambda block: replace(block, entries=devices))


def with_ioapic(**fields: int) -> Ivrs:
    *others, last = GOOD.ivhds[0].entries
    return with_entries(*others, replace(last, **fields))  # type: ignore[arg-type]


DEVICES = GOOD.ivhds[0].entries
CHANGED: dict[str, tuple[Ivrs, tuple[str, ...]]] = {
    "a range removed": (
        with_entries(*DEVICES[2:]),
        (BOTH + "device entry range 00:01.0-ff:1f.6 removed",),
    ),
    "an I/O APIC moved": (
        with_ioapic(source_id=0xA0),
        (BOTH + "IOAPIC 5 moved from 00:00.1 to 00:14.0",),
    ),
    "an I/O APIC of another id": (
        with_ioapic(handle=33),
        (
            BOTH + "device entry IOAPIC 5 removed (source device 00:00.1)",
            BOTH + "device entry IOAPIC 33 added (source device 00:00.1)",
        ),
    ),
    "a DTE setting": (
        with_ioapic(data=0x41),
        (BOTH + "IOAPIC 5: DTE setting: INITPass 0 -> 1, Lint0Pass 0 -> 1",),
    ),
    "an alias": (
        with_entries(*DEVICES[:2], *entries.alias_range(0xFF00, 0xFFFF, 0xA4), *DEVICES[4:]),
        (BOTH + "device range ff:00.0-ff:1f.7: alias 00:14.5 -> 00:14.4",),
    ),
    "an end lost": (
        with_entries(DEVICES[0], *DEVICES[2:]),
        (
            BOTH + "device entry range 00:01.0-ff:1f.6 removed",
            BOTH + "device entry range 00:01.0-(no end) added",
        ),
    ),
    "an IVMD": (
        finish(replace(GOOD, blocks=(*GOOD.blocks, MEMORY))),
        ("IVRS: IVMD 21h for 03:00.0 added: 7132F000h-71354FFFh, ExclusionRange",),
    ),
    "an unknown block": (
        finish(replace(GOOD, blocks=(*GOOD.blocks, UnknownBlock(0x51, b"\x51\0\6\0ab")))),
        ("IVRS: block of type 51h (51 00 06 00 61 62) added",),
    ),
    "one type of block": (
        finish(replace(GOOD, blocks=GOOD.blocks[:1])),
        ("IVRS: IVHD 11h at 00:00.2 removed: base address FEB80000h, 5 device entries",),
    ),
    "fields of the IOMMU": (
        with_blocks(lambda block: replace(block, base=0xFEC80000, capability=0x50)),
        (BOTH + "capability offset 40h -> 50h", BOTH + "base address FEB80000h -> FEC80000h"),
    ),
    "flags by their names": (
        with_blocks(lambda block: replace(block, flags=block.flags & ~0xA0)),
        (
            "IVRS: IVHD 10h at 00:00.2: flags: Coherent 1 -> 0, PPRSup 1 -> 0",
            "IVRS: IVHD 11h at 00:00.2: flags: Coherent 1 -> 0, reserved bits 80h -> 0h",
        ),
    ),
    "IVinfo": (
        finish(replace(GOOD, ivinfo=GOOD.ivinfo & ~0x8001)),
        ("IVRS: IVinfo: EFRSup 1 -> 0",),
    ),
    "the maker": (
        finish(replace(GOOD, header=replace(GOOD.header, oem_revision=2))),
        ("IVRS: OEM Revision: 00000001h -> 00000002h",),
    ),
    "padding only": (
        with_entries(*(entry for entry in DEVICES if entry.type)),
        ("IVRS: only bytes without a meaning of their own differ: 208 -> 200 bytes,"
         " different from 4h on",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
def test_a_change_is_said_in_the_words_of_the_specification(name: str) -> None:
    new, said = CHANGED[name]
    assert changes(GOOD, new) == said
    assert changes(GOOD, GOOD) == ()


def test_what_was_added_comes_back_as_removed() -> None:
    new, _ = CHANGED["an IVMD"]
    assert changes(new, GOOD) == (
        "IVRS: IVMD 21h for 03:00.0 removed: 7132F000h-71354FFFh, ExclusionRange",
    )


def test_a_changed_ivmd_is_one_change() -> None:
    old = finish(replace(GOOD, blocks=(*GOOD.blocks, MEMORY)))
    moved = replace(MEMORY, start=0x1000, flags=7)
    new = finish(replace(GOOD, blocks=(*GOOD.blocks, moved)))
    assert changes(old, new) == (
        "IVRS: IVMD 21h for 03:00.0: flags: Unity 0 -> 1, IR 0 -> 1, IW 0 -> 1,"
        " ExclusionRange 1 -> 0",
        "IVRS: IVMD 21h for 03:00.0: memory 7132F000h-71354FFFh -> 1000h-26FFFh",
    )


def test_order_counts_only_where_entries_overlap() -> None:
    one, two, inside = entries.select(0x100), entries.select(0x200), entries.select(0x110, 0x40)
    rest = entries.device_range(0x100, 0x1FF)
    assert diff_ivrs(with_entries(one, two), with_entries(two, one)) == ()
    assert changes(with_entries(*rest, inside), with_entries(inside, *rest)) == (
        BOTH + "device 01:02.0 now stands before device range 01:00.0-01:1f.7, which overlaps it",
    )
    every = entries.all_devices()
    assert len(diff_ivrs(with_entries(every, one), with_entries(one, every))) == 1


def test_an_ivmd_before_the_ivhd_of_its_device_is_a_change() -> None:
    old = finish(replace(GOOD, blocks=(*GOOD.blocks, MEMORY)))
    new = finish(replace(GOOD, blocks=(GOOD.blocks[0], MEMORY, GOOD.blocks[1])))
    assert changes(old, new) == (
        "IVRS: IVMD 21h for 03:00.0 now stands before IVHD 11h at 00:00.2",
    )


def test_a_length_or_a_checksum_that_became_wrong() -> None:
    data = bytearray(build(GOOD))
    data[9] ^= 1
    (said,) = diff(tables(build(GOOD)), tables(bytes(data)))
    assert said == f"IVRS: Checksum: right -> wrong: {data[9] ^ 1:02X}h would be right"
    broken = replace(GOOD, blocks=(replace(GOOD.ivhds[0], length=0), *GOOD.blocks[1:]))
    said_now = diff(tables(build(GOOD)), tables(with_checksum(build(broken))))
    assert any("removed" in text for text in said_now)
    assert any("at the end that are no block" in text for text in said_now)


def test_an_ivrs_that_cannot_be_read_is_compared_by_its_bytes() -> None:
    said = diff(tables(build(GOOD)), tables(build(GOOD)[:40]))
    start = "IVRS: 208 -> 40 bytes, different from 28h on; not compared by fields:"
    assert said[0] == "IVRS: Length: right -> but there are 40 bytes"
    assert said[-1].startswith(start)


def madt(*structures: str) -> bytes:
    content = bytes.fromhex("0000e0fe01000000" + "".join(structures))
    head = b"APIC" + (36 + len(content)).to_bytes(4, "little") + bytes([3]) + bytes(27)
    return with_checksum(head + content)


def test_other_tables_by_their_structures() -> None:
    old = madt("0008000001000000", "010c04000000c0fe00000000", "010c05000000c2fe18000000")
    new = madt("010c05000000c3fe18000000", "0008000001000000", "0008010101000000")
    assert set(diff(tables(old), tables(new))) == {
        "MADT: I/O APIC, I/O APIC ID 04h removed (Reserved 00h, I/O APIC Address FEC00000h,"
        " GSI Base 00000000h)",
        "MADT: I/O APIC, I/O APIC ID 05h: I/O APIC Address FEC20000h -> FEC30000h",
        "MADT: Processor Local APIC, ACPI Processor UID 01h added (APIC ID 01h, Flags 00000001h)",
    }


def test_tables_that_came_went_or_are_only_bytes() -> None:
    def raw(name: bytes, body: bytes, oem: bytes = b"") -> bytes:
        head = name + (36 + len(body)).to_bytes(4, "little") + bytes(8)
        return with_checksum(head + oem.ljust(8, b"\0") + bytes(12) + body)

    old = tables(raw(b"DSDT", b"abc"), raw(b"SSDT", b"a", b"ONE"), raw(b"SSDT", b"b", b"TWO"))
    new = tables(raw(b"DSDT", b"abd"), raw(b"SSDT", b"bb", b"TWO"), raw(b"BOOT", b""))
    assert diff(old, new) == (
        "DSDT: 2 of 39 bytes differ, the first at 9h",
        "SSDT ONE removed (37 bytes)",
        "SSDT TWO: 37 -> 38 bytes, different from 4h on",
        "BOOT added (36 bytes)",
    )


@given(ivrs_tables(), ivrs_tables())
def test_no_difference_is_passed_over_and_both_ways_say_as_much(one: Ivrs, other: Ivrs) -> None:
    there = changes(one, other)
    assert bool(there) == (build(one) != build(other))
    assert len(changes(other, one)) == len(there)
    assert changes(one, one) == ()


def test_the_tables_of_real_machines_differ_from_the_next() -> None:
    files = corpus()
    for old, new in pairwise(files):
        a, b = old.read_bytes(), new.read_bytes()
        assert bool(diff(tables(a), tables(b))) == (a != b), (old, new)
