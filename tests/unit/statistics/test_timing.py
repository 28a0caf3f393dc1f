"""Times of stages: quantiles, outliers, drift."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics.timing import (
    FEWEST,
    direction,
    distribution,
    drift,
    outliers,
    stage_durations,
    stage_times,
)

times = st.dictionaries(st.integers(1, 1000), st.floats(0, 1e6), max_size=40)


def steady(count: int = 40) -> dict[int, float]:
    chance = random.Random("times")  # noqa: S311 -- a simulation
    return {number: 10 + chance.uniform(-0.3, 0.3) for number in range(1, count + 1)}


def test_durations_are_from_stage_to_stage() -> None:
    stages = {"firmware": 0.5, "xen": 2.0, "login": 9.0, "smp": 3.0, "kernel": None}
    assert stage_durations(stages) == {"firmware": 0.5, "xen": 1.5, "smp": 1.0, "login": 6.0}


def test_distribution() -> None:
    spread = distribution([float(x) for x in range(101)])
    assert (spread.count, spread.shortest, spread.longest) == (101, 0, 100)
    assert (spread.p5, spread.median, spread.p95, spread.mad) == (5, 50, 95, 25)
    with pytest.raises(ValueError, match="no times"):
        distribution([])


def test_one_slow_boot_stands_out_and_does_not_hide_another() -> None:
    boots = {**steady(), 17: 31.0, 23: 300.0}
    assert [one.boot for one in outliers(boots)] == [23, 17]
    assert outliers(steady()) == ()


def test_an_outlier_among_equal_times() -> None:
    boots = dict.fromkeys(range(1, 21), 2.0)
    assert outliers(boots) == ()
    assert [one.boot for one in outliers({**boots, 5: 2.5})] == [5]


def test_a_fast_boot_has_a_negative_score() -> None:
    (only,) = outliers({**steady(), 9: 1.0})
    assert only.boot == 9
    assert only.score < 0


def test_drift_is_seen_and_its_slope() -> None:
    slower = {number: at + 0.05 * number for number, at in steady().items()}
    found = drift(slower)
    assert found is not None
    assert direction(found) == "slower"
    assert found.slope_interval[0] < 0.05 < found.slope_interval[1]
    faster = drift({number: at - 0.05 * number for number, at in steady().items()})
    assert direction(faster) == "faster"
    assert direction(drift(steady())) == "steady"


def test_one_outlier_is_no_drift() -> None:
    assert direction(drift({**steady(), 40: 500.0})) == "steady"


def test_equal_times_do_not_drift() -> None:
    found = drift(dict.fromkeys(range(1, 30), 4.0))
    assert found is not None
    assert (found.p, found.slope) == (1.0, 0.0)


def test_few_boots_say_nothing() -> None:
    few = {number: float(number**3) for number in range(1, FEWEST)}
    assert drift(few) is None
    assert outliers(few) == ()
    assert direction(None) == "steady"


def test_many_boots_are_thinned_out_for_the_slope() -> None:
    found = drift({number: 1 + 0.001 * number for number in range(1, 3001)})
    assert found is not None
    assert found.slope == pytest.approx(0.001)


def test_stages_of_the_boots_that_passed() -> None:
    boots = {1: {"xen": 1.0, "login": 5.0}, 2: {"xen": 3.0}, 3: {"xen": 1.2, "login": 5.5}}
    xen, login = stage_times(boots, passed=frozenset({1, 3}))
    assert (xen.stage, xen.distribution.longest, login.distribution.count) == ("xen", 1.2, 2)
    assert stage_times(boots)[0].distribution.count == 3


def test_ten_stages_do_not_make_a_drift_by_chance() -> None:
    chance, seen = random.Random("ten"), 0  # noqa: S311 -- a simulation
    for _ in range(100):
        boots = {n: {str(s): chance.random() for s in range(10)} for n in range(1, 31)}
        seen += any(direction(one.drift) != "steady" for one in stage_times(boots))
    assert seen <= 12  # 5, and three standard deviations; 40 without a correction


@given(times)
def test_any_times(boots: dict[int, float]) -> None:
    assert {one.boot for one in outliers(boots)} <= boots.keys()
    found = drift(boots)
    assert (found is None) == (len(boots) < FEWEST)
    if found is not None:
        assert -1 <= round(found.rho, 9) <= 1
        assert 0 <= found.p <= 1
