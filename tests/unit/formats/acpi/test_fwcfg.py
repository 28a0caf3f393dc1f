from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.acpi.builder import Spec, build, q35_ivrs, with_roots
from harness.errors import FormatError
from harness.formats.acpi import facs, fadt, rsdp, rsdt
from harness.formats.acpi.fwcfg import (
    COMMAND_SIZE,
    RSDP,
    TABLES,
    AddChecksum,
    AddPointer,
    Allocate,
    Command,
    LoaderBlobs,
    loader_blobs,
    pack_command,
    parse_script,
)
from harness.formats.acpi.header import checksum
from harness.formats.acpi.tableset import RawTable, TableSet

HIGH, LOW = 0x7FFE_0000, 0xF_59C0


class Memory:
    """What SeaBIOS does with the three files."""

    def __init__(self, blobs: LoaderBlobs) -> None:
        self.files = {name: bytearray(data) for name, data in blobs.files.items()}
        self.at: dict[str, int] = {}
        for command in parse_script(blobs.loader):
            self._do(command)

    def _do(self, command: Command) -> None:
        if isinstance(command, Allocate):
            self.at[command.file] = LOW if command.fseg else HIGH
            assert self.at[command.file] % command.align == 0
            return
        data = self.files[command.file]
        if isinstance(command, AddPointer):
            field = slice(command.offset, command.offset + command.size)
            assert command.offset + command.size <= len(data)
            value = int.from_bytes(data[field], "little") + self.at[command.source]
            data[field] = value.to_bytes(command.size, "little")
        else:
            assert command.start + command.length <= len(data)
            part = data[command.start : command.start + command.length]
            data[command.offset] = (data[command.offset] - checksum(bytes(part))) & 0xFF

    def table(self, address: int, size: int) -> bytes:
        start = address - HIGH
        assert start >= 0
        assert start + size <= len(self.files[TABLES])
        return bytes(self.files[TABLES][start : start + size])

    def root(self) -> rsdp.Rsdp:
        data = bytes(self.files[RSDP])
        (offset,) = rsdp.find(data)
        return rsdp.parse(data, offset)

    def listed(self) -> list[bytes]:
        address = self.root().xsdt_address
        (size,) = struct.unpack("<I", self.table(address + 4, 4))
        entries = rsdt.parse(self.table(address, size)).entries
        return [self.table(one, struct.unpack("<I", self.table(one + 4, 4))[0]) for one in entries]


def load(tables: TableSet, **options: object) -> Memory:
    root, *others = tables.tables
    return Memory(loader_blobs(root.data, [one.data for one in others], **options))  # type: ignore[arg-type]


def replaced(tables: TableSet, signature: str, data: bytes) -> TableSet:
    return TableSet(
        tuple(RawTable(t.signature, data) if t.signature == signature else t for t in tables.tables)
    )


def spoiled(tables: TableSet, signature: str, offset: int) -> TableSet:
    table = tables.find(signature)
    assert table
    data = bytearray(table.data)
    data[offset] = (data[offset] + 0x3A) & 0xFF
    return replaced(tables, signature, bytes(data))


GOOD = build(Spec(ivrs=q35_ivrs()))


def test_every_table_is_where_another_says() -> None:
    memory = load(GOOD)
    assert [one[:4] for one in memory.listed()] == [b"FACP", b"APIC", b"HPET", b"MCFG", b"IVRS"]
    assert memory.listed()[-1] == q35_ivrs()
    description = fadt.parse(memory.listed()[0])
    for address in (description.dsdt, description.x_dsdt or 0):
        assert memory.table(address, 4) == b"DSDT"
    for address in (description.firmware_ctrl, description.x_firmware_ctrl or 0):
        assert facs.parse(memory.table(address, 64)) == facs.Facs()
        assert address % 64 == 0


def test_the_rsdt_lists_the_same_tables() -> None:
    memory = load(GOOD)
    size = 36 + 5 * 4
    narrow = rsdt.parse(memory.table(memory.root().rsdt_address, size))
    assert narrow.checksum_ok
    assert [memory.table(one, 4) for one in narrow.entries] == [one[:4] for one in memory.listed()]


def test_checksums_that_were_right_are_right_in_memory() -> None:
    memory = load(GOOD)
    assert [checksum(one) for one in memory.listed()] == [0] * 5
    assert memory.root().checksum_ok
    assert memory.root().extended_checksum_ok
    assert checksum(memory.table(memory.root().xsdt_address, 36 + 5 * 8)) == 0


@pytest.mark.parametrize("signature", ["IVRS", "APIC", "FACP"])
def test_a_wrong_checksum_stays_as_wrong_as_it_was(signature: str) -> None:
    memory = load(spoiled(GOOD, signature, 9))
    wrong = {one[:4].decode(): checksum(one) for one in memory.listed() if checksum(one)}
    assert wrong == {signature: 0x3A}


