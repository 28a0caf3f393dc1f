"""What a card is made of, where a profile is not as the shipped ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.board import Board, load
from harness.build.card import initrd_of, make_card
from harness.errors import ProfileError
from harness.sources import Binary


def without(board: Board, role: str) -> Board:
    binaries = {name: source for name, source in board.binaries.items() if name != role}
    return board.model_copy(update={"binaries": binaries})


def with_chosen(board: Board, chosen: str) -> Board:
    assert board.boot.uboot is not None
    uboot = board.boot.uboot.model_copy(update={"chosen": chosen})
    return board.model_copy(update={"boot": board.boot.model_copy(update={"uboot": uboot})})


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Binary]:
    found = {}
    for role in ("xen", "kernel", "dtb"):
        (tmp_path / role).write_bytes(b"x")
        found[role] = Binary(role, tmp_path / role, "1", "0" * 64, "file")
    return found


@pytest.mark.parametrize("chosen", ["script", "static"])
@pytest.mark.parametrize("role", ["xen", "kernel"])
def test_what_the_script_loads_must_be_named(
    chosen: str, role: str, parts: dict[str, Binary], tmp_path: Path
) -> None:
    board = with_chosen(without(load("orangepi-pc"), role), chosen)
    del parts[role]
    with pytest.raises(ProfileError, match=f"names no binary for role {role}"):
        make_card(board, parts, tmp_path / "sd.img", "", "")
    assert not (tmp_path / "sd.img").exists()


def test_an_initrd_that_only_the_emulated_machine_has(tmp_path: Path) -> None:
    board = load("cubieboard2")
    (tmp_path / "busybox").write_bytes(b"\x7fELF" + bytes(64))
    machine = board.targets.qemu
    assert machine is not None
    own = {**machine.binaries, "initrd": board.binaries["initrd"]}
    machine = machine.model_copy(update={"binaries": own})
    targets = board.targets.model_copy(update={"qemu": machine})
    board = without(board, "initrd").model_copy(update={"targets": targets})
    binary = Binary("initrd", tmp_path / "busybox", "1", "0" * 64, "debian")
    assert initrd_of(board, binary, tmp_path / "initrd.gz") == tmp_path / "initrd.gz"
    assert (tmp_path / "initrd.gz").read_bytes()[:2] == b"\x1f\x8b"
