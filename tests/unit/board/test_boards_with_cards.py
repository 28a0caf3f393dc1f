"""What does not fit in the profile of a board that boots from a card."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import data
from harness.board import load
from harness.errors import ProfileError

SHIPPED = (data.folder("boards") / "orangepi-pc.yaml").read_text()


def refused(folder: Path, before: str, after: str) -> str:
    assert SHIPPED.count(before) == 1
    (folder / "orangepi-pc.yaml").write_text(SHIPPED.replace(before, after))
    with pytest.raises(ProfileError) as bad:
        load("orangepi-pc", [folder])
    return str(bad.value)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("xen: 0x50000000", "xen: 0x46000000", "0x46000000 is the address of"),
        ("fdt: 0x4f000000", "fdt: 0x10", "0x10 is outside hardware.ram"),
        ("fdt: 0x4f000000", "fdt: 0x80000000", "0x80000000 is outside hardware.ram"),
        ("size_mib: 64", "size_mib: 100", "a power of two, as 128"),
        ("size_mib: 64", "size_mib: 32\n    boot_mib: 30", "no room is left for the ext4"),
        ("method: sdcard", "method: pxe", "there is no pxe section"),
        (
            "  card:\n    size_mib: 64\n    loader_kib: 8\n    root: /dev/mmcblk0p3\n",
            "",
            "there is no card section",
        ),
        ("device: mmc 0", "device: mmc0", "device"),
        ("stdin: serial", "std in: serial", "std in"),
        ("  uboot:\n    package", "  u-boot:\n    package", "did you mean 'uboot'"),
    ],
)
def test_it_is_refused_with_its_place(tmp_path: Path, before: str, after: str, said: str) -> None:
    message = refused(tmp_path, before, after)
    assert said in message
    assert message.startswith(f"{tmp_path}/orangepi-pc.yaml:")


@pytest.mark.parametrize(
    ("domains", "said"),
    [
        ("[{name: domU1, memory_mib: 16, kernel: {role: kernl, address: 0x42000000}}]", "no role"),
        ("[{name: domU1, memory_mib: 16, kernel: {role: spl, address: 0x42000000}}]", "has no spl"),
        ("[{name: guest, memory_mib: 16, kernel: {role: kernel, address: 1}}]", "name"),
        (
            "[{name: domU1, memory_mib: 16, kernel: {role: kernel, address: 0x42000000}},"
            " {name: domU1, memory_mib: 16, kernel: {role: kernel, address: 0x43000000}}]",
            "domU1 is there twice",
        ),
    ],
)
def test_a_domain_that_cannot_be(tmp_path: Path, domains: str, said: str) -> None:
    assert said in refused(tmp_path, "targets:\n", f"domains: {domains}\ntargets:\n")


def test_what_a_stand_in_needs_replaces_the_boards_own_on_the_emulator_only() -> None:
    board = load("cubieboard2")
    assert "Cubieboard2" in board.binaries_of("serial")["uboot"].file
    assert "Cubieboard2" in board.binaries_of("qemu", own=True)["uboot"].file
    assert "orangepi_plus" in board.binaries_of("qemu")["uboot"].file
    assert board.binaries_of("qemu")["xen"] == board.binaries["xen"]
