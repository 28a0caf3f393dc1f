from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.board import Board, load
from harness.board.domains import Domain, Load
from harness.build.bootscript import LONGEST_TEXT, render_script
from harness.errors import ProfileError


def script(board: Board) -> str:
    return render_script(board, board.xen.cmdline, board.dom0.cmdline)


def domain(number: int, **more: Any) -> Domain:
    kernel = Load(role="kernel", address=0x54000000 + number * 0x100000)
    return Domain(name=f"domU{number}", memory_mib=16, kernel=kernel, **more)


def with_domains(board: Board, *domains: Domain, **changes: Any) -> Board:
    return board.model_copy(update={"domains": domains, **changes})


@pytest.mark.parametrize("name", ["orangepi-pc", "cubieboard2", "virt-arm64"])
def test_golden(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"boot-{name}.cmd", script(load(name)))


def test_the_first_domain_is_written_last_because_mknod_puts_it_first() -> None:
    text = script(with_domains(load("orangepi-pc"), domain(1), domain(2)))
    assert text.index("mknod /chosen domU2") < text.index("mknod /chosen domU1")


def test_every_size_is_that_of_the_load_before() -> None:
    lines = script(with_domains(load("virt-arm64"), domain(1), domain(2))).splitlines()
    for number, line in enumerate(lines):
        if "${filesize}" in line:
            before = next(row for row in reversed(lines[:number]) if row.startswith("load "))
            address = before.split()[3]
            assert address in line, f"{line!r} is not of {before!r}"


def test_without_dom0_there_is_no_module_of_it() -> None:
    board = load("orangepi-pc")
    alone = board.dom0.model_copy(update={"present": False})
    text = script(with_domains(board, domain(1), dom0=alone))
    assert "module@0" not in text
    assert "/zImage" in text  # the domain's


def test_a_domain_gets_what_its_profile_says() -> None:
    board = with_domains(
        load("orangepi-pc"),
        domain(
            1,
            cpus=2,
            vpl011=True,
            enhanced="no-xenstore",
            passthrough=("/soc/pinctrl@1c20800",),
            cmdline="console=ttyAMA0 gpio",
            dtb=Load(role="dtb", address=0x57000000),
        ),
    )
    text = script(board)
    for wanted in (
        "fdt set /chosen/domU1 memory <0x0 0x4000>",
        "fdt set /chosen/domU1 cpus <2>",
        "fdt set /chosen/domU1 vpl011\n",
        'fdt set /chosen/domU1 xen,enhanced "no-xenstore"',
        "fdt set /soc/pinctrl@1c20800 xen,passthrough\n",
        'fdt set /chosen/domU1/module@54100000 bootargs "console=ttyAMA0 gpio"',
        'compatible "multiboot,device-tree" "multiboot,module"',
    ):
        assert wanted in text


BAD = ['a"b', "a;b", "a$b", "a\\b", "a&b", "a|b", "a\nb", "a`b", "a\x1bb"]


@pytest.mark.parametrize("bad", BAD)
def test_what_the_shell_would_change_is_refused(bad: str) -> None:
    board = load("orangepi-pc")
    with pytest.raises(ProfileError, match=r"U-Boot's shell would change"):
        render_script(board, bad, "")
    with pytest.raises(ProfileError, match=r"dom0\.cmdline"):
        render_script(board, "", bad)
    with pytest.raises(ProfileError, match=r"domains\.domU1\.cmdline"):
        script(with_domains(board, domain(1, cmdline="x").model_copy(update={"cmdline": bad})))


def test_a_text_that_fdt_set_has_no_room_for_is_refused() -> None:
    board = load("orangepi-pc")
    assert "a" * 1023 in render_script(board, "a" * 1023, "")
    assert LONGEST_TEXT == 1023
    with pytest.raises(ProfileError, match=r"xen\.cmdline: it has 1024 characters"):
        render_script(board, "a" * 1024, "")


def test_an_address_beyond_32_bits_is_refused_where_there_is_no_cell_for_it() -> None:
    far = domain(1, ramdisk=Load(role="initrd", address=0x1_4000_0000))
    with pytest.raises(ProfileError, match="0x140000000 is no address of a 32-bit board"):
        script(with_domains(load("orangepi-pc"), far))


def test_the_tree_of_the_emulated_machine_alone_is_loaded_too() -> None:
    board = load("cubieboard2")
    less = {role: binary for role, binary in board.binaries.items() if role != "dtb"}
    board = board.model_copy(update={"binaries": less})
    assert "/board.dtb" not in script(board)
    assert "/board.dtb" in render_script(board, "", "", dtb=True)


def test_a_board_without_the_section_says_so() -> None:
    with pytest.raises(ProfileError, match=r"apu2 has no boot\.uboot section"):
        script(load("apu2"))


def test_64_bit_addresses_have_two_cells() -> None:
    board = load("virt-arm64")
    high = domain(1, ramdisk=Load(role="initrd", address=0x8_8000_0000))
    text = script(with_domains(board, high))
    assert "reg <0x8 0x80000000 0x0 0x${filesize}>" in text
    assert "\\#address-cells <2>" in text
