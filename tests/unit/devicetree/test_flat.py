from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.devicetree.tree import Node, Tree, build_dtb, parse_dtb
from harness.errors import FormatError
from tests.unit.devicetree.conftest import TREES, Dtc

SAMPLE = Tree(
    Node(
        "/",
        {"#address-cells": b"\0\0\0\1", "model": b"A board\0"},
        (
            Node("memory@40000000", {"device_type": b"memory\0"}),
            Node(
                "soc", {"ranges": b""}, (Node("serial@1c28000", {"reg": b"\1\xc2\x80\0\0\0\4\0"}),)
            ),
        ),
    ),
    ((0x4000_0000, 0x1000),),
    1,
)
BLOB = build_dtb(SAMPLE)
# Where the blocks of BLOB are.
STRUCTURE, STRINGS, RESERVED = struct.unpack_from(">III", BLOB, 8)


def shape(node: Node) -> object:
    """A node with the order of its properties, which a comparison of mappings leaves out."""
    return node.name, list(node.properties.items()), [shape(child) for child in node.children]


def patched(offset: int, data: bytes) -> bytes:
    return BLOB[:offset] + data + BLOB[offset + len(data) :]


def structure(*parts: bytes, strings: bytes = b"p\0") -> bytes:
    """A blob with the given block of nodes."""
    block = b"".join(parts)
    size = 40 + 16 + len(block) + len(strings)
    words = (0xD00DFEED, size, 56, 56 + len(block), 40, 17, 16, 0, len(strings), len(block))
    return struct.pack(">10I", *words) + bytes(16) + block + strings


def token(number: int, *rest: bytes) -> bytes:
    return number.to_bytes(4, "big") + b"".join(rest)


ROOT = token(1, bytes(4))
END_NODE = token(2)
NOP = token(4)
END = token(9)
PROPERTY = token(3, struct.pack(">II", 0, 0))


def child(name: bytes) -> bytes:
    return token(1, name + bytes(4 - len(name) % 4))


@settings(max_examples=40)
@given(TREES)
def test_what_was_built_is_read_back(tree: Tree) -> None:
    found = parse_dtb(build_dtb(tree))
    assert found == tree
    assert shape(found.root) == shape(tree.root)


@settings(max_examples=25)
@given(TREES)
def test_dtc_reads_what_was_built_as_we_do(dtc: Dtc, tree: Tree) -> None:
    """dtc reads our blob and writes its own, with another layout of strings."""
    again = parse_dtb(dtc("dtb:dtb", build_dtb(tree)))
    assert shape(again.root) == shape(tree.root)
    assert (again.reservations, again.boot_cpuid) == (tree.reservations, tree.boot_cpuid)


def test_what_dtc_compiled_is_read(dtc: Dtc) -> None:
    source = b"""/dts-v1/;
    /memreserve/ 0x40000000 0x1000;
    / { model = "A board", "of ours"; l: a@1 { reg = <1 2>; empty; odd = [01 02 03]; }; };"""
    tree = parse_dtb(dtc("dts:dtb", source))
    assert tree.reservations == ((0x4000_0000, 0x1000),)
    assert tree.root.strings("model") == ("A board", "of ours")
    node = tree.find("/a@1")
    assert node is not None
    assert dict(node.properties) == {
        "reg": bytes.fromhex("0000000100000002"),
        "empty": b"",
        "odd": b"\1\2\3",
    }


def test_one_tree_does_not_remember_the_reservations_of_another() -> None:
    first = parse_dtb(build_dtb(Tree(Node("/"), ((1, 2),))))
    second = parse_dtb(build_dtb(Tree(Node("/"), ((3, 4),))))
    assert (first.reservations, second.reservations) == (((1, 2),), ((3, 4),))


@pytest.mark.parametrize("padding", [1, 4096])
def test_padding_is_free_space_at_the_end(dtc: Dtc, padding: int) -> None:
    blob = build_dtb(SAMPLE, padding=padding)
    assert len(blob) == len(BLOB) + padding
    assert parse_dtb(blob) == SAMPLE
    assert dtc("dtb:dts", blob) == dtc("dtb:dts", BLOB)


def test_what_stands_behind_the_tree_is_passed_over() -> None:
    assert parse_dtb(BLOB + b"signature") == SAMPLE


@pytest.mark.parametrize("length", range(len(BLOB)))
def test_a_cut_file_is_refused(length: int) -> None:
    with pytest.raises(FormatError) as caught:
        parse_dtb(BLOB[:length])
    expected = "magic" if length < 4 else "header" if length < 40 else "totalsize"
    assert caught.value.field == expected


def refusal(data: bytes) -> FormatError | None:
    """Why a blob is refused; None for one that is read, and that can be built again."""
    try:
        build_dtb(parse_dtb(data))
    except FormatError as bad:
        return bad
    return None


def test_any_one_wrong_byte_is_read_or_refused() -> None:
    found = [
        refusal(patched(offset, bytes([value])))
        for offset in range(len(BLOB))
        for value in (0, 1, 2, 4, 9, 0x2F, 0x7F, 0x80, 0xFF)
    ]
    refused = [bad for bad in found if bad is not None]
    assert len(BLOB) < len(refused) < len(found)
    assert all(bad.field for bad in refused)


