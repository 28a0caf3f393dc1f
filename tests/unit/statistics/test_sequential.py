"""The stopping rule: its errors and its coverage, exactly and by simulated soaks."""

from __future__ import annotations

import math
import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.statistics.binomial import Interval, Rate, clean_boots_to_exclude
from harness.statistics.sequential import Decision, StoppingRule

RULE = StoppingRule(1 / 30)
TRUTHS = [0.002, 0.01, 0.03, 1 / 30, 0.04, 0.08, 0.2, 0.5]


@cache
def interval(decision: Decision) -> Interval:
    return RULE.interval(decision)


@cache
def outcomes(most: int) -> dict[Decision, int]:
    """All that can come of so many boots, and by how many different series of boots it comes."""
    # Failures so far -> how many series lead here undecided, and one of them.
    open_: dict[int, tuple[int, tuple[bool, ...]]] = {0: (1, ())}
    ended: dict[Decision, int] = {}
    for boots in range(1, most + 1):
        after: dict[int, tuple[int, tuple[bool, ...]]] = {}
        for failures, (ways, series) in open_.items():
            for bad in (False, True):
                known = after.get(failures + bad, (0, ()))[0]
                after[failures + bad] = (known + ways, (*series, bad))
        open_ = {}
        for failures, (ways, series) in after.items():
            decision = RULE.decide(series)
            assert (decision.boots, decision.failures) == (boots, failures)
            if decision.answer == "undecided" and boots < most:
                open_[failures] = (ways, series)
            else:
                ended[decision] = ways
    return ended


def probability(decision: Decision, truth: float, most: int) -> float:
    k, n = decision.failures, decision.boots
    ways = math.log(outcomes(most)[decision])
    return math.exp(ways + k * math.log(truth) + (n - k) * math.log1p(-truth))


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("most", [60, 300])
def test_coverage_and_errors_exactly(truth: float, most: int) -> None:
    """Over all that can happen, not over a sample of it."""
    total = covered = below = above = 0.0
    for decision in outcomes(most):
        chance = probability(decision, truth, most)
        low, high = interval(decision)
        total += chance
        covered += chance * (low <= truth <= high)
        below += chance * (decision.answer == "below")
        above += chance * (decision.answer == "above")
    assert total == pytest.approx(1)
    assert covered >= 0.95
    assert truth < RULE.rate or below <= 0.05 + 1e-12
    assert truth > RULE.rate or above <= 0.05 + 1e-12


@pytest.mark.parametrize("truth", [0.005, 1 / 30, 0.1, 0.29])
def test_1000_simulated_soaks(truth: float) -> None:
    chance = random.Random(f"soak {truth}")  # noqa: S311 -- a simulation
    covered, wrong = 0, 0
    for _ in range(1000):
        decision = RULE.decide(chance.random() < truth for _ in range(400))
        low, high = interval(decision)
        covered += low <= truth <= high
        wrong += decision.answer == ("below" if truth >= RULE.rate else "above")
    assert covered >= 950
    assert wrong <= 65  # 50, and two standard deviations


def test_looking_after_every_boot_with_a_fixed_interval_would_not_do() -> None:
    """What the rule is for: to stop as soon as Clopper-Pearson excludes 1/30 is wrong too often."""
    chance, wrong = random.Random("peeking"), 0  # noqa: S311 -- a simulation
    limits: dict[tuple[int, int], Interval] = {}
    for _ in range(300):
        failures = 0
        for boots in range(1, 401):
            failures += chance.random() < 1 / 30
            key = (failures, boots)
            if key not in limits:
                limits[key] = Rate(failures, boots).interval(0.9)
            if not limits[key][0] <= 1 / 30 <= limits[key][1]:
                wrong += 1
                break
    assert wrong > 60  # 20 %, with 10 % allowed


def test_a_clean_run_takes_as_many_boots_as_exclude_the_rate() -> None:
    decision = RULE.decide([False] * 500)
    assert decision == Decision("below", 89, 0)
    assert interval(decision) == pytest.approx(Rate(0, 89).interval(), abs=1e-8)
    assert RULE.decide([False] * 88) == Decision("undecided", 88, 0)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.005, 0.9), st.floats(0.6, 0.99))
def test_clean_runs_of_any_rule(rate: float, confidence: float) -> None:
    rule = StoppingRule(rate, confidence)
    needed = clean_boots_to_exclude(rate, confidence)
    assert rule.clean_boots == needed
    assert rule.decide([False] * (needed + 3)) == Decision("below", needed, 0)


def test_a_failure_makes_it_longer_not_hopeless() -> None:
    boots = [number == 40 for number in range(1000)]
    decision = RULE.decide(boots)
    assert decision.answer == "below"
    assert decision.failures == 1
    assert 89 < decision.boots < 400


def test_many_failures_end_it_early() -> None:
    decision = RULE.decide([True] * 20)
    assert decision == Decision("above", 2, 2)
    assert interval(decision)[0] > 0.1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.booleans(), max_size=120))
def test_a_decision_does_not_depend_on_what_comes_after_it(boots: list[bool]) -> None:
    decision = RULE.decide(boots)
    assert decision.failures == sum(boots[: decision.boots])
    assert decision.answer != "undecided" or decision.boots == len(boots)
    assert RULE.decide(boots[: decision.boots]) == decision
    low, high = interval(decision)
    assert 0 <= low <= high <= 1
    if decision.boots:
        assert low <= decision.failures / decision.boots + 1e-9


@settings(deadline=None, max_examples=60)
@given(st.lists(st.booleans(), min_size=1, max_size=120), st.data())
def test_one_more_failure_never_lowers_the_interval(boots: list[bool], data: st.DataObject) -> None:
    worse = list(boots)
    worse[data.draw(st.integers(0, len(boots) - 1))] = True
    (low, high), (worse_low, worse_high) = (interval(RULE.decide(b)) for b in (boots, worse))
    assert worse_low >= low - 1e-9
    assert worse_high >= high - 1e-9


@pytest.mark.parametrize(
    "decision",
    [Decision("below", 90, 0), Decision("undecided", 200, 0), Decision("above", 5, 0)],
)
def test_a_decision_that_the_rule_cannot_make(decision: Decision) -> None:
    with pytest.raises(UsageError, match="failures in"):
        RULE.interval(decision)


def test_no_boots() -> None:
    assert RULE.decide([]) == Decision("undecided", 0, 0)
    assert RULE.interval(Decision("undecided", 0, 0)) == (0.0, 1.0)


def test_a_rule_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="rate"):
        StoppingRule(0)
    with pytest.raises(UsageError, match="confidence"):
        StoppingRule(0.1, 95)
