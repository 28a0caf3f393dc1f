"""A soak as text: what failed, and how often, first; then what the figures say; then the times."""

from __future__ import annotations

from collections.abc import Sequence

from harness.soak.plan import SoakPlan
from harness.soak.signature import Cluster
from harness.soak.summary import Injected, Summary
from harness.statistics import wording
from harness.statistics.sequential import StoppingRule
from harness.texts import printable

_SHOWN = 8  # numbers of boots in a line


def headline(clusters: Sequence[Cluster]) -> str:
    """ "29 HUNG at `Brought up 4 CPUs`, 2 CRASHED: xen panic in mwait_idle_with_hints"."""
    said = [f"{one.count} {one.title}" for one in clusters if one.signature.failed]
    passed = sum(one.count for one in clusters if one.signature.verdict == "PASS")
    if not said:
        return f"no failure in {wording.boots(passed)}" if passed else "no boot has ended"
    return printable(", ".join(said))


def report(plan: SoakPlan, summary: Summary) -> str:
    """The report on a soak, several lines; the same while it runs and at its end."""
    rows = [f"{plan.board}: {headline(summary.clusters)}", *_table(summary.clusters), ""]
    rows.append(figures(plan, summary))
    if summary.injected:
        rows += [_injected(one) for one in summary.injected]
        said = wording.measured(summary.natural, summary.confidence)
        rows.append(f"without the injected boots: {said}")
    rows += _left_out(summary)
    if summary.times:
        rows += ["", "median time to each stage (5 % to 95 %), of the boots that passed:"]
        rows += [f"  {wording.stage_time(one)}" for one in summary.times]
    return printable("\n".join(rows))


def figures(plan: SoakPlan, summary: Summary) -> str:
    """What the figures say, one sentence."""
    if plan.until is None or summary.decision is None:
        return wording.measured(summary.rate, summary.confidence)
    rule = StoppingRule(plan.until.rate, plan.until.confidence)
    return wording.decided(rule, summary.decision, limits=summary.limits)


def _table(clusters: Sequence[Cluster]) -> list[str]:
    return [
        f"  {one.count:5}  {one.title}  ({one.signature.id}; {_numbers(one.boots)})"
        if one.signature.verdict != "PASS"
        else f"  {one.count:5}  {one.title}"
        for one in clusters
    ]


def _injected(one: Injected) -> str:
    endings = ", ".join(f"{count} {title}" for title, count in one.endings)
    return f"injected: {one.recipe} into {wording.boots(len(one.boots))}: {endings}"


def _left_out(summary: Summary) -> list[str]:
    rows = []
    if summary.ours:
        boots = _numbers(summary.ours)
        rows.append(f"not counted, because our side failed: {len(summary.ours)} ({boots})")
    if summary.waiting:
        boots = _numbers(summary.waiting)
        rows.append(f"not counted before the boots that were started earlier have ended: {boots}")
    return rows


def _numbers(boots: Sequence[int]) -> str:
    shown = ", ".join(map(str, boots[:_SHOWN]))
    return f"boot {shown}" + (f", ... {boots[-1]}" if len(boots) > _SHOWN else "")
