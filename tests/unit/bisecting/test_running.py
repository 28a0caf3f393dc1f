"""Bisections with simulated boots: flaky rates, failures of our own, versions without a package."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bisecting.events import Event
from harness.bisecting.measuring import FAILURES, MOST_CLEAN
from harness.bisecting.report import Plan, Report
from harness.bisecting.running import Boot, bisect
from harness.bisecting.said import BadIf
from harness.errors import InputError, SourceError, TargetDied, UsageError

NAMES = tuple(f"4.17.{number}" for number in range(12))


def result(verdict: str, cause: str = "", ending: str = "goal") -> dict[str, Any]:
    return {"verdict": verdict, "cause": cause, "ending": {"kind": ending}}


@dataclass
class Board:
    """A board whose versions from `first` on fail at `rate`; boots of our own fail at `infra`."""

    first: int
    rate: float = 1.0
    infra: float = 0.0
    seed: int = 0
    gone: Mapping[int, Exception] = field(default_factory=dict)
    names: tuple[str, ...] = NAMES
    booted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 -- a simulation

    def __call__(self, version: str, number: int) -> Mapping[str, Any]:
        self.booted[version] += 1
        assert number == self.booted[version]
        index = self.names.index(version)
        if index in self.gone:
            raise self.gone[index]
        if self.chance.random() < self.infra:
            raise TargetDied("killed")
        if index >= self.first and self.chance.random() < self.rate:
            return result("HUNG", "after smp", "silence")
        return result("PASS")


def run(board: Boot, **asked: Any) -> tuple[Report, list[Event]]:
    events: list[Event] = []
    return bisect(Plan(**{"versions": NAMES, **asked}), board, events.append), events


class TestWhatAlwaysFails:
    @pytest.mark.parametrize("first", range(1, 12))
    def test_is_found_with_one_boot_for_each_version(self, first: int) -> None:
        board = Board(first)
        report, events = run(board, boots=1)
        assert report.to_json()["first_bad"] == NAMES[first]
        assert report.to_json()["last_good"] == NAMES[first - 1]
        assert set(board.booted.values()) == {1}
        assert len(board.booted) <= 6
        assert report.exit_code == 0
        # Nobody said that it fails every time.
        assert report.confidence is None
        assert "right if a bad version fails every time" in report.text()
        assert [e.kind for e in events] == ["boot", "answer"] * len(board.booted)

    def test_with_its_rate_given_is_certain(self) -> None:
        board = Board(5)
        report, _ = run(board, rate=1.0)
        assert (report.left, report.confidence, report.needed) == ((NAMES[5],), 1.0, 1)

    def test_two_versions_are_only_checked(self) -> None:
        report, _ = run(Board(1, names=NAMES[:2]), versions=NAMES[:2], boots=1)
        assert report.left == (NAMES[1],)


class TestWhatFailsSometimes:
    @pytest.mark.parametrize("seed", range(8))
    def test_is_found_after_its_rate_was_measured(self, seed: int) -> None:
        board = Board(7, rate=0.4, infra=0.03, seed=seed)
        report, events = run(board, confidence=0.999)
        assert report.left == (NAMES[7],)
        assert report.confidence is not None
        assert report.confidence >= 0.999
        assert report.measured is not None
        assert report.measured.failures == FAILURES
        assert report.needed > 1
        kinds = Counter(event.kind for event in events)
        assert kinds == {"boot": board.booted.total(), "rate": 1, "answer": len(report.tested)}
        good = [one for one in report.tested if one.answer == "good"]
        assert {one.passed for one in good} == {report.needed}

    def test_as_often_as_the_confidence_says(self) -> None:
        right = 0
        for seed in range(400):
            report, _ = run(Board(6, rate=0.3, seed=seed), rate=0.3, confidence=0.9)
            right += report.left == (NAMES[6],)
        # Binomial: fewer than 340 of 400 at 0.9 has a probability of 0.0007.
        assert right >= 340

    def test_one_bad_boot_settles_a_version(self) -> None:
        board = Board(1, rate=1.0)
        report, _ = run(board, rate=0.05)
        bad = [one for one in report.tested if one.answer == "bad"]
        assert bad
        assert {one.boots for one in bad} == {1}

    def test_too_few_boots_would_have_found_another_version(self) -> None:
        """So the number of boots is what makes the answer right, and not luck."""
        wrong = 0
        for seed in range(50):
            report, _ = run(Board(6, rate=0.3, seed=seed), boots=1)
            wrong += report.left != (NAMES[6],)
        assert wrong > 25

    def test_progress_counts_boots_and_steps(self) -> None:
        _, events = run(Board(3, seed=2), rate=0.5)
        texts = [event.text() for event in events]
        assert texts[0] == "step 1 of about 6: 4.17.11, boot 1 of 7: HUNG: after smp"
        assert texts[1] == "step 1: 4.17.11 is bad, 1 of 1 boot failed"
        assert texts[2] == "step 2 of about 6: 4.17.0, boot 1 of 7: PASS"
        assert texts[9] == "step 2: 4.17.0 is good, 7 boots passed"

    def test_fixed_boots_say_what_they_exclude(self) -> None:
        report, _ = run(Board(3), boots=9)
        assert "good versions passed 9 boots, so that they fail in less than 28 %" in report.text()


class TestEnds:
    def test_swapped_ends_are_seen_at_the_first_boot(self) -> None:
        board = Board(6)
        report, _ = run(board, versions=tuple(reversed(NAMES)))
        assert report.to_json()["how"] == "good end is bad"
        assert board.booted.total() == 1
        assert report.exit_code == 1
        assert "4.17.11, the good end, is bad: HUNG: after smp" in report.text()

    @pytest.mark.parametrize("asked", [{"boots": 3}, {"rate": 0.5}, {}])
    def test_a_bad_end_that_passes(self, asked: dict[str, Any]) -> None:
        board = Board(99)
        report, _ = run(board, **asked)
        assert report.to_json()["how"] == "bad end is good"
        assert report.exit_code == 1
        assert board.booted[NAMES[11]] == {"boots": 3, "rate": 7}.get(
            next(iter(asked), ""), MOST_CLEAN
        )
        assert ("for a rarer failure, give --rate" in report.text()) == (not asked)

    def test_are_not_booted_when_they_need_not_be(self) -> None:
        board = Board(6)
        report, _ = run(board, boots=1, check_ends=False)
        assert report.left == (NAMES[6],)
        assert not {NAMES[0], NAMES[11]} & set(board.booted)
        assert "the ends were not checked" in report.text()

    def test_the_rate_is_measured_although_they_are_not_checked(self) -> None:
        board = Board(6)
        report, _ = run(board, check_ends=False)
        assert board.booted[NAMES[11]] == FAILURES
        assert board.booted[NAMES[0]] == 0
        assert report.left == (NAMES[6],)

    @pytest.mark.parametrize("asked", [{"boots": 3}, {"rate": 0.5}, {}])
    @pytest.mark.parametrize("end", [0, 11])
    @pytest.mark.parametrize(
        ("bad", "code"), [(InputError("no such file"), 2), (SourceError("no network"), 3)]
    )
    def test_that_cannot_be_booted(
        self, asked: dict[str, Any], end: int, bad: Exception, code: int
    ) -> None:
        board = Board(6, gone={end: bad})
        report, _ = run(board, **asked)
        assert report.to_json()["how"] == "end not testable"
        assert report.exit_code == code
        assert str(bad) in report.text()
        assert board.booted[NAMES[end]] == (1 if code == 2 else 3)


class TestVersionsThatCannotBeTested:
    def test_a_neighbour_is(self) -> None:
        board = Board(6, gone={5: UsageError("no such package")})
        report, _ = run(board, boots=1)
        # 4.17.6 is bad, 4.17.4 good; 4.17.5 may be either.
        assert report.to_json()["how"] == "suspects"
        assert report.left == (NAMES[5], NAMES[6])
        assert report.exit_code == 0
        text = report.text()
        assert "the first bad version is one of: 4.17.5, 4.17.6" in text
        assert "skipped 4.17.5: no such package" in text
        assert board.booted[NAMES[5]] == 1

    def test_those_that_do_not_matter_are_only_named(self) -> None:
        board = Board(9, gone={5: UsageError("no such package")})
        report, _ = run(board, boots=1)
        assert report.left == (NAMES[9],)
        assert [one.version for one in report.skipped] == [NAMES[5]]

    def test_our_own_failures_are_never_good_or_bad(self) -> None:
        board = Board(6, infra=1.0)
        report, _ = run(board, boots=1)
        assert report.to_json()["how"] == "end not testable"
        assert board.booted == {NAMES[11]: 3}
        assert "DIED: killed" in report.text()

    def test_a_verdict_that_says_nothing_is_not_counted(self) -> None:
        def board(version: str, number: int) -> dict[str, Any]:
            del number
            return result("INCOMPLETE" if version == NAMES[3] else "PASS")

        report, _ = run(board, boots=1, check_ends=False)
        assert NAMES[3] in {one.version for one in report.skipped} or report.left != (NAMES[3],)


class TestOneFailureAmongOthers:
    def test_another_failure_is_not_counted(self) -> None:
        def board(version: str, number: int) -> dict[str, Any]:
            if NAMES.index(version) >= 6 and number % 2 == 0:
                return result("HUNG", "after smp", "silence")
            if number % 3 == 2:
                return result("CRASHED", "mwait_idle", "stopped")
            return result("PASS")

        report, events = run(board, boots=6, bad_if=BadIf("HUNG"))
        assert report.left == (NAMES[6],)
        assert any("another failure: not counted" in event.text() for event in events)

    def test_a_version_that_always_fails_otherwise_is_skipped(self) -> None:
        def board(version: str, number: int) -> dict[str, Any]:
            del number
            index = NAMES.index(version)
            if index == 5:
                return result("CRASHED", "panic", "stopped")
            return result("HUNG", "x", "silence") if index >= 6 else result("PASS")

        report, _ = run(board, boots=1, bad_if=BadIf("HUNG"))
        assert report.left == (NAMES[5], NAMES[6])
        assert report.skipped[0].reason == "CRASHED: panic"


class TestInterrupted:
    @pytest.mark.parametrize("after", [0, 1, 3])
    @pytest.mark.parametrize("how", ["raised", "told"])
    def test_what_is_known_is_told(self, after: int, how: str) -> None:
        board = Board(6)

        def boot(version: str, number: int) -> Mapping[str, Any]:
            if board.booted.total() == after:
                if how == "raised":
                    raise KeyboardInterrupt
                return result("INFRA", "interrupted by the user", "interrupted")
            return board(version, number)

        report, events = run(boot, boots=1)
        assert report.exit_code == 3
        assert report.to_json()["how"] == "interrupted"
        assert NAMES[6] in report.left
        assert len(report.tested) == after
        assert sum(event.kind == "boot" for event in events) == after
        assert report.text().startswith("interrupted; the first bad version is one of: 4.17.")


@given(st.data())
@settings(max_examples=60)
def test_whatever_happens_it_ends_and_does_not_lie(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 12))
    names = NAMES[:count]
    first = data.draw(st.integers(1, count - 1))
    wrongs: Callable[[], Exception] = lambda: InputError("gone")  # noqa: E731
    gone = {i: wrongs() for i in data.draw(st.sets(st.integers(0, count - 1), max_size=4))}
    infra = data.draw(st.sampled_from([0.0, 0.2, 1.0]))
    board = Board(first, 1.0, infra, data.draw(st.integers(0, 99)), gone, names)
    asked: dict[str, Any] = data.draw(st.sampled_from([{"boots": 1}, {"rate": 1.0}, {}]))
    report, events = run(board, versions=names, **asked)
    assert report.found is not None
    if report.found.how in {"found", "suspects"}:
        assert names[first] in report.left
        assert all(one.answer == "bad" for one in report.tested if one.version == report.left[-1])
    else:
        assert report.found.how == "end not testable"
    assert all(event.to_json() is not None and event.text() for event in events)
