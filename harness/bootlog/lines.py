"""Turns console bytes into lines: one line per thing that was said.

Everything here is total and incremental: any bytes, in any chunks, give the same lines.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from itertools import pairwise

from harness.bootlog.ansi import JUMP, AnsiStripper

MAX_LINE = 65536
"""Characters after which a line is ended by force, so that noise cannot fill the memory."""

# Control characters that say nothing in a log. Kept: BEL (ends an OSC), BS, TAB, LF, CR, ESC.
_DROPPED = bytes({*range(0x20), 0x7F} - {0x07, 0x08, 0x09, 0x0A, 0x0D, 0x1B})
_MARKS = re.compile(r"\x08+|\x0b")
_PIECE = 512


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a console.

    Attributes:
        text: decoded, without escape sequences and line end; other blanks are kept.
        at: seconds since power-on at which its first character came; None in a recorded log
            without times.
        number: 1-based. From a `LineAssembler`: a running count. From `read_recorded`: the
            line of the file; lines that were glued together there share it.
    """

    text: str
    at: float | None
    number: int


# What a kernel says that dies: worth a line of its own wherever it stands.
_DEATHS = (
    "Kernel panic - not syncing",
    "BUG: ",
    "Oops: ",
    "Unable to handle kernel",
    "Internal error: ",
    "kernel BUG at ",
    "PANIC: double fault",
    "divide error: ",
    "invalid opcode: ",
    "stack segment: ",
    "general protection fault",
)
_DEATH_MARKS = tuple(f"] {words}" for words in _DEATHS)

_GLUED = re.compile(
    r"""(?<=[^"'])(?=\(XEN\)\ )               # two writers: Xen in the middle of a dom0 line
      | (?:(?<=[^\s"'`])|(?<=[\#$>]\ )|(?<=login:\ ))(?=\(d[1-9]\d{0,4}\)\ )  # a guest, likewise
      | (?=qemu-system-\w+:\ )                # our emulator, behind a prompt
      | (?:(?<=[\#$>]\ )|(?<=login:\ ))(?=\[\ *\d+\.\d{6}\]\ )  # the kernel, behind a prompt
      | (?<=[^"'>|])(?=(?:<\d>)?\[\ *\d+\.\d{6}\](?:\ ?\[\ *[TC]\d+\])?\ (?:DEATHS))
                                              # its death, behind any unfinished text
    """.replace("DEATHS", "|".join(re.escape(words) for words in _DEATHS)),
    re.VERBOSE,
)
# A guest in mid-line. The look-behind comes second: a search for literal text is fast.
_GUEST_INSIDE = re.compile(r"\(d(?<=[^\n]\(d)[1-9]\d{0,4}\) ", re.ASCII)
# What stands in front of the words of a guest, whose death is not dom0's.
_GUEST = re.compile(
    r"(?:\(XEN\) (?:\[[^\]]{1,30}\] )?(?:DOM\d{1,5}: )?|\(d\d{1,5}\) (?:\[[^\]]{1,30}\] )?)",
    re.ASCII,
)


def split_glued(text: str) -> list[str]:
    """Splits a line that two writers share: Xen, the emulator or the kernel in mid-line.

    `"3... 2... 1... (XEN) *** Serial"` gives `["3... 2... 1... ", "(XEN) *** Serial"]`.
    """
    if surely_single(text):
        return [text]
    cuts = [match.start() for match in _GLUED.finditer(text) if match.start() > 0]
    if cuts and _GUEST.fullmatch(text, 0, cuts[0]):
        del cuts[0]
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def surely_single(text: str) -> bool:
    """A cheap test: no sign of glue in the text, which may hold many lines."""
    return (
        _only_in_front(text, "(XEN) ")
        and _only_in_front(text, "qemu-system-")
        and _GUEST_INSIDE.search(text) is None
        and "# [" not in text
        and "$ [" not in text
        and "> [" not in text
        and "login: [" not in text
        and not any(mark in text for mark in _DEATH_MARKS)
    )


def _only_in_front(text: str, mark: str) -> bool:
    return text.count(mark) == text.count("\n" + mark) + text.startswith(mark)


def _without_returns(text: str) -> str:
    """Carriage returns in mid-line: one blank between two words, else nothing."""
    parts = [part for part in text.split("\r") if part]
    out = parts[:1]
    for before, part in pairwise(parts):
        between_words = _in_word(before[-1]) and _in_word(part[0])
        out.append(" " + part if between_words else part)
    return "".join(out)


def _in_word(char: str) -> bool:
    return char != "\x08" and not char.isspace()


