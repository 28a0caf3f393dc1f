"""Tables from logs: those that the real Xen wrote, and its lines written for any table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.acpi.from_log import Reconstruction, from_log
from harness.bootlog.iommu_facts import IvmdBlock, IvrsBlock
from harness.bootlog.parser import parse_recorded
from harness.bootlog.xen_facts import XenFacts
from harness.formats.acpi.header import checksum
from harness.formats.acpi.ivrs import Ivhd, Ivmd, Ivrs, bdf, build, finish, parse
from harness.formats.acpi.ivrs.ranges import spans
from tests.unit.formats.acpi.ivrs.tables import apu2, corpus
from tests.unit.formats.acpi.strategies import ivrs_tables

LOGS = Path(__file__).parents[2] / "data" / "logs"


def recorded(name: str) -> Reconstruction | None:
    return from_log(parse_recorded((LOGS / name).read_bytes()).xen, name)


def xen_lines(table: Ivrs, version: str, used: int) -> Iterator[str]:
    """What Xen prints of a table that it likes, with iommu=verbose,debug."""
    yield f" Xen version {version} (a@b) (gcc) debug=n Wed Nov  4 16:52:28 UTC 2026"
    yield f"AMD-Vi: Using IVHD type {used:#x}"
    header = table.header
    yield "AMD-Vi: ACPI Table:"
    yield f"AMD-Vi:  Signature {header.signature}"
    yield f"AMD-Vi:  Length {header.length:#x}"
    yield f"AMD-Vi:  Revision {header.revision:#x}"
    yield f"AMD-Vi:  CheckSum {header.checksum:#x}"
    yield f"AMD-Vi:  OEM_Id {header.oem_id}"
    yield f"AMD-Vi:  OEM_Table_Id {header.oem_table_id}"
    yield f"AMD-Vi:  OEM_Revision {header.oem_revision:#x}"
    yield f"AMD-Vi:  Creator_Id {header.creator_id}"
    yield f"AMD-Vi:  Creator_Revision {header.creator_revision:#x}"
    data = build(table)
    for block in table.blocks:
        # Xen looks for an id in every block, and be it in the next one.
        device_id = int.from_bytes(data[block.offset + 4 : block.offset + 6], "little")
        yield (
            f"AMD-Vi: IVRS Block: type {block.type:#x} flags {block.flags:#x}"
            f" len {block.length:#x} id {device_id:#x}"
        )
        if isinstance(block, Ivmd):
            place = f"phys {block.start:#x} len {block.size:#x}"
            yield f"AMD-Vi: IVMD Block: type {block.type:#x} {place}"
        elif isinstance(block, Ivhd) and block.type == used:
            if version == "4.20":
                yield (
                    f"AMD-Vi: IVHD: IOMMU @ {block.base:#x} cap @ {block.capability:#x}"
                    f" seg {block.segment:#06x} info {block.info:#x} attr {block.features:#x}"
                )
            yield from _entry_lines(block)
    yield "I/O virtualisation enabled"


def _entry_lines(block: Ivhd) -> Iterator[str]:
    ends = {span.entry.offset: span.last for span in spans(block.entries) if span.is_range}
    paired = {span.end.offset for span in spans(block.entries) if span.end}
    for entry in block.entries:
        if entry.offset in paired:
            continue
        yield (
            f"AMD-Vi: IVHD Device Entry: type {entry.type:#x} id {entry.device_id:#x}"
            f" flags {entry.data:#x}"
        )
        if entry.type == 66:
            yield f"AMD-Vi:  Dev_Id Alias: {entry.source_id:#x}"
        elif entry.type == 72:
            place = bdf(entry.source_id or 0)
            yield (
                f"AMD-Vi: IVHD Special: 0000:{place} variety {entry.variety:#x}"
                f" handle {entry.handle:#x}"
            )
        elif entry.offset in ends:
            alias = f" alias {entry.source_id:#x}" if entry.type == 67 else ""
            yield f"AMD-Vi:  Dev_Id Range: {entry.device_id:#x} -> {ends[entry.offset]:#x}{alias}"


def reconstructed(table: Ivrs, version: str, used: int) -> Reconstruction:
    text = "".join(f"(XEN) {line}\r\n" for line in xen_lines(table, version, used))
    made = from_log(parse_recorded(text.encode("latin-1")).xen, "a.log")
    assert made is not None
    return made


def agrees(made: Reconstruction, data: bytes) -> None:
    """Every byte that the log tells is the table's."""
    assert len(made.table.data) == len(data)
    for at, (a, b) in enumerate(zip(made.table.data, data, strict=True)):
        if made.knows(at):
            assert a == b, f"offset {at:#x}"


def test_the_apu2s_table_comes_back() -> None:
    table = apu2()
    made = reconstructed(table, "4.20", 0x11)
    agrees(made, build(table))
    back = parse(made.table.data, strict=True)
    assert back.ivhds[1].entries == table.ivhds[1].entries
    assert back.ivhds[1].base == 0xFEB80000
    assert back.efr_sup
    assert made.table.reconstructed
    assert made.table.unknown == tuple(range(u.offset, u.offset + u.size) for u in made.unknown)
    assert made.knows(back.ivhds[1].offset, 24)
    assert not made.knows(back.ivhds[1].offset + 24), "the EFR image"
    assert not made.knows(back.ivhds[0].offset + 24), "the entries of the type not used"
    assert "not in the log: content of block 10h" in made.table.notes


