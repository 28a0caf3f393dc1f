"""The search for the first bad version in an ordered list; some versions cannot be tested.

Both ends are tested first: a search between ends that do not behave as they are said to would end
at some version too, and be wrong. Then the middle of what is left; where it cannot be tested, the
nearest neighbour that can. Versions that cannot be tested stay suspects: they are never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.bisecting.steps import Answer, sure_of_good
from harness.errors import UsageError

Ended = Literal["found", "suspects", "good end is bad", "bad end is good", "end not testable"]


@dataclass(frozen=True)
class Answered:
    """What was found out about a version.

    Attributes:
        boots: that it took; of a good version, those that passed.
    """

    answer: Answer
    boots: int


@dataclass(frozen=True)
class Found:
    """What a search has come to.

    Attributes:
        how: "found": `first_bad` is it. "suspects": it is one of `suspects`, the others but the
            last cannot be tested. Otherwise an end does not behave as it was said to.
        first_bad: name of the first bad version; None if it is not known.
        last_good: the version before the suspects; None if no good one is known.
        suspects: names, in order; the last one is bad.
        confidence: that all versions that count as good are good; None where it does not matter.
    """

    how: Ended
    first_bad: str | None
    last_good: str | None
    suspects: tuple[str, ...]
    confidence: float | None


@dataclass(frozen=True)
class Bisection:
    """The state of a search; each answer makes a new one.

    Args:
        versions: in order, from the good end to the bad one; for the first version that works
            again, reverse them and call the failure good.
        rate: at which a bad version fails; lower end of its interval. 1 = always.
        check_ends: test the two ends before anything else.
        answers: by index, what is known.

    Raises:
        UsageError: fewer than two versions, or one of them twice.
    """

    versions: Sequence[str]
    rate: float = 1.0
    check_ends: bool = True
    answers: Mapping[int, Answered] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.versions) < 2:
            raise UsageError(
                f"{len(self.versions)} versions", expected="a good one and a bad one at least"
            )
        if len(set(self.versions)) < len(self.versions):
            twice = next(v for i, v in enumerate(self.versions) if v in self.versions[:i])
            raise UsageError(f"version {twice} is in the list twice")

    @property
    def _ends(self) -> tuple[tuple[int, Answer], ...]:
        # The bad end first: if it cannot be seen to fail, nothing else needs to be booted.
        return (len(self.versions) - 1, "bad"), (0, "good")

    @property
    def bounds(self) -> tuple[int, int]:
        """Index of the last version that is good, and of the first after it that is bad."""
        low = max((i for i in self._are("good")), default=0)
        high = min((i for i in self._are("bad")), default=len(self.versions) - 1)
        return low, high

    def next(self) -> int | None:
        """Index of the version to test now; None at the end of the search."""
        if self.check_ends:
            for end, wanted in self._ends:
                known = self.answers.get(end)
                if known is None:
                    return end
                if known.answer != wanted:
                    return None
        low, high = self.bounds
        left = [i for i in range(low + 1, high) if i not in self.answers]
        if not left:
            return None
        middle = (low + high) / 2
        return min(left, key=lambda i: (abs(i - middle), i))

    @property
    def steps_left(self) -> int:
        """The most answers that are still needed; versions that cannot be tested may add some."""
        if self.next() is None:
            return 0
        low, high = self.bounds
        ends = sum(end not in self.answers for end, _ in self._ends) if self.check_ends else 0
        left = sum(i not in self.answers for i in range(low + 1, high))
        return ends + left.bit_length()

    def answered(self, index: int, answer: Answer, boots: int = 1) -> Bisection:
        """The search with one answer more.

        Args:
            boots: that the answer took; of a good version, those that passed.

        Raises:
            UsageError: it is no version of this search, has its answer, or contradicts another
                one: then the versions are not good first and bad afterwards.
        """
        if not 0 <= index < len(self.versions):
            raise UsageError(
                f"there is no version {index}", expected=f"0 to {len(self.versions) - 1}"
            )
        name = self.versions[index]
        if index in self.answers:
            raise UsageError(f"{name} was {self.answers[index].answer} already")
        wrong = next(
            (
                other
                for other, known in self.answers.items()
                if (answer == "good" and known.answer == "bad" and other < index)
                or (answer == "bad" and known.answer == "good" and other > index)
            ),
            None,
        )
        if wrong is not None:
            raise UsageError(
                f"{name} is {answer}, and {self.versions[wrong]} is {self.answers[wrong].answer}",
                expected="good versions first, bad ones after them",
                hint="more than one change is involved, or a good answer was luck: more boots",
            )
        return replace(self, answers={**self.answers, index: Answered(answer, boots)})

    def found(self) -> Found | None:
        """What the search has come to; None while it goes on."""
        if self.next() is not None:
            return None
        wrong = self._wrong_end() if self.check_ends else None
        if wrong is not None:
            return Found(wrong, None, None, (), None)
        low, high = self.bounds
        suspects = tuple(self.versions[low + 1 : high + 1])
        only = len(suspects) == 1
        return Found(
            "found" if only else "suspects",
            suspects[0] if only else None,
            self.versions[low],
            suspects,
            self.confidence,
        )

    def _wrong_end(self) -> Ended | None:
        for end, wanted in self._ends:
            answer = self.answers[end].answer
            if answer == "skip":
                return "end not testable"
            if answer != wanted:
                return "bad end is good" if wanted == "bad" else "good end is bad"
        return None

    @property
    def confidence(self) -> float:
        """A lower limit of the probability that no bad version counts as good by luck.

        It is that of so many bad versions being seen to fail as versions count as good. What shows
        a version to be bad is certain.
        """
        return math.prod(
            sure_of_good(self.rate, known.boots)
            for known in self.answers.values()
            if known.answer == "good"
        )

    def _are(self, answer: Answer) -> list[int]:
        return [index for index, known in self.answers.items() if known.answer == answer]
