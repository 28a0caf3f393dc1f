"""The lines of a journal: what happened in a soak, in order. Pure.

    {"soak": "harness-soak/1", "plan": {...}}                 the first line, and only there
    {"session": 1, "at": 1700000000.0}                        somebody works on it from now on
    {"started": {"boot": 7, "seed": 1, "injected": null}, "at": ...}
    {"finished": {"boot": 7, ..., "signature": {...}}, "at": ...}
    {"ended": "why", "at": ...}

Times are seconds since 1970. A line that was being written when its writer was killed is the last
one, and has no end: it never happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from harness.errors import FormatError, InputError
from harness.soak.outcome import Outcome, boot_of
from harness.soak.plan import SoakPlan

FORMAT = "harness-soak/1"


@dataclass(frozen=True)
class Contents:
    """What a journal says.

    Attributes:
        attempts: number of a boot -> how often it was started.
        outcomes: number of a boot -> how it ended, ascending. Each boot once: a second result of
            one is not counted.
        repeated: how many such second results there are.
        sessions: how often somebody worked on it.
        seconds: how long they worked on it, as far as lines were written.
        ended: why it came to its end; None if it did not.
        length: bytes of whole lines; what follows was torn.
        torn: bytes that follow.
    """

    plan: SoakPlan
    attempts: Mapping[int, int] = field(default_factory=dict)
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    repeated: int = 0
    sessions: int = 0
    seconds: float = 0.0
    ended: str | None = None
    length: int = 0
    torn: int = 0

    @property
    def unfinished(self) -> tuple[int, ...]:
        """The boots that were started and have no result, ascending: killed with their soak."""
        return tuple(sorted(self.attempts.keys() - self.outcomes.keys()))

    def to_do(self) -> Iterator[int]:
        """The numbers of the boots without a result, ascending; without end if `boots` is None."""
        numbers = count(1) if self.plan.boots is None else range(1, self.plan.boots + 1)
        return (number for number in numbers if number not in self.outcomes)


def line(kind: str, value: object, at: float) -> bytes:
    """One line of a journal."""
    return json.dumps({kind: value, "at": round(at, 3)}, allow_nan=False).encode() + b"\n"


def first_line(plan: SoakPlan) -> bytes:
    """The line that a journal begins with."""
    return json.dumps({"soak": FORMAT, "plan": plan.to_json()}, allow_nan=False).encode() + b"\n"


def parse(data: bytes, where: str = "journal") -> Contents:
    """What a journal says; the inverse of writing its lines one after the other.

    Raises:
        FormatError: it is no journal, is of another version, or a line that is not the last one is
            damaged.
    """
    whole, _, _ = data.rpartition(b"\n")
    rows = whole.split(b"\n") if whole else []
    if not rows:
        raise FormatError("empty, or torn in its first line", where=where, expected=FORMAT)
    reader = _Reader(_plan(rows[0], where))
    offset = len(rows[0]) + 1
    for index, row in enumerate(rows[1:], 1):
        try:
            reader.take(row)
        except (ValueError, InputError, RecursionError) as bad:
            if index == len(rows) - 1:  # a disk that lost power may keep a line without its bytes
                break
            raise FormatError(
                f"line {index + 1} is damaged: {_why(bad)}",
                where=where,
                offset=offset,
                hint="what the lines before it say is good: cut the file there to keep it",
            ) from None
        offset += len(row) + 1
    return reader.contents(offset, len(data) - offset)


def _plan(row: bytes, where: str) -> SoakPlan:
    try:
        head = json.loads(row)
    except (ValueError, RecursionError):
        head = None
    version = head.get("soak") if isinstance(head, dict) else None
    if not isinstance(head, dict) or not isinstance(version, str):
        raise FormatError("not the journal of a soak", where=where, expected=FORMAT)
    if version != FORMAT:
        raise FormatError(
            f"a journal of format {version[:40]!r}",
            where=where,
            expected=FORMAT,
            hint="use the harness that wrote it",
        )
    try:
        return SoakPlan.from_json(head.get("plan"))
    except InputError as bad:
        raise FormatError(bad.message, where=where, offset=0, field="plan") from None


def _why(bad: Exception) -> str:
    if isinstance(bad, InputError):
        return bad.message
    return "it is no JSON" if isinstance(bad, json.JSONDecodeError) else str(bad)


class _Reader:
    def __init__(self, plan: SoakPlan) -> None:
        self._plan = plan
        self._attempts: dict[int, int] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._repeated = self._sessions = 0
        self._seconds, self._last = 0.0, 0.0
        self._ended: str | None = None

    def take(self, row: bytes) -> None:
        """Raises ValueError or InputError for a line that is none."""
        value: Any = json.loads(row)
        if not isinstance(value, dict):
            raise InputError("it is no object")
        at = value.get("at")
        if isinstance(at, bool) or not isinstance(at, int | float):
            raise InputError("it has no time")
        if "session" in value:
            self._sessions += 1
            self._ended = None
        elif "started" in value:
            boot = boot_of(_object(value["started"]))
            self._attempts[boot.number] = self._attempts.get(boot.number, 0) + 1
        elif "finished" in value:
            outcome = Outcome.from_json(_object(value["finished"]))
            self._repeated += outcome.boot.number in self._outcomes
            self._outcomes.setdefault(outcome.boot.number, outcome)
        elif "ended" in value:
            self._ended = str(value["ended"])
        # Lines of a later version that we do not know do not change what we count.
        if "session" not in value:
            self._seconds += max(0.0, float(at) - self._last)
        self._last = float(at)

    def contents(self, length: int, torn: int) -> Contents:
        return Contents(
            self._plan,
            dict(sorted(self._attempts.items())),
            dict(sorted(self._outcomes.items())),
            self._repeated,
            self._sessions,
            self._seconds if self._sessions else 0.0,
            self._ended,
            length,
            torn,
        )


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError("it is about no boot")
    return value