def test_an_older_xen_does_not_tell_the_base_address() -> None:
    made = reconstructed(apu2(), "4.17.7", 0x10)
    back = parse(made.table.data)
    assert back.ivhds[0].base == 0
    assert not made.knows(back.ivhds[0].offset + 8, 8)
    assert made.knows(back.ivhds[0].offset, 6)
    assert "not in the log: IOMMU Base Address (2 times)" in made.table.notes


def test_memory_definitions() -> None:
    memory = (Ivmd(0x20, 7, 32, 0, 0, 0, 1 << 40, 0x1000), Ivmd(0x22, 8, 32, 8, 9, 0, 0x2000, 1))
    table = finish(replace(apu2(), blocks=(*apu2().blocks, *memory)))
    made = reconstructed(table, "4.20", 0x11)
    agrees(made, build(table))
    first, second = parse(made.table.data).ivmds
    assert first == memory[0]
    assert (second.start, second.aux) == (0x2000, 0)
    assert not made.knows(second.offset + 6)


def test_a_recorded_boot_of_xen_4_17() -> None:
    made = recorded("qemu-q35-amd-iommu-xen-4.17.7-dom0.log")
    assert made is not None
    back = parse(made.table.data, strict=True)
    (block,) = back.ivhds
    assert (block.flags, block.device_id, block.length) == (0xD1, 0x10, 0x3C)
    assert [entry.device_id for entry in block.entries[:-1]] == [0, 8, 16, 24, 0xF8, 0xFA, 0xFB]
    ioapic = block.entries[-1]
    assert (ioapic.handle, ioapic.source_id, ioapic.variety) == (0, 0xA0, 1)
    assert (back.header.length, back.header.oem_id) == (0x6C, "BOCHS")
    assert checksum(made.table.data) == 0
    assert any("checksum that the log tells (0x21)" in note for note in made.table.notes)


def test_a_recorded_boot_of_xen_4_20_tells_the_iommus_place() -> None:
    made = recorded("qemu-q35-xen-4.20-iommu-enabled.log")
    assert made is not None
    (block,) = parse(made.table.data).ivhds
    assert (block.base, block.capability, block.segment) == (0xFED80000, 0x40, 0)
    assert [entry.type for entry in block.entries] == [3, 4, 72, 72]
    assert made.knows(block.offset, block.header_size)


def test_a_recorded_hang_has_the_block_of_length_0() -> None:
    made = recorded("qemu-q35-xen-4.17.7-ivhd-length-0-hang.log")
    assert made is not None
    assert made.table.data[48:54] == bytes.fromhex("10d100000800")
    assert "a block of length 0: Xen does not get past it" in made.table.notes
    assert any("96 bytes" in note for note in made.table.notes)


def test_a_log_without_the_lines_makes_no_table() -> None:
    assert recorded("qemu-q35-xen-4.17.7-iommu-required-panic.log") is None
    assert from_log(XenFacts()) is None


def test_a_block_shorter_than_its_header_stays_short() -> None:
    facts = XenFacts(ivrs_blocks=(IvrsBlock(0x10, 0, 16, 2), IvrsBlock(0x20, 0, 8, 0)))
    made = from_log(facts)
    assert made is not None
    assert len(made.table.data) == 48 + 16 + 8
    assert len(parse(made.table.data).blocks) == 2


def test_blocks_that_no_table_holds_are_left_out() -> None:
    facts = XenFacts(ivrs_blocks=(IvrsBlock(0x40, 0, 0xFFFF, 2),) * 2000)
    made = from_log(facts)
    assert made is not None
    assert len(made.table.data) < 1 << 20
    assert any("do not fit" in note for note in made.table.notes)


NUMBERS = st.integers(0, 1 << 64)
BLOCKS = st.builds(
    IvrsBlock, st.sampled_from([0x10, 0x11, 0x20, 0x22, 0x40, 0x51]), NUMBERS, NUMBERS, NUMBERS
)


@given(st.lists(BLOCKS, max_size=5), st.lists(st.builds(IvmdBlock, NUMBERS, NUMBERS, NUMBERS)))
def test_any_numbers_make_a_table(blocks: list[IvrsBlock], memory: list[IvmdBlock]) -> None:
    made = from_log(XenFacts(ivrs_blocks=tuple(blocks), ivmd_blocks=tuple(memory)))
    assert (made is None) == (not blocks)
    if made:
        assert build(parse(made.table.data)) == made.table.data


@given(ivrs_tables(), st.sampled_from(["4.17.7", "4.20"]), st.sampled_from([0x10, 0x11]))
def test_what_the_log_tells_is_the_tables(table: Ivrs, version: str, used: int) -> None:
    plain = replace(table.header, oem_id="AMD", oem_table_id="TABLE", creator_id="AMD")
    blocks = tuple(
        replace(block, entries=tuple(one for one in block.entries if one.type != 240))
        if isinstance(block, Ivhd)
        else block
        for block in table.blocks
    )
    if blocks:
        whole = finish(replace(table, header=plain, blocks=blocks))
        agrees(reconstructed(whole, version, used), build(whole))


def test_the_tables_of_real_machines_come_back() -> None:
    for file in corpus():
        data = file.read_bytes()
        table = parse(data)
        used = max(block.type for block in table.ivhds if block.type != 0x40)
        for version in ("4.17.7", "4.20"):
            agrees(reconstructed(table, version, used), data)
