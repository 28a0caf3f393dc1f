"""A profile as a tree in which every value knows the file and line that set it.

YAML is read as far as its nodes: tags and anchors that a profile has no use for never become
Python objects.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from harness.errors import ProfileError

# Thirty times the longest profile; ruamel reads it in some seconds.
_MAX_BYTES = 256 << 10
# Anchors can make a small file expand without bound; no profile comes near these.
_MAX_NODES = 20_000
_MAX_DEPTH = 40
_LONGEST_NUMBER = 40
_TAG = "tag:yaml.org,2002:"
# What ruamel.yaml raises is not all its own: chr() and int() of an escape, deep nesting.
_NOT_YAML = (YAMLError, ValueError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Node:
    """A value of a profile: a mapping or a list of nodes, or a scalar."""

    value: dict[str, Node] | list[Node] | str | float | bool | None
    file: str
    line: int

    @property
    def where(self) -> str:
        """File and line, as errors show them."""
        return f"{self.file}:{self.line}"

    def plain(self) -> Any:
        """The value as JSON knows it."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def nearest(self, path: tuple[str | int, ...]) -> Node:
        """The node at a path, or the last one on the way to it that is there."""
        node = self
        for step in path:
            value = node.value
            if isinstance(value, dict) and step in value:
                node = value[str(step)]
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                node = value[step]
            else:
                break
        return node


def read(file: Path) -> Node:
    """The tree of a profile; its value is a mapping.

    Raises:
        ProfileError: it cannot be read, is not YAML, or holds what no profile does.
    """
    try:
        raw = file.read_bytes()
    except OSError as bad:
        raise ProfileError(f"cannot be read: {bad.strerror}", where=str(file)) from None
    if len(raw) > _MAX_BYTES:
        most = f"a profile has at most {_MAX_BYTES >> 10} KiB"
        raise ProfileError(f"{len(raw)} bytes; {most}", where=str(file))
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False
    try:
        top = yaml.compose(raw.decode("utf-8"))
    except UnicodeDecodeError as bad:
        raise ProfileError("is not UTF-8", where=f"{file}, offset {bad.start:#x}") from None
    except MarkedYAMLError as bad:
        mark = bad.problem_mark or bad.context_mark
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        raise ProfileError(f"not YAML: {bad.problem or bad.context}", where=where) from None
    except _NOT_YAML as bad:
        deep = isinstance(bad, RecursionError)
        first = "nested too deeply" if deep else (str(bad).splitlines() or ["?"])[0]
        raise ProfileError(f"not YAML: {first}", where=_where(file, raw, bad)) from None
    if not isinstance(top, MappingNode):
        raise ProfileError("a profile is a mapping (key: value)", where=f"{file}:1")
    return _Reader(str(file)).mapping(top, 1, 0)


def _where(file: Path, raw: bytes, bad: Exception) -> str:
    position = getattr(bad, "position", None)  # of a character that YAML forbids
    if position is None:
        return str(file)
    return f"{file}:{raw.decode()[:position].count(chr(10)) + 1}"


class _Reader:
    """Turns YAML's nodes into ours; bounded, whatever anchors lead to."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0

    def mapping(self, node: MappingNode, line: int, depth: int) -> Node:
        found: dict[str, Node] = {}
        for key, value in node.value:
            row = key.start_mark.line + 1
            name = self._key(key, row)
            if name in found:
                raise ProfileError(
                    f"the key {name!r} is there twice",
                    where=f"{self._file}:{row}",
                    expected=f"one of them; the first is in line {found[name].line}",
                )
            found[name] = self._node(value, row, depth + 1)
        return Node(found, self._file, line)

    def _key(self, key: Any, row: int) -> str:
        if not isinstance(key, ScalarNode):
            raise ProfileError("a key is not a text", where=f"{self._file}:{row}")
        if key.tag != f"{_TAG}str":
            raise ProfileError(
                f"the key {key.value!r} is not a text",
                where=f"{self._file}:{row}",
                hint=f'write "{key.value}":',
            )
        return self._text(key.value, row)

    def _node(self, node: Any, line: int, depth: int) -> Node:
        self._count += 1
        if self._count > _MAX_NODES or depth > _MAX_DEPTH:
            raise self._wrong("expands to more than a profile can hold", line)
        if isinstance(node, MappingNode):
            return self.mapping(node, line, depth)
        if isinstance(node, SequenceNode):
            items = [self._node(n, n.start_mark.line + 1, depth + 1) for n in node.value]
            self._check_ids(items)
            return Node(items, self._file, line)
        return Node(self._scalar(node.tag.removeprefix(_TAG), node.value, line), self._file, line)

    def _check_ids(self, items: list[Node]) -> None:
        seen: dict[str, int] = {}
        for item in items:
            name = _id_of(item)
            if name in seen:
                raise self._wrong(f"the id {name!r} is in line {seen[name]} too", item.line)
            if name is not None:
                seen[name] = item.line

    def _scalar(self, kind: str, text: str, line: int) -> str | float | bool | None:
        if kind == "str":
            return self._text(text, line)
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in {"true", "false"}:
            return text.lower() == "true"
        if kind in {"int", "float"} and len(text) <= _LONGEST_NUMBER:
            try:
                number = int(text, 0) if kind == "int" else float(text)
            except ValueError:
                number = math.nan
            if math.isfinite(number):
                return number
        raise ProfileError(
            f"{text[:_LONGEST_NUMBER]!r} is not possible in a profile (YAML reads it as {kind})",
            where=f"{self._file}:{line}",
            expected="text, a number, true or false",
            hint="if it is a text, put it in quotes",
        )

    def _text(self, text: str, line: int) -> str:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self._wrong("a text with half of a surrogate pair", line) from None
        return text

    def _wrong(self, message: str, line: int) -> ProfileError:
        return ProfileError(message, where=f"{self._file}:{line}")


def merge(base: Node, over: Node) -> Node:
    """`over` laid over `base`: see `harness.board.load`.

    Raises:
        ProfileError: an item is to be removed that is not there.
    """
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        result = dict(base.value)
        for key, value in over.value.items():
            result[key] = merge(result[key], value) if key in result else value
        return Node(result, over.file, over.line)
    known, changes = _by_id(base), _by_id(over)
    if known is None or changes is None:
        return over
    for name, item in changes.items():
        if not _is_removal(item):
            known[name] = merge(known[name], item) if name in known else item
        elif known.pop(name, None) is None:
            near = difflib.get_close_matches(name, known, n=1)
            raise ProfileError(
                f"there is no {name!r} to remove"
                + (f"; did you mean {near[0]!r}?" if near else ""),
                where=item.where,
                expected=f"one of: {', '.join(known)}",
            )
    return Node(list(known.values()), over.file, over.line)


def _by_id(node: Node) -> dict[str, Node] | None:
    """The items of a list by their `id`; None if it is not a list whose items all have one."""
    if not isinstance(node.value, list) or not node.value:
        return None
    found = {name: item for item in node.value if (name := _id_of(item)) is not None}
    return found if len(found) == len(node.value) else None


def _id_of(item: Node) -> str | None:
    name = item.value.get("id") if isinstance(item.value, dict) else None
    return name.value if name is not None and isinstance(name.value, str) else None


def _is_removal(item: Node) -> bool:
    wish = item.value.get("remove") if isinstance(item.value, dict) else None
    return wish is not None and wish.value is True
