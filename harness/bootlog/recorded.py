"""Reads a recorded console log: the same lines as live, numbered as in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
_STAMPED_SHARE = 0.95
_STAMPED_LINES = 3


def read_recorded(data: bytes) -> RecordedLog:
    """Reads a recorded log, with or without a column of host times (`    6.140 text`)."""
    raw = data.split(b"\n")
    has_times = _has_times(raw)
    assembler = LineAssembler()
    if not (has_times or b"\x1b" in data or b"\x08" in data):
        text = data.decode("utf-8", "replace")
        if surely_single(text.replace("\r", "")) and max(map(len, raw)) <= MAX_LINE:
            lines = assembler.feed(data, None)
            return RecordedLog(tuple(lines), assembler.partial)
    return _read_line_by_line(raw, assembler, has_times)


def _read_line_by_line(raw: list[bytes], assembler: LineAssembler, has_times: bool) -> RecordedLog:
    last = raw.pop()
    lines: list[Line] = []
    at: float | None = None
    for number, one in enumerate(raw, 1):
        body = one
        if has_times:
            at, body = _split_stamp(one, at)
        lines += [Line(x.text, x.at, number) for x in assembler.feed(body + b"\n", at)]
    if has_times:
        at, last = _split_stamp(last, at)
    lines += [Line(x.text, x.at, len(raw) + 1) for x in assembler.feed(last, at)]
    partial = assembler.partial
    return RecordedLog(tuple(lines), partial, has_times, at if partial else None)


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
