from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.zimage import (
    HEADER_SIZE,
    Arm64Image,
    ZImage,
    build,
    is_arm64_image,
    is_zimage,
    parse,
    parse_arm64,
)

STARTS = st.integers(0, 0x3FFFFF00).map(lambda word: 4 * word)
# The first bytes of images that Debian 12 has.
XEN_ARMHF = bytes.fromhex("0000a0e1" * 8 + "020000ea 18286f01 00000000 90621100 c0010cf1")
LINUX_ARMMP = bytes.fromhex(
    "4d5a25e2" * 2 + "0000a0e1" * 6 + "f60300ea 18286f01 00000000 00225300 01020304 45454545"
)
XEN_ARM64 = bytes.fromhex(
    "4d5a0091 57000014 0000000000000000 c860130000000000 0a00000000000000"
    + "00" * 24
    + "41524d64 40000000"
)


def arm64(text_offset: int, image_size: int, flags: int) -> bytes:
    return struct.pack("<8xQQQ24xII", text_offset, image_size, flags, 0x644D5241, 0)


@given(st.binary(max_size=60), STARTS)
def test_what_is_built_is_read(code: bytes, start: int) -> None:
    data = build(code, start=start)
    size = HEADER_SIZE + len(code)
    image = parse(data)
    assert (image.start, image.end, image.size_in_file) == (start, start + size, size)
    assert image.size == size
    assert data[HEADER_SIZE:] == code


def test_the_header_is_eight_nops_and_a_branch_over_the_rest() -> None:
    expected = XEN_ARMHF[:0x28] + struct.pack("<II", 0x40008000, 0x40008034) + b"code"
    assert build(b"code", start=0x40008000) == expected


@pytest.mark.parametrize("start", [2, -4, 0xFFFFFFFC, 2**32])
def test_a_start_that_cannot_be_is_refused(start: int) -> None:
    with pytest.raises(FormatError) as caught:
        build(b"code", start=start)
    assert caught.value.field == "start"


def test_images_of_debian() -> None:
    assert parse(XEN_ARMHF, size=884744) == ZImage(0, 0x116290, 884744, None)
    assert parse(LINUX_ARMMP, size=5448192) == ZImage(0, 5448192, 5448192, big_endian=False)
    assert parse_arm64(XEN_ARM64, size=983048) == Arm64Image(0, 0x1360C8, 0xA, 983048)


def test_a_big_endian_kernel() -> None:
    assert parse(build(bytes.fromhex("01020304"))).big_endian is False
    assert parse(build(bytes.fromhex("04030201"))).big_endian is True
    assert parse(build(b"")).big_endian is None


def test_an_end_before_its_start_is_read_all_the_same() -> None:
    header = bytearray(build(b"code", start=0x40008000))
    header[0x2C:0x30] = bytes(4)
    assert parse(bytes(header)).size == -0x40008000


@pytest.mark.parametrize(
    ("flags", "big_endian", "page_size", "anywhere"),
    [
        (0x0, False, None, False),
        (0x1, True, None, False),
        (0x2, False, 4096, False),
        (0x4, False, 16384, False),
        (0x6, False, 65536, False),
        (0xA, False, 4096, True),
    ],
)
def test_the_flags_of_an_arm64_image(
    flags: int, big_endian: bool, page_size: int | None, anywhere: bool
) -> None:
    image = parse_arm64(arm64(0x80000, 0x1000, flags))
    assert (image.text_offset, image.image_size, image.flags) == (0x80000, 0x1000, flags)
    assert (image.big_endian, image.page_size, image.anywhere) == (big_endian, page_size, anywhere)


@given(*[st.integers(0, 2**64 - 1)] * 3)
def test_any_arm64_header_is_read(text_offset: int, image_size: int, flags: int) -> None:
    image = parse_arm64(arm64(text_offset, image_size, flags))
    assert image == Arm64Image(text_offset, image_size, flags, 64)


@pytest.mark.parametrize("length", range(HEADER_SIZE))
def test_a_cut_zimage_is_refused(length: int) -> None:
    with pytest.raises(FormatError) as caught:
        parse(build(b"code")[:length], size=10_000)
    assert (caught.value.field, caught.value.offset) == ("header", length)


@pytest.mark.parametrize("length", range(0x40))
def test_a_cut_arm64_image_is_refused(length: int) -> None:
    with pytest.raises(FormatError) as caught:
        parse_arm64(XEN_ARM64[:length])
    assert (caught.value.field, caught.value.offset) == ("header", length)


def test_the_one_is_not_the_other() -> None:
    with pytest.raises(FormatError, match="00 00 00 00") as caught:
        parse(XEN_ARM64)
    assert (caught.value.field, caught.value.offset) == ("magic", 0x24)
    with pytest.raises(FormatError) as caught:
        parse_arm64(build(bytes(16)))
    assert (caught.value.field, caught.value.offset) == ("magic", 0x38)
    assert (is_zimage(XEN_ARMHF), is_zimage(XEN_ARM64)) == (True, False)
    assert (is_arm64_image(XEN_ARMHF), is_arm64_image(XEN_ARM64)) == (False, True)


@given(st.binary(max_size=100), st.integers(0, 31))
def test_any_other_magic_is_refused(noise: bytes, bit: int) -> None:
    data = bytearray(build(noise))
    data[0x24 + bit // 8] ^= 1 << bit % 8
    with pytest.raises(FormatError):
        parse(bytes(data))
