from __future__ import annotations

import re
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.ubootenv import Environment, build, defaults_in, parse

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
VARIABLES = st.dictionaries(TEXT.filter(lambda name: name and "=" not in name), TEXT, max_size=6)
FAST = {
    "bootdelay": "0",
    "stdin": "serial",
    "bootcmd": "ext4load mmc 0:2 0x43100000 boot.scr; source 0x43100000",
    "empty": "",
    "equals": "a=b=c",
}


def stored(content: bytes, flag: bytes = b"") -> bytes:
    return zlib.crc32(content).to_bytes(4, "little") + flag + content


def refusal(data: bytes) -> FormatError:
    with pytest.raises(FormatError) as caught:
        parse(data)
    return caught.value


@given(VARIABLES, st.booleans(), st.integers(0, 50))
def test_an_environment_comes_back(
    variables: dict[str, str], redundant: bool, padding: int
) -> None:
    content = sum(len(f"{name}={value}\0".encode()) for name, value in variables.items()) + 1
    size = 4 + redundant + content + padding
    data = build(variables, size, redundant=redundant)
    assert parse(data) == Environment(variables, redundant, size)
    assert list(parse(data).variables) == list(variables)
    assert len(data) == size
    with pytest.raises(FormatError, match="room for"):
        build(variables, 4 + redundant + content - 1, redundant=redundant)


def test_bytes_that_are_no_utf8_come_back() -> None:
    data = stored(b"a=\xff\0\0")
    assert build(parse(data).variables, len(data)) == data


@pytest.mark.parametrize("redundant", [False, True])
def test_a_flipped_bit_is_refused(redundant: bool) -> None:
    good = build({"a": "1"}, 64, redundant=redundant)
    flag = range(32, 40) if redundant else range(0)
    for bit in range(8 * len(good)):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        if bit in flag:  # the flag counts the writes, and the CRC does not cover it
            assert parse(bytes(data)).variables == {"a": "1"}
        else:
            assert refusal(bytes(data)).field == "crc"


def test_a_cut_environment_is_refused() -> None:
    for length in range(200):
        error = refusal(build(FAST, 200)[:length])
        assert error.field == ("environment" if length <= 4 else "crc")


def test_another_size_than_u_boots_is_explained() -> None:
    error = refusal(build(FAST, 0x4000)[:0x2000])
    assert error.hint is not None
    assert "0x2000 bytes" in error.hint


@given(st.binary(min_size=1, max_size=60), st.sampled_from([b"", b"\1"]))
def test_any_content_under_a_right_crc_is_read_or_refused(content: bytes, flag: bytes) -> None:
    strings, end, _ = (b"\0" + content).partition(b"\0\0")
    if end and all(re.fullmatch(b"[^=]+=.*", each, re.DOTALL) for each in strings.split(b"\0")[1:]):
        assert parse(stored(content, flag)).redundant == bool(flag)
    else:
        assert refusal(stored(content, flag)).field == "variable"


@pytest.mark.parametrize(
    ("content", "offset"),
    [(b"a=1\0b\0\0", 8), (b"=1\0\0", 4), (b"a=1\0", 8), (b"a=1", 4), (b"a=1\0\xff\xff", 8)],
)
def test_a_string_that_is_none_is_refused(content: bytes, offset: int) -> None:
    error = refusal(stored(content))
    assert (error.field, error.offset) == ("variable", offset)


def test_the_last_of_two_values_counts() -> None:
    assert parse(stored(b"a=1\0b=2\0a=3\0\0")).variables == {"a": "3", "b": "2"}


@pytest.mark.parametrize(
    "variables", [{"": "x"}, {"a=b": "x"}, {"a\0": "x"}, {"a": "x\0y"}], ids=repr
)
def test_what_cannot_be_stored_is_refused(variables: dict[str, str]) -> None:
    with pytest.raises(FormatError) as caught:
        build(variables)
    assert caught.value.field == "variable"


@pytest.mark.parametrize("size", [0, 4, -1])
def test_no_room_at_all_is_refused(size: int) -> None:
    with pytest.raises(FormatError, match="room"):
        build({}, size)


