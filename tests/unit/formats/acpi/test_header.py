from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.acpi.header import (
    HEADER_SIZE,
    Header,
    body,
    build_header,
    checksum,
    parse_header,
    sealed,
    with_checksum,
)

HPET = bytes.fromhex(
    "48504554 38000000 01 f2 414c41534b41 4120 4d20 4920 0000 09200701 414d4920 05000000"
)


def test_the_fields_of_a_header() -> None:
    assert parse_header(HPET) == Header(
        "HPET", 0x38, 1, 0xF2, "ALASKA", "A M I ", 0x01072009, "AMI ", 5
    )
    assert parse_header(b"abc" + HPET, 3) == parse_header(HPET)


@given(st.binary(min_size=HEADER_SIZE, max_size=HEADER_SIZE))
def test_every_header_is_built_as_it_was(data: bytes) -> None:
    assert build_header(parse_header(data)) == data


@pytest.mark.parametrize("size", range(HEADER_SIZE))
def test_a_stump_is_no_header(size: int) -> None:
    with pytest.raises(FormatError, match=f"{size} bytes are left") as caught:
        parse_header(HPET[:size])
    assert (caught.value.field, caught.value.offset) == ("header", 0)


def test_an_offset_outside_is_an_error() -> None:
    for offset in (-1, 1, 1000):
        with pytest.raises(FormatError):
            parse_header(HPET, offset)


@pytest.mark.parametrize(
    ("change", "field", "offset"),
    [
        ({"signature": "HPETS"}, "Signature", 0),
        ({"length": 1 << 32}, "Length", 4),
        ({"length": -1}, "Length", 4),
        ({"revision": 256}, "Revision", 8),
        ({"checksum": 256}, "Checksum", 9),
        ({"oem_id": "1234567"}, "OEMID", 10),
        ({"oem_table_id": "\u20ac"}, "OEM Table ID", 16),
        ({"oem_revision": 1 << 32}, "OEM Revision", 24),
        ({"creator_id": "12345"}, "Creator ID", 28),
        ({"creator_revision": 1 << 32}, "Creator Revision", 32),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], field: str, offset: int) -> None:
    header = replace(parse_header(HPET), **change)  # type: ignore[arg-type]
    with pytest.raises(FormatError, match="does not fit") as caught:
        build_header(header)
    assert (caught.value.field, caught.value.offset) == (field, offset)


@given(st.binary(min_size=10, max_size=300))
def test_a_checksum_makes_the_sum_zero_and_changes_one_byte(data: bytes) -> None:
    made = with_checksum(data)
    assert checksum(made) == 0
    assert made[:9] + made[10:] == data[:9] + data[10:]


def test_sums() -> None:
    assert checksum(b"") == 0
    assert checksum(b"\xff\x02") == 1
    with pytest.raises(FormatError):
        with_checksum(bytes(9))


@given(st.binary(min_size=HEADER_SIZE, max_size=300))
def test_a_sealed_table_has_its_length_and_its_sum(data: bytes) -> None:
    made = sealed(data)
    assert parse_header(made).length == len(data) == len(made)
    assert checksum(made) == 0


def test_a_stump_cannot_be_sealed() -> None:
    with pytest.raises(FormatError):
        sealed(HPET[:35])


def test_the_length_field_bounds_the_table() -> None:
    data = sealed(HPET + b"abcd")
    assert body(data + b"more", 40)[1] == data
    with pytest.raises(FormatError, match="at least 41 bytes"):
        body(data, 41)
    with pytest.raises(FormatError, match="only 0x27 bytes are there"):
        body(data[:-1], 36)
