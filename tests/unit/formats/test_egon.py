from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats import uimage
from harness.formats.egon import (
    HEADER_SIZE,
    MAGIC,
    STAMP,
    Egon,
    identify,
    is_spl,
    parse,
    proper_offset,
)

NAME = "sun8i-h3-orangepi-plus"


def spl(
    *,
    length: int = 1024,
    signature: bytes = b"SPL\x02",
    name: bytes = NAME.encode() + b"\0",
    name_offset: int = 0x2C,
    fill: bytes = b"\x5a",
) -> bytes:
    """An SPL whose sum is right."""
    raw = bytearray(fill * (length // len(fill)))
    raw[:HEADER_SIZE] = bytes(HEADER_SIZE)
    struct.pack_into("<I8sII4s", raw, 0, 0xEA000016, MAGIC, STAMP, length, signature)
    struct.pack_into("<I", raw, 0x20, name_offset)
    raw[0x2C : 0x2C + len(name)] = name
    total = sum(struct.unpack(f"<{length // 4}I", raw)) & 0xFFFFFFFF
    struct.pack_into("<I", raw, 12, total)
    return bytes(raw)


def refusal(data: bytes) -> FormatError:
    with pytest.raises(FormatError) as caught:
        parse(data)
    return caught.value


def test_the_header_of_u_boot() -> None:
    data = spl()
    stored = int.from_bytes(data[12:16], "little")
    assert parse(data) == Egon(1024, stored, (0, 2), NAME)
    assert parse(data + b"U-Boot proper").length == 1024
    assert is_spl(data)


@given(st.integers(1, 8), st.binary(min_size=4, max_size=4), st.binary(max_size=20))
def test_any_content_with_a_right_sum_is_read(blocks: int, fill: bytes, rest: bytes) -> None:
    data = spl(length=512 * blocks, fill=fill)
    assert parse(data + rest).length == 512 * blocks


@pytest.mark.parametrize(
    ("signature", "version", "name"),
    [
        (b"SPL\x02", (0, 2), NAME),
        (b"SPL\x01", (0, 1), None),
        (b"SPL\x22", (1, 2), NAME),
        (b"\x30\0\0\0", None, None),
    ],
)
def test_what_u_boot_adds_to_the_header(
    signature: bytes, version: tuple[int, int] | None, name: str | None
) -> None:
    found = parse(spl(signature=signature))
    assert (found.spl_version, found.dt_name) == (version, name)


def test_an_spl_may_have_no_name() -> None:
    assert parse(spl(name_offset=0)).dt_name is None


def test_a_name_that_is_no_text_can_be_printed() -> None:
    assert parse(spl(name=b"\xff\0")).dt_name == "\\xff"


@pytest.mark.parametrize("offset", [1024, 0xFFFFFFFF, 1000])
def test_a_name_outside_of_the_spl_is_refused(offset: int) -> None:
    error = refusal(spl(name_offset=offset) + b"name\0")
    assert (error.field, error.offset) == ("dt_name_offset", 32)


def test_every_flipped_bit_is_refused() -> None:
    good = spl(length=512) + bytes(1024)
    for bit in range(8 * 512):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        error = refusal(bytes(data))
        byte = bit // 8
        wanted = {"magic"} if 4 <= byte < 12 else {"check_sum"}
        assert error.field in (wanted | {"length"} if 16 <= byte < 20 else wanted)


def test_a_cut_spl_is_refused() -> None:
    good = spl()
    for length in range(len(good)):
        field = "magic" if length < 12 else "header" if length < HEADER_SIZE else "length"
        assert refusal(good[:length]).field == field


@pytest.mark.parametrize("length", [0, 96, 511, 1000, 1536, 0xFFFFFE00])
def test_a_length_that_cannot_be_is_refused(length: int) -> None:
    data = bytearray(spl())
    data[16:20] = length.to_bytes(4, "little")
    error = refusal(bytes(data))
    assert (error.field, error.offset) == ("length", 16)


@given(st.binary(max_size=600))
def test_noise_is_refused(noise: bytes) -> None:
    refusal(b"\0\0\0\xea" + MAGIC + noise)
    assert not is_spl(noise[:4] + b"\0" + noise[4:])


@pytest.mark.parametrize(
    ("length", "offset"), [(0x6000, 0x8000), (0x8000, 0x8000), (0x8200, 0x8200)]
)
def test_u_boot_proper_lies_at_32_kib_or_behind(length: int, offset: int) -> None:
    assert proper_offset(Egon(length, 0, None, None)) == offset


def test_what_lies_there() -> None:
    assert identify(uimage.script_image("x", time=0)) == "uimage"
    assert identify(bytes.fromhex("d00dfeed 00001000")) == "fit"
    for other in (b"", b"\xd0\x0d", bytes(64), b"\xff" * 64):
        assert identify(other) is None


@pytest.mark.parametrize("size", [100, 8192, 24000])
def test_mkimage_makes_one_that_is_read(
    tool: Callable[[str], str], tmp_path: Path, size: int
) -> None:
    (tmp_path / "code").write_bytes(b"\x01\x23\x45\x67" * (size // 4))
    words = ["-T", "sunxi_egon", "-n", NAME, "-d", "code", "spl"]
    subprocess.run([tool("mkimage"), *words], cwd=tmp_path, check=True, capture_output=True)
    data = (tmp_path / "spl").read_bytes()
    found = parse(data)
    assert (found.length, found.spl_version, found.dt_name) == (len(data), (0, 2), NAME)
