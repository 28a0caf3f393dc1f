"""One line of a hex dump, however it was pasted.

The forms, as their programs print them:

    acpidump, iasl -d    "    0010: 41 6D 64 54 61 62  AmdTab"
    xxd                  "00000010: 416d 6454 6162  AmdTab"; -g1, -c, -e too
    hexdump -C           "00000010  41 6d 64 54 61 62  |AmdTab|"
    hexdump, od -x       "0000010 6d41 5464 6261": words, the low byte last
    od -A o/d/x -tx1z    "0000020 41 6d 64 54 61 62  >AmdTab<"
    UEFI shell, U-Boot md and Format-Hex are variants of these

What stands before a row in a mail, a log or a listing is passed over: quote marks,
timestamps, log prefixes, line numbers.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST = 2000
_MOST_GROUPS = 64

_PREFIXES = tuple(
    re.compile(pattern)
    for pattern in (
        r"\s*[>|](?:\s?[>|])*\s?",
        r"\s*\[\s*\d+\.\d+\]\s*",
        r"\s*<\d>\s*",
        r"\s*\(XEN\)\s*",
        r"\s*\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,:+Z-]*\]?\s*",
        r"\s*\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?\s+",
        r"\s*[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d \S+ [^\s:]+:\s*",
        r"\s*(?:kernel|d\d+v?\d*|dom0):\s*",
        r"\s*(?://|#|\*)\s*(?=\S)",
    )
)
_NUMBER = re.compile(r"\s*\d{1,6}(?:[:.|)]\s*|\s+)")
_BREAK = re.compile(r"<\s*/?\s*(?:br|p|div|pre|tr|li)\b[^<>]{0,200}>", re.IGNORECASE)
_TAG = re.compile(
    r"<\s*/?\s*(?:code|span|tt|blockquote|font|b|i|td|samp)\b[^<>]{0,200}>", re.IGNORECASE
)
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\ufeff\u00ad\r"))
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2007\u202f\t"), " ")
_ODD = {**_INVISIBLE, **_SPACES}

# What each kind of line has, as fast as it can be told.
_MAYBE = re.compile(r"[0-9A-Fa-f]{4}(?:h?\s*:\s|\s+[0-9A-Fa-f]{2}|[0-9A-Fa-f]{2,12}$)|\*$| @ 0x")
_OFFSET = re.compile(r"\s*(?:0x)?([0-9A-Fa-f]{4,16})(h?\s*:(?=\s)|\s)\s*")
_GROUP = re.compile(r"(?:[0-9A-Fa-f]{2}){1,4}(?=[\s-]|$)")
_GAP = re.compile(r"-|\s+")
_END = re.compile(r"\s*(?:0x)?([0-9A-Fa-f]{6,16})\s*$")
_HEADING = re.compile(r"\s*(RSD PTR|[A-Za-z0-9_!$]{4}) @ 0x([0-9A-Fa-f]{1,16})\s*$")
_NOT_TEXT = str.maketrans("", "", " .|*<>/\u2026\u00b7\ufffd")


@dataclass(frozen=True, slots=True)
class Row:
    """Bytes with their offset.

    Attributes:
        line: number of the line, from 1.
        offset: as written; its radix is not known from one row.
        colon: a colon follows the offset, as acpidump and xxd have it.
        groups: hex digits as grouped by the program: 2, 4 or 8 of them (the last may have
            fewer).
        count: bytes of the row, as its text column or its spaces tell.
        stale: the text column tells other bytes than the digits do; `count` is a guess then.
    """

    line: int
    offset: str
    colon: bool
    groups: tuple[str, ...]
    count: int
    stale: bool = False

    @property
    def width(self) -> int:
        """Digits in a group."""
        return len(self.groups[0])

    @property
    def most(self) -> int:
        """Bytes if all that looks like a group is one."""
        return sum(map(len, self.groups)) // 2

    def data(self, swapped: bool) -> bytes:
        """All bytes of the groups; `swapped` when a group is a little-endian number."""
        parts = (bytes.fromhex(group) for group in self.groups)
        return b"".join(part[::-1] if swapped else part for part in parts)


@dataclass(frozen=True, slots=True)
class Repeated:
    """A line of one asterisk: rows like the one before were left out."""

    line: int


@dataclass(frozen=True, slots=True)
class End:
    """An offset alone: where the dump ends, as hexdump and od say last."""

    line: int
    offset: str


@dataclass(frozen=True, slots=True)
class Heading:
    """What acpidump writes above a table."""

    line: int
    signature: str
    address: int


Line = Row | Repeated | End | Heading


def lines(text: str) -> Iterator[Line]:
    """The lines of dumps in a text; other lines are passed over."""
    # A text column may hold what looks like a tag; in a page it would be escaped.
    marked = _BREAK.search(text) is not None
    escaped = "&" in text
    numbered = False
    for number, line in enumerate(io.StringIO(text, newline="\n"), 1):
        if len(line) > _LONGEST:
            continue
        for part in _BREAK.split(line) if marked else (line,):
            clean = _TAG.sub("", part) if marked else part
            clean = html.unescape(clean) if escaped else clean
            clean = clean.translate(_ODD).rstrip()
            if not _MAYBE.search(clean):
                continue
            found, numbered = _read(clean, number, numbered)
            if found is not None:
                yield found


def _read(line: str, number: int, numbered: bool) -> tuple[Line | None, bool]:
    """What a line is, and whether a line number stands before it, as before the last one."""
    rest = line
    for _ in range(6):
        bare = _NUMBER.sub("", rest, count=1) if _NUMBER.match(rest) else ""
        if numbered and (found := _bare(bare, number)):
            return found, True
        if found := _bare(rest, number):
            return found, False
        for prefix in _PREFIXES:
            match = prefix.match(rest)
            if match and match.end() < len(rest):
                rest = rest[match.end() :]
                break
        else:
            if not bare:
                return None, numbered
            rest = bare
            if found := _bare(rest, number):
                return found, True
    return None, numbered


def _bare(line: str, number: int) -> Line | None:
    if line.strip() == "*":
        return Repeated(number)
    heading = _HEADING.match(line)
    if heading:
        return Heading(number, heading[1], int(heading[2], 16))
    end = _END.match(line)
    if end:
        return End(number, end[1])
    return _row(line, number)


def _row(line: str, number: int) -> Row | None:
    start = _OFFSET.match(line)
    if not start:
        return None
    groups: list[str] = []
    ends: list[int] = []
    at = start.end()
    while len(groups) < _MOST_GROUPS:
        group = _GROUP.match(line, at)
        if not group or (groups and len(group[0]) > len(groups[0])):
            break
        end = group.end()
        # The UEFI shell has a dash in the middle of a row.
        if line[end : end + 1] == "-" and (len(group[0]), len(groups)) != (2, 7):
            break
        groups.append(group[0])
        ends.append(end)
        gap = _GAP.match(line, end)
        if not gap:
            break
        at = gap.end()
    # Three bytes are the rest of a group of four.
    if not groups or (len(groups[0]) == 6 and len(groups) > 1):
        return None
    kept, stale = _cut(line, groups, ends)
    whole = next((i for i, group in enumerate(groups) if len(group) < len(groups[0])), len(groups))
    if whole + 1 < kept:
        # A short group is the last, and what follows is text; right behind the first group
        # it is a sign that this one is the offset, and what precedes a line number.
        if whole == 1:
            return None
        kept, stale = whole, True
    return Row(
        number,
        start[1],
        ":" in start[2],
        tuple(groups[: whole + 1]),
        sum(map(len, groups[:kept])) // 2,
        stale,
    )


def _cut(line: str, groups: list[str], ends: list[int]) -> tuple[int, bool]:
    """How many of the groups are bytes and not the text column; whether that one is stale."""
    parts = [bytes.fromhex(group) for group in groups]
    for kept in range(len(groups), 0, -1):
        column = line[ends[kept - 1] :]
        if column.strip() and _clean(column) in (
            _shown(parts[:kept]),
            _shown([part[::-1] for part in parts[:kept]]),
        ):
            return kept, False
    if not line[ends[-1] :].strip():
        return len(groups), False
    # Three spaces are wider than any program leaves within a row.
    wide = re.search(r"\s{3,}", line[ends[0] : ends[-1]])
    if wide:
        return sum(end <= ends[0] + wide.start() for end in ends), True
    return len(groups), True


def _shown(parts: list[bytes]) -> str:
    text = "".join(chr(byte) if 0x20 < byte < 0x7F else "." for byte in b"".join(parts))
    return text.translate(_NOT_TEXT)


def _clean(column: str) -> str:
    return column.replace(" ", "").translate(_NOT_TEXT)
