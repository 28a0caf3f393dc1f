"""Verdicts: what a boot did, the first cause, and the lines that prove it. Pure.

A verdict starts as INCOMPLETE: a cut log, or no expectation that could be judged, never passes.
The same code judges a live boot and a recorded log; only how the observation ended differs
(`Ending`), because a recorded log has no clock.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from harness.bootlog import BootLog, Diagnosis, Line, is_prompt, root_cause
from harness.rules import Expectation, Outcome, Progress, evaluate


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
    progress = Progress(stages, last, at_goal)
    said = lines
    if is_prompt(partial) == "rescue":  # complete as it is, and what the boot came to
        said = [*lines, Line(partial, None, lines[-1].number + 1 if lines else 1)]
    outcomes = tuple(evaluate(e, log, said, progress) for e in expectations)
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
    stopped = _board_stopped(log, ending) or _by_ending(log, ending, last)
    if stopped is not None:
        return stopped
    failed = [o for o in outcomes if o.state == "failed"]
    if ending.kind == "silence" or (ending.kind == "log-end" and ending.proof and not at_goal):
        return (Kind.HUNG, *_blaming(log, _hang(log, ending, partial, failed), last))
    if not at_goal and _gave_up(log, partial):
        return (Kind.FAIL, *_blaming(log, "the boot stands at the uboot prompt", last))
    if failed:
        first = min(failed, key=lambda o: o.line if o.line is not None else 1 << 60)
        return Kind.FAIL, f"{first.id}: {first.detail}", first.line
    kind, cause = _without_failure(log, goal, at_goal, outcomes, ending)
    return (kind, cause, last) if at_goal else (kind, *_blaming(log, cause, last, warned=False))


def _without_failure(
    log: BootLog, goal: str, at_goal: bool, outcomes: Sequence[Outcome], ending: Ending
) -> tuple[Kind, str]:
    if not at_goal:
        nothing = "no stage of a boot is in this log"
        end = "the log ends here, and nothing proves a hang"
        why = ending.detail or (end if log.stages else nothing)
        return Kind.INCOMPLETE, f"stage {goal} was not reached: {why}"
    met = sum(o.state == "met" for o in outcomes)
    if not met:
        return Kind.INCOMPLETE, "no expectation could be judged, so nothing is proven"
    return Kind.PASS, f"stage {goal} reached; {met} expectations met"


# Endings that decide by themselves, once the board has not said why it stopped.
_BY_ENDING: dict[EndKind, Kind] = {
    "infra": Kind.INFRA,
    "interrupted": Kind.INFRA,
    "died": Kind.DIED,
    "guest-shutdown": Kind.FAIL,
    "refused": Kind.FAIL,
    "shell": Kind.FAIL,
    "deadline": Kind.FAIL,
}

# Of these, the ones that a loader or Xen may have explained before.
_BOARD_STANDS = frozenset(["shell", "deadline"])


def _by_ending(
    log: BootLog, ending: Ending, last: int | None
) -> tuple[Kind, str, int | None] | None:
    kind = _BY_ENDING.get(ending.kind)
    if kind is None:
        return None
    if ending.kind in _BOARD_STANDS:
        return (kind, *_blaming(log, ending.detail, last))
    return kind, ending.detail, last


def _in_loader(log: BootLog) -> bool:
    return log.stages.keys() <= {"spl", "uboot"}


def _blamed(log: BootLog, until: int | None = None, *, warned: bool = False) -> Diagnosis | None:
    """What went wrong first, of all that U-Boot and Xen explain themselves.

    Args:
        until: up to this line; None for all of the log.
        warned: a warning may be the cause, unless the boot went on to the next program after it.
    """
    cause = root_cause([d for d in log.diagnoses if until is None or d.line <= until])
    if cause is None or cause.severity != "warning":
        return cause
    went_on = cause in log.uboot.errors and (log.uboot.starting_kernel or not _in_loader(log))
    return cause if warned and not went_on else None


def _explained(diagnosis: Diagnosis) -> str:
    said = f"{diagnosis.text!r} (line {diagnosis.line})"
    return f"{said}: {diagnosis.meaning}; to do: {diagnosis.next}"


def _blaming(
    log: BootLog, stands: str, last: int | None, *, warned: bool = True
) -> tuple[str, int | None]:
    """How a boot stands, with what went wrong before, and the number of the line that shows it."""
    diagnosis = _blamed(log, warned=warned)
    if diagnosis is None:
        return stands, last
    if _in_loader(log):
        return f"{_explained(diagnosis)}; {stands}", diagnosis.line
    return f"{stands}; before that, {_explained(diagnosis)}", last


def _gave_up(log: BootLog, partial: str) -> bool:
    """Whether U-Boot is back at its prompt after an error that ends a boot."""
    return _blamed(log) is not None and _in_loader(log) and is_prompt(partial) == "uboot"


def _board_stopped(log: BootLog, ending: Ending) -> tuple[Kind, str, int | None] | None:
    panic = log.panics[0] if log.panics else None
    reset = next((reset for reset in log.resets if not reset.asked), None)
    if panic and (reset is None or panic.first_line <= reset.line):
        where = f" on CPU {panic.cpu}" if panic.cpu is not None else ""
        at = f" at {panic.rip}" if panic.rip else ""
        if not at and panic.kind.startswith("uboot") and panic.rip_address is not None:
            at = f" at {panic.rip_address:#x}"
        reason = "; ".join(panic.reason[:2]) or "no reason printed"
        why = _why(log, panic.last_line)
        return Kind.CRASHED, f"{panic.kind}{where}{at}: {reason}{why}", panic.first_line
    if reset and reset.kind == "poweroff":
        return Kind.FAIL, f"the board switched itself off: {reset.why}", reset.line
    if reset:
        why = _why(log, reset.line)
        return Kind.CRASHED, f"a reset that nobody asked for: {reset.why}{why}", reset.line
    if ending.kind in {"guest-reset", "guest-panic"}:
        return Kind.CRASHED, f"nobody asked for it: {ending.detail}", None
    return None


def _why(log: BootLog, until: int) -> str:
    """What U-Boot and Xen said about the cause of a crash up to this line, explained."""
    diagnosis = _blamed(log, until)
    return f"; {_explained(diagnosis)}" if diagnosis else ""


# U-Boot has left, and whoever it left for has no voice.
_NO_VOICE = (
    "U-Boot has started the image, and nothing spoke since: no console for Xen (dtuart= in its "
    "bootargs, or stdout-path in /chosen), an image that does not run at this address or on this "
    "CPU, or one that was overwritten"
)


def _hang(log: BootLog, ending: Ending, partial: str, failed: Sequence[Outcome]) -> str:
    stage = log.stage or "no stage"
    parts = [f"after {stage}: {ending.proof or ending.detail}"]
    if log.uboot.starting_kernel and _in_loader(log):
        parts.append(_NO_VOICE)
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
