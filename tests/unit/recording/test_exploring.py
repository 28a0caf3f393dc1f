"""Schedules: the same ones for the same seed, until one fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.board import load
from harness.errors import UsageError
from harness.recording.exploring import (
    SHIFTS,
    Schedule,
    Tried,
    cpu_counts,
    explore,
    parse_schedule,
    schedules,
)
from harness.recording.telling import recipe, tried_line, tried_summary
from harness.request import BootRequest

numbers = st.builds(
    Schedule, st.integers(0, 10), st.integers(1, 255), st.none() | st.integers(0, 2**64 - 1)
)


@given(numbers)
def test_a_schedule_is_read_as_it_is_printed(one: Schedule) -> None:
    assert parse_schedule(str(one)) == one


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "shift=11,cpus=1",
        "shift=1,cpus=0",
        "shift=1",
        "shift=1,cpus=1,seed=-1",
        "shift=1,cpus=1,seed=18446744073709551616",
        "shift=1,cpus=1,",
        "cpus=1,shift=1",
    ],
)
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(UsageError, match="example"):
        parse_schedule(text)


@given(st.integers(1, 60), st.lists(st.integers(1, 8), min_size=1), st.integers(0, 2**32))
def test_different_ones_and_the_same_for_a_seed(count: int, cpus: list[int], seed: int) -> None:
    found = list(schedules(count, cpus, seed))
    assert found == list(schedules(count, cpus, seed))
    assert len(set(found)) == len(found) == count
    assert all(one.shift in SHIFTS and one.cpus in cpus for one in found)


def test_other_seeds_give_others() -> None:
    assert list(schedules(5, [4], 1)) != list(schedules(5, [4], 2))


def test_a_static_tree_names_all_cpus() -> None:
    assert list(cpu_counts(BootRequest(load("apu2")))) == [1, 2, 3, 4]
    assert list(cpu_counts(BootRequest(load("zcu102-smp")))) == [4]


def run(verdicts: list[str], out: Path | None = None) -> tuple[list[Tried], list[BootRequest]]:
    asked: list[BootRequest] = []

    def boot(request: BootRequest) -> dict[str, Any]:
        asked.append(request)
        verdict = verdicts[len(asked) - 1]
        return {"verdict": verdict, "cause": "why", "stage": "xen", "run_folder": "/runs/x"}

    chosen = schedules(len(verdicts), range(1, 5), 1)
    return list(explore(BootRequest(load("apu2"), out=out), chosen, boot)), asked


def test_it_ends_at_the_first_that_fails(tmp_path: Path) -> None:
    tried, asked = run(["PASS", "DIED", "HUNG", "PASS"], tmp_path)
    assert [one.verdict for one in tried] == ["PASS", "DIED", "HUNG"]
    assert [one.out for one in asked] == [tmp_path / name for name in ("001", "002", "003")]
    said = tried_summary(tried)
    assert "1 of 3 boots ended by our side's doing" in said
    assert "schedule 3 failed, after 1 that passed" in said


def test_none_that_fails_says_what_that_excludes() -> None:
    tried, _ = run(["PASS"] * 9 + ["INFRA"])
    said = tried_summary(tried)
    assert "none of 9 schedules failed" in said
    assert "28 % of such" in said


def test_nothing_that_could_be_judged() -> None:
    tried, _ = run(["INFRA"])
    assert "no schedule could be judged" in tried_summary(tried)


def test_the_recipe_is_a_command() -> None:
    one = Tried(Schedule(3, 1, 7), "HUNG", "silent", "acpi", "/runs/a b")
    assert "HUNG  silent" in tried_line(1, one)
    said = recipe(one, ["harness", "record", "apu2", "--schedule", str(one.schedule)])
    assert "harness record apu2 --schedule shift=3,cpus=1,seed=7" in said
    assert "harness rerun '/runs/a b'" in said
    more = Tried(Schedule(3, 2, 7), "HUNG", "silent", "acpi", "/runs/a")
    assert "harness rerun" not in recipe(more, ["harness"])
