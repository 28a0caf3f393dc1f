"""The flattened format (.dtb) of a device tree.

Source: Devicetree Specification 0.4, chapter 5; version 17, and 16 for reading.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import fdt

from harness.devicetree.tree.node import Node, Tree, join
from harness.errors import FormatError

MAGIC = 0xD00DFEED
VERSION = 17
HEADER_SIZE = 40
# Linux gives up below 64 levels; trees of real boards have fewer than 10.
MAX_DEPTH = 64
# The specification says 31; real trees have a few more.
MAX_NAME = 255

_BEGIN_NODE, _END_NODE, _PROP, _NOP, _END = 1, 2, 3, 4, 9


def parse_dtb(data: bytes) -> Tree:
    """Read a flattened tree of version 16 or 17. Bytes behind its `totalsize` are passed over.

    The walk is ours: `fdt.parse_dtb` refuses NOP tokens, hands the memory reservations of
    one tree on to the next (a shared default argument), runs past the block of strings, and
    rewrites values that look like strings. `fdt` builds, see `build_dtb`.

    Raises:
        FormatError: with offset and field.
    """
    header = _header(data)
    return Tree(_Structure(data, header).read(), _reservations(data, header), header.boot_cpuid)


@dataclass(frozen=True)
class _Header:
    total: int
    structure: int
    structure_end: int
    strings: int
    strings_end: int
    reservations: int
    boot_cpuid: int


def _header(data: bytes) -> _Header:
    if data[:4] != MAGIC.to_bytes(4, "big"):
        raise FormatError(
            f"the magic is {data[:4].hex(' ') or 'missing'}",
            field="magic",
            offset=0,
            expected="d0 0d fe ed: a flattened device tree (.dtb); dtc makes one of a .dts",
        )
    if len(data) < HEADER_SIZE:
        raise FormatError(
            f"the file ends after {len(data)} bytes",
            field="header",
            offset=len(data),
            expected=f"a header of {HEADER_SIZE} bytes",
        )
    words = struct.unpack_from(">10I", data)
    _, total, structure, strings, reservations, version, compatible = words[:7]
    boot_cpuid, strings_size, structure_size = words[7:]
    if total > len(data):
        raise FormatError(
            f"the tree has {total} bytes, the file {len(data)}",
            field="totalsize",
            offset=4,
            expected="a whole file: this one was cut, or is damaged",
        )
    if version < 16 or compatible > VERSION:
        raise FormatError(
            f"version {version}, compatible with {compatible}",
            field="version",
            offset=20,
            expected=f"version 16 or {VERSION}",
        )
    if version < VERSION:  # version 16 does not say how long its structure is
        structure_size = max(total - structure, 0)
    for name, offset, start, size, alignment in (
        ("off_dt_struct", 8, structure, structure_size, 4),
        ("off_dt_strings", 12, strings, strings_size, 1),
        ("off_mem_rsvmap", 16, reservations, 16, 8),
    ):
        if start < HEADER_SIZE or start + size > total or start % alignment:
            raise FormatError(
                f"a block of {size} bytes at {start:#x}",
                field=name,
                offset=offset,
                expected=f"it inside {HEADER_SIZE:#x} to {total:#x}, aligned to {alignment}",
            )
    return _Header(
        total,
        structure,
        structure + structure_size,
        strings,
        strings + strings_size,
        reservations,
        boot_cpuid,
    )


def _reservations(data: bytes, header: _Header) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for offset in range(header.reservations, header.total - 15, 16):
        entry = struct.unpack_from(">QQ", data, offset)
        if entry[1] == 0:  # libfdt and dtc stop here, whatever the address is
            return tuple(found)
        found.append(entry)
    raise FormatError(
        "the list of reserved memory has no end",
        field="off_mem_rsvmap",
        offset=header.reservations,
        expected="a last entry of zeros",
    )


class _Open:
    """A node whose end has not been read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.properties: dict[str, bytes] = {}
        self.children: dict[str, Node] = {}

    def close(self) -> Node:
        return Node(self.name, self.properties, tuple(self.children.values()))


