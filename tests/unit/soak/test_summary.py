"""All boots so far: rate, decision, clusters, injected boots; and their text."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from harness.soak.lines import Contents
from harness.soak.outcome import Outcome
from harness.soak.plan import Injection, SoakPlan, Until
from harness.soak.signature import Signature
from harness.soak.summary import decide, settled, summarise, to_json
from harness.soak.text import headline, places, report
from harness.statistics.binomial import Rate
from harness.statistics.sequential import StoppingRule

MakeOutcome = Callable[..., Outcome]

PANIC = {
    "panics": [{"kind": "xen panic", "cpu": 1, "rip": "mwait_idle_with_hints+0xd0/0xe0"}],
    "stage": "dom0-build",
}


@pytest.fixture
def hundred(outcome: MakeOutcome) -> Contents:
    """The soak of 2018: 29 hangs, and 2 panics, in 100 boots."""
    plan = SoakPlan("apu2", boots=100)
    kinds = ["HUNG"] * 29 + ["CRASHED"] * 2 + ["PASS"] * 69
    random.Random("order").shuffle(kinds)  # noqa: S311 -- a simulation
    made = {
        n: outcome(plan.boot(n), kind, **(PANIC if kind == "CRASHED" else {}))
        for n, kind in enumerate(kinds, 1)
    }
    return Contents(plan, dict.fromkeys(made, 1), made, sessions=1, seconds=3600.0)


def test_the_first_thing_on_the_screen(hundred: Contents) -> None:
    summary = summarise(hundred)
    assert headline(summary.clusters) == (
        "29 HUNG at `Brought up 4 CPUs`, 2 CRASHED: xen panic in mwait_idle_with_hints"
    )
    said = report(hundred.plan, summary).splitlines()
    assert said[0].startswith("apu2: 29 HUNG at `Brought up 4 CPUs`, 2 CRASHED")
    assert "31 of 100 boots failed: 31 % [22, 41]" in said
    assert any(line.startswith("  login: 22 s (22 to 22)") for line in said)
    assert summary.rate == summary.natural == Rate(31, 100)
    assert summary.boots_per_hour == 100
    assert all(one.distribution.count == 69 for one in summary.times)


def test_a_boot_counts_when_those_before_it_have_ended(
    plan: SoakPlan, outcome: MakeOutcome
) -> None:
    """Boot 2 hangs, and boots 3 and 4 have passed meanwhile."""
    made = {n: outcome(plan.boot(n)) for n in (1, 3, 4)}
    contents = Contents(plan, {1: 1, 2: 1, 3: 1, 4: 1}, made)
    summary = summarise(contents)
    assert [one.boot.number for one in settled(made)] == [1]
    assert summary.rate == Rate(0, 1)
    assert (summary.waiting, summary.unfinished, summary.ended) == ((3, 4), (2,), 3)
    assert "started earlier have ended: boot 3, 4" in report(plan, summary)
    newer = summarise(contents, {**made, 2: outcome(plan.boot(2), "HUNG")})
    assert (newer.rate, newer.waiting, newer.unfinished) == (Rate(1, 4), (), ())


def test_what_our_side_failed_counts_nowhere(plan: SoakPlan, outcome: MakeOutcome) -> None:
    kinds = ["PASS", "INFRA", "DIED", "HUNG"]
    made = {n: outcome(plan.boot(n), kind) for n, kind in enumerate(kinds, 1)}
    summary = summarise(Contents(plan, outcomes=made))
    assert (summary.rate, summary.ours, summary.waiting) == (Rate(1, 2), (2, 3), ())
    assert "because our side failed: 2 (boot 2, 3)" in report(plan, summary)
    assert headline(summary.clusters) == "1 HUNG at `Brought up 4 CPUs`"


def test_injected_boots_are_always_told(outcome: MakeOutcome) -> None:
    plan = SoakPlan("apu2", boots=60, seed=7, injection=Injection(0.2, ("ivhd", "mwait")))
    boots = [plan.boot(n) for n in range(1, 61)]
    made = {b.number: outcome(b, "HUNG" if b.injected else "PASS") for b in boots}
    summary = summarise(Contents(plan, outcomes=made))
    injected = sum(b.injected is not None for b in boots)
    assert 0 < injected < 60
    assert summary.rate == Rate(injected, 60)
    assert summary.natural == Rate(0, 60 - injected)
    assert sum(len(one.boots) for one in summary.injected) == injected
    said = report(plan, summary)
    for one in summary.injected:
        assert one.endings == (("HUNG at `Brought up 4 CPUs`", len(one.boots)),)
        assert f"injected: {one.recipe} into {len(one.boots)} boot" in said
    assert f"without the injected boots: none of {60 - injected} boots failed" in said


def test_where_cpu0_was_is_said_of_each_cluster(plan: SoakPlan, outcome: MakeOutcome) -> None:
    found = ["CPU0 in on_selected_cpus", "CPU0 in on_selected_cpus", "CPU0 asleep", None]
    outcomes = {
        number: outcome(
            plan.boot(number), "HUNG", forensics={"signature": where} if where else None
        )
        for number, where in enumerate(found, 1)
    }
    (one,) = summarise(Contents(plan, outcomes=outcomes)).clusters
    assert one.places == (("CPU0 in on_selected_cpus", 2), ("CPU0 asleep", 1))
    assert places(one) == "CPU0 in on_selected_cpus (2), CPU0 asleep (1)"
    del outcomes[3]
    (one,) = summarise(Contents(plan, outcomes=outcomes)).clusters
    assert places(one) == "CPU0 in on_selected_cpus (2 of 3 were looked at)"
    del outcomes[4]
    (one,) = summarise(Contents(plan, outcomes=outcomes)).clusters
    assert f"\n         {places(one)}\n" in report(
        plan, summarise(Contents(plan, outcomes=outcomes))
    )
    again = Signature.from_json(one.signature.to_json())
    assert again == one.signature
    assert again.where == "CPU0 in on_selected_cpus"


def test_a_soak_that_stops_by_itself(outcome: MakeOutcome) -> None:
    plan = SoakPlan("apu2", until=Until(1 / 30, 0.95), jobs=4)
    made = {n: outcome(plan.boot(n)) for n in range(1, 89)}
    rule = StoppingRule(1 / 30)
    assert decide(rule, made).answer == "undecided"
    assert "88 clean boots say nothing yet: 89 needed" in report(
        plan, summarise(Contents(plan, outcomes=made))
    )
    # Boots under way when it was decided do not change what was decided.
    more = {**made, 89: outcome(plan.boot(89)), 90: outcome(plan.boot(90), "HUNG")}
    assert decide(rule, more).answer == "below"
    summary = summarise(Contents(plan, outcomes=more))
    assert summary.rate == Rate(0, 89)
    assert summary.limits == pytest.approx(Rate(0, 89).interval(), abs=1e-6)
    said = report(plan, summary)
    assert "the rate is below 3.3 % (95 %, one-sided): 0 of 89 boots failed" in said
    assert said.startswith("apu2: 1 HUNG at")


def test_before_the_first_boot(plan: SoakPlan) -> None:
    summary = summarise(Contents(plan))
    assert report(plan, summary).startswith("apu2: no boot has ended")
    assert summary.boots_per_hour is None


def test_a_report_prints_nothing_that_a_terminal_acts_on(
    plan: SoakPlan, outcome: MakeOutcome
) -> None:
    bad = outcome(plan.boot(1), "HUNG", last_line="\x1b[2Jgone")
    summary = summarise(Contents(plan, outcomes={1: bad}))
    assert "\x1b" not in report(plan, summary)
    assert "\x1b" not in headline(summary.clusters)


def test_json(hundred: Contents) -> None:
    value = json.loads(json.dumps(to_json(summarise(hundred)), allow_nan=False))
    assert value["rate"] == {"failures": 31, "boots": 100, "value": 0.31}
    assert value["clusters"][0]["count"] == 29
    assert value["clusters"][1]["stages"] == {"dom0-build": 2}
    assert len(value["clusters"][0]["signature"]) == 10
    assert value["times"][0]["stage"] == "xen"


def simulated(truth: float, seconds: float, jobs: int, chance: random.Random) -> Rate:
    """A soak that starts no boot after so many seconds, and waits for those that run."""
    free, failures, boots = [0.0] * jobs, 0, 0
    while min(free) < seconds:
        bad = chance.random() < truth
        failures, boots = failures + bad, boots + 1
        job = free.index(min(free))
        free[job] += 120 if bad else 25
    return Rate(failures, boots)


@pytest.mark.parametrize("truth", [0.01, 1 / 30, 0.29])
@pytest.mark.parametrize("plan_of", ["boots", "hours"])
def test_intervals_of_1000_soaks_cover_the_truth(truth: float, plan_of: str) -> None:
    """Hangs take longer than boots that pass: with a time limit they cost boots."""
    chance = random.Random(f"{truth} {plan_of}")  # noqa: S311 -- a simulation
    covered, cache = 0, dict[Rate, tuple[float, float]]()
    for _ in range(1000):
        if plan_of == "hours":
            rate = simulated(truth, 3600, 2, chance)
        else:
            rate = Rate(sum(chance.random() < truth for _ in range(100)), 100)
        low, high = cache.setdefault(rate, rate.interval())
        covered += low <= truth <= high
    assert covered >= 950
