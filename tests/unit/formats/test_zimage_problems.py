from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.formats.problem import Problem
from harness.formats.uimage import UImage
from harness.formats.uimage import build as build_uimage
from harness.formats.zimage import build
from harness.formats.zimage_problems import Arch, Role, compression, problems

CODE = bytes.fromhex("1eff2fe1") * 8
GUEST = build(CODE, start=0x40008000)
ARM64 = struct.pack("<8xQQQ24xII", 0, 0, 0xA, 0x644D5241, 0) + bytes(64)
ARCHES: tuple[Arch, ...] = ("arm", "arm64")
ROLES: tuple[Role, ...] = ("xen", "dom0", "guest")


def header(start: int, end: int, rest: bytes = CODE) -> bytes:
    return build(b"")[:0x28] + struct.pack("<II", start, end) + rest


def only(data: bytes, **how: Any) -> Problem:
    (problem,) = problems(data, **how)
    return problem


@pytest.mark.parametrize("role", ROLES)
def test_good_images_have_no_problems(role: Role) -> None:
    assert problems(GUEST, role=role) == ()
    assert problems(build(CODE), role=role) == ()
    assert problems(ARM64, arch="arm64", role=role) == ()


@given(st.binary(max_size=120), st.sampled_from(ARCHES), st.sampled_from(ROLES))
def test_noise_has_one_problem(noise: bytes, arch: Arch, role: Role) -> None:
    problem = only(b"\xff" + noise, arch=arch, role=role)
    assert problem.rule in {"zimage.magic", "zimage.arch"}
    assert problem.message
    assert problem.consequence


@given(st.integers(0, len(GUEST)), st.sampled_from(ARCHES), st.sampled_from(ROLES))
def test_a_cut_image_is_never_a_good_one(length: int, arch: Arch, role: Role) -> None:
    found = problems(GUEST[:length], arch=arch, role=role)
    whole = length == len(GUEST) or (role == "xen" and length >= 0x30)
    assert bool(found) != (whole and arch == "arm")


class TestEnd:
    @pytest.mark.parametrize("role", ["dom0", "guest"])
    def test_beyond_the_file_is_what_xen_refuses(self, role: Role) -> None:
        problem = only(GUEST[:-4], role=role)
        assert (problem.rule, problem.severity, problem.offset) == ("zimage.end", "error", 0x2C)
        assert "the file has 0x4c" in problem.message
        assert "Could not set up" in problem.consequence

    def test_before_the_start_is_refused_too(self) -> None:
        problem = only(header(0x40008000, 0x50))
        assert problem.rule == "zimage.end"
        assert "larger than its module" in problem.consequence

    def test_an_end_that_is_a_size(self) -> None:
        """The error of a linker script that takes the length for the end."""
        problem = only(header(0x40008000, 0x30 + len(CODE)), role="dom0")
        assert problem.rule == "zimage.end"

    def test_within_the_file_cuts_it(self) -> None:
        problem = only(GUEST + b"data")
        assert (problem.rule, problem.severity) == ("zimage.end", "error")
        assert "the last 0x4 bytes" in problem.consequence

    def test_an_appended_device_tree_is_left_out(self) -> None:
        problem = only(GUEST + bytes.fromhex("d00dfeed 00000008"))
        assert (problem.rule, problem.severity) == ("zimage.end", "warning")
        assert "device tree" in problem.consequence

    def test_the_size_of_the_file_may_be_told(self) -> None:
        start = GUEST[:0x30]
        assert problems(start, size=len(GUEST)) == ()
        assert only(start, size=len(GUEST) + 1).rule == "zimage.end"

    def test_xens_own_image_counts_memory_that_is_not_in_the_file(self) -> None:
        assert problems(header(0, 0x116290), role="xen") == ()


class TestStart:
    @pytest.mark.parametrize("start", [0x80000000, 0x80008000, 0xFFFF0000])
    def test_at_the_old_base(self, start: int) -> None:
        problem = only(build(CODE, start=start))
        assert (problem.rule, problem.severity) == ("zimage.start-old", "error")
        assert problem.offset == 0x28
        assert f"start is {start:#x}" in problem.message
        assert "0x40008000" in problem.message
        assert "says nothing" in problem.consequence

    @pytest.mark.parametrize(
        ("start", "severity"),
        [
            (0x8000, "error"),
            (0x3FFFFFFC, "error"),
            (0x40000000, "warning"),
            (0x40200000, "warning"),
            (0x7FFF0000, "warning"),
        ],
    )
    def test_elsewhere(self, start: int, severity: str) -> None:
        problem = only(build(CODE, start=start))
        assert (problem.rule, problem.severity) == ("zimage.start", severity)
        assert f"jumps to {start:#x}" in problem.consequence

    @pytest.mark.parametrize("role", ["dom0", "xen"])
    def test_dom0_and_xen_have_the_boards_memory(self, role: Role) -> None:
        assert problems(build(CODE, start=0x80008000), role=role) == ()

    def test_two_errors_are_two_problems(self) -> None:
        found = problems(header(0x80008000, 0x80008010))
        assert [problem.rule for problem in found] == ["zimage.end", "zimage.start-old"]


PACKED = {
    "gzip": gzip.compress(GUEST),
    "xz": lzma.compress(GUEST),
    "lzma": lzma.compress(GUEST, lzma.FORMAT_ALONE),
    "bzip2": bz2.compress(GUEST),
    "lzo": b"\x89LZO\0\r\n\x1a\n",
    "lz4": b"\x02\x21\x4c\x18" + bytes(8),
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(8),
    "EFI zboot": b"MZ\0\0zimg" + bytes(60),
}


