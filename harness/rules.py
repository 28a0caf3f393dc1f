"""Expectations: what a log must say, must not say, or must show; and how each is judged. Pure.

An expectation is `met`, `failed`, or `not judged`: a log that ends before its stage, or that cannot
show what is asked for, proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.bootlog import BootLog, Line, plain_text


@dataclass(frozen=True)
class Outcome:
    """An expectation, judged. `line`: the number of the line that decides it."""

    id: str
    state: Literal["met", "failed", "not judged"]
    detail: str
    line: int | None = None


@dataclass(frozen=True)
class Scope:
    """When an expectation applies: once `stage` is passed; for Xen versions in `xen` ("<4.13")."""

    stage: str | None = None
    xen: str | None = None


@dataclass(frozen=True)
class MustSay:
    """The log must have a line that matches."""

    id: str
    pattern: re.Pattern[str]
    why: str
    scope: Scope = Scope()


@dataclass(frozen=True)
class MustNotSay:
    """The log must not have a line that matches."""

    id: str
    pattern: re.Pattern[str]
    why: str
    scope: Scope = Scope()


@dataclass(frozen=True)
class InOrder:
    """Lines that match these must come, in this order."""

    id: str
    patterns: tuple[re.Pattern[str], ...]
    why: str
    scope: Scope = Scope()


@dataclass(frozen=True)
class Fact:
    """A fact of the parsed log must have this value.

    Args:
        fact: gives the value; None = the log does not say.
        accept: whether the value will do.
        want: the wanted value, for people.
        optional: a log that does not say is not judged, instead of failed.
        grows: the value is a list that may still grow until the stage is passed; any other
            value is final once it is said.
    """

    id: str
    fact: Callable[[BootLog], object]
    accept: Callable[[object], bool]
    want: str
    why: str
    scope: Scope = Scope()
    optional: bool = False
    grows: bool = False


Expectation = MustSay | MustNotSay | InOrder | Fact


def version_in(version: tuple[int, ...] | None, wanted: str | None) -> bool | None:
    """Whether a Xen version is in a range such as "<4.13"; None when the version is not known."""
    if wanted is None:
        return True
    if not version:
        return None
    operator, number = re.match(r"([<>=]+)(.*)", wanted).groups()  # type: ignore[union-attr]  # the profile's schema guarantees the form
    bound = tuple(int(part) for part in number.split("."))
    have = version[: len(bound)]
    return {
        "<": have < bound,
        "<=": have <= bound,
        "==": have == bound,
        ">=": have >= bound,
        ">": have > bound,
    }[operator]


@dataclass(frozen=True)
class Progress:
    """How far a boot got.

    Args:
        stages: the stage ids, in order.
        last: index of the last stage that was reached, -1 for none.
        at_goal: the goal was reached.
    """

    stages: Sequence[str]
    last: int
    at_goal: bool

    def passed(self, scope: Scope) -> bool:
        """Whether what an expectation speaks about is over."""
        if scope.stage is None:
            return self.at_goal
        return scope.stage in self.stages and self.last > self.stages.index(scope.stage)


def evaluate(
    expectation: Expectation, log: BootLog, lines: Sequence[Line], progress: Progress
) -> Outcome:
    """Judge one expectation."""
    scope = expectation.scope
    applies = version_in(log.xen.version_tuple, scope.xen)
    if not applies:
        why = "Xen's version is not in the log" if applies is None else f"only for Xen {scope.xen}"
        return Outcome(expectation.id, "not judged", why)
    passed = progress.passed(scope)
    if isinstance(expectation, MustNotSay):
        return _must_not(expectation, lines, passed)
    if isinstance(expectation, MustSay):
        return _must(expectation, log, lines, passed)
    if isinstance(expectation, InOrder):
        return _in_order(expectation, log, lines, passed)
    return _fact(expectation, log, passed)


def _must_not(expectation: MustNotSay, lines: Sequence[Line], passed: bool) -> Outcome:
    found = _first(expectation.pattern, lines)
    if found is not None:
        detail = f"{found.text!r}: {expectation.why}"
        return Outcome(expectation.id, "failed", detail, found.number)
    # That it is not there proves something only when all of the log is there that could have it.
    return Outcome(expectation.id, "met", "not said") if passed else _open(expectation)


def _must(expectation: MustSay, log: BootLog, lines: Sequence[Line], passed: bool) -> Outcome:
    found = _first(expectation.pattern, lines)
    if found is not None:
        return Outcome(expectation.id, "met", found.text, found.number)
    if not passed:
        return _open(expectation)
    detail = f"no line matches {expectation.pattern.pattern!r}: {expectation.why}"
    return _missing(expectation, log, detail)


def _first(pattern: re.Pattern[str], lines: Sequence[Line]) -> Line | None:
    """The first line that matches; Xen's own time stamps (console_timestamps) do not count."""
    return next((line for line in lines if pattern.search(plain_text(line.text))), None)


def _in_order(expectation: InOrder, log: BootLog, lines: Sequence[Line], passed: bool) -> Outcome:
    wanted = list(expectation.patterns)
    for line in lines:
        if wanted and wanted[0].search(plain_text(line.text)):
            wanted.pop(0)
    if not wanted:
        return Outcome(expectation.id, "met", "all lines came in order")
    if not passed:
        return _open(expectation)
    detail = f"{wanted[0].pattern!r} did not come in its place: {expectation.why}"
    return _missing(expectation, log, detail)


def _fact(expectation: Fact, log: BootLog, passed: bool) -> Outcome:
    value = expectation.fact(log)
    if value is not None and expectation.accept(value):
        return Outcome(expectation.id, "met", _short(value))
    if not passed and (value is None or expectation.grows):
        return _open(expectation)
    wanted = f"expected {expectation.want}"
    if value is not None:
        detail = f"{wanted}, it is {_short(value)}: {expectation.why}"
        # No line says that something is not as it should be; the stage says where to look.
        line = log.stage_lines.get(expectation.scope.stage or "")
        return Outcome(expectation.id, "failed", detail, line)
    if expectation.optional:
        return Outcome(expectation.id, "not judged", "this boot does not show it")
    return _missing(expectation, log, f"{wanted}, the log does not say: {expectation.why}")


def _missing(expectation: Expectation, log: BootLog, detail: str) -> Outcome:
    """What should be in the log and is not: failed, unless the log could not show it."""
    unseen = _unseen(log)
    if unseen:
        return Outcome(expectation.id, "not judged", unseen)
    return Outcome(expectation.id, "failed", detail)


def _unseen(log: BootLog) -> str | None:
    """Why what the log does not say may have happened all the same; None if it would be there."""
    if log.stages and "xen" not in log.stages:
        return "the log begins after Xen's first line"
    words = (log.xen.command_line or "").split()
    if log.xen.command_line is not None and "loglvl=all" not in words:
        return "not said, and Xen was booted without loglvl=all, which may hide it"
    return None


def _open(expectation: Expectation) -> Outcome:
    stage = expectation.scope.stage
    until = f"stage {stage} was passed" if stage else "the goal was reached"
    return Outcome(expectation.id, "not judged", f"the log ends before {until}")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."
