"""A soak with boots that are simulated: every boot counts once, whatever happens to the soak."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.board import load
from harness.errors import InfraError, UsageError
from harness.request import BootRequest
from harness.soak.injection import recipes
from harness.soak.journal import Journal, read_journal
from harness.soak.lines import Contents
from harness.soak.outcome import Outcome
from harness.soak.plan import Injection, SoakPlan, Until
from harness.soak.running import INTERRUPTED, Soak, Tasks, Watch
from harness.soak.summary import summarise
from tests.unit.soak.simulated import Killed, Script, Simulated

REQUEST = BootRequest(board=load("apu2"), method="multiboot")


def tasks(folder: Path) -> Tasks:
    return Tasks(REQUEST, folder, recipes=recipes())


def run(folder: Path, plan: SoakPlan, executor: Simulated, watch: Watch | None = None) -> str:
    """The soak from its start; it ends before the journal is closed."""
    with Journal.create(folder, plan) as journal:
        return Soak(journal, executor, tasks(folder), watch).run()


def resume(folder: Path, executor: Simulated, watch: Watch | None = None) -> str:
    with Journal.resume(folder) as journal:
        return Soak(journal, executor, tasks(folder), watch).run()


def picking(chosen: Iterator[int]) -> Callable[[int], int]:
    return lambda count_of_running: next(chosen) % count_of_running


def passing(_: int) -> str:
    return "PASS"


def every(nth: int, verdict: str) -> Script:
    return lambda number: verdict if number % nth == 0 else "PASS"


def verdicts(contents: Contents) -> dict[int, str]:
    return {number: one.signature.verdict for number, one in contents.outcomes.items()}


def test_all_boots_in_order_so_many_at_a_time(tmp_path: Path) -> None:
    executor = Simulated(3, every(4, "HUNG"))
    assert run(tmp_path, SoakPlan("apu2", boots=10), executor) == "all boots have ended"
    assert executor.started == list(range(1, 11))
    assert executor.most == 3
    assert executor.closed
    found = read_journal(tmp_path)
    assert verdicts(found) == {n: "HUNG" if n % 4 == 0 else "PASS" for n in range(1, 11)}
    assert found.ended == "all boots have ended"


@settings(max_examples=40, deadline=None)
@given(
    boots=st.integers(1, 25),
    jobs=st.integers(1, 5),
    picks=st.lists(st.integers(0, 4), min_size=40, max_size=40),
    kills=st.lists(st.integers(1, 12), max_size=6),
    leaves=st.booleans(),
    twice=st.booleans(),
    bad=st.sets(st.integers(1, 25)),
)
def test_killed_anywhere_and_resumed_no_boot_is_lost_or_counted_twice(
    boots: int,
    jobs: int,
    picks: list[int],
    kills: list[int],
    leaves: bool,
    twice: bool,
    bad: set[int],
) -> None:
    def script(number: int) -> str:
        return "HUNG" if number in bad else "PASS"

    def choices(until: int | None) -> Iterator[int]:
        for step in count(1):
            if step == until:
                raise Killed
            yield picks[step % len(picks)]

    with tempfile.TemporaryDirectory() as name:
        folder, killed = Path(name), 0
        plan = SoakPlan("apu2", boots=boots, jobs=jobs, seed=7)
        for until in [*kills, None]:
            chosen = choices(until)
            executor = Simulated(jobs, script, picking(chosen), twice=twice, leaves=leaves)
            before = read_journal(folder).outcomes if killed else {}
            try:
                _ = resume(folder, executor) if killed else run(folder, plan, executor)
            except Killed:
                killed += 1
                assert before.items() <= read_journal(folder).outcomes.items()
                continue
            break
        found = read_journal(folder)
        assert verdicts(found) == {n: script(n) for n in range(1, boots + 1)}
        assert found.repeated == 0
        assert found.unfinished == ()
        summary = summarise(found)
        assert summary.rate.boots == boots
        assert summary.rate.failures == len([n for n in bad if n <= boots])
        assert all(one.boot == plan.boot(n) for n, one in found.outcomes.items())


def test_a_boot_that_had_ended_when_the_soak_was_killed_is_not_booted_again(tmp_path: Path) -> None:
    def die(_: int) -> int:
        raise Killed

    with pytest.raises(Killed):
        run(
            tmp_path,
            SoakPlan("apu2", boots=3, jobs=2),
            Simulated(2, every(2, "HUNG"), die, leaves=True),
        )
    assert read_journal(tmp_path).outcomes == {}
    executor = Simulated(2, passing)
    resume(tmp_path, executor)
    assert executor.started == [3]
    found = read_journal(tmp_path)
    assert verdicts(found) == {1: "PASS", 2: "HUNG", 3: "PASS"}
    assert found.outcomes[2].run_folder == str(tmp_path / "runs" / "00002")
    result = json.loads((tmp_path / "runs" / "00001" / "result.json").read_text())
    assert result["soak"] == {"boot": 1, "seed": found.outcomes[1].boot.seed, "injected": None}
    assert (tmp_path / "runs" / "00001" / "console.raw.gz").exists()
    assert (tmp_path / "runs" / "00002" / "console.raw").exists()


@pytest.mark.parametrize("left", ["", "{", '{"verdict": "INFRA"}', '{"verdict": "DIED"}', "[]"])
def test_what_is_no_result_is_booted_again(tmp_path: Path, left: str) -> None:
    plan = SoakPlan("apu2", boots=1)
    with Journal.create(tmp_path, plan) as journal:
        journal.start(plan.boot(1))
    folder = tmp_path / "runs" / "00001"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(left)
    executor = Simulated(1, passing)  # it sees that the folder is gone
    resume(tmp_path, executor)
    assert executor.started == [1]
    assert verdicts(read_journal(tmp_path)) == {1: "PASS"}


def test_an_interruption_keeps_what_has_ended(tmp_path: Path) -> None:
    steps = count(1)

    def interrupted(_: int) -> int:
        if next(steps) == 4:
            raise KeyboardInterrupt
        return 0

    executor = Simulated(2, passing, interrupted)
    assert run(tmp_path, SoakPlan("apu2", boots=9, jobs=2), executor) == INTERRUPTED
    assert executor.closed
    found = read_journal(tmp_path)
    assert sorted(found.outcomes) == [1, 2, 3]
    assert found.ended == INTERRUPTED
    assert found.unfinished == (4, 5)
    again = Simulated(2, passing)
    resume(tmp_path, again)
    assert again.started == list(range(4, 10))


def test_a_worker_that_dies_counts_nowhere_and_its_boot_is_not_lost(tmp_path: Path) -> None:
    run(tmp_path, SoakPlan("apu2", boots=10), Simulated(2, every(5, "killed")))
    summary = summarise(read_journal(tmp_path))
    assert summary.ours == (5, 10)
    assert (summary.ended, summary.rate.boots, summary.rate.failures) == (10, 8, 0)


@pytest.mark.parametrize(("verdict", "cause"), [("INFRA", "boot 3 with"), ("killed", "SIGKILL")])
def test_a_broken_set_up_ends_the_soak_soon_and_says_why(
    tmp_path: Path, verdict: str, cause: str
) -> None:
    executor = Simulated(1, lambda _: verdict)
    with pytest.raises(InfraError, match=f"the first 3 boots.*{cause}") as caught:
        run(tmp_path, SoakPlan("apu2", boots=1000), executor)
    assert "harness soak resume" in str(caught.value.hint)
    assert executor.started == [1, 2, 3]
    assert executor.closed


def test_a_set_up_that_breaks_in_the_night_ends_it_too(tmp_path: Path) -> None:
    executor = Simulated(1, lambda number: "PASS" if number <= 5 else "DIED")
    with pytest.raises(InfraError, match="the last 10 boots"):
        run(tmp_path, SoakPlan("apu2", boots=1000), executor)
    assert len(executor.started) == 15


def test_now_and_then_a_failure_of_ours_does_not_end_it(tmp_path: Path) -> None:
    run(tmp_path, SoakPlan("apu2", boots=40), Simulated(1, every(2, "INFRA")))
    assert len(read_journal(tmp_path).outcomes) == 40


def test_what_cannot_be_booted_is_an_error_of_the_user(tmp_path: Path) -> None:
    executor = Simulated(1, lambda _: "refused")
    with pytest.raises(UsageError, match="boot 1 cannot be done: there is no such file"):
        run(tmp_path, SoakPlan("apu2", boots=5), executor)
    assert executor.closed
    assert read_journal(tmp_path).unfinished == (1,)


def test_it_stops_when_the_answer_is_known(tmp_path: Path) -> None:
    plan = SoakPlan("apu2", boots=200, until=Until(1 / 10, 0.95), jobs=4)
    executor = Simulated(4, passing, picking(count()))
    assert run(tmp_path, plan, executor).startswith("the answer is known: below")
    summary = summarise(read_journal(tmp_path))
    assert summary.decision is not None
    assert (summary.decision.answer, summary.decision.boots) == ("below", 29)
    # What ran beyond it was ended, and is neither lost nor counted.
    assert len(executor.started) <= 29 + 3 * 4
    again = Simulated(4, passing)
    assert resume(tmp_path, again).startswith("the answer is known")
    assert again.started == []


def test_a_boot_that_still_runs_keeps_later_ones_from_counting(tmp_path: Path) -> None:
    seen: list[int] = []

    class Looking(Watch):
        def ended(self, outcome: Outcome) -> None:
            seen.append(outcome.boot.number)

    # The first boot hangs, and ends as the last of its four.
    executor = Simulated(4, lambda n: "HUNG" if n == 1 else "PASS", lambda n: n - 1)
    plan = SoakPlan("apu2", boots=40, until=Until(1 / 2, 0.9), jobs=4)
    run(tmp_path, plan, executor, Looking())
    # Four clean boots exclude 1/2 at 90 %, but the first boot was not clean.
    assert seen.index(1) > 4
    decision = summarise(read_journal(tmp_path)).decision
    assert decision is not None
    assert decision.failures == 1


def test_no_boot_is_started_after_its_hours(tmp_path: Path) -> None:
    now = 0.0

    def boot(_: int) -> int:
        nonlocal now
        now += 600
        return 0

    executor = Simulated(2, passing, boot)
    with Journal.create(tmp_path, SoakPlan("apu2", hours=1, jobs=2), lambda: now) as journal:
        soak = Soak(journal, executor, tasks(tmp_path), clock=lambda: now)
        assert soak.run() == "its time is over"
    found = read_journal(tmp_path)
    # At 3600 s one still runs, and is waited for.
    assert sorted(found.outcomes) == list(range(1, 8))
    again = Simulated(2, passing)
    with Journal.resume(tmp_path, clock=lambda: now) as journal:
        assert Soak(journal, again, tasks(tmp_path), clock=lambda: now).run() == "its time is over"
    assert again.started == []


def test_injected_boots_have_their_recipe(tmp_path: Path) -> None:
    seen: dict[int, str | None] = {}

    class Looking(Simulated):
        def submit(self, task):  # type: ignore[no-untyped-def]  # as its base
            seen[task["number"]] = task["injected"] and task["injected"]["id"]
            super().submit(task)

    names = ("no-iommu", "low-memory")
    plan = SoakPlan("apu2", boots=40, seed=3, injection=Injection(0.3, names))
    run(tmp_path, plan, Looking(1, passing))
    assert seen == {n: plan.boot(n).injected for n in range(1, 41)}
    assert set(seen.values()) == {None, *names}
