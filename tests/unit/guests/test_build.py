from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from harness.errors import ToolFailed
from harness.formats.zimage import parse
from harness.formats.zimage_problems import problems
from tests.guests.build import START, build_erika, build_gpio_tree, build_guest, build_peer


def made(folder: Path) -> bytes:
    folder.mkdir()
    return build_guest(folder).read_bytes()


def test_the_header_is_that_of_a_zimage(tmp_path: Path) -> None:
    data = build_guest(tmp_path).read_bytes()
    assert data[:0x20] == bytes.fromhex("0000a0e1") * 8
    assert struct.unpack_from("<III", data, 0x24) == (0x016F2818, START, START + len(data))
    assert parse(data).size == parse(data).size_in_file == len(data)
    assert problems(data, arch="arm", role="guest") == ()
    assert len(data) <= 4096, "the guest is meant to stay small enough to read"


def test_the_branch_in_the_header_leads_behind_it(tmp_path: Path) -> None:
    (branch,) = struct.unpack_from("<I", build_guest(tmp_path).read_bytes(), 0x20)
    assert branch >> 24 == 0xEA
    assert 0x20 + 8 + 4 * (branch & 0xFFFFFF) == 0x30


def test_the_same_bytes_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(tmp_path / "one")
    monkeypatch.chdir(tmp_path)
    assert made(tmp_path / "another-name") == first


def test_a_guest_for_the_memory_map_of_xen_4_4(tmp_path: Path) -> None:
    data = build_guest(tmp_path, start=0x80008000).read_bytes()
    assert parse(data).start == 0x80008000
    assert [problem.rule for problem in problems(data, arch="arm", role="guest")] == [
        "zimage.start-old"
    ]


def test_macros_reach_the_compiler(tmp_path: Path) -> None:
    plain = made(tmp_path / "plain")
    (tmp_path / "other").mkdir()
    other = build_guest(tmp_path / "other", defines={"FIRST_TICKS": 7}).read_bytes()
    assert other != plain


def test_a_warning_of_the_compiler_ends_the_build(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="division by zero"):
        build_guest(tmp_path, defines={"LATER_TICKS": 0})


@pytest.mark.parametrize(
    ("ci", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_without_a_compiler_the_test_is_skipped_and_on_ci_fails(
    ci: str,
    outcome: type[BaseException],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=r"apt-get install .*gcc-arm-linux-gnueabihf"):
        build_guest(tmp_path)


def test_the_partial_tree_names_the_page_and_no_interrupt(tmp_path: Path) -> None:
    data = build_gpio_tree(tmp_path).read_bytes()
    assert data[:4] == bytes.fromhex("d00dfeed")
    assert struct.pack(">3I", 0x01C20000, 0x1000, 0x01C20000) in data
    assert re.search(rb"xen,force-assign-without-iommu\0", data)
    assert b"interrupts" not in data


def test_the_guest_for_xl_is_a_zimage_too(tmp_path: Path) -> None:
    data = build_erika(tmp_path).read_bytes()
    assert parse(data).start == START
    assert problems(data, arch="arm", role="guest") == ()
    assert len(data) <= 8192, "it is typed into dom0, and meant to be read"
    old = build_erika(tmp_path, start=0x80008000).read_bytes()
    assert [one.rule for one in problems(old, role="guest")] == ["zimage.start-old"]


def test_both_guests_use_the_same_hypercall(tmp_path: Path) -> None:
    hvc = struct.pack("<I", 0xE140EA71)  # hvc #0xea1
    assert hvc in build_guest(tmp_path).read_bytes()
    assert hvc in build_erika(tmp_path).read_bytes()


def test_the_peer_is_one_static_file_for_arm(tmp_path: Path) -> None:
    program = build_peer(tmp_path)
    assert program.stat().st_size <= 8192
    with program.open("rb") as file:
        elf = ELFFile(file)
        assert elf["e_machine"] == "EM_ARM"
        assert {"PT_INTERP", "PT_DYNAMIC"}.isdisjoint(s["p_type"] for s in elf.iter_segments())


@pytest.mark.parametrize("build", [build_erika, build_peer])
def test_they_are_the_same_bytes_from_any_folder(
    build: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "one", tmp_path / "another-name"
    first.mkdir()
    second.mkdir()
    data = build(first).read_bytes()
    monkeypatch.chdir(tmp_path)
    assert build(second).read_bytes() == data
