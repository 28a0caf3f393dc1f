from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.uimage import (
    ARCH_NAMES,
    COMPRESSION_NAMES,
    HEADER_SIZE,
    OS_NAMES,
    TYPE_NAMES,
    UImage,
    build,
    describe,
    parse,
    script_image,
    script_text,
)

TIME = 1_700_000_000
U32 = st.integers(0, 0xFFFFFFFF)
U8 = st.integers(0, 0xFF)
NAMES = (
    st.binary(max_size=32)
    .filter(lambda raw: not raw.endswith(b"\0"))
    .map(lambda raw: raw.decode(errors="surrogateescape"))
)
IMAGES = st.builds(UImage, NAMES, U32, U32, U32, U8, U8, U8, U8, st.binary(max_size=60))

KERNEL = UImage("Linux 6.1", TIME, 0x42000000, 0x42000040, 5, 2, 2, 0, b"kernel")


def refusal(data: bytes) -> FormatError:
    with pytest.raises(FormatError) as caught:
        parse(data)
    return caught.value


@given(IMAGES, st.binary(max_size=10))
def test_an_image_comes_back_whatever_follows_it(image: UImage, rest: bytes) -> None:
    data = build(image)
    assert parse(data + rest) == image
    assert len(data) == HEADER_SIZE + len(image.data)


@given(IMAGES, st.data())
def test_a_flipped_bit_is_refused(image: UImage, draw: st.DataObject) -> None:
    data = bytearray(build(image))
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    data[bit // 8] ^= 1 << bit % 8
    error = refusal(bytes(data))
    byte = bit // 8
    assert error.field == (
        "ih_magic" if byte < 4 else "ih_hcrc" if byte < HEADER_SIZE else "ih_dcrc"
    )


@pytest.mark.parametrize("length", range(HEADER_SIZE + len(KERNEL.data)))
def test_a_cut_image_is_refused(length: int) -> None:
    error = refusal(build(KERNEL)[:length])
    field = "ih_magic" if length < 4 else "header" if length < HEADER_SIZE else "ih_size"
    assert (error.field, error.offset is not None) == (field, True)


@given(st.binary(max_size=120))
def test_noise_is_refused(noise: bytes) -> None:
    refusal(b"\x27\x05\x19\x56" + noise)


def test_the_places_of_the_fields() -> None:
    raw = build(KERNEL)
    assert raw[:4].hex() == "27051956"
    assert raw[8:24].hex() == "6553f100000000064200000042000040"
    assert raw[28:32] == bytes([5, 2, 2, 0])
    assert raw[32:64] == b"Linux 6.1" + bytes(23)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "x" * 33}, "ih_name"),
        ({"name": "é" * 17}, "ih_name"),
        ({"name": "x\0"}, "ih_name"),
        ({"time": -1}, "ih_time"),
        ({"time": 2**32}, "ih_time"),
        ({"load": 2**32}, "ih_load"),
        ({"entry": -1}, "ih_ep"),
        ({"os": 256}, "ih_os"),
        ({"arch": 256}, "ih_arch"),
        ({"type": -1}, "ih_type"),
        ({"compression": 256}, "ih_comp"),
    ],
)
def test_what_a_field_cannot_hold_is_refused(change: dict[str, int], field: str) -> None:
    with pytest.raises(FormatError) as caught:
        build(replace(KERNEL, **change))  # type: ignore[arg-type]
    assert caught.value.field == field


def test_codes_in_words() -> None:
    assert describe(KERNEL) == "arm linux kernel, none"
    assert describe(parse(script_image("x", time=0, arch="arm64"))) == "arm64 linux script, none"
    odd = replace(KERNEL, os=200, arch=201, type=202, compression=203)
    assert describe(odd) == "arch 201 os 200 type 202, compression 203"


