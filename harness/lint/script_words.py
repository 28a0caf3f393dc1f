"""The words of a U-Boot script: quotes, comments, variables, operators.

Source: U-Boot common/cli_hush.c, `parse_stream`. A `#` begins a comment only where a word
could begin; `\\` takes away the meaning of the next character; U-Boot has no pipes and no
background jobs, so that `|` and `&` alone are errors of syntax.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A part of a word: text, or the name of a variable."""

    text: str
    is_variable: bool = False
    quoted: bool = False


@dataclass(frozen=True)
class Word:
    """A word; `line` is where it begins."""

    parts: tuple[Part, ...]
    line: int

    @property
    def keyword(self) -> str:
        """Its text if it is one plain text, for `if`, `then` and their like; else ""."""
        plain = len(self.parts) == 1 and not self.parts[0].is_variable and not self.parts[0].quoted
        return self.parts[0].text if plain else ""


@dataclass(frozen=True)
class Operator:
    """ ";" (also the end of a line), "&&" or "||"."""

    text: str
    line: int


Token = Word | Operator


@dataclass(frozen=True)
class Problem:
    """Something that U-Boot would refuse, or not do as it is written.

    Attributes:
        code: which rule tells it.
        hint: how to mend it.
    """

    code: str
    line: int
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Words:
    """All tokens; `comments`: (line, text) of the comments that follow words on a line."""

    tokens: tuple[Token, ...]
    problems: tuple[Problem, ...]
    comments: tuple[tuple[int, str], ...]


def split_words(text: str) -> Words:
    """Cut a script into its tokens; never fails."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.tokens: list[Token] = []
        self.problems: list[Problem] = []
        self.comments: list[tuple[int, str]] = []
        self.parts: list[Part] = []
        self.letters: list[str] = []
        self.letters_quoted = False
        self.begun = 0  # the line of the word; 0: none is begun
        self.quote_line = 0  # of an open double quote; 0: none is open

    def scan(self) -> Words:
        while self.at < len(self.text):
            self._step(self._next())
        if self.quote_line:
            self._complain(self.quote_line, 'a double quote (") is never closed')
        self._end_word()
        return Words(tuple(self.tokens), tuple(self.problems), tuple(self.comments))

    def _next(self) -> str:
        letter = self.text[self.at]
        self.at += 1
        if letter == "\n":
            self.line += 1
        return letter

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _step(self, letter: str) -> None:
        if letter == "\\":
            self._escaped()
        elif letter == "$":
            self._variable()
        elif letter == '"':
            self._begin()
            self._flush()
            self.quote_line = 0 if self.quote_line else self.line
            self.letters_quoted = bool(self.quote_line)
            self.parts.append(Part("", quoted=True))
        elif self.quote_line:
            self._add(letter)
        elif letter == "'":
            self._single_quoted()
        elif letter in " \t\n":
            self._end_word()
            if letter == "\n":
                self.tokens.append(Operator(";", self.line - 1))
        elif letter == "#" and not self.begun:
            self._comment()
        elif letter in ";&|":
            self._operator(letter)
        else:
            self._add(letter)

    def _begin(self) -> None:
        self.begun = self.begun or self.line

    def _add(self, letters: str) -> None:
        self._begin()
        self.letters.append(letters)

    def _flush(self) -> None:
        if self.letters:
            self.parts.append(Part("".join(self.letters), quoted=self.letters_quoted))
            self.letters = []

    def _end_word(self) -> None:
        self._flush()
        if self.begun:
            # Quotes leave an empty part, which tells "" from nothing.
            kept = [part for part in self.parts if part.text] or self.parts[:1]
            self.tokens.append(Word(tuple(kept), self.begun))
        self.parts, self.begun, self.quote_line, self.letters_quoted = [], 0, 0, False

    def _escaped(self) -> None:
        letter = self._peek()
        if not letter:
            self._complain(self.line, "the script ends with a backslash")
            return
        self._next()
        if letter == "\n":  # the line goes on
            return
        if self.quote_line and letter not in '"$\\':
            self._add("\\")
        was, self.letters_quoted = self.letters_quoted, True
        self._begin()
        if not was:
            self._flush_as(False)
        self.letters.append(letter)
        if not was:
            self._flush_as(True)
        self.letters_quoted = was

    def _flush_as(self, quoted: bool) -> None:
        if self.letters:
            self.parts.append(Part("".join(self.letters), quoted=quoted))
            self.letters = []

    def _variable(self) -> None:
        self._begin()
        if self._peek() == "{":
            end = self.text.find("}", self.at)
            stop = self.text.find("\n", self.at)
            if end < 0 or 0 <= stop < end:
                self._complain(self.line, "${ without its }")
                self._add("$")
                return
            name = self.text[self.at + 1 : end]
            self.at = end + 1
        else:
            end = self.at
            while end < len(self.text) and (self.text[end].isalnum() or self.text[end] == "_"):
                end += 1
            if end == self.at and self._peek() in ("?", "#", "@"):
                end += 1
            name = self.text[self.at : end]
            self.at = end
            if not name:
                self._add("$")
                return
        self._flush()
        self.parts.append(Part(name, is_variable=True, quoted=bool(self.quote_line)))

    def _single_quoted(self) -> None:
        self._begin()
        start = self.line
        end = self.text.find("'", self.at)
        if end < 0:
            self._complain(start, "a single quote (') is never closed")
            end = len(self.text)
        self._flush()
        body = self.text[self.at : end]
        self.parts.append(Part(body, quoted=True))
        self.line += body.count("\n")
        self.at = end + 1

    def _comment(self) -> None:
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        before = self.tokens[-1] if self.tokens else None
        if isinstance(before, Word):
            self.comments.append((self.line, self.text[self.at - 1 : end]))
        self.at = end

    def _operator(self, letter: str) -> None:
        self._end_word()
        if letter == ";":
            self.tokens.append(Operator(";", self.line))
        elif self._peek() == letter:
            self._next()
            self.tokens.append(Operator(letter * 2, self.line))
        else:
            what = "a pipe" if letter == "|" else "a job in the background"
            self._complain(self.line, f"{letter} is {what}, which U-Boot's shell does not have")
            self.tokens.append(Operator(";", self.line))

    def _complain(self, line: int, message: str) -> None:
        self.problems.append(Problem("syntax", line, message))
