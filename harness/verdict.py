"""Verdicts: what a boot did, the first cause, and the lines that prove it. Pure.

A verdict starts as INCOMPLETE: a cut log, or no expectation that could be judged, never passes.
The same code judges a live boot and a recorded log; only how the observation ended differs
(`Ending`), because a recorded log has no clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from harness.bootlog import BootLog, Line


class Kind(StrEnum):
    """The verdicts of the design; the exit code follows from them."""

    PASS = "PASS"  # noqa: S105 -- not a password
    FAIL = "FAIL"
    CRASHED = "CRASHED"
    HUNG = "HUNG"
    INCOMPLETE = "INCOMPLETE"
    DIED = "DIED"
    INFRA = "INFRA"


EndKind = Literal[
    "goal",  # the stage that was the goal was reached, and the console became quiet
    "silence",  # nothing came any more, past the deadline of the stage
    "deadline",  # the console still talks, and the goal was not reached in time
    "stopped",  # a panic or reset was seen, and the console drained
    "log-end",  # a recorded log ended
    "guest-reset",
    "guest-shutdown",
    "guest-panic",
    "died",
    "infra",
    "interrupted",  # the user, or a signal, stopped us
    "refused",  # the board asked our servers for something that we do not have
    "shell",  # a prompt did not do what was asked of it
]


@dataclass(frozen=True)
class Ending:
    """How the observation of a boot ended.

    Args:
        detail: one sentence, for every kind that needs one.
        proof: why a recorded log that ends before the goal is a hang, if anything proves it.
    """

    kind: EndKind
    detail: str = ""
    proof: str | None = None


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
    """

    id: str
    fact: Callable[[BootLog], object]
    accept: Callable[[object], bool]
    want: str
    why: str
    scope: Scope = Scope()
    optional: bool = False


Expectation = MustSay | MustNotSay | InOrder | Fact


@dataclass(frozen=True)
class Verdict:
    """What a boot did.

    Args:
        cause: the first cause, one or two sentences.
        stage: the last stage that was reached; None = none.
        next_stage: the one that was not.
        context: numbered lines around the cause.
        outcomes: every expectation, judged or not.
    """

    kind: Kind
    cause: str
    stage: str | None
    next_stage: str | None
    last_line: str
    partial_line: str
    context: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = field(default=())

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.state == "failed")


def version_in(version: tuple[int, ...] | None, wanted: str | None) -> bool | None:
    """Whether a Xen version is in a range such as "<4.13"; None when the version is not known."""
    if wanted is None:
        return True
    if version is None:
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


def judge(
    log: BootLog,
    lines: Sequence[Line],
    partial: str,
    *,
    stages: Sequence[str],
    goal: str,
    expectations: Sequence[Expectation],
    ending: Ending,
) -> Verdict:
    """The verdict on a boot, or on a recorded log.

    Args:
        lines: all whole lines of the console.
        partial: what stands after the last newline.
        stages: the stage ids of the architecture, in order.
        goal: the stage that had to be reached.
    """
    reached = [stage for stage in stages if stage in log.stages]
    last = max((stages.index(stage) for stage in reached), default=-1)
    at_goal = goal in stages and last >= stages.index(goal)
    outcomes = tuple(_evaluate(e, log, lines, stages, last, at_goal) for e in expectations)
    kind, cause, number = _decide(log, lines, partial, goal, at_goal, outcomes, ending)
    return Verdict(
        kind=kind,
        cause=cause,
        stage=stages[last] if last >= 0 else None,
        next_stage=stages[last + 1] if last + 1 < len(stages) else None,
        last_line=next((line.text for line in reversed(lines) if _said(line)), ""),
        partial_line=partial,
        context=_context(lines, number) if kind is not Kind.PASS else (),
        outcomes=outcomes,
    )


# What an emulator prints about its own end is not the board's last line.
_NOTICE = re.compile(r"qemu-system-\w+: ")


def _said(line: Line) -> bool:
    return bool(line.text.strip()) and not _NOTICE.match(line.text)


def _decide(
    log: BootLog,
    lines: Sequence[Line],
    partial: str,
    goal: str,
    at_goal: bool,
    outcomes: Sequence[Outcome],
    ending: Ending,
) -> tuple[Kind, str, int | None]:
    """Verdict, cause, and the number of the line that shows it.

    The order is the order of trust: what the board printed about its own end comes before what
    our side saw, and that before what the expectations say about a boot that went on.
    """
    last = lines[-1].number if lines else None
    board = _board_stopped(log, ending)
    if board is not None:
        return board
    if ending.kind in {"infra", "interrupted"}:
        return Kind.INFRA, ending.detail, last
    if ending.kind == "died":
        return Kind.DIED, ending.detail, last
    failed = [o for o in outcomes if o.state == "failed"]
    if ending.kind == "silence" or (ending.kind == "log-end" and ending.proof and not at_goal):
        return Kind.HUNG, _hang(log, ending, partial, failed), last
    if ending.kind in {"guest-shutdown", "refused", "shell", "deadline"}:
        return Kind.FAIL, ending.detail, last
    if failed:
        first = min(failed, key=lambda o: o.line if o.line is not None else 1 << 60)
        return Kind.FAIL, f"{first.id}: {first.detail}", first.line
    if not at_goal:
        nothing = "no stage of a boot is in this log"
        end = "the log ends here, and nothing proves a hang"
        why = ending.detail or (end if log.stages else nothing)
        return Kind.INCOMPLETE, f"stage {goal} was not reached: {why}", last
    met = sum(o.state == "met" for o in outcomes)
    if not met:
        return Kind.INCOMPLETE, "no expectation could be judged, so nothing is proven", last
    return Kind.PASS, f"stage {goal} reached; {met} expectations met", None


