"""Reads a recorded console log: the same lines as live, numbered as in the file."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.bootlog.lines import MAX_LINE, Line, LineAssembler, surely_single
from harness.bootlog.prompts import is_prompt


@dataclass(frozen=True, slots=True)
class RecordedLog:
    """A recorded console log.

    Attributes:
        lines: its complete lines, numbered as in the file.
        partial: the text after the last line end; empty if the file ends with one.
        has_times: every line carried a host time stamp, which is its `at` now.
    """

    lines: tuple[Line, ...]
    partial: str = ""
    has_times: bool = False
    partial_at: float | None = None

    @property
    def ends_mid_line(self) -> bool:
        """True if something was cut while it was being said; a prompt is complete as it is."""
        return bool(self.partial) and is_prompt(self.partial) is None


_STAMP = re.compile(r" {0,8}(\d{1,7}\.\d{2,3})(?: (.*))?", re.DOTALL | re.ASCII)
# A wall clock: ts, picocom, tio, journalctl, with or without brackets and a date.
_CLOCK = re.compile(
    rb"(?P<open>\[)?(?:(?P<date>\d{4}-\d\d-\d\d)[ T])?"
    rb"(?P<h>[01]\d|2[0-3]):(?P<m>[0-5]\d):(?P<s>[0-6]\d(?:[.,]\d{1,9})?)"
    rb"(?:Z|[+-]\d\d:?\d\d)?(?(open)\])(?: |(?=\r*$))"
)
_DAY = 86400.0
_STAMPED_SHARE = 0.95
_STAMPED_LINES = 3


def read_recorded(data: bytes) -> RecordedLog:
    """Reads a recorded log, with or without a column of host times.

    They are seconds (`    6.140 text`) or a wall clock (`[2024-05-01 12:00:01.123] text`,
    `2024-05-01T12:00:01+00:00 text`, `12:00:01 text`); times count from the first line then.
    """
    raw = data.split(b"\n")
    clock = _Clock() if _is_clocked(raw) else None
    has_times = clock is not None or _has_times(raw)
    assembler = LineAssembler()
    if not (has_times or b"\x1b" in data or b"\x08" in data):
        text = data.decode("utf-8", "replace")
        if surely_single(text.replace("\r", "")) and max(map(len, raw)) <= MAX_LINE:
            lines = assembler.feed(data, None)
            return RecordedLog(tuple(lines), assembler.partial)
    split = clock.split if clock else _split_stamp
    return _read_line_by_line(raw, assembler, split if has_times else None)


_Split = Callable[[bytes, float | None], tuple[float | None, bytes]]


def _read_line_by_line(
    raw: list[bytes], assembler: LineAssembler, split: _Split | None
) -> RecordedLog:
    last = raw.pop()
    lines: list[Line] = []
    at: float | None = None
    for number, one in enumerate(raw, 1):
        body = one
        if split:
            at, body = split(one, at)
        lines += [Line(x.text, x.at, number) for x in assembler.feed(body + b"\n", at)]
    if split:
        at, last = split(last, at)
    lines += [Line(x.text, x.at, len(raw) + 1) for x in assembler.feed(last, at)]
    partial = assembler.partial
    return RecordedLog(tuple(lines), partial, split is not None, at if partial else None)


class _Clock:
    """Takes a wall clock off lines; the first one is second 0."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._before = 0.0
        self._days = 0

    def split(self, raw: bytes, before: float | None) -> tuple[float | None, bytes]:
        match = _CLOCK.match(raw)
        if match is None:
            return before, raw
        second = int(match["h"]) * 3600 + int(match["m"]) * 60
        now = second + float(match["s"].replace(b",", b"."))
        if match["date"]:
            now += _day(match["date"]) * _DAY
        else:
            now += self._days * _DAY
            if now < self._before - _DAY / 2:  # midnight
                self._days += 1
                now += _DAY
        if self._first is None:
            self._first = now
        self._before = now
        # A clock that was set back must not make the time of a log run back.
        return max(round(now - self._first, 6), before or 0.0), raw[match.end() :]


def _day(date: bytes) -> int:
    try:
        return datetime.date.fromisoformat(date.decode()).toordinal()
    except ValueError:  # such as the 31st of February
        return 0


def _is_clocked(raw: list[bytes]) -> bool:
    sample = [one for one in raw[:2000] if one.strip()]
    if len(sample) < _STAMPED_LINES:
        return False
    return sum(1 for one in sample if _CLOCK.match(one)) >= _STAMPED_SHARE * len(sample)


def _has_times(raw: list[bytes]) -> bool:
    sample = [one for one in raw[:2000] if one.strip()]
    if len(sample) < _STAMPED_LINES:
        return False
    stamped = sum(1 for one in _stamps(sample))
    return stamped >= _STAMPED_SHARE * len(sample)


def _stamps(raw: list[bytes]) -> Iterator[re.Match[str]]:
    for one in raw:
        match = _STAMP.fullmatch(one.decode("utf-8", "replace").rstrip("\r"))
        if match:
            yield match


def _split_stamp(raw: bytes, before: float | None) -> tuple[float | None, bytes]:
    """The time and the rest of a line; a line without a stamp came with the one before it."""
    head, _, rest = raw.lstrip(b" ").partition(b" ")
    match = _STAMP.fullmatch(head.decode("utf-8", "replace").rstrip("\r"))
    if match is None:
        return before, raw
    return float(match[1]), rest
