"""Recordings, replays and schedules, in words."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from harness.recording.exploring import Tried, excluded
from harness.recording.model import read_description
from harness.recording.rerun import Rerun, shown
from harness.statistics.wording import percent
from harness.target.icount import FOLDER


def kept_as(run: Path) -> str:
    """What was recorded, and how it is replayed."""
    told = read_description(run)
    if told.state != "complete" or told.log is None:
        return f"  recorded  not usable: {told.why}"
    count = told.instructions.end
    size = f"{count} instructions, " if count else ""
    return "\n".join(
        [
            f"  recorded  {run / FOLDER} ({size}{told.log.bytes} bytes of events)",
            f"            again: harness rerun {shlex.quote(str(run))}",
        ]
    )


def rerun_text(done: Rerun, run: Path, kept: Path | None) -> str:
    """How a replay went: the outcome first."""
    rows = [_headline(done)]
    found = done.difference
    if found is not None:
        rows += [
            f"  both      {shown(found.before)}",
            f"  recorded  {shown(found.recorded) or '(nothing more)'}",
            f"  replayed  {shown(found.replayed) or '(nothing more)'}",
        ]
    if done.why:
        rows.append(f"  cause     {done.why}")
    rows.append(
        f"  evidence  emulated: the machine of {run}, executed again by QEMU {done.emulator}"
    )
    rows += [f"  note      {note}" for note in done.notes]
    if kept is not None:
        rows.append(f"  replayed console  {kept}")
    return "\n".join(rows)


def _headline(done: Rerun) -> str:
    took = f"{done.instructions} instructions, {done.seconds:.1f} s"
    if done.identical:
        return f"identical: {done.recorded} bytes, to the end of the recording ({took})"
    if done.difference is not None:
        return f"different at byte {done.difference.offset} of {done.recorded} ({took})"
    return f"not replayed to its end: {done.replayed} of {done.recorded} bytes came ({took})"


def tried_line(number: int, tried: Tried) -> str:
    """One line of a list of schedules."""
    how = "recorded" if tried.schedule.records else "repeatable"
    said = tried.verdict if tried.verdict == "PASS" else f"{tried.verdict}  {tried.cause}"
    return f"{number:4}  {tried.schedule!s:34}  {how:10}  {said}"


def tried_summary(tried: Sequence[Tried]) -> str:
    """What all of them say about the board."""
    clean = sum(one.verdict == "PASS" for one in tried)
    ours = sum(one.verdict != "PASS" and not one.failed for one in tried)
    rows = []
    if ours:
        rows.append(f"{ours} of {len(tried)} boots ended by our side's doing, and count nowhere")
    if tried and tried[-1].failed:
        rows.append(f"schedule {len(tried)} failed, after {clean} that passed")
    elif clean:
        rate = percent(excluded(clean))
        rows.append(
            f"none of {clean} schedules failed: that excludes, at 95 %, that {rate} % of such "
            "schedules or more fail"
        )
    else:
        rows.append("no schedule could be judged")
    return "\n".join(rows)


def recipe(tried: Tried, argv: Sequence[str]) -> str:
    """How to get to a failure again."""
    rows = [f"  again     {shlex.join(argv)}"]
    if tried.run_folder is not None:
        rows.append(f"  run       {tried.run_folder}")
        if tried.schedule.records:
            rows.append(f"  replay    harness rerun {shlex.quote(tried.run_folder)}")
    return "\n".join(rows)
