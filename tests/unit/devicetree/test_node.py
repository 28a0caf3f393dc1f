from __future__ import annotations

import pytest

from harness.devicetree.tree import (
    Node,
    Tree,
    cpu_address,
    join,
    parent_of,
    parse_dtb,
    phandles,
    reg,
    resolve,
    with_node,
)
from harness.errors import FormatError
from tests.unit.devicetree.conftest import Dtc

SOURCE = b"""/dts-v1/;
/ {
    #address-cells = <2>; #size-cells = <2>;
    aliases { serial0 = &uart; bus = "/soc"; lost = "/nothing"; wrong = "soc"; };
    memory@40000000 { reg = <0x0 0x40000000 0x0 0x40000000>, <0x8 0x0 0x1 0x0>; };
    empty { };
    soc {
        #address-cells = <1>; #size-cells = <1>;
        ranges = <0x0 0x0 0xf0000000 0x100000>, <0x200000 0x1 0x0 0x1000>;
        compatible = "simple-bus";
        uart: serial@1000 { reg = <0x1000 0x400 0x2000 0x10>; phandle = <7>; };
        i2c@3000 { }; i2c@4000 { };
        bridge {
            #address-cells = <1>; #size-cells = <1>; ranges;
            part@5000 { reg = <0x5000 0x10>; };
            far@300000 { reg = <0x300000 0x10>; };
        };
        i2c-mux { #address-cells = <1>; #size-cells = <0>; eeprom@50 { reg = <0x50>; }; };
    };
    old { linux,phandle = <9>; };
};"""


@pytest.fixture(scope="module")
def tree(dtc: Dtc) -> Tree:
    return parse_dtb(dtc("dts:dtb", SOURCE))


def found(tree: Tree, path: str) -> Node:
    node = tree.find(path)
    assert node is not None, path
    return node


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "/"),
        ("/soc/serial@1000", "serial@1000"),
        ("/soc/serial", "serial@1000"),
        ("soc/bridge/part", "part@5000"),
        ("/memory", "memory@40000000"),
    ],
)
def test_a_path_finds_its_node(tree: Tree, path: str, name: str) -> None:
    assert found(tree, path).name == name


@pytest.mark.parametrize("path", ["/soc/i2c", "/soc/serial@2", "/nothing", "/soc/serial/x", "/s"])
def test_what_is_not_there_or_not_unique_is_not_found(tree: Tree, path: str) -> None:
    assert tree.find(path) is None


def test_a_full_name_goes_before_a_name_with_a_unit_address() -> None:
    node = Node("/", {}, (Node("a@1"), Node("a")))
    assert node.find("/a") == Node("a")


def test_the_walk_gives_paths_parents_first(tree: Tree) -> None:
    paths = [path for path, _ in tree.walk()]
    assert paths[:3] == ["/", "/aliases", "/memory@40000000"]
    assert "/soc/bridge/part@5000" in paths
    for path, node in tree.walk():
        assert tree.find(path) == node


def test_paths_are_joined_and_parted() -> None:
    assert (join("/", "a"), join("/a", "b")) == ("/a", "/a/b")
    assert (parent_of("/a/b"), parent_of("/a"), parent_of("/")) == ("/a", "/", "/")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("serial0", "/soc/serial@1000"),
        ("serial0:115200n8", "/soc/serial@1000"),
        ("/soc/serial:9600", "/soc/serial@1000"),
        ("bus/serial@1000", "/soc/serial@1000"),
        ("lost", None),
        ("wrong", None),
        ("serial1", None),
        ("", None),
    ],
)
def test_consoles_are_named_by_paths_and_aliases(tree: Tree, name: str, path: str | None) -> None:
    assert resolve(tree, name) == path


def test_without_aliases_only_paths_resolve() -> None:
    assert resolve(Tree(Node("/", {}, (Node("a"),))), "serial0") is None
    assert resolve(Tree(Node("/", {}, (Node("a"),))), "/a") == "/a"


def test_phandles_of_both_spellings(tree: Tree) -> None:
    assert phandles(tree)[9] == "/old"
    assert phandles(tree)[7] == "/soc/serial@1000"