def test_the_same_for_the_tables_at_the_root() -> None:
    memory = load(spoiled(GOOD, "XSDT", 9))
    assert checksum(memory.table(memory.root().xsdt_address, 36 + 5 * 8)) == 0x3A
    assert not load(spoiled(GOOD, "RSD PTR ", 8)).root().checksum_ok
    extended = load(spoiled(GOOD, "RSD PTR ", 32)).root()
    assert extended.checksum_ok
    assert not extended.extended_checksum_ok


def test_seabios_can_mend_them_all() -> None:
    broken = spoiled(spoiled(spoiled(GOOD, "IVRS", 9), "XSDT", 9), "RSD PTR ", 8)
    memory = load(broken, checksums="mended")
    assert [checksum(one) for one in memory.listed()] == [0] * 5
    assert memory.root().checksum_ok
    assert memory.root().extended_checksum_ok


def test_a_pointer_that_holds_something_leads_there() -> None:
    table = GOOD.find("FACP")
    assert table
    data = bytearray(table.data)
    data[40:44] = (0xDEAD0000).to_bytes(4, "little")
    description = fadt.parse(load(replaced(GOOD, "FACP", bytes(data))).listed()[0])
    assert description.dsdt == 0xDEAD0000
    assert description.x_dsdt
    assert description.x_dsdt != 0xDEAD0000


def test_a_short_pointer_of_acpi_1_leads_to_the_rsdt() -> None:
    root = rsdp.build(rsdp.sealed(rsdp.Rsdp("HARNES", 0, 0)))
    memory = load(replaced(GOOD, "RSD PTR ", root))
    assert memory.root().checksum_ok
    assert memory.table(memory.root().rsdt_address, 4) == b"RSDT"


@pytest.mark.parametrize("change", [-4, 4])
def test_too_many_or_too_few_entries_are_refused(change: int) -> None:
    table = GOOD.find("RSDT")
    assert table
    data = table.data[:change] if change < 0 else table.data + bytes(change)
    with pytest.raises(FormatError, match="5, one for each"):
        load(replaced(GOOD, "RSDT", data))


def test_stumps_are_refused() -> None:
    with pytest.raises(FormatError, match="RSDP"):
        loader_blobs(b"RSD PTR ", [])
    with pytest.raises(FormatError, match="3 bytes"):
        loader_blobs(bytes(20), [b"APC"])


@given(st.binary(min_size=8, max_size=200), st.sampled_from(["kept", "mended"]))
def test_any_bytes_arrive_as_they_were_given(data: bytes, checksums: str) -> None:
    given_bytes = b"IVRS" + data
    tables = with_roots((*build(Spec()).tables, RawTable("IVRS", given_bytes)))
    memory = load(tables, checksums=checksums)
    address = rsdt.parse(memory.table(memory.root().xsdt_address, 36 + 5 * 8)).entries[-1]
    arrived = bytearray(memory.table(address, len(given_bytes)))
    if checksums == "mended" and len(given_bytes) > 9:
        arrived[9] = given_bytes[9]
    assert bytes(arrived) == given_bytes


names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=55)
words = st.integers(0, 0xFFFFFFFF)
commands = st.one_of(
    st.builds(Allocate, names, words, st.booleans()),
    st.builds(AddPointer, names, names, words, st.integers(0, 255)),
    st.builds(AddChecksum, names, words, words, words),
)


@given(st.lists(commands, max_size=5))
def test_a_script_is_read_as_it_was_written(script: list[Command]) -> None:
    data = b"".join(pack_command(command) for command in script)
    assert len(data) == COMMAND_SIZE * len(script)
    assert parse_script(data + bytes(COMMAND_SIZE * 3)) == tuple(script)


def test_the_layout_is_that_of_qemu() -> None:
    pointer = pack_command(AddPointer("etc/acpi/rsdp", "etc/acpi/tables", 24, 8))
    assert pointer[:4] == b"\2\0\0\0"
    assert pointer[4:18] == b"etc/acpi/rsdp\0"
    assert pointer[60:76] == b"etc/acpi/tables\0"
    assert pointer[116:121] == struct.pack("<IB", 24, 8)
    total = pack_command(AddChecksum("etc/acpi/tables", 9, 1, 2))
    assert total[60:72] == struct.pack("<III", 9, 1, 2)
    place = pack_command(Allocate("etc/acpi/rsdp", 16, fseg=True))
    assert place[60:65] == struct.pack("<IB", 16, 2)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"\1" + bytes(126), "127 bytes"), (b"\x09" + bytes(127), "no command 9")],
)
def test_a_script_of_another_kind_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        parse_script(data)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(FormatError, match="too long"):
        pack_command(Allocate("x" * 56, 1))
    with pytest.raises(FormatError, match="does not fit"):
        pack_command(AddPointer("a", "b", 1 << 32, 4))