@pytest.mark.parametrize("size", [256, 0x10000])
@pytest.mark.parametrize("redundant", [False, True])
def test_mkenvimage_writes_the_same(
    tool: Callable[[str], str], tmp_path: Path, size: int, redundant: bool
) -> None:
    text = "".join(f"{name}={value}\n" for name, value in FAST.items())
    (tmp_path / "text").write_text(text)
    words = ["-s", str(size), *(["-r"] if redundant else []), "-o", "image", "text"]
    subprocess.run([tool("mkenvimage"), *words], cwd=tmp_path, check=True, capture_output=True)
    theirs = (tmp_path / "image").read_bytes()
    assert build(FAST, size, redundant=redundant) == theirs
    assert parse(theirs) == Environment(FAST, redundant, size)


def test_mkenvimage_fills_a_size_to_the_last_byte_too(
    tool: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("a=1\n")
    for size, fits in ((9, True), (8, False)):
        words = ["-s", str(size), "-o", "image", "text"]
        done = subprocess.run(
            [tool("mkenvimage"), *words], cwd=tmp_path, check=False, capture_output=True
        )
        assert (done.returncode == 0) == fits
    assert build({"a": "1"}, 9) == stored(b"a=1\0\0")
    with pytest.raises(FormatError):
        build({"a": "1"}, 8)


BLOCK = b"bootcmd=run distro\0bootdelay=2\0baudrate=115200\0fdt_addr_r=0x43000000\0\0"
DEFAULTS = {
    "bootcmd": "run distro",
    "bootdelay": "2",
    "baudrate": "115200",
    "fdt_addr_r": "0x43000000",
}


class TestDefaults:
    @pytest.mark.parametrize(
        "before",
        [
            b"",
            b"\0",
            b"code\xff\x01",
            b"a string %s\0",
            b"a string\n\0",
            b"J",
            b"x=y\0\0",
            b"\xea\xff" * 40,
            b"text = other\0",
        ],
    )
    @pytest.mark.parametrize("after", [b"", b"\xff\xff", b"more=strings\0", bytes(64)])
    def test_it_is_found_between_other_data(self, before: bytes, after: bytes) -> None:
        assert defaults_in(before + BLOCK + after) == DEFAULTS

    def test_u_boots_is_taken_and_not_that_of_the_spl(self) -> None:
        small = b"bootcmd=spl\0\0"
        for loader in (small + BLOCK, BLOCK + small):
            assert defaults_in(loader) == DEFAULTS

    def test_it_may_begin_with_what_ends_in_a_typical_name(self) -> None:
        found = defaults_in(b"\0distro_bootcmd=for x\0" + BLOCK)
        assert found == {"distro_bootcmd": "for x", **DEFAULTS}

    def test_it_may_begin_with_a_value_that_has_a_typical_name_in_it(self) -> None:
        found = defaults_in(b"\0scan=setenv bootargs=1\0" + BLOCK)
        assert found == {"scan": "setenv bootargs=1", **DEFAULTS}

    def test_colours_tabs_and_lines_are_text(self) -> None:
        menu = b"bootcmd=a\nb\tc\0menu=\x1b[1mtitle\0\0"
        assert defaults_in(menu) == {"bootcmd": "a\nb\tc", "menu": "\x1b[1mtitle"}

    @pytest.mark.parametrize(
        "loader",
        [
            b"",
            bytes(100),
            b"some=strings\0other=strings\0\0",
            BLOCK[:-1] + b"\xff\0",
            BLOCK.rstrip(b"\0"),
            zlib.compress(BLOCK),
        ],
        ids=range(6),
    )
    def test_none_is_refused(self, loader: bytes) -> None:
        with pytest.raises(FormatError) as caught:
            defaults_in(loader)
        assert caught.value.field == "default environment"
        assert "unpack" in str(caught.value)

    @given(st.binary(max_size=200))
    def test_noise_is_refused(self, noise: bytes) -> None:
        with pytest.raises(FormatError):
            defaults_in(noise.replace(b"b", b""))

    @pytest.mark.parametrize("piece", [b"a=\0", b"a", b"\0", b"=", b"bootcmd="])
    def test_the_size_of_a_loader_does_not_hang_it(self, piece: bytes) -> None:
        with pytest.raises(FormatError):
            defaults_in(piece * (1_000_000 // len(piece)))
