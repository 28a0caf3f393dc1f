"""All boots of a soak so far: rate, decision, clusters, injected failures, times. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.soak.lines import Contents
from harness.soak.outcome import Outcome
from harness.soak.signature import Cluster, board_failed, cluster, counts
from harness.statistics.binomial import CONFIDENCE, Interval, Rate
from harness.statistics.sequential import Decision, StoppingRule
from harness.statistics.timing import StageTimes, stage_durations, stage_times
from harness.verdict import Kind


@dataclass(frozen=True)
class Injected:
    """What became of the boots that a recipe was injected into.

    Attributes:
        endings: title of a signature -> boots, most first.
    """

    recipe: str
    boots: tuple[int, ...]
    endings: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Summary:
    """All boots of a soak so far.

    Attributes:
        rate: of the boots that count (`settled`), injected ones too.
        limits: its interval at `confidence`; the one that allows for early stopping if the soak
            has a stopping rule.
        natural: of the boots that count and were not injected; the same as `rate` where nothing
            is injected. Clopper-Pearson is its interval.
        decision: what the stopping rule says; None without one.
        waiting: boots that ended, and count only when an earlier one has ended as well.
        ours: boots that our side failed (DIED, INFRA); they count nowhere.
        unfinished: boots that were started and have not ended.
        times: of the stages, over the boots that passed.
        boots_per_hour: that ended, injected ones too; None before the first.
    """

    ended: int
    rate: Rate
    limits: Interval
    confidence: float
    natural: Rate
    decision: Decision | None
    waiting: tuple[int, ...]
    ours: tuple[int, ...]
    unfinished: tuple[int, ...]
    clusters: tuple[Cluster, ...]
    injected: tuple[Injected, ...]
    times: tuple[StageTimes, ...]
    boots_per_hour: float | None


def settled(outcomes: Mapping[int, Outcome]) -> list[Outcome]:
    """The boots before the first one that has no result, in the order of their numbers.

    A boot that hangs ends later than one that passes. To count a boot while an earlier one still
    runs would favour those that pass.
    """
    found: list[Outcome] = []
    for number in range(1, len(outcomes) + 1):
        if number not in outcomes:
            break
        found.append(outcomes[number])
    return found


def series(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The boots that say something of the board: not those that our side failed."""
    return [one for one in outcomes if counts(one.signature.verdict)]


def decide(rule: StoppingRule, outcomes: Mapping[int, Outcome]) -> Decision:
    """What a stopping rule says of a soak so far."""
    return rule.decide(failed(one) for one in series(settled(outcomes)))


def failed(outcome: Outcome) -> bool:
    """Whether the board failed in this boot."""
    return board_failed(outcome.signature.verdict)


def summarise(contents: Contents, outcomes: Mapping[int, Outcome] | None = None) -> Summary:
    """All boots of a soak so far.

    Args:
        outcomes: newer than those in `contents`, of a soak that goes on.
    """
    outcomes = contents.outcomes if outcomes is None else outcomes
    before = settled(outcomes)
    measured = series(before)
    rate, limits, decision, confidence = _rate(contents, measured)
    return Summary(
        ended=len(outcomes),
        rate=rate,
        limits=limits,
        confidence=confidence,
        natural=_rate_of(one for one in measured if one.boot.injected is None),
        decision=decision,
        waiting=tuple(sorted(set(outcomes) - {one.boot.number for one in before})),
        ours=tuple(n for n, one in sorted(outcomes.items()) if not counts(one.signature.verdict)),
        unfinished=tuple(n for n in contents.unfinished if n not in outcomes),
        clusters=cluster((number, one.signature) for number, one in outcomes.items()),
        injected=_injected(outcomes),
        times=stage_times(
            {number: stage_durations(one.stages or {}) for number, one in outcomes.items()},
            passed=frozenset(
                n for n, one in outcomes.items() if one.signature.verdict == Kind.PASS
            ),
        ),
        boots_per_hour=len(outcomes) * 3600 / contents.seconds
        if outcomes and contents.seconds > 0
        else None,
    )


def _rate(
    contents: Contents, measured: list[Outcome]
) -> tuple[Rate, Interval, Decision | None, float]:
    until = contents.plan.until
    if until is None:
        rate = _rate_of(measured)
        return rate, rate.interval(), None, CONFIDENCE
    rule = StoppingRule(until.rate, until.confidence)
    decision = rule.decide(failed(one) for one in measured)
    # Boots beyond the decision were under way when it fell: to count them, and to keep the
    # interval of the rule, would be two experiments in one figure.
    rate = Rate(decision.failures, decision.boots)
    return rate, rule.interval(decision), decision, until.confidence


def _rate_of(outcomes: Iterable[Outcome]) -> Rate:
    states = [failed(one) for one in outcomes]
    return Rate(sum(states), len(states))


def _injected(outcomes: Mapping[int, Outcome]) -> tuple[Injected, ...]:
    recipes = sorted({one.boot.injected for one in outcomes.values() if one.boot.injected})
    return tuple(_injected_by(recipe, outcomes) for recipe in recipes)


def _injected_by(recipe: str, outcomes: Mapping[int, Outcome]) -> Injected:
    mine = {n: one for n, one in sorted(outcomes.items()) if one.boot.injected == recipe}
    groups = cluster((number, one.signature) for number, one in mine.items())
    endings = sorted(((one.title, one.count) for one in groups), key=lambda e: -e[1])
    return Injected(recipe, tuple(mine), tuple(endings))


def to_json(summary: Summary) -> dict[str, Any]:
    """A summary for programs: the attributes of `Summary`, with what follows from them."""
    value = asdict(summary)
    for name in ("rate", "natural"):
        rate: Rate = getattr(summary, name)
        value[name] = {"failures": rate.failures, "boots": rate.boots, "value": rate.value}
    value["natural"]["limits"] = list(summary.natural.interval(summary.confidence))
    value["limits"] = list(summary.limits)
    value["clusters"] = [
        {
            "signature": one.signature.id,
            "verdict": one.signature.verdict,
            "title": one.title,
            "count": one.count,
            "boots": list(one.boots),
            "stages": dict(one.stages),
            "places": dict(one.places),
        }
        for one in summary.clusters
    ]
    value["injected"] = [
        {"recipe": one.recipe, "boots": list(one.boots), "endings": dict(one.endings)}
        for one in summary.injected
    ]
    return value
