"""Soaks for people and programs: live while they run, at their end, and two of them compared."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.report.progress import Nowhere, ProgressTerminal
from harness.soak.injection import recipes, unexpected
from harness.soak.lines import Contents
from harness.soak.outcome import Outcome
from harness.soak.plan import Boot, SoakPlan, differences
from harness.soak.running import Watch
from harness.soak.summary import Summary, summarise, to_json
from harness.soak.text import figures, headline, injected_in, made_to_fail, report
from harness.statistics import wording
from harness.statistics.binomial import Rate
from harness.statistics.comparing import boots_to_decide, compare
from harness.texts import printable

_DRAW_EVERY = 1.0
_SHOWN = 6  # numbers of boots in a row of the table
# What a soak has to share with another one, or the comparison is of more than one change.
_NOT_WHAT_IS_BOOTED = ("boots", "until", "hours", "jobs", "seed", "injection", "binaries")


class SoakProgress(Watch):
    """Tells a person how a soak goes, on `out` (never stdout: that is for results).

    On a terminal a table; elsewhere a line for each boot.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr or Nowhere()
        # Lines that the terminal wraps by itself would be left behind by the table that moves up.
        self._terminal = ProgressTerminal(
            file=self._out, highlight=False, soft_wrap=not self._out.isatty()
        )
        self._contents: Contents | None = None
        self._outcomes: dict[int, Outcome] = {}
        self._running: dict[int, float] = {}
        self._live: Live | None = None
        self._summary: Summary | None = None
        self._began = self._drawn = 0.0

    def begin(self, folder: Path, contents: Contents) -> None:
        """The soak begins, or goes on."""
        self._contents, self._outcomes = contents, dict(contents.outcomes)
        self._began = time.monotonic()
        plan = contents.plan
        self.note(f"soak of {plan.board} in {folder}: {_asked(plan)}, seed {plan.seed}")
        if plan.injection is not None:
            names = ", ".join(plan.injection.recipes)
            share = wording.percent(plan.injection.share)
            self.note(f"{share} % of the boots are made to fail (injected): {names}")
        if contents.outcomes or contents.unfinished:
            done, killed = len(contents.outcomes), len(contents.unfinished)
            self.note(f"{wording.boots(done)} ended before; {killed} had not when it was stopped")
        if self._terminal.is_terminal:
            self._live = Live(console=self._terminal, auto_refresh=False, transient=True)
            with contextlib.suppress(OSError):
                self._live.start()

    def note(self, text: str) -> None:
        if text:
            self._say(text)

    def started(self, boot: Boot) -> None:
        self._running[boot.number] = time.monotonic()
        self.tick()

    def ended(self, outcome: Outcome) -> None:
        self._running.pop(outcome.boot.number, None)
        self._outcomes[outcome.boot.number] = outcome
        self._summary = None
        if self._live is None:
            self._say(self._line(outcome))
        self.tick()

    def tick(self) -> None:
        now = time.monotonic()
        if self._live is None or self._contents is None or now - self._drawn < _DRAW_EVERY:
            return
        self._drawn = now
        if self._summary is None:
            worked = self._contents.seconds + now - self._began
            self._summary = summarise(replace(self._contents, seconds=worked), self._outcomes)
        with contextlib.suppress(OSError):
            self._live.update(self._picture(self._contents.plan, self._summary), refresh=True)

    def close(self) -> None:
        """Take the table away."""
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.stop()
            self._live = None

    def _line(self, outcome: Outcome) -> str:
        boot, plan = outcome.boot, self._contents.plan if self._contents else None
        took = "" if outcome.seconds is None else f", {outcome.seconds:.1f} s"
        made = "" if boot.injected is None else f" (injected: {boot.injected})"
        of = f" of {plan.boots}" if plan is not None and plan.boots else ""
        done = f"{len(self._outcomes)}{of} ended"
        return f"boot {boot.number}: {outcome.signature.title}{made}{took}; {done}"

    def _picture(self, plan: SoakPlan, summary: Summary) -> Group:
        head = [f"{plan.board}: {headline(summary.clusters)}"]
        if summary.injected:
            head.append(made_to_fail(summary))
        tail = [figures(plan, summary), *_of_times(summary), _going_on(plan, summary)]
        if self._running:
            now = time.monotonic()
            tail.append(
                "running: "
                + ", ".join(f"{n} ({now - at:.0f} s)" for n, at in self._running.items())
            )
        return Group(*map(_text, head), _table(summary), *map(_text, tail))

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # that nobody can read it ends no soak
            self._terminal.print(_text(text))


def _text(text: str) -> Text:
    # What a board says is data: no markup, no control characters of it on our terminal.
    return Text(printable(text))


