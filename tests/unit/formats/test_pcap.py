from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.pcap import Packet, parse


def header(order: str = "<", magic: int = 0xA1B2C3D4, snaplen: int = 256, link: int = 1) -> bytes:
    return struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, snaplen, link)


def record(
    second: int, part: int, data: bytes, length: int | None = None, order: str = "<"
) -> bytes:
    return struct.pack(order + "IIII", second, part, len(data), length or len(data)) + data


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "part"), [(0xA1B2C3D4, 250_000), (0xA1B23C4D, 250_000_000)])
def test_both_byte_orders_and_both_clocks(order: str, magic: int, part: int) -> None:
    data = header(order, magic) + record(7, part, b"abc", order=order)
    data += record(8, 0, b"x" * 256, 1500, order)
    capture = parse(data)
    assert capture.packets == (Packet(7.25, b"abc", 3), Packet(8.0, b"x" * 256, 1500))
    assert (capture.linktype, capture.snaplen, capture.truncated) == (1, 256, False)


def test_the_header_of_qemu() -> None:
    capture = parse(bytes.fromhex("d4c3b2a1020004000000000000000000 80020000 01000000"))
    assert (capture.linktype, capture.snaplen, capture.packets) == (1, 640, ())


def test_the_upper_half_of_the_link_type_is_no_link_type() -> None:
    assert parse(header(link=0x1400_0001)).linktype == 1


def test_a_file_that_ends_in_mid_record_has_the_records_before() -> None:
    whole = header() + record(1, 0, b"first") + record(2, 0, b"second")
    for length in range(24, len(whole) + 1):
        capture = parse(whole[:length])
        ends = [24, 24 + 21, 24 + 21 + 22]
        assert capture.truncated == (length not in ends)
        assert len(capture.packets) == sum(length >= end for end in ends[1:])


@pytest.mark.parametrize("length", range(24))
def test_a_cut_file_header_is_refused(length: int) -> None:
    with pytest.raises(FormatError) as caught:
        parse(header()[:length])
    assert caught.value.field == ("magic" if length < 4 else "header")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "magic"),
        (header(magic=0xA1B2CD34), "magic"),
        (struct.pack("<IHHIIII", 0xA1B2C3D4, 3, 0, 0, 0, 0, 1), "version"),
    ],
)
def test_another_format_is_refused(data: bytes, field: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(data)
    assert caught.value.field == field


@given(st.binary(max_size=200), st.sampled_from("<>"))
def test_any_records_are_read_as_far_as_they_go(rest: bytes, order: str) -> None:
    capture = parse(header(order) + rest)
    used = sum(16 + len(packet.data) for packet in capture.packets)
    assert used <= len(rest)
    assert capture.truncated == (used != len(rest))