class TestScript:
    @given(st.binary(min_size=1, max_size=50), NAMES, U32)
    def test_its_text_comes_back(self, text: bytes, name: str, time: int) -> None:
        image = parse(script_image(text, time=time, name=name))
        assert script_text(image) == text
        assert (image.name, image.time, describe(image)) == (name, time, "arm linux script, none")

    def test_a_str_is_utf8(self) -> None:
        assert script_text(parse(script_image("echo ü", time=0))) == "echo ü".encode()

    @pytest.mark.parametrize("empty", ["", b""])
    def test_an_empty_one_is_refused(self, empty: str | bytes) -> None:
        with pytest.raises(FormatError, match="empty"):
            script_image(empty, time=0)

    def test_only_the_first_part_of_several_is_the_script(self) -> None:
        data = bytes.fromhex("00000003 00000004 00000000") + b"onetwo."
        assert script_text(replace(KERNEL, type=6, data=data)) == b"one"

    def test_a_kernel_is_no_script(self) -> None:
        with pytest.raises(FormatError, match="kernel") as caught:
            script_text(KERNEL)
        assert caught.value.field == "ih_type"

    @pytest.mark.parametrize(
        "data", ["", "000000", "00000001", "00000001 61", "00000000", "00000002 00000000 61"]
    )
    def test_a_table_that_is_none_is_refused(self, data: str) -> None:
        with pytest.raises(FormatError) as caught:
            script_text(replace(KERNEL, type=6, data=bytes.fromhex(data)))
        assert caught.value.field == "length table"

    @given(
        st.lists(st.sampled_from([b"\0\0\0\0", b"\0\0\0\3"]), max_size=4).map(b"".join)
        | st.binary(max_size=40)
    )
    def test_any_data_is_a_script_or_refused(self, data: bytes) -> None:
        image = replace(KERNEL, type=6, data=data)
        words = [int.from_bytes(data[at : at + 4]) for at in range(0, len(data) - 3, 4)]
        start = 4 * words.index(0) + 4 if 0 in words else 0
        if start > 4 and words[0] <= len(data) - start:
            assert script_text(image) == data[start : start + words[0]]
        else:
            with pytest.raises(FormatError) as caught:
                script_text(image)
            assert caught.value.field == "length table"


class TestMkimage:
    @pytest.mark.parametrize(
        "text",
        [b"a", b"abcd", b"echo hello\n", b"echo\r\n" * 7, bytes(range(256)), b"#" * 5001],
        ids=len,
    )
    @pytest.mark.parametrize("arch", ["arm", "arm64"])
    def test_a_script_is_the_same(
        self, tool: Callable[[str], str], tmp_path: Path, text: bytes, arch: Literal["arm", "arm64"]
    ) -> None:
        theirs = run(tool("mkimage"), tmp_path, text, "-C", "none", "-A", arch, "-T", "script")
        assert script_image(text, time=TIME, arch=arch) == theirs

    @pytest.mark.parametrize("name", ["Boot script", "x" * 31])
    def test_a_script_with_a_name_is_the_same(
        self, tool: Callable[[str], str], tmp_path: Path, name: str
    ) -> None:
        words = ["-C", "none", "-A", "arm", "-T", "script", "-n", name]
        assert script_image(b"x", time=TIME, name=name) == run(
            tool("mkimage"), tmp_path, b"x", *words
        )

    def test_a_kernel_is_the_same(self, tool: Callable[[str], str], tmp_path: Path) -> None:
        kind = ["-C", "none", "-A", "arm", "-O", "linux", "-T", "kernel", "-n", "Linux 6.1"]
        places = ["-a", "0x42000000", "-e", "0x42000040"]
        theirs = run(tool("mkimage"), tmp_path, b"kernel", *kind, *places)
        assert build(KERNEL) == theirs

    @pytest.mark.parametrize(
        ("option", "field", "names"),
        [
            ("-A", "arch", {2: "arm", 3: "x86", 7: "ppc", 21: "or1k", 22: "arm64", 26: "riscv"}),
            ("-O", "os", {2: "netbsd", 5: "linux", 17: "u-boot", 24: "openrtos", 28: "efi"}),
            ("-T", "type", {1: "standalone", 2: "kernel", 3: "ramdisk", 5: "firmware"}),
            ("-T", "type", {7: "filesystem", 14: "kernel_noload"}),
            ("-C", "compression", {0: "none", 1: "gzip", 2: "bzip2", 3: "lzma", 6: "zstd"}),
        ],
    )
    def test_names_are_mkimages(
        self,
        tool: Callable[[str], str],
        tmp_path: Path,
        option: str,
        field: str,
        names: dict[int, str],
    ) -> None:
        ours = {
            "arch": ARCH_NAMES,
            "os": OS_NAMES,
            "type": TYPE_NAMES,
            "compression": COMPRESSION_NAMES,
        }[field]
        for code, name in names.items():
            options = {"-A": "arm", "-O": "linux", "-T": "kernel", "-C": "none", option: name}
            words = [word for pair in options.items() for word in pair]
            theirs = parse(run(tool("mkimage"), tmp_path, b"data", *words))
            assert (getattr(theirs, field), ours[code]) == (code, name)


def run(mkimage: str, folder: Path, data: bytes, *words: str) -> bytes:
    (folder / "data").write_bytes(data)
    subprocess.run(
        [mkimage, *words, "-d", "data", "image"],
        cwd=folder,
        env={"SOURCE_DATE_EPOCH": str(TIME)},
        check=True,
        capture_output=True,
    )
    return (folder / "image").read_bytes()
