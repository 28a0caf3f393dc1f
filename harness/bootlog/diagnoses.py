"""Diagnoses: lines of a log that say what went wrong, explained.

A diagnosis is data: a row of a table (`Known`) with the words that it is known by, how bad it is,
what it means, and what to do. A new one is a new row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.bootlog.lines import Line

Severity = Literal["fatal", "error", "warning", "harmless"]
"""fatal: the command that boots, or the loader itself, gives up here. error: something that a boot
needs was not done; it may fail later. warning: another way is taken, which may be the wrong one.
harmless: it also stands in logs of boots that went well.
"""

MAX_DIAGNOSES = 100


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a line of the log says that went wrong.

    Attributes:
        id: of the row that knows it ("uboot-zimage-magic"); it does not change.
        line, at: where and when it was said.
        text: the words of the log.
        meaning: what they mean, in one sentence without an end mark.
        next: what to do about it, likewise.
    """

    id: str
    severity: Severity
    line: int
    at: float | None
    text: str
    meaning: str
    next: str


@dataclass(frozen=True, slots=True)
class Known:
    """A row of a table of diagnoses.

    Args:
        word: the first word of the line, up to a blank; digits, brackets and colons at its end
            are written "#" ("CPU#" stands for "CPU1:").
        pattern: must match at the start of the line.
        meaning, next: may name groups of the pattern: {0} is the first.
    """

    word: str
    id: str
    severity: Severity
    pattern: str
    meaning: str
    next: str


Table = Mapping[str, Sequence[tuple[re.Pattern[str], Known]]]


def table(*rows: Known) -> Table:
    """The rows by their first words; of two that match a line, the first one counts."""
    words: dict[str, list[tuple[re.Pattern[str], Known]]] = {}
    for row in rows:
        words.setdefault(row.word, []).append((re.compile(row.pattern, re.ASCII), row))
    return words


def diagnose(known: Table, word: str, text: str, line: Line) -> Diagnosis | None:
    """The diagnosis of a line.

    Args:
        word: the first word of the text.
        text: the line without prefix, time stamp and blanks in front.
        line: the whole line, for its number and time.
    """
    rows = known.get(word) or known.get(word.rstrip("0123456789:[]") + "#")
    for pattern, row in rows or ():
        match = pattern.match(text)
        if match:
            said = [group or "" for group in match.groups()]
            meaning, todo = row.meaning.format(*said), row.next.format(*said)
            return Diagnosis(
                row.id, row.severity, line.number, line.at, text.strip(), meaning, todo
            )
    return None


class Diagnoses:
    """Collects the diagnoses of one part of the chain; each words once."""

    def __init__(self) -> None:
        self.found: list[Diagnosis] = []
        self._said: set[tuple[str, str]] = set()

    def add(self, diagnosis: Diagnosis | None) -> bool:
        """Keeps it, if it is one and was not said before; returns whether it was kept."""
        if diagnosis is None or len(self.found) >= MAX_DIAGNOSES:
            return False
        key = (diagnosis.id, diagnosis.text)
        if key in self._said:
            return False
        self._said.add(key)
        self.found.append(diagnosis)
        return True


def root_cause(diagnoses: Sequence[Diagnosis]) -> Diagnosis | None:
    """The diagnosis to blame: the first fatal one or error, else the first warning.

    What comes after the first error is mostly its consequence.
    """
    bad = [one for one in diagnoses if one.severity in {"fatal", "error"}]
    return next(iter(bad or [one for one in diagnoses if one.severity == "warning"]), None)
