"""How many boots a version needs, and what its boots say of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bisecting.steps import (
    MOST_INFRA,
    boots_per_step,
    judge_version,
    sure_of_good,
    worst_steps,
)
from harness.errors import UsageError
from harness.verdict import Kind


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


HANG = frozenset(["aaaa"])


@pytest.mark.parametrize(
    ("boots", "signatures", "state"),
    [
        ([], frozenset(), "more"),
        ([("PASS", "")] * 2, frozenset(), "more"),
        ([("PASS", "")] * 3, frozenset(), "good"),
        ([("PASS", "")] * 9 + [("HUNG", "aaaa")], frozenset(), "bad"),
        ([("CRASHED", "bbbb")], frozenset(), "bad"),
        # Another failure than the one that is searched would have hidden it.
        ([("CRASHED", "bbbb")], HANG, "skip"),
        ([("PASS", "")] * 9 + [("CRASHED", "bbbb")], HANG, "skip"),
        ([("CRASHED", "bbbb"), ("HUNG", "aaaa")], HANG, "bad"),
        # Our own failures are no boots.
        ([("PASS", "")] * 2 + [("INFRA", "x")] * 2, frozenset(), "more"),
        ([("PASS", "")] * 3 + [("INFRA", "x")] * 2, frozenset(), "good"),
        ([("INFRA", "x")] * MOST_INFRA, frozenset(), "skip"),
        ([("DIED", "aaaa")] * MOST_INFRA, HANG, "skip"),
        ([("INCOMPLETE", "aaaa")] * MOST_INFRA, HANG, "skip"),
    ],
)
def test_what_boots_say(
    boots: list[tuple[str, str]], signatures: frozenset[str], state: str
) -> None:
    assert judge_version(boots, 3, signatures) == state


verdicts = st.lists(st.tuples(st.sampled_from([*Kind, "?"]), st.sampled_from(["aaaa", "bbbb"])))


@given(verdicts, st.integers(1, 5), st.sampled_from([frozenset[str](), HANG]))
def test_never_lies(boots: list[tuple[str, str]], needed: int, signatures: frozenset[str]) -> None:
    """Good needs enough boots that passed, and no failure; bad needs a failure of the board."""
    state = judge_version(boots, needed, signatures)
    kinds = [verdict for verdict, _ in boots]
    if state == "good":
        assert kinds.count("PASS") >= needed
        assert not {"FAIL", "CRASHED", "HUNG"} & set(kinds)
    if state == "bad":
        assert {"FAIL", "CRASHED", "HUNG"} & set(kinds)
    if not {"PASS", "FAIL", "CRASHED", "HUNG"} & set(kinds):
        assert state in {"skip", "more"}
