"""The rate at which a version that is known to be bad fails, measured by booting it. Pure.

It is booted until it failed `FAILURES` times. The lower limit is exact for that way to stop too: so
many failures within so many boots are as probable as so many boots up to the last of the failures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.bisecting.said import Said
from harness.bisecting.steps import MOST_UNUSABLE
from harness.statistics.binomial import Rate, clean_boots_to_exclude, lower_limit

FAILURES = 5
"""More make the limit tighter and the steps shorter, and take longer themselves."""

RAREST, SURE = 0.02, 0.95
MOST_CLEAN = clean_boots_to_exclude(RAREST, SURE)
"""Without a failure in so many boots there is nothing to bisect, or it is too rare to measure."""

MOST_BOOTS = 500

State = Literal["more", "measured", "no failure", "skip"]


@dataclass(frozen=True)
class Measured:
    """A rate that was measured.

    Attributes:
        failures, boots: boots that say nothing are not counted.
        low: the rate is less than that with the probability `error`.
    """

    failures: int
    boots: int
    low: float
    error: float

    def to_json(self) -> dict[str, Any]:
        return {
            "failures": self.failures,
            "boots": self.boots,
            "low": self.low,
            "confidence": 1 - self.error,
        }


def measuring(boots: Sequence[Said]) -> State:
    """Whether these boots of the bad version are enough.

    Returns:
        "skip" if `MOST_UNUSABLE` boots in a row said nothing; "no failure" if it does not fail.
    """
    row = 0
    for said in boots:
        row = row + 1 if said in {"other", "ours"} else 0
        if row >= MOST_UNUSABLE:
            return "skip"
    failures, passed = boots.count("bad"), boots.count("passed")
    if not failures:
        return "no failure" if passed >= MOST_CLEAN else "more"
    return "measured" if failures >= FAILURES or failures + passed >= MOST_BOOTS else "more"


def measured(boots: Sequence[Said], error: float) -> Measured:
    """The rate, from boots that are enough.

    Args:
        error: how probable it may be that the rate is less than `low`.
    """
    failures, passed = boots.count("bad"), boots.count("passed")
    low = lower_limit(Rate(failures, failures + passed), error)
    return Measured(failures, failures + passed, low, error)
