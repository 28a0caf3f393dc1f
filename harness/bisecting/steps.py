"""How many boots a version needs before it counts as good, and what its boots say of it.

A failure proves a version bad. Boots that pass prove nothing, they only make it unlikely: a version
that fails at rate r passes n boots with probability (1 - r)^n. With s steps whose answers must all
be right with confidence c, each may be wrong with 1 - c^(1/s), so n = ln(1 - c^(1/s)) / ln(1 - r).

The rate is measured, and may be less than it looks: take the lower end of its interval. It must be
the rate of the failure that is searched, and of no other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from harness.bisecting.said import Said
from harness.errors import UsageError
from harness.statistics.binomial import checked_confidence, checked_rate, clean_boots_to_exclude

State = Literal["good", "bad", "skip", "more"]
Answer = Literal["good", "bad", "skip"]

MOST_UNUSABLE = 3
"""So many boots in a row that say nothing of a version, and it is skipped."""


def worst_steps(versions: int) -> int:
    """The most answers that a search needs among `versions` candidates for the first bad one."""
    return max(0, versions - 1).bit_length()


def boots_per_step(rate: float, confidence: float, steps: int) -> int:
    """How many boots must pass before a version counts as good; 1 for a rate of 1.

    Args:
        rate: at which a bad version fails, 0 to 1.
        confidence: that all steps together are right.
        steps: answers that are needed; see `worst_steps`.

    Raises:
        UsageError: rate or confidence are not between 0 and 1, or there are no steps.
    """
    checked_confidence(confidence)
    if steps < 1:
        raise UsageError(f"{steps} steps", expected="1 or more")
    if rate == 1:
        return 1
    checked_rate(rate)
    # 1 - c^(1/s), without losing digits where c is close to 1.
    wrong = -math.expm1(math.log(confidence) / steps)
    return clean_boots_to_exclude(rate, 1 - wrong)


def sure_of_good(rate: float, boots: int) -> float:
    """The probability that a version which fails at `rate` is seen to fail within so many boots.

    Raises:
        UsageError: `rate` is not between 0 and 1.
    """
    if rate == 1:
        return 1.0 if boots else 0.0
    return -math.expm1(boots * math.log1p(-checked_rate(rate)))


def judge_version(boots: Iterable[Said], needed: int) -> State:
    """What the boots of one version say of it.

    Boots that failed otherwise, and those that our side failed, are not counted: they were no
    chance for the failure to show.

    Args:
        boots: in order.
        needed: so many must pass.

    Returns:
        "bad" at the first failure that is searched. "skip" if `MOST_UNUSABLE` boots in a row said
        nothing. "more" if nothing is known yet.
    """
    passed = row = 0
    for said in boots:
        if said == "bad":
            return "bad"
        if said == "passed":
            passed += 1
            row = 0
        else:
            row += 1
        if row >= MOST_UNUSABLE:
            return "skip"
        if passed >= needed:
            return "good"
    return "more"
