"""A against B: whether two failure rates differ, by how much, and how many boots would decide.

Sources: R. A. Fisher, "The Design of Experiments" (1935), the exact test; the odds ratio and its
interval are conditional on the margins, as in Fisher's test; the interval of the difference is
method 10 of R. G. Newcombe, "Interval estimation for the difference between independent
proportions", Statistics in Medicine 17 (1998) 873-890, out of two intervals of E. B. Wilson (1927).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from harness.statistics.binomial import CONFIDENCE, Interval, Rate, checked_confidence


@dataclass(frozen=True)
class Comparison:
    """Boots before (`a`) and after (`b`) a change.

    Attributes:
        p: of Fisher's exact test, two-sided; it is what decides.
        p_lower: of the one-sided test, whose question is only whether `b` fails less often. It may
            decide only if nobody would have believed, or reported, the opposite.
        p_higher: the same for more often.
        difference: rate of `b` less rate of `a`, -1 to 1; None if one of them has no boot.
        difference_interval: at `confidence` (Newcombe; nearly exact, so that in a close case it
            may disagree with `p`).
        odds_ratio: of `b` to `a` (conditional estimate): 1 = no difference, 0 = `b` never failed,
            inf = only `b` failed; None if none or all of both failed.
        odds_interval: exact, at `confidence`; its ends may be 0 and inf.
    """

    a: Rate
    b: Rate
    confidence: float
    p: float
    p_lower: float
    p_higher: float
    difference: float | None
    difference_interval: Interval
    odds_ratio: float | None
    odds_interval: Interval

    @property
    def decided(self) -> bool:
        """Whether the rates differ, at this confidence, by the two-sided test."""
        return self.p <= 1 - self.confidence

    @property
    def lowered(self) -> bool:
        """Whether `b` failed less often, decided or not."""
        return self.difference is not None and self.difference < 0


def compare(a: Rate, b: Rate, confidence: float = CONFIDENCE) -> Comparison:
    """Compare the boots before and after a change.

    Raises:
        UsageError: `confidence` is not between 0 and 1.
    """
    checked_confidence(confidence)
    before, after = a.value, b.value
    known = before is not None and after is not None
    ratio, odds = _odds(a, b, confidence)
    return Comparison(
        a,
        b,
        confidence,
        p=_fisher(a, b, "two-sided"),
        p_lower=_fisher(a, b, "less"),
        p_higher=_fisher(a, b, "greater"),
        difference=after - before if before is not None and after is not None else None,
        difference_interval=_difference(a, b, confidence) if known else (-1.0, 1.0),
        odds_ratio=ratio,
        odds_interval=odds,
    )


def boots_to_decide(
    a: Rate, b: Rate, confidence: float = CONFIDENCE, most: int = 100_000
) -> int | None:
    """With how many boots of `b` in all Fisher's test would decide, if `b` goes on as so far.

    `a` stays as it is; it may be so uncertain that no number of boots of `b` decides.

    Returns:
        About how many: at least as many as `b` has; None if more than `most`.

    Raises:
        UsageError: `confidence` is not between 0 and 1.
    """
    allowed = 1 - checked_confidence(confidence)
    share = b.value or 0.0

    def decides(boots: int) -> bool:
        return _fisher(a, Rate(min(boots, round(share * boots)), boots), "two-sided") <= allowed

    if decides(b.boots):
        return b.boots
    low, high = b.boots, max(8, b.boots)
    while not decides(high):
        low, high = high, 2 * high
        if low >= most:
            return None
    # Rounded counts of failures make it not quite monotone: "about" is all that is promised.
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high if high <= most else None


def _table(a: Rate, b: Rate) -> list[list[int]]:
    return [[b.failures, b.boots - b.failures], [a.failures, a.boots - a.failures]]


def _fisher(a: Rate, b: Rate, alternative: str) -> float:
    if not a.boots or not b.boots:
        return 1.0
    from scipy.stats import fisher_exact  # noqa: PLC0415 -- half a second that most commands do not need

    return min(1.0, float(fisher_exact(_table(a, b), alternative=alternative).pvalue))


def _odds(a: Rate, b: Rate, confidence: float) -> tuple[float | None, Interval]:
    failed = a.failures + b.failures
    if not a.boots or not b.boots or failed in {0, a.boots + b.boots}:
        return None, (0.0, math.inf)
    from scipy.stats.contingency import odds_ratio  # noqa: PLC0415 -- half a second that most commands do not need

    result = odds_ratio(_table(a, b), kind="conditional")
    limits = result.confidence_interval(confidence)
    return float(result.statistic), (float(limits.low), float(limits.high))


def _difference(a: Rate, b: Rate, confidence: float) -> Interval:
    before, after = a.failures / a.boots, b.failures / b.boots
    (low_a, high_a), (low_b, high_b) = _wilson(a, confidence), _wilson(b, confidence)
    difference = after - before
    return (
        max(-1.0, difference - math.hypot(after - low_b, high_a - before)),
        min(1.0, difference + math.hypot(high_b - after, before - low_a)),
    )


def _wilson(rate: Rate, confidence: float) -> Interval:
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, n = rate.failures / rate.boots, rate.boots
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
