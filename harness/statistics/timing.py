"""Times of many boots: how they spread, which stand out, whether they drift. Seconds everywhere.

Sources: B. Iglewicz, D. C. Hoaglin, "How to Detect and Handle Outliers" (1993), the modified
z-score from the median absolute deviation, and 3.5 as its limit; C. Spearman's rank correlation;
P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from harness.statistics.binomial import CONFIDENCE, checked_confidence

OUTLIER = 3.5
"""Modified z-scores beyond this stand out."""

FEWEST = 8
"""With fewer boots, neither outliers nor drift are looked for."""

_MOST_PAIRED = 1000  # Theil-Sen looks at all pairs


@dataclass(frozen=True)
class Distribution:
    """How times spread.

    Attributes:
        p5, p95: quantiles, linear between neighbours.
        mad: median absolute deviation from the median.
    """

    count: int
    shortest: float
    p5: float
    median: float
    p95: float
    longest: float
    mad: float


@dataclass(frozen=True)
class Outlier:
    """A boot that took unlike the others.

    Attributes:
        score: modified z-score; negative for one that was fast.
    """

    boot: int
    seconds: float
    score: float


@dataclass(frozen=True)
class Drift:
    """Whether times change from the first boot to the last.

    Attributes:
        rho, p: Spearman's rank correlation with the number of the boot, and its p-value.
        slope: seconds per boot (Theil-Sen: the median over all pairs of boots).
        slope_interval: of the slope, at the confidence that was asked for.
    """

    rho: float
    p: float
    slope: float
    slope_interval: tuple[float, float]
    confidence: float

    @property
    def decided(self) -> bool:
        return self.p <= 1 - self.confidence


@dataclass(frozen=True)
class StageTimes:
    """The times of one stage over a soak; `drift` is None with fewer than `FEWEST` boots."""

    stage: str
    distribution: Distribution
    outliers: tuple[Outlier, ...]
    drift: Drift | None


def stage_durations(stages: Mapping[str, float | None]) -> dict[str, float]:
    """How long the way to each stage took, from the one reached before it, or from power-on.

    Args:
        stages: as in result.json: stage -> seconds since power-on, None where nobody knows.
    """
    known = [(name, at) for name, at in stages.items() if at is not None and math.isfinite(at)]
    durations, before = dict[str, float](), 0.0
    for name, at in sorted(known, key=lambda one: one[1]):
        durations[name] = at - before
        before = at
    return durations


def stage_times(
    boots: Mapping[int, Mapping[str, float]],
    confidence: float = CONFIDENCE,
    passed: frozenset[int] | None = None,
) -> tuple[StageTimes, ...]:
    """The times of all stages, in the order in which they were first seen.

    Args:
        boots: number of the boot -> its `stage_durations`.
        confidence: that no drift is seen in any stage where there is none (Bonferroni: each stage
            gets its part, or ten stages would show one in every third soak).
        passed: only these boots; None = all. The boots of a failure stop in the middle.

    Raises:
        UsageError: `confidence` is not between 0 and 1.
    """
    of_stage: dict[str, dict[int, float]] = {}
    for number in sorted(boots):
        if passed is None or number in passed:
            for stage, seconds in boots[number].items():
                of_stage.setdefault(stage, {})[number] = seconds
    checked_confidence(confidence)
    each = 1 - (1 - confidence) / max(1, len(of_stage))
    return tuple(
        StageTimes(stage, distribution(list(times.values())), outliers(times), drift(times, each))
        for stage, times in of_stage.items()
    )


def distribution(seconds: Sequence[float]) -> Distribution:
    """How times spread; at least one is needed.

    Raises:
        ValueError: there is none.
    """
    if not seconds:
        raise ValueError("no times")
    ordered = sorted(seconds)
    centre = median(ordered)
    return Distribution(
        len(ordered),
        ordered[0],
        _quantile(ordered, 0.05),
        centre,
        _quantile(ordered, 0.95),
        ordered[-1],
        median(abs(value - centre) for value in ordered),
    )


def outliers(times: Mapping[int, float], limit: float = OUTLIER) -> tuple[Outlier, ...]:
    """The boots whose time stands out, the farthest first.

    Where more than half of the times are the same, the mean absolute deviation takes the place of
    the median one, as Iglewicz and Hoaglin say.

    Args:
        times: number of the boot -> seconds.
    """
    if len(times) < FEWEST:
        return ()
    centre = median(times.values())
    deviations = [abs(value - centre) for value in times.values()]
    scale = median(deviations) / 0.6745 or 1.253314 * fmean(deviations)
    if not scale:
        return ()
    found = [Outlier(boot, value, (value - centre) / scale) for boot, value in times.items()]
    far = [one for one in found if abs(one.score) > limit]
    return tuple(sorted(far, key=lambda one: (-abs(one.score), one.boot)))


def drift(times: Mapping[int, float], confidence: float = CONFIDENCE) -> Drift | None:
    """Whether times change with the number of the boot; None with fewer than `FEWEST` boots.

    Args:
        times: number of the boot -> seconds.

    Raises:
        UsageError: `confidence` is not between 0 and 1.
    """
    checked_confidence(confidence)
    if len(times) < FEWEST:
        return None
    numbers = sorted(times)
    seconds = [times[number] for number in numbers]
    if len(set(seconds)) == 1:  # a correlation with a constant is not defined
        return Drift(0.0, 1.0, 0.0, (0.0, 0.0), confidence)
    from scipy.stats import spearmanr, theilslopes  # noqa: PLC0415 -- half a second that most commands do not need

    rank = spearmanr(numbers, seconds)
    every = -(-len(numbers) // _MOST_PAIRED)
    line = theilslopes(seconds[::every], numbers[::every], alpha=confidence)
    return Drift(
        float(rank.statistic),
        float(rank.pvalue),
        float(line.slope),
        (float(line.low_slope), float(line.high_slope)),
        confidence,
    )


Direction = Literal["slower", "faster", "steady"]


def direction(found: Drift | None) -> Direction:
    """What a drift comes to: "steady" unless it is decided."""
    if found is None or not found.decided:
        return "steady"
    return "slower" if found.rho > 0 else "faster"


def _quantile(ordered: Sequence[float], share: float) -> float:
    at = share * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])
