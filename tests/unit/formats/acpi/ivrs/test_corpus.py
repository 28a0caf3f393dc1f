"""The tables of real machines: read, rebuilt, cut anywhere, with any byte wrong."""

from __future__ import annotations

import random

from harness.errors import FormatError
from harness.formats.acpi.header import checksum
from harness.formats.acpi.ivrs import UnknownBlock, build, finish, parse, parse_with_faults
from tests.unit.formats.acpi.ivrs.tables import corpus


def test_every_table_is_walked_whole_and_rebuilt() -> None:
    for file in corpus():
        data = file.read_bytes()
        table, faults = parse_with_faults(data)
        assert not faults, file
        assert build(table) == data, file
        assert not table.trailing, file
        assert not table.excess, file
        assert checksum(data) == 0, file


def test_lengths_checksum_and_offsets_come_out_as_the_firmware_has_them() -> None:
    for file in corpus():
        data = file.read_bytes()
        assert build(finish(parse(data))) == data, file


def test_no_device_entry_is_of_unknown_type() -> None:
    kinds = {
        entry.type
        for file in corpus()
        for block in parse(file.read_bytes()).ivhds
        for entry in block.entries
    }
    assert kinds <= {0, 2, 3, 4, 67, 72, 240}


def test_unknown_blocks_are_there_and_kept() -> None:
    found = {
        (file.parent.name, block.type)
        for file in corpus()
        for block in parse(file.read_bytes()).blocks
        if isinstance(block, UnknownBlock)
    }
    assert found == {("405067A82A69", 0x51), ("696E48381F84", 0x51)}


def test_every_cut_of_every_table() -> None:
    for file in corpus():
        data = file.read_bytes()
        for length in range(len(data)):
            cut = data[:length]
            try:
                table = parse(cut)
            except FormatError:
                assert length < 48, file
            else:
                assert build(table) == cut, (file, length)


def test_every_byte_wrong_in_each_kind_of_table() -> None:
    """Each byte once, with a change drawn from a seed; one table of each length and revision."""
    draw = random.Random(48882)  # noqa: S311 - the same changes every time
    kinds = {(file.stat().st_size, file.read_bytes()[8]): file for file in corpus()}
    for file in kinds.values():
        data = file.read_bytes()
        for at in range(len(data)):
            wrong = bytearray(data)
            wrong[at] ^= draw.randint(1, 255)
            try:
                table = parse(bytes(wrong))
            except FormatError:
                assert at < 4, (file, at)
            else:
                assert build(table) == wrong, (file, at)
