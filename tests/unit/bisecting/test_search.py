"""The search for the first bad version: it finds it, says how sure it is, and never guesses."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bisecting.search import Bisection, Found
from harness.bisecting.steps import Answer, boots_per_step, worst_steps
from harness.errors import UsageError

NAMES = [f"4.17.{number}" for number in range(20)]


def run(search: Bisection, test: Callable[[int], Answer], boots: int = 1) -> tuple[Found, int]:
    """What comes out, and how many versions were tested."""
    steps = 0
    while (index := search.next()) is not None:
        assert search.steps_left >= 1
        assert search.found() is None
        search = search.answered(index, test(index), boots)
        steps += 1
        assert steps <= len(search.versions)
    found = search.found()
    assert found is not None
    assert search.steps_left == 0
    return found, steps


@given(st.integers(2, 200).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1))))
def test_the_first_bad_version_is_found(case: tuple[int, int]) -> None:
    count, first = case
    names = [str(number) for number in range(count)]
    found, steps = run(Bisection(names), lambda i: "bad" if i >= first else "good")
    assert found == Found("found", str(first), str(first - 1), (str(first),), 1.0)
    assert steps <= worst_steps(count - 1) + 2


@given(st.data())
def test_what_cannot_be_tested_is_never_guessed(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 40))
    first = data.draw(st.integers(1, count - 1))
    skipped = data.draw(st.sets(st.integers(1, count - 2))) if count > 2 else set[int]()
    names = [str(number) for number in range(count)]

    def test(index: int) -> Answer:
        return "skip" if index in skipped else "bad" if index >= first else "good"

    found, _ = run(Bisection(names), test)
    low = max(i for i in range(first) if i not in skipped)
    high = min(i for i in range(first, count) if i not in skipped)
    assert found.suspects == tuple(names[low + 1 : high + 1])
    assert found.last_good == names[low]
    assert found.how == ("found" if high - low == 1 else "suspects")
    assert found.first_bad == (names[first] if high - low == 1 else None)


def test_the_neighbour_of_a_version_that_cannot_be_tested() -> None:
    search = Bisection(NAMES[:11], check_ends=False)
    assert search.next() == 5
    search = search.answered(5, "skip")
    assert search.next() == 4
    search = search.answered(4, "skip")
    assert search.next() == 6


@pytest.mark.parametrize(
    ("answers", "how"),
    [
        ({19: "good"}, "bad end is good"),
        ({19: "skip"}, "end not testable"),
        ({19: "bad", 0: "bad"}, "good end is bad"),
        ({19: "bad", 0: "skip"}, "end not testable"),
    ],
)
def test_ends_that_do_not_behave(answers: dict[int, Answer], how: str) -> None:
    """Without an end that fails, and one that does not, any result would be a lie."""
    found, steps = run(Bisection(NAMES), answers.__getitem__)
    assert found == Found(how, None, None, (), None)  # type: ignore[arg-type]
    assert steps == len(answers)


def test_ends_need_not_be_tested() -> None:
    found, steps = run(Bisection(NAMES, check_ends=False), lambda i: "bad" if i >= 7 else "good")
    assert found.first_bad == "4.17.7"
    assert steps <= worst_steps(19)
    assert run(Bisection(NAMES[:2], check_ends=False), lambda _: "bad") == (
        Found("found", "4.17.1", "4.17.0", ("4.17.1",), 1.0),
        0,
    )


@pytest.mark.parametrize(("rate", "confidence"), [(0.29, 0.95), (0.1, 0.9)])
def test_1000_searches_for_a_flaky_failure(rate: float, confidence: float) -> None:
    """With the boots that follow from rate and confidence, so many are right as were promised."""
    boots = boots_per_step(rate, confidence, Bisection(NAMES).steps_left)
    chance, right = random.Random(f"bisect {rate}"), 0  # noqa: S311 -- a simulation
    few = 0
    for _ in range(1000):
        first = chance.randrange(1, 20)

        def seen(index: int, times: int, first: int = first) -> Answer:
            failed = index >= first and any(chance.random() < rate for _ in range(times))
            return "bad" if failed else "good"

        found, _ = run(Bisection(NAMES, rate), lambda i: seen(i, boots), boots)
        right += found.first_bad == NAMES[first]
        assert found.confidence is None or found.confidence >= confidence
        few += run(Bisection(NAMES, rate), lambda i: seen(i, 3), 3)[0].first_bad == NAMES[first]
    assert right >= 1000 * confidence
    assert few < 1000 * confidence  # and with three boots each they would not


def test_few_boots_make_little_confidence() -> None:
    found, _ = run(Bisection(NAMES, rate=0.29), lambda i: "bad" if i >= 10 else "good", boots=2)
    assert found.confidence is not None
    assert found.confidence < 0.3


def test_answers_that_contradict() -> None:
    search = Bisection(NAMES).answered(19, "bad").answered(0, "good").answered(10, "good")
    with pytest.raises(UsageError, match=r"4\.17\.5 is bad, and 4\.17\.10 is good"):
        search.answered(5, "bad")
    with pytest.raises(UsageError, match=r"4\.17\.10 was good already"):
        search.answered(10, "good")
    with pytest.raises(UsageError, match="no version 20"):
        search.answered(20, "good")
    assert search.answered(5, "good").bounds == (10, 19)


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b", "a"]])
def test_lists_that_cannot_be_searched(names: list[str]) -> None:
    with pytest.raises(UsageError):
        Bisection(names)
