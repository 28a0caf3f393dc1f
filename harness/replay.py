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
from typing import Any

from harness.board import Board
from harness.bootlog import is_prompt
from harness.console import Console
from harness.errors import InputError
from harness.follow import Follower
from harness.generic import KnownHang
from harness.judging import rules_for_log
from harness.result import conclude
from harness.run import RESULT
from harness.session import Session
from harness.target.replay import ReplayTarget
from harness.verdict import Ending


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
        UsageError: the goal is not a stage of its architecture.
    """
    target = ReplayTarget(request.log)
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
        ending = _own_ending(request.log) or Ending(
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
        if hang.ends(last, console.parser.log.xen.version_tuple):
            return f"it ends like the known hang {hang.id}: {hang.why}"
    return None


def _own_ending(log: Path) -> Ending | None:
    """How the run that recorded this log ended, if its result.json is beside it."""
    if log.name not in {"console.raw", "console.log"}:
        return None
    try:
        result: dict[str, Any] = json.loads((log.parent / RESULT).read_text(encoding="utf-8"))
        ended = result["ending"]
        return Ending(ended["kind"], str(ended["detail"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
