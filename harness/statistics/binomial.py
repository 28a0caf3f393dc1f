"""One failure rate: what so many failures in so many boots say about it.

Sources: C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the
case of the binomial", Biometrika 26 (1934) 404-413; limits as quantiles of the beta distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.errors import UsageError

Interval = tuple[float, float]
"""Lower and upper limit, both between 0 and 1."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rate:
    """So many failures in so many boots.

    Raises:
        UsageError: less than none, or more failures than boots.
    """

    failures: int
    boots: int

    def __post_init__(self) -> None:
        if not 0 <= self.failures <= self.boots:
            raise UsageError(
                f"{self.failures} failures in {self.boots} boots",
                expected="0 <= failures <= boots",
            )

    @property
    def value(self) -> float | None:
        """The share of boots that failed; None without a boot."""
        return self.failures / self.boots if self.boots else None

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """The exact two-sided interval (Clopper-Pearson); (0, 1) without a boot.

        It misses a true rate below it, and one above it, with at most (1 - confidence) / 2 each,
        whatever the rate is. That holds for a number of boots that was fixed before; for a soak
        that stops by what it sees, use `harness.statistics.sequential`.

        Raises:
            UsageError: `confidence` is not between 0 and 1.
        """
        tail = (1 - checked_confidence(confidence)) / 2
        return lower_limit(self, tail), upper_limit(self, tail)

    def at_most(self, confidence: float = CONFIDENCE) -> float:
        """The one-sided upper limit: 0 of 100 bounds the rate at 2.95 % with 95 %.

        Raises:
            UsageError: `confidence` is not between 0 and 1.
        """
        return upper_limit(self, 1 - checked_confidence(confidence))


def lower_limit(rate: Rate, tail: float) -> float:
    """The rate at which this many failures, or more, have the probability `tail`."""
    if rate.failures == 0:
        return 0.0
    from scipy.special import betaincinv  # noqa: PLC0415 -- half a second that most commands do not need

    return float(betaincinv(rate.failures, rate.boots - rate.failures + 1, tail))


def upper_limit(rate: Rate, tail: float) -> float:
    """The rate at which this many failures, or fewer, have the probability `tail`."""
    if rate.failures == rate.boots:
        return 1.0
    from scipy.special import betaincinv  # noqa: PLC0415 -- half a second that most commands do not need

    return float(betaincinv(rate.failures + 1, rate.boots - rate.failures, 1 - tail))


def clean_boots_to_exclude(rate: float, confidence: float = CONFIDENCE) -> int:
    """How many boots without a failure exclude that the rate is `rate` or more, one-sided.

    The smallest n with (1 - rate)^n <= 1 - confidence: 89 for 1/30, 9 for 29 %, both at 95 %.

    Raises:
        UsageError: one of them is not between 0 and 1.
    """
    checked_rate(rate)
    allowed = 1 - checked_confidence(confidence)
    boots = max(1, math.ceil(math.log(allowed) / math.log1p(-rate)))
    # The quotient of two rounded logarithms may be off by one where it is nearly whole, and
    # 0.5^3 is what 1 - 0.875 allows, but for the last bit.
    allowed *= 1 + 1e-12
    while boots > 1 and _clean(rate, boots - 1) <= allowed:
        boots -= 1
    while _clean(rate, boots) > allowed:
        boots += 1
    return boots


def _clean(rate: float, boots: int) -> float:
    return math.exp(boots * math.log1p(-rate))


def checked_confidence(confidence: float) -> float:
    """The confidence itself.

    Raises:
        UsageError: it is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise UsageError(f"confidence {confidence!r}", expected="between 0 and 1, such as 0.95")
    return confidence


def checked_rate(rate: float) -> float:
    """The rate itself.

    Raises:
        UsageError: it is not between 0 and 1, or too small for any soak.
    """
    if not SMALLEST_RATE <= rate < 1:
        raise UsageError(
            f"rate {rate!r}", expected=f"between 0 and 1, {SMALLEST_RATE:g} or more: 0.03, 3%, 1/30"
        )
    return rate


SMALLEST_RATE = 1e-6
"""Three million boots would be needed to exclude it: nobody boots so often."""