def _board_stopped(log: BootLog, ending: Ending) -> tuple[Kind, str, int | None] | None:
    if log.panics:
        panic = log.panics[0]
        where = f" on CPU {panic.cpu}" if panic.cpu is not None else ""
        at = f" at {panic.rip}" if panic.rip else ""
        reason = "; ".join(panic.reason[:2]) or "no reason printed"
        return Kind.CRASHED, f"{panic.kind}{where}{at}: {reason}", panic.first_line
    if log.resets:
        reset = log.resets[0]
        if reset.kind == "poweroff":
            return Kind.FAIL, f"the board switched itself off: {reset.why}", reset.line
        return Kind.CRASHED, f"a reset that nobody asked for: {reset.why}", reset.line
    if ending.kind in {"guest-reset", "guest-panic"}:
        return Kind.CRASHED, f"nobody asked for it: {ending.detail}", None
    return None


def _hang(log: BootLog, ending: Ending, partial: str, failed: Sequence[Outcome]) -> str:
    stage = log.stage or "no stage"
    parts = [f"after {stage}: {ending.proof or ending.detail}"]
    if partial:
        parts.append(f"the last line is unfinished: {partial!r}")
    parts += [f"before that, {o.id}: {o.detail}" for o in failed[:2]]
    return "; ".join(parts)


def _context(lines: Sequence[Line], number: int | None, around: int = 5) -> tuple[str, ...]:
    if not lines:
        return ()
    centre = number if number is not None else lines[-1].number
    near = [line for line in lines if abs(line.number - centre) <= around]
    return tuple(f"{line.number}: {line.text}" for line in near)


def _evaluate(
    expectation: Expectation,
    log: BootLog,
    lines: Sequence[Line],
    stages: Sequence[str],
    last: int,
    at_goal: bool,
) -> Outcome:
    scope = expectation.scope
    applies = version_in(log.xen.version_tuple, scope.xen)
    if not applies:
        why = "Xen's version is not in the log" if applies is None else f"only for Xen {scope.xen}"
        return Outcome(expectation.id, "not judged", why)
    if isinstance(expectation, MustNotSay):
        # Its absence proves something only when the part of the log that could have it is there.
        found = next((line for line in lines if expectation.pattern.search(line.text)), None)
        if found is not None:
            return Outcome(
                expectation.id, "failed", f"{found.text!r}: {expectation.why}", found.number
            )
    passed = at_goal if scope.stage is None else _passed(scope.stage, stages, last)
    if isinstance(expectation, MustNotSay):
        if passed:
            return Outcome(expectation.id, "met", "not said")
        return _open(expectation.id, scope)
    if isinstance(expectation, MustSay):
        found = next((line for line in lines if expectation.pattern.search(line.text)), None)
        if found is not None:
            return Outcome(expectation.id, "met", found.text, found.number)
        if passed and (unseen := _unseen(log)):
            return Outcome(expectation.id, "not judged", unseen)
        if passed:
            detail = f"no line matches {expectation.pattern.pattern!r}: {expectation.why}"
            return Outcome(expectation.id, "failed", detail)
        return _open(expectation.id, scope)
    if isinstance(expectation, InOrder):
        return _in_order(expectation, lines, passed and not _unseen(log))
    value = expectation.fact(log)
    if value is None and not passed:
        return _open(expectation.id, scope)
    if value is not None and expectation.accept(value):
        return Outcome(expectation.id, "met", f"{_short(value)}")
    if not passed:
        # Part of the answer may be still to come (a list of PCI devices, say).
        return _open(expectation.id, scope)
    if value is None and expectation.optional:
        return Outcome(expectation.id, "not judged", "this boot does not show it")
    if value is None and (unseen := _unseen(log)):
        return Outcome(expectation.id, "not judged", unseen)
    said = "the log does not say" if value is None else f"it is {_short(value)}"
    return Outcome(
        expectation.id, "failed", f"expected {expectation.want}, {said}: {expectation.why}"
    )


def _in_order(expectation: InOrder, lines: Sequence[Line], passed: bool) -> Outcome:
    wanted = list(expectation.patterns)
    for line in lines:
        if wanted and wanted[0].search(line.text):
            wanted.pop(0)
    if not wanted:
        return Outcome(expectation.id, "met", "all lines came in order")
    if passed:
        missing = f"{wanted[0].pattern!r} did not come in its place: {expectation.why}"
        return Outcome(expectation.id, "failed", missing)
    return _open(expectation.id, expectation.scope)


def _open(name: str, scope: Scope) -> Outcome:
    until = f"stage {scope.stage} was passed" if scope.stage else "the goal was reached"
    return Outcome(name, "not judged", f"the log ends before {until}")


def _unseen(log: BootLog) -> str | None:
    """Why what the log does not say may have happened all the same; None if it would be there."""
    if log.stages and "xen" not in log.stages:
        return "the log begins after Xen's first line"
    words = (log.xen.command_line or "").split()
    if log.xen.command_line is not None and "loglvl=all" not in words:
        return "not said, and Xen was booted without loglvl=all, which may hide it"
    return None


def _passed(stage: str, stages: Sequence[str], last: int) -> bool:
    return stage in stages and last > stages.index(stage)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."
