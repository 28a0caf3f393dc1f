r"""`xenstore-ls -f -p`: a part of XenStore; and the escapes of the xenstore tools.

Values are bytes. The tools print printable ASCII as it is, and the rest as `\t`, `\n`, `\r`, `\\`,
`\x1b`, or octal for the lowest (tools/xenstore/xs_lib.c, sanitise_value); what is written is read
in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_PERMISSION = r"[nrwb]\d{1,5}"
_ENTRY = re.compile(
    r'(?P<path>/?[\w/@:.+-]+) = "(?P<value>.*)"'
    rf"(?: +\((?P<permissions>{_PERMISSION}(?:,{_PERMISSION})*)\))?"
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
_NAMED = {"t": 9, "n": 10, "r": 13}
_UNNAMED = {number: f"\\{letter}" for letter, number in _NAMED.items()}


@dataclass(slots=True)
class Node:
    """A node of XenStore.

    Attributes:
        path: the whole path.
        value: "" for one without a value; bytes that are no UTF-8 become surrogates.
        permissions: "n0" (the owner, and what others may), then "r7", "w7", "b7" (both).
        children: by their names, in the order of the store.
    """

    path: str
    value: str = ""
    permissions: tuple[str, ...] = ()
    children: dict[str, Node] = field(default_factory=dict)

    def find(self, path: str) -> Node | None:
        """The node at a path below this one ("device/vif/0"); None: there is none."""
        node: Node | None = self
        for name in path.strip("/").split("/"):
            node = node.children.get(name) if node else None
        return node

    def __iter__(self) -> Iterator[Node]:
        """All nodes below this one, each before those below it."""
        todo = list(reversed(self.children.values()))
        while todo:
            node = todo.pop()
            yield node
            todo.extend(reversed(node.children.values()))


def parse_ls(text: str, path: str = "/") -> Node:
    """The tree that `xenstore-ls -f PATH`, with or without -p, prints.

    Args:
        path: as given to the command; nodes elsewhere are passed over.
    """
    root = Node(path if path == "/" else path.rstrip("/"))
    base = "/" if path == "/" else root.path + "/"
    for line in text.split("\n"):
        match = _ENTRY.fullmatch(line)
        if match is None or not match["path"].startswith(base):
            continue
        node = root
        for name in match["path"].removeprefix(base).split("/"):
            below = node.path.rstrip("/") + "/" + name
            node = node.children.setdefault(name, Node(below))
        node.value = unescaped(match["value"])
        node.permissions = tuple(re.findall(_PERMISSION, match["permissions"] or ""))
    return root


def unescaped(text: str) -> str:
    """A value as it is in the store."""

    def byte(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2]:
            return chr(int(match[2], 8) & 0xFF)
        return chr(_NAMED.get(match[3], ord(match[3]) & 0xFF))

    if "\\" not in text:
        return text
    # Escapes stand for bytes, and so does all that is printed beside them.
    whole = text.encode("utf-8", "surrogateescape").decode("latin-1")
    return _ESCAPE.sub(byte, whole).encode("latin-1").decode("utf-8", "surrogateescape")


def escaped(value: str) -> str:
    """A value as the tools take and print it: printable ASCII."""
    return "".join(
        chr(byte)
        if 0x20 <= byte <= 0x7E and byte != 0x5C
        else "\\\\"
        if byte == 0x5C
        else _UNNAMED.get(byte, f"\\x{byte:02x}")
        for byte in value.encode("utf-8", "surrogateescape")
    )
