from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.devicetree.tree import Node, Tree, with_node
from harness.devicetree.uboot_print import parse
from harness.devicetree.xen import Chosen, Module, read_chosen, with_chosen
from harness.errors import FormatError
from tests.unit.devicetree.conftest import NODES

PRINTED = """=> fdt print /chosen\r
chosen {\r
\tbootargs = "console=dtuart dom0_mem=256M";\r
\t#address-cells = <0x00000001>;\r
\tranges;\r
\tmac = [02 00 5e];\r
\trng = * 0x4f001c34 [0x00000048];\r
\tmodule@0 {\r
\t\tcompatible = "xen,linux-zimage", "xen,multiboot-module";\r
\t\treg = <0x46000000 0x00532200>;\r
\t};\r
};\r
=> """


def shown(node: Node, level: int = 0) -> str:
    """As U-Boot 2023.01 shows a node whose values are short (cmd/fdt.c)."""
    tabs = "\t" * level
    lines = [f"{tabs}{node.name} {{"]
    for name, value in node.properties.items():
        lines.append(f"{tabs}\t{name}{' = ' if value else ''}{_shown_value(value)};")
    lines += [shown(child, level + 1) for child in node.children]
    return "\n".join([*lines, f"{tabs}}};"])


def _shown_value(value: bytes) -> str:
    parts = value.split(b"\0")[:-1]
    printable = all(part and all(0x20 <= byte < 0x7F for byte in part) for part in parts)
    if value.endswith(b"\0") and printable:
        return ", ".join(f'"{part.decode()}"' for part in parts)
    if not value:
        return ""
    if len(value) % 4 == 0:
        words = [value[at : at + 4].hex() for at in range(0, len(value), 4)]
        return "<" + " ".join(f"0x{word}" for word in words) + ">"
    return "[" + value.hex(" ") + "]"


def test_a_pasted_print_is_read() -> None:
    node = parse(PRINTED)
    assert dict(node.properties) == {
        "bootargs": b"console=dtuart dom0_mem=256M\0",
        "#address-cells": b"\0\0\0\1",
        "ranges": b"",
        "mac": b"\x02\x00\x5e",
    }
    module = node.find("module@0")
    assert module is not None
    assert module.compatible == ("xen,linux-zimage", "xen,multiboot-module")
    assert module.cells("reg") == (0x4600_0000, 0x53_2200)


@settings(max_examples=40)
@given(NODES)
def test_what_is_shown_is_read_back(node: Node) -> None:
    assert parse(shown(node)) == node
    assert parse(f"=> fdt print /\r\n\n{shown(node)}\n=> reset".replace("\n", "\r\n")) == node


def test_a_quote_inside_of_a_string_is_kept() -> None:
    assert parse('n {\n\tbootargs = "a="b c" d";\n};').text("bootargs") == 'a="b c" d'


def test_a_whole_tree_is_read() -> None:
    node = parse('/ {\n\tmodel = "x";\n\tsoc {\n\t};\n};\n=> ')
    assert node == Node("/", {"model": b"x\0"}, (Node("soc"),))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", "line 1", "there is no node"),
        (
            "=> fdt print\nlibfdt fdt_path_offset() returned FDT_ERR_NOTFOUND\n=> ",
            "line 3",
            "no node",
        ),
        (PRINTED.rpartition("};")[0], "line 12", "inside of node chosen"),
        ("n {\n\tm {\n\t};\n", "line 4", "inside of node n"),
        ("n {\n\treg = <0x1>;\n};", "line 2", "no value"),
        ("n {\n\treg = <0x00000001 >;\n};", "line 2", "no value"),
        ('n {\n\ts = "a;\n};', "line 2", "no value"),
        ('n {\n\ts = "ä";\n};', "line 2", "no value"),
        ("n {\n\tb = [0];\n};", "line 2", "no value"),
        ("n {\n\treg = <0x00000001>\n};", "line 2", "no property"),
        ("n {\n\t(XEN) hello\n};", "line 2", "no property"),
        ("n {\n\ta;\n\ta;\n};", "line 3", "second property a"),
        ("n {\n\ta = * 0x1 [0x48];\n\ta;\n};", "line 3", "second property a"),
        ("n {\n\tm {\n\t};\n\tm {\n\t};\n};", "line 5", "second node m"),
        ("n {\n" * 40, "line 33", "more than 32"),
    ],
)
def test_what_is_no_print_is_refused_with_its_line(text: str, line: str, words: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(text)
    assert caught.value.field == line
    assert words in caught.value.message


def refusal(text: str) -> FormatError | None:
    try:
        parse(text)
    except FormatError as bad:
        return bad
    return None


@given(st.text(max_size=60), st.integers(0, len(PRINTED)))
def test_any_text_is_read_or_refused(noise: str, at: int) -> None:
    for text in (noise, PRINTED[:at], PRINTED[:at] + noise + PRINTED[at:]):
        bad = refusal(text)
        assert bad is None or (bad.field or "").startswith("line ")


def test_the_recorded_chosen_says_what_the_static_build_says(recorded: str) -> None:
    found = read_chosen(Tree(Node("/", {}, (parse(recorded),))))
    expected = Chosen(
        bootargs=(
            "console=dtuart dtuart=/soc/serial@1c28000 dom0_mem=256M loglvl=all guest_loglvl=all"
        ),
        modules=(
            Module(
                "ramdisk", 0x4A00_0000, 884_367, None, ("xen,linux-initrd", "xen,multiboot-module")
            ),
            Module(
                "kernel",
                0x4600_0000,
                5_448_192,
                "console=hvc0 earlyprintk=xen clk_ignore_unused",
                ("xen,linux-zimage", "xen,multiboot-module"),
            ),
        ),
    )
    assert found == expected
    built = with_chosen(with_node(Tree(Node("/")), "/chosen", parse(recorded)), expected)
    assert read_chosen(built) == found
    chosen = built.find("/chosen")
    assert chosen is not None
    assert chosen.text("stdout-path") == "serial0:115200n8"
    assert chosen.find("framebuffer-tve") == parse(recorded).find("framebuffer-tve")
