"""Runs a bisection: boots versions until the first bad one is known.

How a version is booted is given, so that all of this runs without a board. Everything that is found
out is told at once, as an `Event`: a journal and a person see the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.bisecting.events import Answered, Booted, Event, RateKnown
from harness.bisecting.measuring import Measured, measured, measuring
from harness.bisecting.report import Plan, Report, Tested
from harness.bisecting.said import Said, said_by
from harness.bisecting.search import Bisection, Ended, Found
from harness.bisecting.steps import Answer, boots_per_step, judge_version, worst_steps
from harness.errors import InfraError, TargetDied, UserError
from harness.verdict import Kind

Boot = Callable[[str, int], Mapping[str, Any]]
"""Boots a version for the n-th time and gives its result (of result.json). A UserError says that
this version cannot be booted; an InfraError, that our side failed."""


class _Interrupted(Exception):  # noqa: N818 -- the user's wish is no error
    """The user wants to end."""


@dataclass(frozen=True)
class _Unbootable:
    """Why a version cannot be booted at all."""

    reason: str


def bisect(plan: Plan, boot: Boot, tell: Callable[[Event], None] = lambda _: None) -> Report:
    """Boot versions until the first bad one is known, or the user interrupts.

    Args:
        tell: gets every event as it happens.

    Raises:
        Whatever `boot` raises, but UserError, InfraError and KeyboardInterrupt.
    """
    return _Run(plan, boot, tell).run()


class _Run:
    def __init__(self, plan: Plan, boot: Boot, tell: Callable[[Event], None]) -> None:
        self.plan = plan
        self._boot_it, self._tell = boot, tell
        self._said: dict[int, list[Said]] = {}
        self._why: dict[int, str] = {}
        self._tested: list[Tested] = []
        self._measured: Measured | None = None
        self._needed = plan.boots or 1
        self._search = Bisection(plan.versions, plan.rate or 1.0, plan.check_ends)

    def run(self) -> Report:
        found: Found | None = None
        try:
            found = self._prepare()
            while found is None:
                index = self._search.next()
                if index is None:
                    found = self._search.found()
                else:
                    self._step(index)
        except (_Interrupted, KeyboardInterrupt):
            found = None
        low, high = self._search.bounds
        left = found.suspects if found else self.plan.versions[low + 1 : high + 1]
        return Report(
            self.plan, found, tuple(self._tested), tuple(left), self._needed, self._measured
        )

    def _prepare(self) -> Found | None:
        """How many boots a version needs; what is found out if that cannot be said."""
        plan = self.plan
        steps = max(1, worst_steps(len(plan.versions) - 1) + plan.check_ends)
        if plan.boots is not None:
            return None
        if plan.rate is not None:
            self._needed = boots_per_step(plan.rate, plan.confidence, steps)
            return None
        # A good and a bad end that were swapped are seen at once, and not after a hundred boots.
        if plan.check_ends:
            unbootable = self._boot(0, 1, 1)
            if unbootable:
                return self._wrong_end(0, "skip", "end not testable", unbootable)
            if "bad" in self._said[0]:
                return self._wrong_end(0, "bad", "good end is bad")
        found = self._measure()
        if self._measured is None:
            return found
        rate, half = self._measured.low, self._measured.error
        self._needed = boots_per_step(rate, 1 - half, steps)
        self._search = Bisection(plan.versions, rate, plan.check_ends)
        last = len(plan.versions) - 1
        self._conclude(last, "bad", None)
        self._tell(RateKnown(self._measured, self._needed))
        return None

    def _measure(self) -> Found | None:
        last = len(self.plan.versions) - 1
        said = self._said.setdefault(last, [])
        while (state := measuring(said)) == "more":
            unbootable = self._boot(last, len(said) + 1, None)
            if unbootable:
                return self._wrong_end(last, "skip", "end not testable", unbootable)
        if state == "skip":
            return self._wrong_end(last, "skip", "end not testable")
        if state == "no failure":
            return self._wrong_end(last, "good", "bad end is good")
        # One half of what may go wrong is left for the rate, the other for the answers.
        self._measured = measured(said, (1 - self.plan.confidence) / 2)
        return None

    def _wrong_end(
        self, index: int, answer: Answer, how: Ended, unbootable: _Unbootable | None = None
    ) -> Found:
        self._tested.append(self._answer(index, answer, unbootable))
        return Found(how, None, None, (), None)

    def _step(self, index: int) -> None:
        said = self._said.setdefault(index, [])
        unbootable = None
        while unbootable is None and (state := judge_version(said, self._needed)) == "more":
            unbootable = self._boot(index, said.count("passed") + 1, self._needed)
        self._conclude(index, "skip" if unbootable or state == "more" else state, unbootable)

    def _conclude(self, index: int, answer: Answer, unbootable: _Unbootable | None) -> None:
        tested = self._answer(index, answer, unbootable)
        self._tested.append(tested)
        counted = tested.passed if answer == "good" else len(self._said[index])
        self._search = self._search.answered(index, answer, counted)

    def _answer(self, index: int, answer: Answer, unbootable: _Unbootable | None) -> Tested:
        said = self._said.get(index, [])
        reason = unbootable.reason if unbootable else self._why.get(index)
        if answer == "good":
            reason = None
        tested = Tested(
            self.plan.versions[index],
            answer,
            said.count("passed"),
            said.count("bad"),
            len(said),
            reason,
            unbootable is not None,
        )
        self._tell(Answered(tested, *self._progress()))
        return tested

    def _boot(self, index: int, number: int, of: int | None) -> _Unbootable | None:
        """Boot a version once more, and keep what it says.

        Args:
            number: of the boot among those that are needed.
            of: how many are; None = not known yet.
        """
        version = self.plan.versions[index]
        said = self._said.setdefault(index, [])
        try:
            result = self._boot_it(version, len(said) + 1)
        except UserError as bad:
            return _Unbootable(bad.message if bad.where is None else f"{bad.where}: {bad.message}")
        except InfraError as bad:
            kind = Kind.DIED if isinstance(bad, TargetDied) else Kind.INFRA
            result = bad.result or {"verdict": str(kind), "cause": bad.message}
        if (result.get("ending") or {}).get("kind") == "interrupted":
            raise _Interrupted
        what = said_by(result, self.plan.bad_if)
        said.append(what)
        if what != "passed":
            self._why[index] = f"{result.get('verdict')}: {result.get('cause')}"
        self._tell(Booted.of_result(result, what, version, number, of, *self._progress()))
        return None

    def _progress(self) -> tuple[int, int]:
        """Number of this step, and how many there will be about."""
        done = len(self._search.answers)
        return done + 1, done + self._search.steps_left