class TestCompressed:
    @pytest.mark.parametrize("name", PACKED)
    @pytest.mark.parametrize("arch", ARCHES)
    @pytest.mark.parametrize("role", ROLES)
    def test_a_compressed_file(self, name: str, arch: Arch, role: Role) -> None:
        problem = only(PACKED[name], arch=arch, role=role)
        assert (problem.rule, problem.offset) == ("zimage.compressed", 0)
        assert name in problem.message
        unpacked = name == "gzip" if role != "xen" else arch == "arm64" and name != "EFI zboot"
        assert problem.severity == ("warning" if unpacked else "error")

    @pytest.mark.parametrize("name", sorted(PACKED.keys() - {"EFI zboot"}))
    def test_compressed_data_where_code_should_be(self, name: str) -> None:
        problem = only(build(PACKED[name], start=0x40008000))
        assert (problem.rule, problem.severity, problem.offset) == (
            "zimage.compressed",
            "error",
            48,
        )
        assert f"0x30, where {name} data begins" in problem.message

    def test_compressed_data_behind_code_is_how_linux_does_it(self) -> None:
        assert problems(build(CODE + PACKED["gzip"])) == ()

    @pytest.mark.parametrize(
        "branch", [0xEAFFFFFF, 0xEA800000, 0xEA7FFFFF, 0xEAFFFFFE, 0xE0000002, 0]
    )
    def test_any_branch_can_be(self, branch: int) -> None:
        image = bytearray(build(PACKED["gzip"]))
        image[0x20:0x24] = branch.to_bytes(4, "little")
        assert problems(bytes(image)) == ()

    def test_a_branch_back_is_followed(self) -> None:
        image = bytearray(GUEST)
        image[0x18:0x1C] = PACKED["gzip"][:4]
        image[0x20:0x24] = (0xEB000000 - 4).to_bytes(4, "little")
        assert only(bytes(image)).offset == 0x18

    def test_a_branch_to_before_the_image_is_not(self) -> None:
        image = bytearray(build(CODE + PACKED["gzip"][:20]))
        image[0x20:0x24] = (0xEB000000 - (0x28 + 20) // 4).to_bytes(4, "little")
        assert problems(bytes(image)) == ()

    def test_an_arm_branch_is_no_lzma(self) -> None:
        assert compression(bytes.fromhex("5d0000ea 0000a0e1")) is None
        assert compression(bytes.fromhex("5d000080 00")) == "lzma"
        assert compression(b"") is None


class TestUImage:
    @pytest.mark.parametrize(
        ("role", "code", "severity", "words"),
        [
            ("xen", 0, "error", "bootm takes it"),
            ("dom0", 0, "warning", "ignores load address"),
            ("guest", 0, "error", "xl does not load uImages"),
            ("dom0", 1, "error", "as if it were code"),
            ("guest", 4, "error", "as if it were code"),
        ],
    )
    def test_a_wrapper(self, role: Role, code: int, severity: str, words: str) -> None:
        wrapped = build_uimage(UImage("", 0, 0, 0, 5, 2, 2, code, GUEST))
        problem = only(wrapped, role=role)
        assert (problem.rule, problem.severity) == ("zimage.uimage", severity)
        assert words in problem.consequence

    def test_its_compression_is_named(self) -> None:
        assert "lzo" in only(build_uimage(UImage("", 0, 0, 0, 5, 2, 2, 4, b""))).message
        assert "compression 77" in only(build_uimage(UImage("", 0, 0, 0, 5, 2, 2, 77, b""))).message
        assert only(b"\x27\x05\x19\x56").rule == "zimage.uimage"


class TestArch:
    @pytest.mark.parametrize(
        ("data", "arch", "role", "severity"),
        [
            (ARM64, "arm", "xen", "error"),
            (ARM64, "arm", "dom0", "error"),
            (ARM64, "arm", "guest", "error"),
            (GUEST, "arm64", "xen", "error"),
            (GUEST, "arm64", "dom0", "warning"),
            (GUEST, "arm64", "guest", "warning"),
        ],
    )
    def test_the_other_one(self, data: bytes, arch: Arch, role: Role, severity: str) -> None:
        problem = only(data, arch=arch, role=role)
        assert (problem.rule, problem.severity) == ("zimage.arch", severity)
        assert problem.offset == (0x38 if data is ARM64 else 0x24)

    def test_an_image_may_have_both_headers(self) -> None:
        both = build(bytes(8) + b"ARMd" + bytes(20))
        assert [problems(both, arch=arch) for arch in ARCHES] == [(), ()]


class TestMagic:
    def test_what_is_there_is_said(self) -> None:
        problem = only(bytes(100))
        assert (problem.rule, problem.offset) == ("zimage.magic", 0x24)
        assert "at 0x24 there is 00 00 00 00" in problem.message

    def test_a_big_endian_header(self) -> None:
        swapped = struct.pack(">12I", *struct.unpack("<12I", GUEST[:0x30])) + CODE
        assert "big-endian" in only(swapped).message

    def test_an_elf_file(self) -> None:
        assert "objcopy" in only(b"\x7fELF" + bytes(100)).message

    def test_what_the_loaders_say(self) -> None:
        said = {
            (arch, role): only(bytes(100), arch=arch, role=role).consequence
            for arch in ARCHES
            for role in ROLES
        }
        assert "zimage: Bad magic!" in said["arm", "xen"]
        assert "Bad Linux ARM64 Image magic!" in said["arm64", "xen"]
        assert "Could not set up DOM0 guest OS" in said["arm", "dom0"]
        assert "no loader found" in said["arm64", "guest"]