def _table(summary: Summary) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("boots", "how they ended", "stage", "which"):
        table.add_column(name, justify="right" if name == "boots" else "left", overflow="fold")
    for one in summary.clusters:
        made = injected_in(one, summary)
        title = f"{one.title} ({made})" if made else one.title
        shown = ", ".join(map(str, one.boots[-_SHOWN:]))
        more = "..., " if one.count > _SHOWN else ""
        cells = (str(one.count), title, one.stages[0][0], more + shown)
        table.add_row(*map(_text, cells))
    return table


def _of_times(summary: Summary) -> list[str]:
    """The stages whose times are worth a look: outliers, or a drift."""
    rows = [wording.stage_time(one) for one in summary.times]
    return [row for row in rows if "outlier" in row or "with time" in row]


def _going_on(plan: SoakPlan, summary: Summary) -> str:
    of = f" of {plan.boots}" if plan.boots else ""
    rate = summary.boots_per_hour
    speed = "" if rate is None else f"; {rate:.0f} boots per hour"
    return f"{summary.ended}{of} ended{speed}"


def _asked(plan: SoakPlan) -> str:
    said = [] if plan.boots is None else [wording.boots(plan.boots)]
    if plan.until is not None:
        sure = wording.confidence_text(plan.until.confidence)
        said.append(f"until it is known whether {wording.percent(plan.until.rate)} % fail ({sure})")
    said += [] if plan.hours is None else [f"{plan.hours:g} hours"]
    return f"{' or '.join(said)}, {plan.jobs} at a time"


def soak_report(folder: Path, contents: Contents) -> str:
    """The report on a soak, several lines."""
    summary = summarise(contents)
    rows = [report(contents.plan, summary)]
    if contents.plan.injection is not None and contents.outcomes:
        wrong = unexpected(contents.outcomes.values(), recipes())
        rows += ["", *(wrong or ["every boot ended as it was made to"])]
    state = contents.ended or "it was stopped, or is still running"
    rows += ["", f"{_going_on(contents.plan, summary)}; {state}", f"soak: {folder}"]
    return printable("\n".join(rows))


def soak_to_json(folder: Path, contents: Contents) -> dict[str, Any]:
    """The same for programs; docs/soak.md has the fields."""
    summary = summarise(contents)
    injecting = contents.plan.injection is not None
    return {
        "folder": str(folder),
        "plan": contents.plan.to_json(),
        "ended": contents.ended,
        "sessions": contents.sessions,
        "summary": to_json(summary),
        "says": figures(contents.plan, summary),
        "unexpected": unexpected(contents.outcomes.values(), recipes()) if injecting else None,
        "boots": [one.to_json() for one in contents.outcomes.values()],
    }


def comparison(before: Rate | Contents, after: Rate | Contents, confidence: float) -> str:
    """Whether a change changed the rate, several lines."""
    found = compare(_rate(before), _rate(after), confidence)
    rows = [wording.compared(found), f"difference: {wording.difference(found)}"]
    for name, side in (("before", before), ("after", after)):
        if isinstance(side, Contents):
            rows.append(f"{name}: {side.plan.board}: {headline(summarise(side).clusters)}")
            rows += _made(side, name)
    changed = _changed(before, after)
    if changed is not None:
        rows.append(f"what is different: {'; '.join(changed) or 'nothing that the soaks know of'}")
    return printable("\n".join(rows))


def compared_to_json(
    before: Rate | Contents, after: Rate | Contents, confidence: float
) -> dict[str, Any]:
    """The same for programs."""
    found = compare(_rate(before), _rate(after), confidence)
    value = asdict(found)
    for name, side in (("a", found.a), ("b", found.b)):
        value[name] |= {"value": side.value, "limits": list(side.interval(confidence))}
    # JSON has no infinity.
    value["odds_interval"] = [None if end == float("inf") else end for end in found.odds_interval]
    if found.odds_ratio == float("inf"):
        value["odds_ratio"] = None
    return {
        **value,
        "decided": found.decided,
        "boots_to_decide": boots_to_decide(found.a, found.b, confidence),
        "says": wording.compared(found),
        "different": _changed(before, after),
    }


def _rate(side: Rate | Contents) -> Rate:
    return side if isinstance(side, Rate) else summarise(side).rate


def _made(side: Contents, name: str) -> list[str]:
    summary = summarise(side)
    return [f"{name}: {made_to_fail(summary)}"] if summary.injected else []


def _changed(before: Rate | Contents, after: Rate | Contents) -> Sequence[str] | None:
    """What the two soaks boot differently; None if that is not known."""
    if isinstance(before, Rate) or isinstance(after, Rate):
        return None
    same = {name: getattr(before.plan, name) for name in _NOT_WHAT_IS_BOOTED}
    a, b = before.plan.binaries, after.plan.binaries
    rows = differences(before.plan, replace(after.plan, **same))
    return rows + [
        f"{role}: {_short(a.get(role))}, now {_short(b.get(role))}"
        for role in sorted({*a, *b})
        if a.get(role) != b.get(role)
    ]


def _short(sha256: str | None) -> str:
    return "none" if sha256 is None else f"SHA-256 {sha256[:12]}"
