"""How many boots a version needs, and what its boots say of it."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bisecting.said import Said
from harness.bisecting.steps import (
    MOST_UNUSABLE,
    boots_per_step,
    judge_version,
    sure_of_good,
    worst_steps,
)
from harness.errors import UsageError


@pytest.mark.parametrize(
    ("candidates", "steps"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1000, 10)]
)
def test_worst_steps(candidates: int, steps: int) -> None:
    assert worst_steps(candidates) == steps


@pytest.mark.parametrize(
    ("rate", "confidence", "steps", "boots"),
    [(0.29, 0.95, 1, 9), (1 / 30, 0.95, 1, 89), (0.29, 0.95, 7, 15), (1.0, 0.95, 7, 1)],
)
def test_boots_per_step(rate: float, confidence: float, steps: int, boots: int) -> None:
    assert boots_per_step(rate, confidence, steps) == boots


@given(st.floats(0.001, 0.99), st.floats(0.5, 0.9999), st.integers(1, 40))
def test_so_many_boots_are_just_enough(rate: float, confidence: float, steps: int) -> None:
    boots = boots_per_step(rate, confidence, steps)
    assert sure_of_good(rate, boots) ** steps >= confidence * (1 - 1e-9)
    assert boots == 1 or sure_of_good(rate, boots - 1) ** steps <= confidence * (1 + 1e-9)


@pytest.mark.parametrize(
    ("rate", "confidence", "steps"),
    [(0.0, 0.95, 3), (1.1, 0.95, 3), (0.3, 95, 3), (0.3, 0.95, 0), (math.nan, 0.95, 1)],
)
def test_figures_that_cannot_be(rate: float, confidence: float, steps: int) -> None:
    with pytest.raises(UsageError):
        boots_per_step(rate, confidence, steps)


def test_sure_of_good() -> None:
    assert sure_of_good(0.5, 3) == pytest.approx(0.875)
    assert (sure_of_good(1, 0), sure_of_good(1, 1), sure_of_good(0.5, 0)) == (0, 1, 0)


P: Said = "passed"


@pytest.mark.parametrize(
    ("boots", "state"),
    [
        ([], "more"),
        ([P, P], "more"),
        ([P, P, P], "good"),
        ([P, P, "bad"], "bad"),
        (["bad"], "bad"),
        # A failure that is not searched says nothing, and neither does one of our own.
        (["other"], "more"),
        ([P, "other", P, "ours", P], "good"),
        ([P, P, "ours", "ours"], "more"),
        ([P, P, "ours", "other", "bad"], "bad"),
        (["ours"] * MOST_UNUSABLE, "skip"),
        (["other"] * MOST_UNUSABLE, "skip"),
        ([P, P, "ours", "other", "ours"], "skip"),
        (["ours", "ours", P, "ours", "ours", P, "ours"], "more"),
    ],
)
def test_what_boots_say(boots: list[Said], state: str) -> None:
    assert judge_version(boots, 3) == state


said = st.lists(st.sampled_from(get_args(Said)))


@given(said, st.integers(1, 5))
def test_never_lies(boots: list[Said], needed: int) -> None:
    """Good needs enough boots that passed, and no failure; bad needs the failure."""
    state = judge_version(boots, needed)
    if state == "good":
        assert boots.count("passed") >= needed
    if state == "bad":
        assert "bad" in boots
    if not {"passed", "bad"} & set(boots):
        assert state in {"skip", "more"}


@given(said, st.integers(1, 5))
def test_what_is_decided_stays(boots: list[Said], needed: int) -> None:
    states = [judge_version(boots[:count], needed) for count in range(len(boots) + 1)]
    assert len(set(states) - {"more"}) <= 1
    assert states == sorted(states, key=lambda state: state != "more")
