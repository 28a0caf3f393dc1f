"""What is made for a QEMU that loads Xen itself: the tree, and where the modules go."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.board import Board, load
from harness.board.domains import Domain, Load
from harness.build.artifacts import Artifacts, build
from harness.devicetree.tree import Node, Tree, build_dtb, parse_dtb
from harness.devicetree.xen import Chosen, read_chosen
from harness.errors import InputError, ProfileError
from harness.sources import Binary

XEN_IMAGE = bytes(0x38) + b"ARM\x64" + bytes(8)
CELLS = {"#address-cells": b"\0\0\0\2", "#size-cells": b"\0\0\0\2"}
GIC = Node("interrupt-controller@f9010000", {"reg": bytes(64), "phandle": b"\0\0\0\4"})
BARE = build_dtb(
    Tree(
        Node(
            "/",
            CELLS,
            (Node("chosen", {"stdout-path": b"serial0\0"}), Node("axi", CELLS, (GIC,))),
        )
    )
)
CONTENT = {"xen": XEN_IMAGE, "kernel": b"kernel!", "initrd": b"an initrd", "dtb": BARE}
XEN, DOM0 = "console=dtuart", "console=hvc0"


@pytest.fixture
def binaries(tmp_path: Path) -> dict[str, Binary]:
    return {role: binary(tmp_path, role, data) for role, data in CONTENT.items()}


def binary(folder: Path, role: str, data: bytes) -> Binary:
    path = folder / f"my {role}, mine"
    path.write_bytes(data)
    return Binary(role, path, "1", "0", "file")


def made(board: Board, binaries: dict[str, Binary], folder: Path) -> tuple[Artifacts, Chosen]:
    work = folder / "work"
    work.mkdir()
    artifacts = build(board, "direct", binaries, work, XEN, DOM0)
    assert artifacts.files.dtb
    return artifacts, read_chosen(parse_dtb((work / artifacts.files.dtb).read_bytes()))


def test_the_tree_names_what_is_loaded(tmp_path: Path, binaries: dict[str, Binary]) -> None:
    artifacts, chosen = made(load("zcu102"), binaries, tmp_path)
    assert (chosen.xen_command_line, chosen.dom0_command_line) == (XEN, DOM0)
    named = {(one.kind, one.address, one.size) for one in chosen.modules}
    assert named == {("kernel", 0x10000000, 7), ("ramdisk", 0x18000000, 9)}
    loaded = {
        address: (artifacts.folder / file).read_bytes() for file, address in artifacts.files.modules
    }
    assert loaded == {0x10000000: b"kernel!", 0x18000000: b"an initrd"}
    assert artifacts.files.xen
    assert (artifacts.folder / artifacts.files.xen).read_bytes() == XEN_IMAGE


def test_without_an_initrd_there_is_no_module_for_it(
    tmp_path: Path, binaries: dict[str, Binary]
) -> None:
    del binaries["initrd"]
    artifacts, chosen = made(load("zcu102"), binaries, tmp_path)
    assert [one.kind for one in chosen.modules] == ["kernel"]
    assert len(artifacts.files.modules) == 1


def test_domains_are_loaded_too_and_dom0_is_not_where_there_is_none(
    tmp_path: Path, binaries: dict[str, Binary]
) -> None:
    board = load("zcu102")
    kernel = Load(role="domU1-kernel", address=0x30000000)
    guest = Domain(name="domU1", memory_mib=16, kernel=kernel)
    alone = board.dom0.model_copy(update={"present": False})
    board = board.model_copy(update={"domains": (guest,), "dom0": alone})
    binaries["domU1-kernel"] = binary(tmp_path, "domU1-kernel", b"guest")
    artifacts, chosen = made(board, binaries, tmp_path)
    assert artifacts.files.modules == (("domU1-kernel", 0x30000000),)
    assert chosen.modules == ()
    assert [(one.address, one.size) for one in chosen.domains[0].modules] == [(0x30000000, 5)]


@pytest.mark.parametrize("role", ["xen", "dtb"])
def test_what_must_be_there(tmp_path: Path, binaries: dict[str, Binary], role: str) -> None:
    del binaries[role]
    with pytest.raises(ProfileError, match=f"no binary for role {role}"):
        made(load("zcu102"), binaries, tmp_path)


def test_a_quirk_of_the_emulator_changes_the_tree(
    tmp_path: Path, binaries: dict[str, Binary]
) -> None:
    artifacts, _ = made(load("zcu102"), binaries, tmp_path)
    node = parse_dtb((artifacts.folder / "board.dtb").read_bytes()).find(f"/axi/{GIC.name}")
    assert node is not None
    cells = node.cells("reg")
    assert cells is not None
    assert cells[4:8] == (0, 0xF902F000, 0, 0x2000)
    assert node.properties["phandle"] == b"\0\0\0\4"


def test_without_the_quirk_the_tree_is_the_boards(
    tmp_path: Path, binaries: dict[str, Binary]
) -> None:
    artifacts, _ = made(load("zcu102-smp"), binaries, tmp_path)
    node = parse_dtb((artifacts.folder / "board.dtb").read_bytes()).find(f"/axi/{GIC.name}")
    assert node is not None
    assert node.properties["reg"] == bytes(64)


def test_a_quirk_for_a_node_that_is_not_there(tmp_path: Path, binaries: dict[str, Binary]) -> None:
    binaries["dtb"].path.write_bytes(build_dtb(Tree(Node("/", CELLS))))
    with pytest.raises(InputError, match="a quirk of the profile"):
        made(load("zcu102"), binaries, tmp_path)


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh", bytes(0x38) + b"ARM\x32" + bytes(64)])
def test_a_xen_that_is_none(tmp_path: Path, binaries: dict[str, Binary], data: bytes) -> None:
    binaries["xen"].path.write_bytes(data)
    with pytest.raises(InputError, match="boots as Xen"):
        made(load("zcu102"), binaries, tmp_path)


def test_a_tree_that_is_none(tmp_path: Path, binaries: dict[str, Binary]) -> None:
    binaries["dtb"].path.write_bytes(b"no tree")
    with pytest.raises(InputError):
        made(load("zcu102"), binaries, tmp_path)