@given(st.binary(max_size=300), st.integers(0, len(BLOB) - 1))
def test_noise_is_read_or_refused(noise: bytes, offset: int) -> None:
    for data in (noise, BLOB[:4] + noise, patched(offset, noise)):
        bad = refusal(data)
        assert bad is None or bad.field


def test_nop_tokens_are_passed_over() -> None:
    tree = parse_dtb(structure(NOP, ROOT, NOP, PROPERTY, NOP, END_NODE, NOP, END))
    assert tree == Tree(Node("/", {"p": b""}))


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        (b"MZ\x90\0" + BLOB[4:], "magic", "4d 5a 90 00"),
        (patched(4, b"\x7f"), "totalsize", "the file"),
        (patched(20, struct.pack(">II", 3, 1)), "version", "version 3"),
        (patched(20, struct.pack(">II", 99, 18)), "version", "version 99"),
        (patched(8, b"\0\0\0\x04"), "off_dt_struct", "at 0x4"),
        (patched(8, struct.pack(">I", STRUCTURE + 2)), "off_dt_struct", "a block"),
        (patched(12, b"\xff"), "off_dt_strings", "a block"),
        (patched(16, b"\xff"), "off_mem_rsvmap", "a block"),
        (structure(ROOT, END_NODE), "token", "ends too early"),
        (structure(token(7)), "token", "token 0x7"),
        (structure(PROPERTY, END), "token", "token 0x3"),
        (structure(END_NODE), "token", "token 0x2"),
        (structure(END), "FDT_END", "no root"),
        (structure(ROOT, END), "FDT_END", "node / is open"),
        (structure(ROOT, END_NODE, ROOT, END_NODE, END), "token", "behind the end"),
        (structure(child(b"top"), END_NODE, END), "node name", "called top"),
        (structure(ROOT, child(b"a/b"), END_NODE, END_NODE, END), "node name", "called a/b"),
        (structure(ROOT, child(b"a\n"), END_NODE, END_NODE, END), "node name", "61 0a"),
        (structure(ROOT, child(b""), END_NODE, END_NODE, END), "node name", "(none)"),
        (structure(ROOT, *[child(b"a"), END_NODE] * 2, END_NODE, END), "node name", "second node"),
        (structure(ROOT, token(1, b"x" * 400)), "node name", "no end"),
        (structure(ROOT, PROPERTY, PROPERTY, END_NODE, END), "property", "second property"),
        (structure(ROOT, child(b"a"), END_NODE, PROPERTY, END_NODE, END), "property", "behind"),
        (structure(ROOT, token(3, struct.pack(">II", 99, 0)), END), "property size", "99 bytes"),
        (structure(ROOT, token(3, struct.pack(">II", 0, 9)), END), "property name", "no end"),
        (structure(ROOT, PROPERTY, END_NODE, END, strings=b"p"), "property name", "no end"),
        (structure(ROOT, PROPERTY, END_NODE, END, strings=b"\x80\0"), "property name", "80"),
        (structure(*[child(b"n") if n else ROOT for n in range(65)]), "n", "more than 64"),
    ],
)
def test_each_thing_that_can_be_wrong_has_its_place(data: bytes, field: str, words: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_dtb(data)
    assert caught.value.field == field
    assert words in caught.value.message
    assert caught.value.offset is not None


def test_reservations_without_an_end_are_refused() -> None:
    blob = patched(16, struct.pack(">I", len(BLOB) - 16 & ~7))
    with pytest.raises(FormatError, match="no end") as caught:
        parse_dtb(blob)
    assert caught.value.field == "off_mem_rsvmap"


def test_many_names_from_one_long_string_cost_no_time() -> None:
    """100,000 properties that each want a name of a megabyte."""
    properties = [token(3, struct.pack(">II", 0, at)) for at in range(100_000)]
    with pytest.raises(FormatError, match="no end"):
        parse_dtb(structure(ROOT, *properties, END_NODE, END, strings=b"x" * 1_000_000 + b"\0"))


def test_trees_as_deep_as_allowed_are_read_and_built() -> None:
    node = Node("n")
    for _ in range(62):
        node = Node("n", {}, (node,))
    tree = Tree(Node("/", {}, (node,)))
    assert parse_dtb(build_dtb(tree)) == tree
    with pytest.raises(FormatError, match="more than 64"):
        build_dtb(Tree(Node("/", {}, (Node("n", {}, (node,)),))))


@pytest.mark.parametrize(
    "tree",
    [
        Tree(Node("root")),
        Tree(Node("/", {"": b""})),
        Tree(Node("/", {"a b": b""})),
        Tree(Node("/", {"l_with_references": b""})),
        Tree(Node("/", {}, (Node("a/b"),))),
        Tree(Node("/", {}, (Node("/"),))),
        Tree(Node("/", {}, (Node("ä"),))),
        Tree(Node("/", {}, (Node("a"), Node("a")))),
        Tree(Node("/"), ((1, 0),)),
        Tree(Node("/"), ((1 << 64, 1),)),
        Tree(Node("/"), ((-1, 1),)),
        Tree(Node("/"), (), 1 << 32),
    ],
)
def test_what_the_format_cannot_hold_is_not_built(tree: Tree) -> None:
    with pytest.raises(FormatError):
        build_dtb(tree)