class LineAssembler:
    r"""Assembles raw console bytes into lines.

    - UTF-8; what is not becomes U+FFFD. NUL and other control characters are dropped.
    - Escape sequences are dropped (`harness.bootlog.ansi`). Cursor addressing, a cleared screen
      and a terminal reset end the line if it holds more than blanks: the rows of a menu become
      lines of their own.
    - `\n`, `\r\n`, `\r\r\n` ... end one line. A carriage return in mid-line does not overwrite:
      it becomes one blank between two words (`10%\r20%` -> `10% 20%`), else nothing
      (`99%\r ok` -> `99% ok`).
    - `\b` erases the character before it, within its line, as count-downs expect.
    - `split_glued` is applied to every line.

    Attributes:
        last_text: what the last `feed` added, as text to match against: escape sequences
            dropped, `\n` for each end of a line, `\b` still in it. Joined over all feeds it
            does not depend on the chunks.
    """

    def __init__(self) -> None:
        self.last_text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ansi = AnsiStripper()
        self._returns = False  # a carriage return waits for what follows it
        self._last_char = ""  # of the text that was taken so far
        self._pieces: list[str] = []  # the unfinished line
        self._length = 0
        self._since: float | None = None
        self._count = 0

    @property
    def partial(self) -> str:
        """The unfinished last line, stripped like any other."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def feed(self, data: bytes, at: float | None) -> list[Line]:
        """Takes the next bytes, which came at that time; returns the lines that they complete."""
        return self._take(self._decoder.decode(data.translate(None, _DROPPED)), at)

    def flush(self) -> list[Line]:
        """Ends the stream: the unfinished line, if there is one, becomes a line."""
        lines = self._take(self._decoder.decode(b"", final=True), self._since)
        self._ansi.drop()
        self._returns = False
        if self._pieces:
            lines += self._end_line()
        return lines

    def _take(self, text: str, at: float | None) -> list[Line]:
        if "\x1b" in text or self._ansi.holding:
            text = self._ansi.feed(text)
        if "\x07" in text:
            text = text.replace("\x07", "")
        if "\r" in text or self._returns:
            text = self._resolve_returns(text)
        if text:
            self._last_char = text[-1]
        if "\x08" in text or JUMP in text:
            return self._marked(text, at)
        self.last_text = text
        return self._plain(text, at)

    def _resolve_returns(self, text: str) -> str:
        if not text:
            return ""
        before = self._last_char
        text = before + ("\r" if self._returns else "") + text
        body = text.rstrip("\r")
        self._returns = len(body) < len(text)
        if "\r" in body:
            body = body.replace("\r\r\n", "\n").replace("\r\n", "\n")
            if "\r" in body:
                body = _without_returns(body)
        return body[len(before) :]

    def _marked(self, text: str, at: float | None) -> list[Line]:
        """Text with backspaces or cursor jumps."""
        lines: list[Line] = []
        shown: list[str] = []
        position = 0
        for match in _MARKS.finditer(text):
            plain = text[position : match.start()]
            position = match.end()
            lines += self._plain(plain, at)
            shown.append(plain)
            if match[0] != JUMP:
                self._erase(len(match[0]))
                shown.append(match[0])
            elif self.partial.strip():
                lines += self._end_line()
                shown.append("\n")
            else:
                self._pieces, self._length = [], 0
        shown.append(text[position:])
        self.last_text = "".join(shown)
        return lines + self._plain(text[position:], at)

    def _plain(self, text: str, at: float | None) -> list[Line]:
        head, newline, rest = text.partition("\n")
        texts = rest.split("\n")
        if self._length + len(text) > MAX_LINE and (
            self._length + len(head) > MAX_LINE or max(map(len, texts)) > MAX_LINE
        ):
            return self._bounded(text, at)
        if head:
            self._append(head, at)
        if not newline:
            return []
        lines = self._end_line(at)
        last = texts.pop()
        if surely_single(rest):
            count = self._count
            lines += [Line(one, at, number) for number, one in enumerate(texts, count + 1)]
            self._count = count + len(texts)
        else:
            for one in texts:
                if (
                    one.find("(XEN) ", 1) > 0
                    or one.find("(d", 1) > 0
                    or one.find("qemu-system-", 1) > 0
                    or one.find("[", 1) > 0
                ):
                    lines += self._lines_of(one, at)
                else:
                    self._count += 1
                    lines.append(Line(one, at, self._count))
        if last:
            self._append(last, at)
        return lines

    def _bounded(self, text: str, at: float | None) -> list[Line]:
        """Like `_plain`, for text with a line that is too long."""
        lines: list[Line] = []
        for index, one in enumerate(text.split("\n")):
            if index:
                lines += self._end_line(at)
            start = 0
            while self._length + len(one) - start > MAX_LINE:
                room = MAX_LINE - self._length
                if room:
                    self._append(one[start : start + room], at)
                lines += self._end_line(at)
                start += room
            if start < len(one):
                self._append(one[start:], at)
        return lines

    def _append(self, text: str, at: float | None) -> None:
        if not self._pieces:
            self._since = at
        self._pieces.append(text)
        self._length += len(text)

    def _erase(self, count: int) -> None:
        """Erases up to that many characters of the unfinished line, in small pieces: the cost
        of a count-down must not grow with the line in front of it.
        """
        while count and self._pieces:
            piece = self._pieces.pop()
            if len(piece) > _PIECE:
                self._pieces += [piece[i : i + _PIECE] for i in range(0, len(piece), _PIECE)]
                continue
            kept = piece[:-count]
            if kept:
                self._pieces.append(kept)
            erased = len(piece) - len(kept)
            self._length -= erased
            count -= erased

    def _end_line(self, at: float | None = None) -> list[Line]:
        text = self.partial
        lines = self._lines_of(text, self._since if text else at)
        self._pieces, self._length = [], 0
        return lines

    def _lines_of(self, text: str, at: float | None) -> list[Line]:
        texts = split_glued(text)
        first = self._count + 1
        self._count += len(texts)
        return [Line(one, at, number) for number, one in enumerate(texts, first)]
