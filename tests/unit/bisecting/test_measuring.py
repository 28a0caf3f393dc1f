"""The rate of the bad version: when it is known, and that its limit holds."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bisecting.measuring import (
    FAILURES,
    MOST_BOOTS,
    MOST_CLEAN,
    measured,
    measuring,
)
from harness.bisecting.said import Said
from harness.bisecting.steps import MOST_UNUSABLE

P: Said = "passed"
BAD: Said = "bad"


@pytest.mark.parametrize(
    ("boots", "state"),
    [
        ([], "more"),
        ([BAD] * (FAILURES - 1), "more"),
        ([BAD] * FAILURES, "measured"),
        ([BAD, "ours", "other"] * FAILURES, "measured"),
        ([P] * (MOST_CLEAN - 1), "more"),
        ([P] * MOST_CLEAN, "no failure"),
        ([P] * MOST_CLEAN + [BAD], "more"),
        ([BAD] + [P] * (MOST_BOOTS - 1), "measured"),
        (["ours"] * MOST_UNUSABLE, "skip"),
        ([BAD, "other", "ours", "ours"], "skip"),
    ],
)
def test_when_it_is_enough(boots: list[Said], state: str) -> None:
    assert measuring(boots) == state


def test_boots_that_say_nothing_are_not_counted() -> None:
    one = measured([BAD, "ours", P, "other", BAD], 0.025)
    assert (one.failures, one.boots) == (2, 3)


@given(st.integers(1, 50), st.floats(0.001, 0.2))
def test_the_limit_is_below_what_was_seen(boots: int, error: float) -> None:
    one = measured([BAD] * FAILURES + [P] * boots, error)
    assert 0 < one.low < one.failures / one.boots


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
def test_the_limit_holds_although_the_failures_end_it(rate: float) -> None:
    chance = random.Random(5)  # noqa: S311 -- a simulation
    missed = 0
    for _ in range(2000):
        boots: list[Said] = []
        while measuring(boots) == "more":
            boots.append(BAD if chance.random() < rate else P)
        missed += measuring(boots) == "measured" and measured(boots, 0.025).low > rate
    # 2.5 % of 2000 are 50; more than 75 have a probability of 0.0003.
    assert missed <= 75
