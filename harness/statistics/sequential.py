"""When a soak may stop, and what it may say then, although it looked after every boot.

Whoever looks after each boot and stops when a fixed-sample interval looks good is wrong more often
than he says. `StoppingRule` is a closed test of one question: is the failure rate below or above R?

- "below" is said at one point (n, k) for each number of failures k: the first boot n at which the
  probability, at rate R, of all "below" points up to this one stays within what may be spent. For
  k = 0 all of 1 - confidence may be spent: n is the number of clean boots that exclude R (89 for
  1/30 at 95 %). What rounding up to whole boots left of it is spent on k >= 1, 1/(k (k + 1)) of it
  for each k.
- "above" is said at the k-th failure if it comes early enough, with (1 - confidence)/(k (k + 1))
  to be spent for each k.

Proof of the error rates. Let the outcomes be in this order: "below", earlier ones first; then what
is not decided at the end, by its failures; then "above", later ones first. Take two series of boots
where the second fails wherever the first one does: its count is never smaller, so it meets no
"below" point before the first one does, and it meets an "above" point at the latest with the first
one. So its outcome is never earlier in this order, and every upper tail of outcomes becomes more
probable with the rate. Hence "below" is wrong with at most 1 - confidence for every rate >= R, and
"above" for every rate <= R. For the same reason the two-sided interval, got by inverting both tails
of this order, covers the true rate with at least `confidence`, wherever it stops, and also when it
is ended from outside at a number of boots that does not depend on the outcomes.

Sources: C. Jennison, B. W. Turnbull, "Confidence intervals for a binomial parameter following a
multistage test with application to MIL-STD 105D", Technometrics 25 (1983) 49-58; D. Siegmund,
"Estimation following sequential tests", Biometrika 65 (1978) 341-349 (the order of outcomes);
K. K. G. Lan, D. L. DeMets, "Discrete sequential boundaries", Biometrika 70 (1983) 659-663.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.statistics.binomial import (
    CONFIDENCE,
    Interval,
    checked_confidence,
    checked_rate,
    clean_boots_to_exclude,
)

Answer = Literal["below", "above", "undecided"]


@dataclass(frozen=True)
class Decision:
    """What a series of boots has decided.

    Attributes:
        answer: whether the failure rate is below or above the rate of the rule.
        boots, failures: up to the decision; what came after it is not in them.
    """

    answer: Answer
    boots: int
    failures: int


class StoppingRule:
    """Stops a soak when it is known on which side of `rate` the failure rate is.

    Args:
        rate: 1/30 = "is it below 1 in 30?".
        confidence: of "below", of "above", and of the interval.

    Raises:
        UsageError: one of them is not between 0 and 1.
    """

    def __init__(self, rate: float, confidence: float = CONFIDENCE) -> None:
        self.rate = checked_rate(rate)
        self.confidence = checked_confidence(confidence)
        self._walk = _Walk(rate, 1 - confidence)

    @property
    def clean_boots(self) -> int:
        """After how many boots without any failure it says "below"."""
        return clean_boots_to_exclude(self.rate, self.confidence)

    def decide(self, failed: Iterable[bool]) -> Decision:
        """What the boots say, in the order of their numbers; stops reading at the decision.

        The order must be that in which they were *started*: a boot that hangs ends later than one
        that passes, so that the order in which they end is biased towards passing. Leave out boots
        that our side failed; end the series before the first one that still runs.
        """
        failures = boots = 0
        for bad in failed:
            boots += 1
            failures += bad
            self._walk.go_to(boots)
            if self._walk.below.get(failures, math.inf) <= boots:
                return Decision("below", boots, failures)
            if self._walk.above.get(boots, math.inf) <= failures:
                return Decision("above", boots, failures)
        return Decision("undecided", boots, failures)

    def interval(self, decision: Decision) -> Interval:
        """The two-sided interval of the failure rate at the confidence of the rule.

        It covers the truth as often as it says, early stopping included. After a clean run it is
        that of Clopper and Pearson.

        Raises:
            UsageError: the rule cannot have come to this decision.
        """
        if decision.boots == 0:
            return 0.0, 1.0
        tails = self._tails(decision)
        tail = (1 - self.confidence) / 2
        return _root(tails.at_least, tail, 0.0), _root(lambda p: -tails.at_most(p), -tail, 1.0)

    def _tails(self, decision: Decision) -> _Tails:
        n, k = decision.boots, decision.failures
        walk = self._walk
        if walk.boots != n:
            walk = _Walk(self.rate, 1 - self.confidence)
            walk.go_to(n)
        stops = [s for s in walk.stops if s.boots <= n]
        here = next((s for s in stops if (s.boots, s.failures) == (n, k)), None)
        alive = walk.alive_at(k) if here is None else True
        if not alive or decision.answer != (here.answer if here else "undecided"):
            raise UsageError(
                f"{decision.answer} after {k} failures in {n} boots",
                expected="a decision that this rule has made",
            )
        below = [s.point for s in stops if s.answer == "below"]
        above = [s.point for s in stops if s.answer == "above"]
        open_ = walk.open_points()
        if here is None:
            lower = below + [p for p in open_ if p[1] <= k]
            upper = above + [p for p in open_ if p[1] >= k]
            return _Tails(self.rate, lower, upper, complement=False)
        if here.answer == "below":
            first = [p for p in below if p[:2] <= (n, k)]
            return _Tails(self.rate, first, [p for p in first if p[:2] != (n, k)], complement=True)
        last = [p for p in above if p[:2] <= (n, k)]
        return _Tails(
            self.rate, [p for p in last if p[:2] != (n, k)], last, complement=True, above=True
        )


# Boots, failures, and the logarithm of the probability to come here at the rate of the rule.
_Point = tuple[int, int, float]


@dataclass(frozen=True)
class _Stop:
    answer: Answer
    boots: int
    failures: int
    logp: float

    @property
    def point(self) -> _Point:
        return self.boots, self.failures, self.logp


class _Walk:
    """The probabilities of all counts of failures at the rate of the rule, boot by boot.

    Attributes:
        below: failures -> the boot at which so many say "below".
        above: boot -> the failures that say "above" there, if they are reached there.
    """

    def __init__(self, rate: float, allowed: float) -> None:
        self.boots = 0
        self.below: dict[int, int] = {}
        self.above: dict[int, int] = {}
        self.stops: list[_Stop] = []
        self._rate, self._allowed = rate, allowed
        self._floor = 0  # the smallest count that is not stopped
        self._ceiling = 1  # the count that says "above", as soon as it is reached
        # Probability of each count from the floor to below the ceiling.
        self._alive: NDArray[np.float64] = np.ones(1)
        self._spent_below = self._spent_above = 0.0
        self._left = 0.0  # of what "below" may spend, after the clean run

    def go_to(self, boots: int) -> None:
        while self.boots < boots:
            self._step()

    def alive_at(self, failures: int) -> bool:
        return self._floor <= failures < self._floor + len(self._alive)

    def open_points(self) -> list[_Point]:
        return [
            (self.boots, self._floor + i, math.log(p)) for i, p in enumerate(self._alive) if p > 0
        ]

    def _step(self) -> None:
        self.boots += 1
        after = np.zeros(len(self._alive) + 1)
        after[:-1] = self._alive * (1 - self._rate)
        after[1:] += self._alive * self._rate
        self._alive = after
        self._stop_above()
        self._stop_below()

    def _stop_above(self) -> None:
        top = self._floor + len(self._alive) - 1
        while self._ceiling <= top:
            mass = float(self._alive[-1])
            budget = self._allowed * self._ceiling / (self._ceiling + 1)
            if self._spent_above + mass > budget:
                self._ceiling += 1
                continue
            self._spent_above += mass
            self._end("above", top, mass)
            self._alive = self._alive[:-1]
            break
        self.above[self.boots] = self._ceiling

    def _stop_below(self) -> None:
        while len(self._alive):
            mass = float(self._alive[0])
            if not self._floor:
                budget = self._allowed
            else:
                budget = self._allowed - self._left / (self._floor + 1)
            # The sum of roundings must not forbid the clean run its last boot.
            if self._spent_below + mass > budget * (1 + 1e-12):
                return
            self._spent_below += mass
            if not self._floor:
                self._left = max(0.0, self._allowed - mass)
            self.below[self._floor] = self.boots
            self._end("below", self._floor, mass)
            self._alive = self._alive[1:]
            self._floor += 1

    def _end(self, answer: Answer, failures: int, mass: float) -> None:
        if mass > 0:
            self.stops.append(_Stop(answer, self.boots, failures, math.log(mass)))


class _Tails:
    """P(this outcome or an earlier one) and P(this one or a later one), for any true rate.

    Args:
        lower, upper: the points whose probabilities make the two tails; with `complement` one of
            them is what the tail lacks: `upper` for "below", `lower` for "above".
    """

    def __init__(
        self,
        rate: float,
        lower: list[_Point],
        upper: list[_Point],
        *,
        complement: bool,
        above: bool = False,
    ) -> None:
        self._rate = rate
        self._lower, self._upper = _columns(lower), _columns(upper)
        self._less_lower, self._less_upper = complement and above, complement and not above

    def at_most(self, p: float) -> float:
        total = self._sum(self._lower, p)
        return 1 - total if self._less_lower else total

    def at_least(self, p: float) -> float:
        total = self._sum(self._upper, p)
        return 1 - total if self._less_upper else total

    def _sum(self, points: NDArray[np.float64], p: float) -> float:
        if not points.size:
            return 0.0
        from scipy.special import logsumexp  # noqa: PLC0415 -- half a second that most commands do not need

        boots, failures, logp = points
        tilt = failures * math.log(p / self._rate)
        tilt = tilt + (boots - failures) * (math.log1p(-p) - math.log1p(-self._rate))
        return float(math.exp(min(0.0, float(logsumexp(logp + tilt)))))


def _columns(points: list[_Point]) -> NDArray[np.float64]:
    return np.array(points, dtype=np.float64).reshape(len(points), 3).T


_EDGE = 1e-12


def _root(rising: Callable[[float], float], level: float, otherwise: float) -> float:
    """Where a rising function of a rate passes `level`; `otherwise` if it never does."""
    low, high = _EDGE, 1 - _EDGE
    if rising(low) >= level or rising(high) <= level:
        return otherwise
    while high - low > 1e-12 + 1e-9 * low:
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) >= level else (middle, high)
    return (low + high) / 2
