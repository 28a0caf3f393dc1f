"""What a bisection is asked to be, and what has come out of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from harness.bisecting.measuring import MOST_CLEAN, RAREST, SURE, Measured
from harness.bisecting.said import BadIf
from harness.bisecting.search import Found
from harness.bisecting.steps import Answer
from harness.errors import (
    EXIT_BOARD_FAILED,
    EXIT_INFRA,
    EXIT_PASS,
    EXIT_USER,
    UsageError,
)
from harness.statistics.binomial import CONFIDENCE, Rate, checked_confidence, checked_rate
from harness.statistics.wording import boots, confidence_text, percent

SCHEMA = "harness-bisect/1"


@dataclass(frozen=True)
class Plan:
    """What a bisection is asked to be.

    Args:
        versions: names, from the good end to the bad one.
        confidence: that all answers are right.
        rate: at which a bad version fails; None = measured on the bad end.
        boots: that a good version must pass; None = as many as rate and confidence ask for.
        check_ends: test the two ends first.
        bad_if: the failure that is searched; None = any of the board.

    Raises:
        UsageError: one of them cannot be.
    """

    versions: tuple[str, ...]
    confidence: float = CONFIDENCE
    rate: float | None = None
    boots: int | None = None
    check_ends: bool = True
    bad_if: BadIf | None = None

    def __post_init__(self) -> None:
        checked_confidence(self.confidence)
        if self.rate is not None and self.rate != 1:
            checked_rate(self.rate)
        if self.boots is not None and self.boots < 1:
            raise UsageError(f"{self.boots} boots per step", expected="1 or more")

    def to_json(self) -> dict[str, Any]:
        searched = None if self.bad_if is None else str(self.bad_if)
        return {**asdict(self), "versions": list(self.versions), "bad_if": searched}


@dataclass(frozen=True)
class Tested:
    """A version that was tested.

    Attributes:
        passed, failed: boots that count; `boots` all of them.
        reason: how it failed, or why it cannot be tested; None for a good one.
        unbootable: it could not be booted at all: a package or file is missing, or does not fit.
    """

    version: str
    answer: Answer
    passed: int
    failed: int
    boots: int
    reason: str | None = None
    unbootable: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Report:
    """What has come out of a bisection.

    Attributes:
        found: None if it was interrupted.
        tested: in the order in which they were.
        left: the versions among which the first bad one is; empty if nothing can be said.
        needed: boots that a good version passed.
        measured: the rate on the bad end; None if it was given, or does not matter.
    """

    plan: Plan
    found: Found | None
    tested: tuple[Tested, ...]
    left: tuple[str, ...]
    needed: int
    measured: Measured | None = None

    @property
    def confidence(self) -> float | None:
        """A lower limit of the probability that the answer is right; None if it is not known."""
        if self.found is None or self.found.confidence is None:
            return None
        if self.measured is not None:
            return max(0.0, self.found.confidence - self.measured.error)
        return self.found.confidence if self.plan.rate is not None else None

    @property
    def skipped(self) -> tuple[Tested, ...]:
        return tuple(one for one in self.tested if one.answer == "skip")

    @property
    def exit_code(self) -> int:
        """0 found, 1 an end contradicts, 2 or 3 an end cannot be tested, 3 interrupted."""
        if self.found is None:
            return EXIT_INFRA
        if self.found.how in {"found", "suspects"}:
            return EXIT_PASS
        if self.found.how == "end not testable":
            return EXIT_USER if self.tested[-1].unbootable else EXIT_INFRA
        return EXIT_BOARD_FAILED

    def to_json(self) -> dict[str, Any]:
        found = self.found
        return {
            "schema": SCHEMA,
            "how": found.how if found else "interrupted",
            "first_bad": found.first_bad if found else None,
            "last_good": found.last_good if found else None,
            "suspects": list(self.left),
            "confidence": self.confidence,
            "rate": self._rate(),
            "boots_per_step": self.needed,
            "skipped": [{"version": one.version, "reason": one.reason} for one in self.skipped],
            "tested": [one.to_json() for one in self.tested],
            "asked": self.plan.to_json(),
        }

    def _rate(self) -> dict[str, Any] | None:
        if self.measured is not None:
            return {"from": "measured", **self.measured.to_json()}
        return None if self.plan.rate is None else {"from": "--rate", "low": self.plan.rate}

    def text(self) -> str:
        """The answer for a person, several lines."""
        return "\n".join([self._answer(), *self._sure(), *self._skips()])

    def _answer(self) -> str:
        found, versions = self.found, self.plan.versions
        if found is None:
            return f"interrupted; the first bad version is one of: {', '.join(self.left)}"
        if found.how == "found":
            return f"first bad version: {found.first_bad} (the last good one is {found.last_good})"
        if found.how == "suspects":
            return (
                f"the first bad version is one of: {', '.join(found.suspects)} "
                f"(the last good one is {found.last_good})"
            )
        if found.how == "end not testable":
            one = self.tested[-1]
            return f"nothing found: {one.version}, an end, cannot be tested: {one.reason}"
        if found.how == "good end is bad":
            return f"nothing found: {versions[0]}, the good end, is bad: {self.tested[-1].reason}"
        return f"nothing found: {versions[-1]}, the bad end, is good: {self._clean_end()}"

    def _clean_end(self) -> str:
        passed = self.tested[-1].passed
        told = f"{boots(passed)} passed"
        if self.plan.rate is None and self.plan.boots is None and passed >= MOST_CLEAN:
            told += (
                f", so that it fails in less than {percent(RAREST)} % ({confidence_text(SURE)}); "
                "for a rarer failure, give --rate"
            )
        return told

    def _sure(self) -> list[str]:
        found = self.found
        if found is None or found.how not in {"found", "suspects"}:
            return []
        rows = []
        if self.confidence is not None:
            rows.append(f"  confidence {confidence_text(self.confidence)} or more: {self._why()}")
        else:
            excluded = Rate(0, self.needed).at_most(self.plan.confidence)
            rows.append(
                f"  good versions passed {boots(self.needed)}, so that they fail in less than "
                f"{percent(excluded)} % ({confidence_text(self.plan.confidence)}, each)"
                if self.needed > 1
                else "  one boot for each version: right if a bad version fails every time"
            )
        if not self.plan.check_ends:
            rows.append("  the ends were not checked")
        return rows

    def _why(self) -> str:
        passed = f"a good version passed {boots(self.needed)}"
        if self.measured is not None:
            one = self.measured
            return (
                f"{passed}, a bad one fails in {percent(one.low)} % or more "
                f"({one.failures} of {one.boots})"
            )
        return f"{passed}, a bad one fails in {percent(self.plan.rate or 1)} %, as --rate says"

    def _skips(self) -> list[str]:
        return [f"  skipped {one.version}: {one.reason}" for one in self.skipped]
