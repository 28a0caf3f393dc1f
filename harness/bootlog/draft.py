"""Facts while they are being collected, and the rules that collect them.

A rule is data: a pattern and what to do with its match. A table of rules is looked up by the
first word of a line, so that most lines cost one dictionary look-up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.bootlog.lines import Line

MAX_ITEMS = 2000
"""Items that a list of facts keeps: a log that repeats itself must not fill the memory."""


class Draft:
    """Scalars (the first one said counts) and lists, by the names of the fields to be.

    Attributes:
        changes: grows with every change, so that a snapshot is built only when needed.
        section: the heading under which indented lines stand, or "".
    """

    def __init__(self) -> None:
        self.one: dict[str, Any] = {}
        self.many: dict[str, list[Any]] = {}
        self.changes = 0
        self.section = ""

    def set(self, name: str, value: object) -> None:
        if name not in self.one:
            self.one[name] = value
            self.changes += 1

    def update(self, name: str, value: object) -> None:
        """Sets a scalar of which the last one said counts."""
        self.one[name] = value
        self.changes += 1

    def add(self, name: str, value: object) -> None:
        items = self.many.setdefault(name, [])
        if len(items) < MAX_ITEMS:
            items.append(value)
        self.changes += 1

    def fields(self) -> dict[str, Any]:
        """The facts as keyword arguments: lists are tuples."""
        return {**self.one, **{name: tuple(items) for name, items in self.many.items()}}


Action = Callable[[Draft, re.Match[str], Line], None]
Rule = tuple[re.Pattern[str], Action]
Rules = Mapping[str, Sequence[Rule]]


def rule(pattern: str, action: Action) -> Rule:
    """A rule; its pattern must match at the start of the text."""
    return re.compile(pattern, re.ASCII), action


def apply(rules: Sequence[Rule], draft: Draft, text: str, line: Line) -> bool:
    """Runs the first rule that matches the start of the text; False if none does."""
    for pattern, action in rules:
        match = pattern.match(text)
        if match:
            action(draft, match, line)
            return True
    return False


def first_word(text: str) -> str:
    """What a table of rules is looked up by: the text up to its first blank."""
    return text.partition(" ")[0]


def sets(name: str, convert: Callable[[str], object] = str) -> Action:
    """A rule's action: the first group of the match is the value of a scalar."""
    return lambda draft, match, _line: draft.set(name, convert(match[1]))


def adds(name: str, convert: Callable[[str], object] = str) -> Action:
    """A rule's action: the first group of the match is one more item of a list."""
    return lambda draft, match, _line: draft.add(name, convert(match[1]))


def opens(section: str) -> Action:
    """A rule's action: the indented lines that follow belong to this section."""

    def action(draft: Draft, _match: re.Match[str], _line: Line) -> None:
        draft.section = section

    return action


def consumed(_draft: Draft, _match: re.Match[str], _line: Line) -> None:
    """A rule's action for a line that is understood and says nothing worth keeping."""


def hexadecimal(text: str) -> int:
    """A number in base 16, with or without 0x."""
    return int(text, 16)


def number(text: str) -> int:
    """A number as C's %#x prints it: 0x10, or 0 without a prefix."""
    return int(text, 16 if text.startswith("0x") else 10)
