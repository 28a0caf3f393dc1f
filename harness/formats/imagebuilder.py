"""The configuration file of ImageBuilder: a list of variables, which bash sources.

It is read here, and never run. What a list of variables can have is understood: `KEY=value`,
`KEY[3]=value`, `KEY=(a b)`, quotes, comments, lines that go on behind a backslash, and the value
of an earlier key (`$KEY`, `${KEY}`, `${KEY[3]}`). Everything else that bash would do is an error
with its line: commands, substitutions, conditions, arithmetic.

Sources: ImageBuilder, README.md (the keys) and scripts/uboot-script-gen (`source "$cfg_file"`);
bash(1), sections QUOTING, EXPANSION and Arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from harness.errors import FormatError

# A variable may hold others, which hold others: what is written in a line can grow without end.
_LONGEST_VALUE = 1 << 14
_MOST_OF_ALL = 1 << 20
_HIGHEST_INDEX = 9999
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,3}")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")
_LONGEST_NUMBER = 30
_BLANK = " \t"
_META = "|&<>()"
_GLOB = "*?["
_SUPPORTED = 'a variable: KEY=value, KEY="a value", KEY[0]=value, KEY=(a b)'


@dataclass(frozen=True)
class Entry:
    """A variable, or an element of an array.

    Attributes:
        index: of the element; None for a plain variable.
        line: where its value was set, from 1.
    """

    key: str
    index: int | None
    value: str
    line: int

    @property
    def name(self) -> str:
        """As the file has it: "DOMU_MEM[1]"."""
        return self.key if self.index is None else f"{self.key}[{self.index}]"


@dataclass(frozen=True)
class Config:
    """The variables of a file, each with the value that it has at the end.

    Attributes:
        name: of the file, for messages.
        entries: in the order of the file.
        helpers: names of variables whose value went into others.
    """

    name: str
    entries: tuple[Entry, ...]
    helpers: frozenset[str] = frozenset()

    def get(self, key: str, index: int | None = None) -> Entry | None:
        """A variable; None also if its value is empty, which ImageBuilder takes for unset.

        As in bash, `KEY` and `KEY[0]` are the same.
        """
        same = {None, 0} if index in {None, 0} else {index}
        found = [e for e in self.entries if e.key == key and e.index in same and e.value]
        return found[-1] if found else None

    def where(self, entry: Entry) -> str:
        """File, line and key, as errors show them."""
        return f"{self.name}:{entry.line}, {entry.name}"

    def number(self, entry: Entry) -> int:
        """The value as a number: decimal, 0x..., or octal with a 0 in front, as bash counts.

        Raises:
            FormatError: it is none.
        """
        text = entry.value.strip()
        if not _NUMBER.fullmatch(text) or len(text) > _LONGEST_NUMBER:
            raise FormatError(
                f"{entry.value[:40]!r} is not a number",
                where=self.where(entry),
                expected="decimal (512) or hexadecimal (0x200), not negative, without a unit",
            )
        base = 16 if text[:2] in {"0x", "0X"} else 8 if text[0] == "0" else 10
        return int(text, base)


def parse(text: str, name: str = "config") -> Config:
    """Read a configuration.

    Args:
        name: of the file, for messages.

    Raises:
        FormatError: with file and line.
    """
    return _Reader(text, name).read()


class _Reader:
    """Reads the text from left to right, once."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self.at = 0
        self.line = 1
        self.found: dict[tuple[str, int | None], Entry] = {}
        self.helpers: set[str] = set()
        self.size = 0

    def read(self) -> Config:
        self._check_characters()
        while self._skip_to_word():
            self._assignment()
        return Config(self.name, tuple(self.found.values()), frozenset(self.helpers))

    def _check_characters(self) -> None:
        for number, row in enumerate(self.text.split("\n"), 1):
            for letter in row:
                if letter == "\t" or (letter.isprintable() and letter != "\x7f"):
                    continue
                self.line = number
                hint = "convert the line ends: sed -i 's/\\r$//' FILE" if letter == "\r" else None
                self._refuse(
                    f"the character U+{ord(letter):04X}", "a text file with Unix line ends", hint
                )

    def _skip_to_word(self) -> bool:
        """To the next word that is not a comment; False at the end of the text."""
        while self.at < len(self.text):
            letter = self.text[self.at]
            if self.text.startswith("\\\n", self.at):
                self._over_line_end(2)
            elif letter == "\n":
                self._over_line_end(1)
            elif letter == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif letter in _BLANK or letter == ";":
                self.at += 1
            else:
                return True
        return False

    def _over_line_end(self, length: int) -> None:
        self.at += length
        self.line += 1

    def _assignment(self) -> None:
        line = self.line
        key = _NAME.match(self.text, self.at)
        if key is None:
            self._refuse_word()
        self.at = key.end()
        index = self._index() if self.text.startswith("[", self.at) else None
        if self.text.startswith("+=", self.at):
            self._refuse(f"{key[0]}+= appends to a value", "the whole value in one assignment")
        if not self.text.startswith("=", self.at):
            self.at = key.start()
            self._refuse_word()
        self.at += 1
        if self.text.startswith("(", self.at):
            if index is not None:
                self._refuse(f"{key[0]}[{index}] is set to a list", "one value for one element")
            self._list(key[0])
            return
        self._set(key[0], index, self._word(in_list=False), line)

    def _set(self, key: str, index: int | None, value: str, line: int) -> None:
        if index in {None, 0}:  # KEY and KEY[0] are the same variable
            for other in (None, 0):
                self.found.pop((key, other), None)
        self.found.pop((key, index), None)
        self.found[key, index] = Entry(key, index, value, line)

    def _index(self) -> int:
        end = self.text.find("]", self.at)
        row_end = self.text.find("\n", self.at)
        if end < 0 or 0 <= row_end < end:
            self._refuse("[ without ]", _SUPPORTED)
        written = self.text[self.at + 1 : end]
        if not _INDEX.fullmatch(written):
            self._refuse(
                f"the index {written[:40]!r}", f"a decimal number, at most {_HIGHEST_INDEX}"
            )
        self.at = end + 1
        return int(written)

    def _list(self, key: str) -> None:
        """(a "b c" [5]=d), from the bracket on; it replaces the whole variable."""
        first = self.line
        self.at += 1
        items: list[tuple[int, str, int]] = []
        index = 0
        while self._skip_to_word():
            if self.text[self.at] == ")":
                self.at += 1
                self._after_value()
                break
            line = self.line
            if self.text.startswith("[", self.at):
                index = self._index()
                if not self.text.startswith("=", self.at):
                    self._refuse("[...] without = in a list", _SUPPORTED)
                self.at += 1
            items.append((index, self._word(in_list=True), line))
            index += 1
            if index > _HIGHEST_INDEX:
                self._refuse("a list without end", f"at most {_HIGHEST_INDEX} elements")
        else:
            self.line = first
            self._refuse(f"the list of {key} is not closed", "a ) behind its last element")
        for old in [place for place in self.found if place[0] == key]:
            del self.found[old]
        for number, value, line in items:
            self._set(key, number, value, line)

    def _word(self, *, in_list: bool) -> str:
        """One value: parts in quotes and without, up to a blank or the end of the line."""
        parts: list[str] = []
        start, size = self.at, 0
        for part in self._parts(start, in_list):
            parts.append(part)
            size += len(part)
            if size > _LONGEST_VALUE:
                self._refuse("a value without end", f"at most {_LONGEST_VALUE} characters")
        self.size += size
        if self.size > _MOST_OF_ALL:
            self._refuse("values without end", f"at most {_MOST_OF_ALL} characters in all")
        self._after_value(in_list=in_list)
        return "".join(parts)

    def _parts(self, start: int, in_list: bool) -> Iterator[str]:
        while self.at < len(self.text):
            letter = self.text[self.at]
            if self.text.startswith("\\\n", self.at):
                self._over_line_end(2)
            elif letter in _BLANK or letter in "\n;" or (in_list and letter == ")"):
                return
            elif letter == "'":
                yield self._single_quoted()
            elif letter == '"':
                yield from self._double_quoted()
            elif letter == "\\":
                yield self.text[self.at + 1 : self.at + 2]
                self.at += 2
            elif letter == "$":
                value = self._dollar()
                if in_list and any(c in value for c in _BLANK + _GLOB):
                    self._refuse("bash would split this value", 'the variable in quotes: "${KEY}"')
                yield value
            else:
                self._check_plain(letter, start, in_list)
                self.at += 1
                yield letter

    def _check_plain(self, letter: str, start: int, in_list: bool) -> None:
        if letter == "`":
            self._refuse("a command substitution: `...`; it is not run", "the value itself")
        if letter in _META:
            self._refuse(f"{letter!r} outside of quotes", "the value in quotes")
        if letter == "~" and self.at == start:
            self._refuse("~ outside of quotes: a home folder", "the path in full")
        if in_list and (letter in _GLOB or letter == "{"):
            self._refuse(f"{letter!r} outside of quotes in a list", "each name, in quotes")

    def _after_value(self, *, in_list: bool = False) -> None:
        rest = self.text[self.at : self.at + 1]
        if rest and rest not in " \t\n;" and not (in_list and rest == ")"):
            self._refuse(f"{rest!r} behind a value", "a blank, or the end of the line")

    def _single_quoted(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0 or "\n" in self.text[self.at : end]:
            self._refuse("the quote ' is not closed in this line", "a second one")
        value = self.text[self.at + 1 : end]
        self.at = end + 1
        return value

    def _double_quoted(self) -> Iterator[str]:
        line = self.line
        self.at += 1
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter == '"':
                self.at += 1
                return
            if letter == "\n":
                break
            if self.text.startswith("\\\n", self.at):
                self._over_line_end(2)
            elif letter == "\\" and self.text[self.at + 1 : self.at + 2] in {*'$`"\\'}:
                yield self.text[self.at + 1]
                self.at += 2
            elif letter == "$":
                yield self._dollar()
            elif letter == "`":
                self._refuse("a command substitution: `...`; it is not run", "the value itself")
            else:
                self.at += 1
                yield letter
        self.line = line
        self._refuse('the quote " is not closed in this line', "a second one")

    def _row_end(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    def _dollar(self) -> str:
        """The value of a variable; `$` before anything that is no name is a `$`."""
        following = self.text[self.at + 1 : self.at + 2]
        if following == "(":
            self._refuse("a command substitution: $(...); it is not run", "the value itself")
        if following == "{":
            return self._braces()
        name = _NAME.match(self.text, self.at + 1)
        if name is not None:
            self.at = name.end()
            return self._value(name[0], None)
        if following and (following in "'\"@*#?-$!" or following.isdigit()):
            self._refuse(f"${following}", "the value itself; for a dollar sign: \\$")
        self.at += 1
        return "$"

    def _braces(self) -> str:
        end = self.text.find("}", self.at)
        inside = self.text[self.at + 2 : end] if end > 0 else ""
        found = re.fullmatch(rf"({_NAME.pattern})(?:\[({_INDEX.pattern})\])?", inside)
        if found is None:
            shown = self.text[self.at : self._row_end()][:40]
            self._refuse(f"the expansion {shown!r}", "an earlier key: ${KEY} or ${KEY[0]}")
        self.at = end + 1
        return self._value(found[1], int(found[2]) if found[2] else None)

    def _value(self, key: str, index: int | None) -> str:
        places: list[tuple[str, int | None]] = [(key, index)]
        if index in {None, 0}:
            places = [(key, None), (key, 0)]
        entry = next((self.found[place] for place in places if place in self.found), None)
        if entry is None:
            shown = key if index is None else f"{key}[{index}]"
            self._refuse(
                f"{shown} has no value here: the environment of a shell is not looked at",
                f"a line {shown}=... before this one",
            )
        self.helpers.add(key)
        return entry.value

    def _refuse_word(self) -> NoReturn:
        word = re.split(r"[\s;]", self.text[self.at : self._row_end()], maxsplit=1)[0]
        self._refuse(f"{word[:40]!r} is not a variable; commands are not run", _SUPPORTED)

    def _refuse(self, message: str, expected: str, hint: str | None = None) -> NoReturn:
        raise FormatError(message, where=f"{self.name}:{self.line}", expected=expected, hint=hint)
