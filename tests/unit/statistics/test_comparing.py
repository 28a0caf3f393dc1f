"""A against B: Fisher's exact test, size of the effect, and how many boots would decide."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.statistics.binomial import Rate
from harness.statistics.comparing import boots_to_decide, compare

rates = st.integers(0, 60).flatmap(
    lambda boots: st.integers(0, boots).map(lambda failures: Rate(failures, boots))
)


def test_the_fix_of_2018() -> None:
    found = compare(Rate(29, 100), Rate(0, 100))
    assert found.decided
    assert found.lowered
    assert found.p < 1e-9
    assert found.p_lower <= found.p < found.p_higher
    assert found.difference == pytest.approx(-0.29)
    # Wilson: [0.2101, 0.3854] and [0, 0.0370]; -0.29 + hypot(0.0370, 0.0799).
    assert found.difference_interval == pytest.approx((-0.3854, -0.2020), abs=1e-4)
    assert found.odds_ratio == 0
    assert found.odds_interval[0] == 0
    assert found.odds_interval[1] < 0.2


def more_than(right: int, odds: float) -> float:
    """The probability of more right cups in Fisher's test, if the odds of being right are these."""
    weights = [ways * odds**cups for cups, ways in enumerate((1, 16, 36, 16, 1))]
    return sum(weights[right + 1 :]) / sum(weights)


def test_fishers_tea() -> None:
    """The lady of Fisher's book: 3 of 4 cups right; p = 17/70 one-sided, 34/70 two-sided."""
    found = compare(Rate(1, 4), Rate(3, 4))
    assert found.p_higher == pytest.approx(17 / 70)
    assert found.p == pytest.approx(34 / 70)
    assert found.odds_ratio == pytest.approx(6.408, abs=1e-3)  # as R's fisher.test says
    low, high = found.odds_interval
    assert more_than(2, low) == pytest.approx(0.025)
    assert 1 - more_than(3, high) == pytest.approx(0.025)


def test_newcombes_example() -> None:
    """Table II (a) of his paper: 56/70 against 48/80, method 10."""
    found = compare(Rate(48, 80), Rate(56, 70))
    assert found.difference_interval == pytest.approx((0.0524, 0.3339), abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(rates, rates)
def test_exchanging_the_two_turns_the_signs(a: Rate, b: Rate) -> None:
    there, back = compare(a, b), compare(b, a)
    assert there.p == pytest.approx(back.p)
    assert there.p_lower == pytest.approx(back.p_higher)
    assert there.difference_interval == pytest.approx(
        tuple(-x for x in back.difference_interval[::-1])
    )
    low, high = there.difference_interval
    assert there.difference is None or low <= there.difference <= high
    assert there.odds_interval[0] <= there.odds_interval[1]


@pytest.mark.parametrize(("a", "b"), [(Rate(0, 5), Rate(0, 9)), (Rate(5, 5), Rate(9, 9))])
def test_nothing_to_tell_apart(a: Rate, b: Rate) -> None:
    found = compare(a, b)
    assert found.p == 1
    assert found.odds_ratio is None
    assert found.odds_interval == (0, math.inf)
    assert not found.decided


def test_without_boots_nothing_is_decided() -> None:
    found = compare(Rate(0, 0), Rate(3, 3))
    assert not found.decided
    assert found.difference is None
    assert not found.lowered


def test_boots_that_would_decide() -> None:
    # 1 of 30 against n clean: the one failure is in the first 30 by chance with 30/(30 + n).
    assert boots_to_decide(Rate(1, 30), Rate(0, 12)) == 570
    assert boots_to_decide(Rate(29, 100), Rate(0, 100)) == 100
    needed = boots_to_decide(Rate(29, 100), Rate(0, 3))
    assert needed is not None
    assert compare(Rate(29, 100), Rate(0, needed)).decided
    assert not compare(Rate(29, 100), Rate(0, needed - 1)).decided


def test_boots_that_never_decide() -> None:
    assert boots_to_decide(Rate(29, 100), Rate(29, 100), most=5000) is None
    assert boots_to_decide(Rate(0, 100), Rate(0, 3), most=5000) is None
    assert boots_to_decide(Rate(1, 30), Rate(0, 12), most=569) is None


def test_confidence_is_checked() -> None:
    with pytest.raises(UsageError, match="confidence"):
        compare(Rate(1, 2), Rate(1, 2), 95)
    with pytest.raises(UsageError, match="confidence"):
        boots_to_decide(Rate(1, 2), Rate(1, 2), 0)
