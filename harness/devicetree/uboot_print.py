"""Reads what U-Boot's `fdt print` prints, as it was copied from a console.

Source: U-Boot 2023.01, cmd/fdt.c: `fdt_print`, `print_data`, `is_printable_string`.
"""

from __future__ import annotations

import re

from harness.devicetree.tree import Node
from harness.errors import FormatError

# U-Boot prints no deeper (MAX_LEVEL).
MAX_DEPTH = 32

_NAME = re.compile(r"[\x21-\x7e]+")
_CELLS = re.compile(r"<0x[0-9a-f]{8}(?: 0x[0-9a-f]{8})*>")
_BYTES = re.compile(r"\[[0-9a-f]{2}(?: [0-9a-f]{2})*\]")
# A value that is longer than CONFIG_CMD_FDT_MAX_DUMP, 64 bytes: "* 0x4f001c34 [0x00000048]".
_ELSEWHERE = re.compile(r"\* 0x[0-9a-f]+ \[0x[0-9a-f]+\]")


def parse(text: str) -> Node:
    """The node that a text shows; what stands before and behind it (the prompt) is passed over.

    U-Boot prints the address instead of a value of more than 64 bytes that is no text: such
    a property is left out. It prints a quote inside of a string as it is, so that a string
    with `", "` in it reads as two.

    Raises:
        FormatError: with the line.
    """
    open_nodes: list[_Open] = []
    number = 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not open_nodes and not _begins(line):
            continue
        if not line or line == "/* NOP */":
            continue
        if _begins(line):
            if len(open_nodes) == MAX_DEPTH:
                raise _error(number, f"more than {MAX_DEPTH} nodes inside each other")
            open_nodes.append(_Open(line.removesuffix("{").rstrip()))
        elif line == "};":
            node = open_nodes.pop().close()
            if not open_nodes:
                return node
            if node.name in open_nodes[-1].children:
                raise _error(number, f"a second node {node.name}")
            open_nodes[-1].children[node.name] = node
        else:
            open_nodes[-1].add(line, number)
    if open_nodes:
        raise _error(number, f"the text ends inside of node {open_nodes[-1].name}", '"};"')
    raise _error(number, "there is no node", 'the output of "fdt print": "chosen {" to "};"')


class _Open:
    """A node whose end has not been read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.properties: dict[str, bytes] = {}
        self.children: dict[str, Node] = {}
        self.seen: set[str] = set()

    def add(self, line: str, number: int) -> None:
        name, equals, shown = line.removesuffix(";").partition(" = ")
        if not line.endswith(";") or not _NAME.fullmatch(name):
            raise _error(number, f"no property: {line[:60]!r}", '"NAME;" or "NAME = VALUE;"')
        if name in self.seen:
            raise _error(number, f"a second property {name} of {self.name}")
        self.seen.add(name)
        if not equals:
            self.properties[name] = b""
        elif not _ELSEWHERE.fullmatch(shown):
            self.properties[name] = _value(shown, number)

    def close(self) -> Node:
        return Node(self.name, self.properties, tuple(self.children.values()))


def _begins(line: str) -> bool:
    """Whether a line opens a node; the echo of a command with a brace in it does not."""
    return line.endswith(" {") and _NAME.fullmatch(line[:-2]) is not None


def _value(shown: str, number: int) -> bytes:
    if shown[:1] == shown[-1:] == '"' and len(shown) >= 2 and shown.isascii():
        return b"".join(part.encode() + b"\0" for part in shown[1:-1].split('", "'))
    if _CELLS.fullmatch(shown):
        return b"".join(int(word, 16).to_bytes(4, "big") for word in shown[1:-1].split())
    if _BYTES.fullmatch(shown):
        return bytes.fromhex(shown[1:-1])
    raise _error(
        number, f"no value: {shown[:60]!r}", 'strings ("..."), cells (<...>), bytes ([..])'
    )


def _error(number: int, message: str, expected: str | None = None) -> FormatError:
    return FormatError(message, field=f"line {number}", expected=expected)