def test_values_are_read_as_what_they_are() -> None:
    node = Node(
        "n",
        {
            "one": b"word\0",
            "two": b"a\0b\0",
            "gap": b"a\0\0b\0",
            "empty": b"",
            "nothing": b"\0",
            "open": b"word",
            "latin": b"\xe4\0",
            "cells": b"\0\0\0\1\xff\xff\xff\xff",
            "compatible": b"x,y\0z\0",
        },
    )
    assert node.text("one") == "word"
    assert node.text("nothing") == ""
    assert [node.text(name) for name in ("two", "empty", "open", "latin", "absent")] == [None] * 5
    assert node.strings("two") == ("a", "b")
    assert node.strings("gap") == ("a", "", "b")
    assert node.strings("empty") == ()
    assert [node.strings(name) for name in ("open", "latin", "absent")] == [None] * 3
    assert node.cells("cells") == (1, 0xFFFFFFFF)
    assert node.cells("empty") == ()
    assert [node.cells(name) for name in ("two", "one", "absent")] == [(0x61006200,), None, None]
    assert node.compatible == ("x,y", "z")
    assert Node("n").compatible == ()


def test_reg_counts_in_the_cells_of_the_parent(tree: Tree) -> None:
    memory = found(tree, "/memory")
    assert reg(memory, tree.root) == ((0x4000_0000, 0x4000_0000), (0x8_0000_0000, 0x1_0000_0000))
    assert reg(found(tree, "/soc/serial"), found(tree, "/soc")) == ((0x1000, 0x400), (0x2000, 0x10))
    mux = found(tree, "/soc/i2c-mux")
    assert reg(found(tree, "/soc/i2c-mux/eeprom"), mux) == ((0x50, 0),)
    assert reg(found(tree, "/empty"), tree.root) == ()


def test_a_reg_that_does_not_fit_the_cells_is_refused(tree: Tree) -> None:
    with pytest.raises(FormatError, match="4 bytes") as caught:
        reg(found(tree, "/soc/i2c-mux/eeprom"), found(tree, "/soc"))
    assert caught.value.field == "eeprom@50 reg"
    assert "multiple of 8" in str(caught.value)


def test_without_cells_the_default_of_the_specification_holds() -> None:
    assert (Node("n").address_cells, Node("n").size_cells) == (2, 1)


@pytest.mark.parametrize("value", [b"", b"\0\0\0\1\0\0\0\1", b"\1", b"\0\0\0\5", b"\xff" * 4])
def test_cells_that_are_no_number_of_cells_are_refused(value: bytes) -> None:
    with pytest.raises(FormatError, match="#address-cells"):
        _ = Node("n", {"#address-cells": value}).address_cells


def test_cells_of_no_width_hold_no_reg() -> None:
    parent = Node("p", {"#address-cells": bytes(4), "#size-cells": bytes(4)})
    with pytest.raises(FormatError, match="reg"):
        reg(Node("n", {"reg": b"\0\0\0\1"}), parent)


@pytest.mark.parametrize(
    ("path", "address", "expected"),
    [
        ("/memory", 0x4000_0000, 0x4000_0000),
        ("/soc/serial@1000", 0x1000, 0xF000_1000),
        ("/soc/bridge/part@5000", 0x5000, 0xF000_5000),
        ("/soc/serial", 0x20_0010, 0x1_0000_0010),
        ("/soc/serial", 0x10_0000, None),  # behind the window
        ("/soc/bridge/far@300000", 0x30_0000, None),
        ("/soc/i2c-mux/eeprom", 0x50, None),  # no ranges: not memory
    ],
)
def test_addresses_go_up_through_ranges(
    tree: Tree, path: str, address: int, expected: int | None
) -> None:
    assert cpu_address(tree, path, address) == expected


def test_translation_says_what_it_cannot_read(tree: Tree) -> None:
    with pytest.raises(FormatError, match="no such node"):
        cpu_address(tree, "/soc/none", 0)
    soc = Node("soc", {"ranges": b"\0\0\0\1"}, (Node("a"),))
    with pytest.raises(FormatError, match="soc ranges"):
        cpu_address(Tree(Node("/", {}, (soc,))), "/soc/a", 0)


def test_a_node_is_replaced_or_added(tree: Tree) -> None:
    changed = with_node(tree, "/soc/serial@1000", Node("x", {"a": b""}))
    assert changed.find("/soc/serial@1000") == Node("serial@1000", {"a": b""})
    assert [node.name for node in changed.root.children] == [n.name for n in tree.root.children]
    added = with_node(tree, "/chosen", Node("chosen", {"b": b""}))
    assert added.root.children == (*tree.root.children, Node("chosen", {"b": b""}))
    with pytest.raises(FormatError, match="no node none"):
        with_node(tree, "/none/below", Node("below"))
