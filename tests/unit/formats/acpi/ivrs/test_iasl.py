"""Agreement with `iasl -d`: what it prints has our value, what it leaves out has a reason."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.formats.acpi.header import Header
from harness.formats.acpi.ivrs import (
    DeviceEntry,
    Ivhd,
    Ivmd,
    Ivrs,
    build,
    entries,
    finish,
    parse,
)
from tests.unit.formats.acpi.ivrs.tables import apu2, corpus

# Where iasl and we tell different things of a table, by what its reader would ask.
DIFFERENCES = {
    "IVHD 40h": "until 2020 iasl knows types 10h and 11h: it prints the first four fields of 40h",
    "unknown block": "the first four fields, as of any block; we keep the bytes and name no more",
    "padding": "iasl says that 8 bytes of padding hold four of extended data; we name none",
}

_FIELD = re.compile(
    r"\[[0-9A-F]+h (?P<offset>\d+) +(?P<size>\d+)\] +(?P<label>[^:]+?) : (?P<value>.*)"
)
Fields = dict[tuple[int, int], int | str]


def disassembled(iasl: str, folder: Path, tables: dict[str, bytes]) -> dict[str, Fields]:
    """What iasl prints of each table: (offset, size) -> value."""
    for name, data in tables.items():
        (folder / f"{name}.dat").write_bytes(data)
    argv = [iasl, "-d", *(str(folder / f"{name}.dat") for name in tables)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    return {name: fields_of((folder / f"{name}.dsl").read_text("latin-1")) for name in tables}


def fields_of(text: str) -> Fields:
    found: Fields = {}
    for match in map(_FIELD.match, text.splitlines()):
        if match:
            value = match["value"].strip()
            place = (int(match["offset"]), int(match["size"]))
            quoted = re.match(r'"(.*)"', value)
            found[place] = quoted[1] if quoted else int(value.split()[0], 16)
    return found


def ours(table: Ivrs) -> Iterator[tuple[int, int, int | str, str]]:
    """Every field as we read it: offset, size, value, and the difference that excuses it."""
    head = table.header
    header: list[tuple[int, int | str]] = [
        (4, head.signature),
        (4, head.length),
        (1, head.revision),
        (1, head.checksum),
        (6, head.oem_id),
        (8, head.oem_table_id),
        (4, head.oem_revision),
        (4, head.creator_id),
        (4, head.creator_revision),
        (4, table.ivinfo),
        (8, table.reserved),
    ]
    yield from _run(0, header)
    for block in table.blocks:
        if isinstance(block, Ivhd):
            yield from _ivhd(block)
        elif isinstance(block, Ivmd):
            sizes = (1, 1, 2, 2, 2, 8, 8, 8)
            values = (block.type, block.flags, block.length, block.device_id)
            memory = (block.aux, block.reserved, block.start, block.size)
            yield from _run(block.offset, zip(sizes, (*values, *memory), strict=True))
        else:
            values = (block.type, block.flags, block.length, block.device_id or 0)
            yield from _run(block.offset, zip((1, 1, 2, 2), values, strict=True))
            rest = len(block.data) - 6
            yield block.offset + 6, rest, block.data[6:].hex(), "unknown block"


def _ivhd(block: Ivhd) -> Iterator[tuple[int, int, int | str, str]]:
    excuse = "IVHD 40h" if block.type == 0x40 else ""
    first = (block.type, block.flags, block.length, block.device_id)
    yield from _run(block.offset, zip((1, 1, 2, 2), first, strict=True))
    rest = (block.capability, block.base, block.segment, block.info, block.features)
    yield from _run(block.offset + 6, zip((2, 8, 2, 2, 4), rest, strict=True), excuse)
    if block.efr is not None and block.efr2 is not None:
        yield from _run(block.offset + 24, [(8, block.efr), (8, block.efr2)], excuse)
    for entry in block.entries:
        head = [(1, entry.type), (2, entry.device_id), (1, entry.data)]
        yield from _run(entry.offset, head, excuse)
        yield from _run(entry.offset + 4, _tail(entry), excuse or "padding" * (entry.type == 64))


def _tail(entry: DeviceEntry) -> list[tuple[int, int | str]]:
    if entry.type == 64:
        return [(4, int.from_bytes(entry.raw[4:], "little"))]
    if entry.ext_data is not None:
        return [(4, entry.ext_data)]
    if entry.type == 240:
        uid = entry.uid or b""
        shown = uid.decode("latin-1") if entry.uid_format == 2 else int.from_bytes(uid, "little")
        numbers = [(1, entry.uid_format or 0), (1, len(uid))]
        return [(8, entry.hid or ""), (8, entry.cid or ""), *numbers, (len(uid), shown)]
    if entry.source_id is None:
        return []
    return [(1, entry.raw[4]), (2, entry.source_id), (1, entry.raw[7])]


def _run(
    offset: int, fields: object, excuse: str = ""
) -> Iterator[tuple[int, int, int | str, str]]:
    for size, value in fields:  # type: ignore[attr-defined]
        yield offset, size, value, excuse
        offset += size


def compare(table: Ivrs, theirs: Fields) -> Counter[str]:
    """The reasons for the fields that only we read; fails on any other difference."""
    left = dict(theirs)
    reasons: Counter[str] = Counter()
    for offset, size, value, excuse in ours(table):
        place = (offset, size)
        if place not in left:
            assert excuse in DIFFERENCES, f"iasl has no field of {size} bytes at {offset:#x}"
            reasons[excuse] += 1
        else:
            assert left.pop(place) == value, f"{size} bytes at {offset:#x}"
    assert not left, "iasl reads fields that we do not"
    return reasons


def test_a_table_with_all_that_iasl_knows(tool: Callable[[str], str], tmp_path: Path) -> None:
    devices = (
        entries.all_devices(0xD7),
        entries.select(0xA2, 0x40),
        *entries.device_range(8, 0xFF),
        *entries.alias_range(0x100, 0x1FF, 0xA4, 1),
        *entries.extended_range(0x200, 0x2FF, 0x80000000),
        entries.alias_select(0x300, 0xA4),
        entries.extended_select(0x308, 1),
        entries.pad8(),
        entries.pad4(),
        entries.ioapic(4, 0xA0, 0xD7),
        entries.hpet(0, 0xA0),
    )
    blocks = (
        Ivhd(0x10, 0xFF, 0, 2, 0x40, 0x1_FEB8_0000, 1, 0x1305, 0x80048F6F, None, None, devices),
        Ivhd(0x11, 0x3F, 0, 0x4002, 0x50, 0xFEB80000, 0, 0, 0x40000, 1 << 63, 3, devices),
        Ivmd(0x20, 1, 0, 0, 0, 0, 0x1000, 0x2000),
        Ivmd(0x21, 7, 0, 0xA0, 0, 0, 1 << 40, 1),
        Ivmd(0x22, 8, 0, 0x300, 0x3FF, 0, 0, 0),
    )
    header = Header("IVRS", 0, 2, 0, "ABCDEF", "ABCDEFGH", 7, "IJKL", 9)
    table = finish(Ivrs(header, 0x203041, 0, blocks))
    theirs = disassembled(tool("iasl"), tmp_path, {"all": build(table)})
    assert set(compare(table, theirs["all"])) <= {"padding"}


def test_a_wrong_value_would_be_seen(tool: Callable[[str], str], tmp_path: Path) -> None:
    table = apu2()
    theirs = disassembled(tool("iasl"), tmp_path, {"good": build(table)})["good"]
    compare(table, theirs)
    with pytest.raises(AssertionError, match="0x34"):
        compare(table, {**theirs, (0x34, 2): 3})


def test_the_tables_of_real_machines(tool: Callable[[str], str], tmp_path: Path) -> None:
    tables = {file.parent.name: file.read_bytes() for file in corpus()}
    theirs = disassembled(tool("iasl"), tmp_path, tables)
    reasons = Counter[str]()
    for name, data in tables.items():
        reasons += compare(parse(data), theirs[name])
    assert set(reasons) <= set(DIFFERENCES)
