"""Rates: exact intervals, and how many clean boots exclude a rate."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from harness.errors import UsageError
from harness.statistics.binomial import SMALLEST_RATE, Rate, clean_boots_to_exclude

counts = st.integers(0, 400).flatmap(lambda boots: st.tuples(st.integers(0, boots), st.just(boots)))
confidences = st.floats(0.5, 0.999)


# The field's figures, and rows of published tables of Clopper-Pearson limits.
@pytest.mark.parametrize(
    ("failures", "boots", "low", "high"),
    [
        (29, 100, 20.36, 38.93),
        (0, 100, 0.0, 3.62),
        (1, 30, 0.08, 17.22),
        (10, 10, 69.15, 100.0),
        (5, 10, 18.71, 81.29),
    ],
)
def test_interval_is_that_of_clopper_and_pearson(
    failures: int, boots: int, low: float, high: float
) -> None:
    limits = Rate(failures, boots).interval()
    assert [round(100 * limit, 2) for limit in limits] == [low, high]


def test_no_failure_in_100_bounds_the_rate_at_2_95_percent_one_sided() -> None:
    assert round(100 * Rate(0, 100).at_most(), 2) == 2.95


@given(counts, confidences)
def test_the_limits_are_where_the_tails_are_small(case: tuple[int, int], confidence: float) -> None:
    failures, boots = case
    low, high = Rate(failures, boots).interval(confidence)
    tail = (1 - confidence) / 2
    assert 0 <= low <= high <= 1
    assert low == 0 if not failures else binom.sf(failures - 1, boots, low) == pytest.approx(tail)
    assert (
        high == 1 if failures == boots else binom.cdf(failures, boots, high) == pytest.approx(tail)
    )


@pytest.mark.parametrize("truth", [0.001, 0.01, 1 / 30, 0.2, 0.29, 0.5, 0.9])
@pytest.mark.parametrize("boots", [1, 12, 89, 300])
def test_intervals_cover_every_truth_often_enough(truth: float, boots: int) -> None:
    covered = sum(
        binom.pmf(failures, boots, truth)
        for failures in range(boots + 1)
        if Rate(failures, boots).interval()[0] <= truth <= Rate(failures, boots).interval()[1]
    )
    assert covered >= 0.95


@pytest.mark.parametrize(
    ("rate", "confidence", "boots"),
    [
        (1 / 30, 0.95, 89),
        (0.29, 0.95, 9),
        (0.01, 0.95, 299),
        (0.5, 0.75, 2),
        (0.5, 0.875, 3),
        (0.99, 0.5, 1),
    ],
)
def test_clean_boots_that_exclude_a_rate(rate: float, confidence: float, boots: int) -> None:
    assert clean_boots_to_exclude(rate, confidence) == boots


@given(st.floats(SMALLEST_RATE, 0.999), confidences)
def test_clean_boots_are_just_enough(rate: float, confidence: float) -> None:
    boots = clean_boots_to_exclude(rate, confidence)
    slack = 1 + 1e-9
    assert math.exp(boots * math.log1p(-rate)) <= (1 - confidence) * slack
    assert boots == 1 or math.exp((boots - 1) * math.log1p(-rate)) * slack >= 1 - confidence


def test_no_boot_says_nothing() -> None:
    assert Rate(0, 0).value is None
    assert Rate(0, 0).interval() == (0.0, 1.0)
    assert Rate(0, 0).at_most() == 1.0


@pytest.mark.parametrize(("failures", "boots"), [(-1, 3), (4, 3), (0, -1)])
def test_counts_that_cannot_be(failures: int, boots: int) -> None:
    with pytest.raises(UsageError, match="failures in"):
        Rate(failures, boots)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, 95.0, math.nan])
def test_confidence_is_between_0_and_1(confidence: float) -> None:
    with pytest.raises(UsageError, match="confidence"):
        Rate(1, 2).interval(confidence)


@pytest.mark.parametrize("rate", [0.0, 1.0, 1e-9, -0.1, math.nan])
def test_a_rate_that_no_boots_exclude(rate: float) -> None:
    with pytest.raises(UsageError, match="rate"):
        clean_boots_to_exclude(rate)
