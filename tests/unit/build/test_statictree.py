from __future__ import annotations

import pytest

from harness.board import Board, load
from harness.board.domains import Domain, Load
from harness.build.statictree import chosen_of, static_tree
from harness.devicetree.tree import Node, Tree, build_dtb, parse_dtb
from harness.devicetree.xen import read_chosen
from harness.errors import InputError

SIZES = {"kernel": 0x532200, "initrd": 0xD7E8F, "domU1-kernel": 4096, "xen": 7, "dtb": 23405}
BARE = build_dtb(
    Tree(
        Node(
            "/",
            {"#address-cells": b"\0\0\0\1", "#size-cells": b"\0\0\0\1"},
            (
                Node("soc", {}, (Node("pio@1c20800"),)),
                Node("chosen", {"stdout-path": b"serial0\0"}),
            ),
        )
    )
)


def with_guest(board: Board, **guest: object) -> Board:
    kernel = Load(role="domU1-kernel", address=0x42000000)
    domain = Domain(name="domU1", memory_mib=16, kernel=kernel).model_copy(update=guest)
    return board.model_copy(update={"domains": (domain,)})


def test_what_is_chosen_is_read_again() -> None:
    board = with_guest(load("orangepi-pc"), cmdline="gpio", enhanced="no-xenstore")
    chosen = chosen_of(board, SIZES, "console=dtuart", "console=hvc0")
    made = parse_dtb(static_tree(board, BARE, chosen, "board.dtb"))
    assert read_chosen(made) == chosen
    assert chosen.xen_command_line == "console=dtuart"
    assert chosen.dom0_command_line == "console=hvc0"
    (guest,) = chosen.domains
    assert (guest.memory_kib, guest.cpus, guest.enhanced) == (16 * 1024, 1, "no-xenstore")
    assert guest.modules[0].bootargs == "gpio"


def test_the_rest_of_the_tree_stays() -> None:
    board = load("orangepi-pc")
    made = parse_dtb(static_tree(board, BARE, chosen_of(board, SIZES, "", ""), "board.dtb"))
    found = made.find("/chosen")
    assert found is not None
    assert found.text("stdout-path") == "serial0"


def test_without_dom0_xen_gets_its_command_line_all_the_same() -> None:
    board = with_guest(load("orangepi-pc"))
    alone = board.model_copy(update={"dom0": board.dom0.model_copy(update={"present": False})})
    chosen = chosen_of(alone, SIZES, "maxcpus=2", "")
    assert chosen.modules == ()
    assert chosen.xen_command_line == "maxcpus=2"


def test_a_device_that_a_domain_gets_is_taken_from_dom0() -> None:
    board = with_guest(load("orangepi-pc"), passthrough=("/soc/pio@1c20800",))
    made = parse_dtb(static_tree(board, BARE, chosen_of(board, SIZES, "", ""), "board.dtb"))
    node = made.find("/soc/pio@1c20800")
    assert node is not None
    assert "xen,passthrough" in node.properties


def test_a_device_that_is_not_there_is_named_with_the_file() -> None:
    board = with_guest(load("orangepi-pc"), passthrough=("/soc/none",))
    chosen = chosen_of(board, SIZES, "", "")
    with pytest.raises(InputError, match=r"board\.dtb: there is no such node"):
        static_tree(board, BARE, chosen, "board.dtb")


def test_what_is_no_tree_is_refused() -> None:
    board = load("orangepi-pc")
    with pytest.raises(InputError, match=r"x\.dtb"):
        static_tree(board, b"no tree", chosen_of(board, SIZES, "", ""), "x.dtb")