class _Structure:
    """Reads the block of nodes; a loop over tokens, so that depth costs no stack."""

    def __init__(self, data: bytes, header: _Header) -> None:
        self.data = data
        self.header = header
        self.at = header.structure
        self.stack: list[_Open] = []
        self.root: Node | None = None

    def read(self) -> Node:
        while True:
            here = self.at
            token = self._u32("token")
            if token == _END:
                return self._ended(here)
            if token == _NOP:
                continue
            if self.root is not None:
                raise FormatError(
                    f"token {token:#x} behind the end of the root node",
                    field="token",
                    offset=here,
                    expected="FDT_END (9)",
                )
            if token == _BEGIN_NODE:
                self._begin(here)
            elif token == _PROP and self.stack:
                self._property(here)
            elif token == _END_NODE and self.stack:
                self._close()
            else:
                raise FormatError(
                    f"token {token:#x}",
                    field="token",
                    offset=here,
                    expected="one of the format: 1 to 4, or 9; the root node first",
                )

    def _ended(self, here: int) -> Node:
        if self.root is None:
            what = f"node {self.stack[-1].name} is open" if self.stack else "there is no root node"
            raise FormatError(f"the tree ends, {what}", field="FDT_END", offset=here)
        return self.root

    def _begin(self, here: int) -> None:
        end = self._end_of_name(self.at, self.header.structure_end, "node name", self.at)
        raw = self.data[self.at : end]
        is_root = not self.stack
        name = "/" if is_root and not raw else _name(raw, "node name", self.at)
        if is_root != (name == "/") or (not is_root and "/" in name):
            raise FormatError(
                f"a node is called {name}",
                field="node name",
                offset=self.at,
                expected="no name for the root" if is_root else "a name without a slash",
            )
        if len(self.stack) == MAX_DEPTH:
            raise FormatError(
                f"more than {MAX_DEPTH} nodes inside each other", field=name, offset=here
            )
        if self.stack and name in self.stack[-1].children:
            raise FormatError(
                f"{self.stack[-1].name} has a second node {name}", field="node name", offset=self.at
            )
        self.stack.append(_Open(name))
        self.at = _aligned(end + 1)

    def _close(self) -> None:
        node = self.stack.pop().close()
        if self.stack:
            self.stack[-1].children[node.name] = node
        else:
            self.root = node

    def _property(self, here: int) -> None:
        node = self.stack[-1]
        size = self._u32("property size")
        name = self._property_name(self._u32("property name"))
        if node.children:
            # libfdt, and with it U-Boot, Xen and Linux, does not see such a property.
            raise FormatError(
                f"{name} of {node.name} stands behind a node", field="property", offset=here
            )
        if name in node.properties:
            raise FormatError(
                f"{node.name} has a second property {name}", field="property", offset=here
            )
        if self.at + size > self.header.structure_end:
            raise FormatError(
                f"{name} of {node.name} has {size} bytes",
                field="property size",
                offset=here + 4,
                expected=f"it to end before {self.header.structure_end:#x}",
            )
        node.properties[name] = self.data[self.at : self.at + size]
        self.at = _aligned(self.at + size)

    def _property_name(self, offset: int) -> str:
        start = self.header.strings + offset
        end = self._end_of_name(start, self.header.strings_end, "property name", self.at - 4)
        return _name(self.data[start:end], "property name", start)

    def _end_of_name(self, start: int, limit: int, what: str, at: int) -> int:
        end = self.data.find(b"\0", start, min(limit, start + MAX_NAME + 1))
        if end < 0:
            raise FormatError(
                "the name has no end",
                field=what,
                offset=at,
                expected=f"at most {MAX_NAME} characters, the block ends at {limit:#x}",
            )
        return end

    def _u32(self, what: str) -> int:
        if self.at + 4 > self.header.structure_end:
            raise FormatError("the structure ends too early", field=what, offset=self.at)
        self.at += 4
        return int.from_bytes(self.data[self.at - 4 : self.at], "big")


def _name(raw: bytes, what: str, offset: int) -> str:
    if not raw or not all(0x21 <= byte <= 0x7E for byte in raw):
        raise FormatError(
            f"a name of the bytes {raw.hex(' ') or '(none)'}",
            field=what,
            offset=offset,
            expected="printable ASCII",
        )
    return raw.decode("ascii")


def _aligned(at: int) -> int:
    return (at + 3) & ~3


def build_dtb(tree: Tree, *, padding: int = 0) -> bytes:
    """Flatten a tree, version 17.

    Args:
        padding: bytes of free space at the end, for a boot loader that edits the tree.

    Raises:
        FormatError: names or values that the format cannot hold.
    """
    for at, (address, size) in enumerate(tree.reservations):
        if not (0 <= address < 1 << 64 and 0 < size < 1 << 64):
            raise FormatError(f"reservation {at} is {address:#x}, {size:#x}", field="reservations")
    if not 0 <= tree.boot_cpuid < 1 << 32:
        raise FormatError(f"CPU {tree.boot_cpuid}", field="boot_cpuid_phys")
    _check(tree.root, "/", 1)
    flat = fdt.FDT(
        entries=[{"address": address, "size": size} for address, size in tree.reservations]
    )
    flat.root = _unflattened(tree.root)
    blob: bytes = flat.to_dtb(version=VERSION, boot_cpuid_phys=tree.boot_cpuid)
    if padding:
        blob = blob[:4] + (len(blob) + padding).to_bytes(4, "big") + blob[8:] + bytes(padding)
    return blob


def _check(node: Node, path: str, depth: int) -> None:
    """Whether the tree is one that `parse_dtb` would give, and that `fdt` can write."""
    if depth > MAX_DEPTH:
        raise FormatError(f"more than {MAX_DEPTH} nodes inside each other", field=path)
    if (node.name == "/") != (depth == 1):
        raise FormatError(f"a node is called {node.name}", field=path, expected='only the root "/"')
    for name in node.properties:
        # `fdt` keeps notes under such names and leaves them out of what it writes.
        if not _is_name(name) or name.endswith("_with_references"):
            raise FormatError(f"a property is called {name!r}", field=path)
    names = [child.name for child in node.children]
    for name in names:
        if not _is_name(name) or "/" in name or names.count(name) > 1:
            raise FormatError(f"a node is called {name!r}", field=path, expected="its own name")
    for child in node.children:
        _check(child, join(path, child.name), depth + 1)


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME and all("\x21" <= letter <= "\x7e" for letter in name)


def _unflattened(node: Node) -> fdt.Node:
    made = fdt.Node(node.name)
    for name, value in node.properties.items():
        made.append(fdt.PropBytes(name, data=value))
    for child in node.children:
        made.append(_unflattened(child))
    return made
