from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.acpi import binary_dump, fadt, rsdp, rsdt
from harness.formats.acpi.facs import Facs
from harness.formats.acpi.facs import build as build_facs
from harness.formats.acpi.fadt import Fadt
from harness.formats.acpi.header import Header, build_header, sealed
from harness.formats.acpi.rsdp import Rsdp
from harness.formats.acpi.rsdt import Rsdt

RSDP1 = rsdp.build(rsdp.sealed(Rsdp("OEM", 0, 0)))
RSDP2 = rsdp.build(rsdp.sealed(Rsdp("OEM", 2, 0)))
FACS = build_facs(Facs())


def header(signature: str) -> Header:
    return Header(signature, 0, 1, 0, "OEM", "TABLE", 1, "TEST", 1)


def table(signature: str, content: bytes = b"", length: int | None = None) -> bytes:
    data = sealed(build_header(header(signature)) + content)
    return data if length is None else data[:4] + length.to_bytes(4, "little") + data[8:]


def names(data: bytes) -> list[tuple[str, int]]:
    return [(one.signature, len(one.data)) for one in binary_dump.parse(data)]


def test_one_table() -> None:
    (one,) = binary_dump.parse(table("IVRS", b"abcd"))
    assert (one.signature, one.data, one.notes) == ("IVRS", table("IVRS", b"abcd"), ())


def test_tables_one_after_another_with_and_without_padding() -> None:
    data = RSDP2 + table("APIC", b"abc") + FACS + table("OEM7", b"x") + bytes(11) + table("IVRS")
    assert names(data) == [
        ("RSD PTR ", 36),
        ("APIC", 39),
        ("FACS", 64),
        ("OEM7", 37),
        ("IVRS", 36),
    ]
    assert names(RSDP1 + table("APIC")) == [("RSD PTR ", 20), ("APIC", 36)]
    assert [one.origin for one in binary_dump.parse(data)][1:3] == ["offset 0x24", "offset 0x4b"]


@pytest.mark.parametrize(
    ("length", "note"),
    [
        (36, "8 bytes follow the end"),
        (0, "the length field says 0"),
        (35, "the length field says 35"),
        (100, "the source ends after 0x2c bytes, the table says 0x64"),
        (0xFFFFFFFF, "the source ends after 0x2c bytes"),
    ],
)
def test_a_table_with_a_wrong_length_is_kept_whole(length: int, note: str) -> None:
    data = table("IVRS", b"12345678", length)
    (one,) = binary_dump.parse(data)
    assert one.data == data
    assert one.notes[0].startswith(note)


def test_what_follows_the_last_table_stays_with_it() -> None:
    (first, last) = binary_dump.parse(table("APIC") + table("IVRS") + b"\1garbage")
    assert first.data == table("APIC")
    assert last.data == table("IVRS") + b"\1garbage"


@pytest.mark.parametrize("data", [b"", b"IVR", bytes(4096), b"\x7fELF" + bytes(100), b"abcd" * 20])
def test_what_is_no_table(data: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        binary_dump.parse(data)
    assert (caught.value.field, caught.value.offset) == ("Signature", 0)
    with pytest.raises(FormatError):
        binary_dump.split(data)


@given(st.binary(max_size=200))
def test_any_bytes_behind_a_signature_are_kept_to_the_last(data: bytes) -> None:
    tables = binary_dump.split(b"IVRS" + data)
    joined = b"".join(one.data for one in tables)
    assert len(tables) > 1 or joined == b"IVRS" + data


def test_a_memory_dump_is_scanned_for_tables_with_good_checksums() -> None:
    memory = bytearray(b"\xcc" * 0x4000)
    good = table("IVRS", b"good")
    bad = bytearray(table("APIC"))
    bad[9] ^= 1
    for at, data in ((0x123, good), (0x1000, bytes(bad)), (0x2000, good), (0x3FF0, table("HPET"))):
        memory[at : at + len(data)] = data
    found = binary_dump.parse(bytes(memory[:0x4000]))
    assert [(one.signature, one.data, one.origin) for one in found] == [
        ("IVRS", good, "offset 0x123")
    ]


def test_a_memory_dump_from_address_0_is_walked_from_its_rsdp() -> None:
    memory = bytearray(0x4000)

    def put(at: int, data: bytes) -> None:
        memory[at : at + len(data)] = data

    put(0x3000, FACS)
    put(0x3100, table("DSDT", b"aml"))
    put(0x2000, sealed(fadt.build(Fadt(header("FACP"), firmware_ctrl=0x3000, dsdt=0x3100))))
    put(0x2200, table("IVRS"))
    put(0x2300, table("APIC", b"an old copy, not reachable"))
    # One entry is 0, one outside, one twice.
    entries = (0x2000, 0, 0x2200, 0x99999999, 0x2200)
    put(0x1000, sealed(rsdt.build(Rsdt(header("XSDT"), entries))))
    put(0x0F0, rsdp.build(rsdp.sealed(Rsdp("OEM", 2, 0, xsdt_address=0x1000))))
    found = binary_dump.parse(bytes(memory))
    assert [one.signature for one in found] == ["RSD PTR ", "XSDT", "FACP", "FACS", "DSDT", "IVRS"]
    memory[0xF8] ^= 1
    assert [one.signature for one in binary_dump.parse(bytes(memory))] == [
        "XSDT",
        "FACP",
        "IVRS",
        "APIC",
        "DSDT",
    ]


def test_a_memory_full_of_claims_ends_soon() -> None:
    started = time.monotonic()
    with pytest.raises(FormatError, match="more signatures"):
        binary_dump.parse(b"\1" + b"APICIVRS\0\0\x10\0" * (1 << 18))
    with pytest.raises(FormatError, match="more signatures"):
        binary_dump.parse(b"\1" + b"IVRS" * (1 << 20))
    assert time.monotonic() - started < 10


def test_all_tables_of_a_machine_in_one_file(
    corpus: Callable[[str], list[tuple[str, bytes]]],
) -> None:
    for (machine, madt), (_same, ivrs) in zip(corpus("APIC"), corpus("IVRS"), strict=True):
        for padding in (b"", bytes(7)):
            found = binary_dump.parse(madt + padding + ivrs)
            assert [one.data for one in found] == [madt, ivrs], machine
        memory = b"\xff" + madt + b"?" + ivrs + b"\xff" * 100
        assert [one.data for one in binary_dump.parse(memory)] == [madt, ivrs], machine
