"""A recorded log, judged by the code that judges a live boot.

A recorded log has no clock, so that it ends before the goal proves nothing by itself. HUNG needs a
proof: the result.json of the run that recorded it, the word of the user, the signature of a known
hang, or an end in the middle of a line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from harness.board import Board
from harness.bootlog import STAGES, is_prompt, parse_recorded
from harness.console import Console
from harness.errors import InputError, UsageError
from harness.follow import Follower
from harness.generic import KnownHang
from harness.judging import rules_for_log
from harness.result import conclude
from harness.run import RESULT
from harness.session import Session
from harness.target.replay import ReplayTarget
from harness.verdict import Ending, EndKind


@dataclass(frozen=True)
class ReplayRequest:
    """A log to be judged.

    Args:
        board: its profile; None = generic rules.
        until: the stage that is the goal; None = the board's, or `login`.
        silent_for: the user vouches for this many seconds of silence after the end.
        truncated: the file was cut: its end in mid-line proves nothing.
    """

    log: Path
    board: Board | None = None
    until: str | None = None
    silent_for: float | None = None
    truncated: bool = False


def replayed(request: ReplayRequest) -> Session:
    """Judge a recorded log.

    Raises:
        InputError: it cannot be read.
        UsageError: the goal is not a stage of its architecture, or the board has another one.
    """
    own = _own_result(request.log)
    target = ReplayTarget(request.log, _length(request.log, own))
    if request.board is not None:
        _check_arch(request.board, target.data)
    channel = target.channel
    arch = request.board.log_arch if request.board else None
    console = Console(
        channel, raw=None, log=None, arch=arch, clock=channel.clock, timed=channel.timed
    )
    # The goal of the follower is the end of the log: all of it is judged.
    ending = Follower(console, target, goal="", clock=None).follow()
    lines = [line.text for line in console.lines]
    _check_is_a_log(request.log, console)
    rules = rules_for_log(request.board, console.parser.log.arch, request.until, lines)
    if ending.kind == "log-end":
        ending = _own_ending(request.log, own) or Ending(
            "log-end", proof=_proof(request, console, rules.known_hangs)
        )
    return conclude(Session(request.board, target, console, ending), rules)


def _check_is_a_log(path: Path, console: Console) -> None:
    """A file without a stage of a boot in it, and full of what no console prints, is no log."""
    if console.parser.stage is not None:
        return
    sample = "".join(line.text for line in console.lines[:2000])[:100_000]
    strange = sum(not c.isprintable() or c == "\ufffd" for c in sample)
    if strange * 10 > len(sample):
        raise InputError(
            "not a console log: it is mostly unprintable, and no stage of a boot is in it",
            where=str(path),
            expected="the bytes of a serial console, or a console.log of the harness",
        )


def _proof(request: ReplayRequest, console: Console, hangs: Sequence[KnownHang]) -> str | None:
    partial, stage = console.partial, console.parser.stage
    if request.silent_for is not None:
        return f"silent for {request.silent_for:g} s after its last byte, as you say"
    if not stage:
        return None
    if partial.strip() and not is_prompt(partial) and not request.truncated:
        return "it ends in the middle of a line"
    last = next((line.text for line in reversed(console.lines) if line.text.strip()), "")
    for hang in hangs:
        if hang.ends(last, console.parser.log.xen.version_tuple, [x.text for x in console.lines]):
            return f"it ends like the known hang {hang.id}: {hang.why}"
    return None


def _own_result(log: Path) -> dict[str, Any]:
    """The result.json of the run that recorded this log, if it is beside it; {} if not."""
    if log.name not in {"console.raw", "console.log"}:
        return {}
    try:
        result = json.loads((log.parent / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return result if isinstance(result, dict) else {}


def _length(log: Path, own: dict[str, Any]) -> int | None:
    """How much of the log its run judged: a user or tests may have gone on after the verdict.

    Raises:
        InputError: result.json says nonsense.
    """
    count = own.get("console_bytes")
    if count is None or log.name != "console.raw":
        return None
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        where = str(log.parent / RESULT)
        raise InputError(f"console_bytes is {count!r}", where=where, expected="0 or more")
    return count


def _own_ending(log: Path, own: dict[str, Any]) -> Ending | None:
    """How the run that recorded this log ended, if it says so.

    Raises:
        InputError: result.json says nonsense.
    """
    ended = own.get("ending")
    if ended is None:
        return None
    kind: Any = ended.get("kind") if isinstance(ended, dict) else ended
    if kind not in get_args(EndKind):
        raise InputError(
            f"ending.kind is {kind!r}",
            where=str(log.parent / RESULT),
            expected=f"one of: {', '.join(get_args(EndKind))}",
            hint="move the log away from this file to judge it by itself",
        )
    return Ending(kind, str(ended.get("detail") or ""))


def _check_arch(board: Board, data: bytes) -> None:
    """A log of another architecture shows nothing of this board."""
    log = parse_recorded(data)
    # "x86" is also what a log is taken for that tells nothing.
    is_x86 = log.arch == "x86" and any(stage not in STAGES["arm"] for stage in log.stages)
    if (board.log_arch == "x86" and log.arch == "arm") or (board.log_arch == "arm" and is_x86):
        raise UsageError(
            f"the log is of {log.arch}, board {board.name} is {board.arch}",
            hint="name the board of this log, or none: generic rules",
        )
