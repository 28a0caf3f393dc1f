"""The statements of a U-Boot script: commands, `&&` and `||`, if, for, while.

Source: U-Boot common/cli_hush.c (`reserved_word`, `done_pipe`) and doc/usage/cmdline.rst.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.lint.script_words import Operator, Problem, Token, Word, split_words

# Deeper ones are refused: a script is written by people.
MAX_DEPTH = 40

_RESERVED = frozenset(
    {"if", "then", "elif", "else", "fi", "for", "while", "until", "in", "do", "done"}
)


@dataclass(frozen=True)
class Command:
    """A command with its arguments."""

    words: tuple[Word, ...]

    @property
    def line(self) -> int:
        return self.words[0].line


@dataclass(frozen=True)
class Chain:
    """Commands joined by "&&" and "||"; the first one's joint is ""."""

    items: tuple[tuple[str, Statement], ...]

    @property
    def line(self) -> int:
        return self.items[0][1].line


@dataclass(frozen=True)
class If:
    """`arms`: (condition, body) of if and elif; `otherwise`: of else."""

    arms: tuple[tuple[Block, Block], ...]
    otherwise: Block
    line: int


@dataclass(frozen=True)
class For:
    """for NAME in WORDS; do BODY; done."""

    name: str
    words: tuple[Word, ...]
    body: Block
    line: int


@dataclass(frozen=True)
class While:
    """while CONDITION; do BODY; done; and until."""

    condition: Block
    body: Block
    line: int


Statement = Command | Chain | If | For | While
Block = tuple[Statement, ...]


@dataclass(frozen=True)
class Script:
    """A parsed script."""

    body: Block
    problems: tuple[Problem, ...]
    comments: tuple[tuple[int, str], ...]


def parse(text: str) -> Script:
    """Parse a script; what cannot be parsed is a problem, and what follows it is still read."""
    words = split_words(text)
    parser = _Parser(words.tokens)
    body: list[Statement] = []
    while True:
        body += parser.block(frozenset())
        stray = parser.peek()
        if stray is None:
            break
        word = stray.keyword if isinstance(stray, Word) else stray.text
        parser.complain(stray.line, f"{word} where no command of its kind is open")
        parser.at += 1
    return Script(tuple(body), (*words.problems, *parser.problems), words.comments)


class _Parser:
    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.problems: list[Problem] = []

    def complain(self, line: int, message: str) -> None:
        self.problems.append(Problem("syntax", line, message))

    def peek(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _keyword(self) -> str:
        token = self.peek()
        return token.keyword if isinstance(token, Word) and token.keyword in _RESERVED else ""

    def _line(self) -> int:
        return self.tokens[min(self.at, len(self.tokens) - 1)].line if self.tokens else 1

    def _skip_ends(self) -> None:
        while isinstance(token := self.peek(), Operator) and token.text == ";":
            self.at += 1

    def block(self, ends: frozenset[str]) -> Block:
        """Statements up to one of the words that end this block."""
        found: list[Statement] = []
        while True:
            self._skip_ends()
            token = self.peek()
            if token is None or self._keyword() in ends:
                return tuple(found)
            if isinstance(token, Operator) or self._keyword() in _RESERVED - _OPENERS:
                return tuple(found)
            found.append(self._chain())

    def _chain(self) -> Statement:
        items: list[tuple[str, Statement]] = [("", self._statement())]
        while isinstance(token := self.peek(), Operator) and token.text in ("&&", "||"):
            self.at += 1
            while isinstance(end := self.peek(), Operator) and end.text == ";":
                self.at += 1
            if self.peek() is None or isinstance(self.peek(), Operator):
                self.complain(token.line, f"nothing follows {token.text}")
                break
            items.append((token.text, self._statement()))
        return items[0][1] if len(items) == 1 else Chain(tuple(items))

    def _statement(self) -> Statement:
        word = self._keyword()
        if word in _OPENERS:
            self.depth += 1
            try:
                if self.depth > MAX_DEPTH:
                    self.complain(self._line(), f"more than {MAX_DEPTH} blocks inside each other")
                    self.at = len(self.tokens)
                    return If((), (), self._line())
                if word == "if":
                    return self._if()
                return self._for() if word == "for" else self._while()
            finally:
                self.depth -= 1
        words: list[Word] = []
        while isinstance(token := self.peek(), Word):
            words.append(token)
            self.at += 1
        return Command(tuple(words)) if words else If((), (), self._line())

    def _expect(self, word: str, opened: str, line: int) -> None:
        self._skip_ends()
        if self._keyword() == word:
            self.at += 1
            return
        self.complain(line, f"{opened} without its {word}")

    def _if(self) -> If:
        line = self._line()
        arms: list[tuple[Block, Block]] = []
        otherwise: Block = ()
        while self._keyword() in {"if", "elif"}:
            self.at += 1
            condition = self.block(frozenset({"then"}))
            self._expect("then", "if", line)
            arms.append((condition, self.block(frozenset({"elif", "else", "fi"}))))
        if self._keyword() == "else":
            self.at += 1
            otherwise = self.block(frozenset({"fi"}))
        self._expect("fi", "if", line)
        return If(tuple(arms), otherwise, line)

    def _for(self) -> For:
        line = self._line()
        self.at += 1
        name = self.peek()
        if isinstance(name, Word):
            self.at += 1
        words: list[Word] = []
        if self._keyword() == "in":
            self.at += 1
            while isinstance(token := self.peek(), Word) and token.keyword != "do":
                words.append(token)
                self.at += 1
        else:
            self.complain(line, "for without its in")
        body = self._loop("for", line)
        return For(name.keyword if isinstance(name, Word) else "", tuple(words), body, line)

    def _while(self) -> While:
        line = self._line()
        opened = self._keyword()
        self.at += 1
        condition = self.block(frozenset({"do"}))
        return While(condition, self._loop(opened, line), line)

    def _loop(self, opened: str, line: int) -> Block:
        self._expect("do", opened, line)
        body = self.block(frozenset({"done"}))
        self._expect("done", opened, line)
        return body


_OPENERS = frozenset({"if", "for", "while", "until"})
