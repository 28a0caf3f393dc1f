"""xl's domain configuration: `name = "guest"`, `iomem = ["1c20,2"]`.

Source: Xen tools/libs/util/libxlu_cfg_l.l (words), libxlu_cfg_y.y (grammar), libxlu_cfg.c
(escapes). It looks like Python and is not: keys are lower case, there are no expressions, a
statement ends with its line, and only a list may go over several.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Value = str | tuple["Value", ...]

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)
    |(?P<end>\n|\#[^\n]*(?:\n|\Z)|;)
    |(?P<key>[a-z][._0-9a-z]*)
    |(?P<number>[0-9][0-9a-fx]*)
    |(?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    |(?P<sign>\+=|[=,\[\]])
    |(?P<wrong>[^ \t\n]+|.)""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)")
_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
}
# Lists inside lists: the real grammar has no limit, a file of brackets must not cost our stack.
MAX_DEPTH = 20


@dataclass(frozen=True)
class Setting:
    """`key = value`; `value` is a text (numbers too) or a tuple of values."""

    key: str
    value: Value
    line: int
    adds: bool = False
    is_number: bool = False


@dataclass(frozen=True)
class Mistake:
    """Something that xl cannot parse."""

    line: int
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Config:
    """A parsed file: all settings in its order, and what is no setting."""

    settings: tuple[Setting, ...]
    mistakes: tuple[Mistake, ...]

    def get(self, key: str) -> Setting | None:
        """The setting that counts: the last one."""
        return next((s for s in reversed(self.settings) if s.key == key), None)

    def text(self, key: str) -> str | None:
        """A key's text; None without it, or if it is a list."""
        found = self.get(key)
        return found.value if found is not None and isinstance(found.value, str) else None


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


class _Wrong(Exception):  # noqa: N818 -- never leaves this file
    def __init__(self, line: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.mistake = Mistake(line, message, hint)


def parse(text: str) -> Config:
    """Parse a file; what is wrong is a mistake, and the lines after it are still read."""
    return _Parser(_tokens(text)).parse()


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    line = 1
    for match in _TOKEN.finditer(text.replace("\r\n", "\n")):
        kind = match.lastgroup or "wrong"
        if kind != "space":
            found.append(_Token(kind, match[0], line))
        line += match[0].count("\n")
    return found


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.settings: list[Setting] = []
        self.mistakes: list[Mistake] = []

    def parse(self) -> Config:
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "end":
                self.at += 1
                continue
            try:
                self.settings.append(self._setting())
            except _Wrong as bad:
                self.mistakes.append(bad.mistake)
                self._skip_line()
        return Config(tuple(self.settings), tuple(self.mistakes))

    def _skip_line(self) -> None:
        while self.at < len(self.tokens) and "\n" not in self.tokens[self.at].text:
            self.at += 1

    def _peek(self) -> _Token:
        if self.at < len(self.tokens):
            return self.tokens[self.at]
        return _Token("end", "the end of the file", self.tokens[-1].line if self.tokens else 1)

    def _next(self) -> _Token:
        token = self._peek()
        self.at += 1
        return token

    def _setting(self) -> Setting:
        key = self._next()
        if key.kind != "key":
            hint = ""
            if key.text[:1].isalpha():
                hint = f"keys are lower case: {key.text.lower()}"
            raise _Wrong(key.line, f"{_shown(key)} where a key was expected", hint)
        sign = self._next()
        if sign.text not in ("=", "+="):
            raise _Wrong(sign.line, f"{_shown(sign)} behind {key.text}", f"{key.text} = VALUE")
        number = self._peek().kind == "number"
        value = self._value(key.text, 0)
        end = self._peek()
        if end.kind != "end":
            raise _Wrong(
                end.line,
                f"{_shown(end)} behind the value of {key.text}",
                "one setting on a line; a number is written without a unit or expression",
            )
        return Setting(key.text, value, key.line, sign.text == "+=", number)

    def _value(self, key: str, depth: int) -> Value:
        token = self._next()
        if token.kind == "number":
            return token.text
        if token.kind == "string":
            return _unquoted(token)
        if token.text == "[" and depth < MAX_DEPTH:
            return self._list(key, depth + 1)
        hint = ""
        if token.kind == "key":
            hint = f'{key} = "{token.text}": texts have quotes'
        elif token.text[:1] in "'\"":
            hint = "the quote is not closed on its line"
        elif token.text[:1] in "\u2018\u2019\u201c\u201d":
            hint = "straight quotes: \" or '"
        raise _Wrong(token.line, f"{_shown(token)} where a value of {key} was expected", hint)

    def _list(self, key: str, depth: int) -> Value:
        values: list[Value] = []
        self._line_ends()
        while self._peek().text != "]":
            values.append(self._value(key, depth))
            self._line_ends()
            token = self._peek()
            if token.text == ",":
                self.at += 1
                self._line_ends()
            elif token.text != "]":
                raise _Wrong(token.line, f"{_shown(token)} in the list of {key}", "a comma, or ]")
        self.at += 1
        return tuple(values)

    def _line_ends(self) -> None:
        while self.at < len(self.tokens) and "\n" in self.tokens[self.at].text:
            self.at += 1


def _shown(token: _Token) -> str:
    text = token.text.strip()
    return text if text and token.kind != "end" else "the end of the line"


def _unquoted(token: _Token) -> str:
    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code in _ESCAPES:
            return _ESCAPES[code]
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8) & 0xFF)
        raise _Wrong(token.line, f"\\{code} in a text", "a backslash is written twice")

    return _ESCAPE.sub(one, token.text[1:-1])
