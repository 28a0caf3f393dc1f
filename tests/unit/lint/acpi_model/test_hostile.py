"""Bytes that no firmware would write: an answer each time, soon, and no traceback."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.formats.acpi.header import with_checksum
from harness.formats.acpi.tableset import RawTable, TableSet
from harness.lint.acpi_model import Machine, XenVersion, predict

VERSIONS = [f"4.{minor}" for minor in range(8, 21)]
OUTCOMES = {"enabled", "disabled", "absent", "failed", "hang", "panic"}


def table(body: bytes, length: int | None = None) -> TableSet:
    size = 48 + len(body) if length is None else length
    head = struct.pack("<4sIBB26xIQ", b"IVRS", size, 2, 0, 0x00142801, 0)
    return TableSet((RawTable("IVRS", with_checksum(head + body)),))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(VERSIONS))
def test_random_bytes(body: bytes, version: str) -> None:
    assert predict(table(body), version=version).outcome in OUTCOMES


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(VERSIONS))
def test_random_entries_behind_a_true_header(data: st.DataObject, version: str) -> None:
    kinds = st.sampled_from([0, 2, 3, 4, 0x40, 0x42, 0x43, 0x46, 0x47, 0x48, 0xF0])
    entry = st.tuples(kinds, st.binary(min_size=7, max_size=7)).map(
        lambda pair: bytes([pair[0]]) + pair[1][: 3 if pair[0] < 0x40 else 7]
    )
    body = b"".join(data.draw(st.lists(entry, max_size=12)))
    head = struct.pack("<BBHHHQHHIQQ", 0x11, 0, 40 + len(body), 8, 0x40, 0xFED80000, 0, 0, 0, 0, 0)
    assert predict(table(head + body), version=version).outcome in OUTCOMES


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stump_is_no_table(version: str) -> None:
    for size in range(8):
        tables = TableSet((RawTable("IVRS", b"IVRS\x60\0\0\0"[:size]),))
        assert predict(tables, version=version).outcome == "absent"


def test_every_truncation_is_answered() -> None:
    head = struct.pack("<BBHHHQHHI", 0x10, 0, 40, 8, 0x40, 0xFED80000, 0, 0, 0)
    whole = table(head + bytes(16)).tables[0].data
    for size in range(8, len(whole)):
        got = predict(TableSet((RawTable("IVRS", whole[:size]),)))
        assert got.basis == "source"  # what is behind the stump decides


@pytest.mark.parametrize("version", ["4.8", "4.14", "4.17", "4.20"])
def test_64_kib_of_ranges_and_memory_blocks_end_soon(version: str) -> None:
    entries = struct.pack("<BHBBHB", 3, 0, 0, 4, 0xFFFF, 0) * 8000
    ivhd = struct.pack(
        "<BBHHHQHHIQQ", 0x11, 0, 40 + len(entries), 8, 0x40, 0xFED80000, 0, 0, 0, 0, 0
    )
    memory = b"".join(
        struct.pack("<BBHHHQQQ", 0x22, 7, 32, 0x10, 0xFFFF, 0, 0xC0000000 + (n << 13), 0x1000)
        for n in range(2000)
    )
    start = time.monotonic()
    assert predict(table(ivhd + entries + memory), version=version).outcome in OUTCOMES
    assert time.monotonic() - start < 10


def test_64_kib_of_blocks_without_a_length() -> None:
    assert predict(table(bytes(1 << 16))).outcome == "hang"


@pytest.mark.parametrize("text", ["", "4", "5.1", "4.7", "4.21", "4.x", "xen", "4." + "9" * 5000])
def test_an_unknown_release_is_an_error(text: str) -> None:
    with pytest.raises(UsageError):
        predict(table(b""), version=text)


def test_releases_by_their_names() -> None:
    for text in ("4.17", "4.17.7", "xen-4.17", "4.17.7+13-g2445b30a44-0+deb12u1"):
        assert XenVersion.parse(text) == XenVersion(17)


def test_a_machine_as_its_table_describes_it() -> None:
    head = struct.pack("<BBHHHQHHI", 0x10, 0, 44, 2, 0x40, 0xF7F00000, 0, 0, 0)
    entries = struct.pack("<BHBBHB", 3, 8, 0, 4, 0xFFFE, 0) + struct.pack(
        "<BHBBHB", 0x48, 0, 0, 4, 0xA0, 1
    )
    madt = struct.pack("<4sI36x", b"APIC", 56) + struct.pack("<BBBBII", 1, 12, 4, 0, 0xFEC00000, 0)
    tables = TableSet((*table(head + entries + bytes(4)).tables, RawTable("APIC", madt)))
    assert predict(tables).outcome == "absent"  # QEMU has no 00:00.2
    assert predict(tables, Machine.described_by(tables)).outcome == "enabled"
