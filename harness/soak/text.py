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
        if passed:
            return f"no failure in {wording.boots(passed)}"
        return "no boot that counts" if clusters else "no boot has ended"
    return printable(", ".join(said))


def report(plan: SoakPlan, summary: Summary) -> str:
    """The report on a soak, several lines; the same while it runs and at its end."""
    rows = [f"{plan.board}: {headline(summary.clusters)}"]
    if summary.injected:
        rows.append(made_to_fail(summary))
    rows += [*_table(summary), "", figures(plan, summary)]
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


def made_to_fail(summary: Summary) -> str:
    """ "12 of 60 boots were made to fail (injected)"."""
    made = sum(len(one.boots) for one in summary.injected)
    were = "was" if made == 1 else "were"
    return f"{made} of {wording.boots(summary.ended)} {were} made to fail (injected)"


def injected_in(one: Cluster, summary: Summary) -> str:
    """How much of a cluster was injected: "injected", "2 of them injected", or nothing."""
    made = {number for recipe in summary.injected for number in recipe.boots}
    count = len(made.intersection(one.boots))
    if not count:
        return ""
    return "injected" if count == one.count else f"{count} of them injected"


def _table(summary: Summary) -> list[str]:
    rows = []
    for one in summary.clusters:
        row = f"  {one.count:5}  {one.title}"
        said = [one.signature.id, _numbers(one.boots)] if one.signature.verdict != "PASS" else []
        said += [made] if (made := injected_in(one, summary)) else []
        rows.append(f"{row}  ({'; '.join(said)})" if said else row)
        if one.places:
            rows.append(f"         {places(one)}")
    return rows


def places(one: Cluster) -> str:
    """Where CPU0 was in boots that hung: "CPU0 in on_selected_cpus", with counts if it differs."""
    if len(one.places) == 1:
        ((where, count),) = one.places
        return where if count == one.count else f"{where} ({count} of {one.count} were looked at)"
    return ", ".join(f"{where} ({count})" for where, count in one.places)


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
