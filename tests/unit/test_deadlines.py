from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import deadlines
from harness.board.model import Deadlines
from harness.bootlog import STAGES
from harness.deadlines import StageClock, host_slowness

STAGE_IDS = STAGES["x86"]
# From xen to acpi 10 s; a stage that is not named has 60 s.
LIMITS = Deadlines(boot=100, silence=5, stages={"firmware": 8, "acpi": 10})


@pytest.fixture(autouse=True)
def _idle_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "host_slowness", lambda: 1.0)


def clock(scale: float = 1.0) -> StageClock:
    return StageClock(LIMITS, STAGE_IDS, scale)


def late(
    now: float,
    silent_for: float,
    *,
    stage: str | None = "xen",
    times: dict[str, float] | None = None,
    scale: float = 1.0,
) -> str | None:
    ending = clock(scale).late(stage, {"xen": 20.0} if times is None else times, now, silent_for)
    return None if ending is None else ending.kind


@pytest.mark.parametrize(
    ("now", "silent_for", "ending"),
    [
        (25, 4, None),
        (25, 5, None),  # silent, and acpi is not due
        (30, 10, None),  # due within 10 s: now is the last moment
        (30.1, 10.1, "silence"),
        (50, 4.9, None),  # acpi is overdue, and the board talks
        (50, 5, "silence"),
        (100, 0, None),
        (100.1, 0, "deadline"),  # it talks, and the whole boot is overdue
        (100.1, 4.9, "deadline"),
        (100.1, 5, "silence"),
    ],
)
def test_late_is_silent_and_past(now: float, silent_for: float, ending: str | None) -> None:
    assert late(now, silent_for) == ending


@given(now=st.floats(0, 300), silent=st.floats(0, 300), reached=st.floats(0, 100))
def test_silence_alone_and_lateness_alone_are_no_hang(
    now: float, silent: float, reached: float
) -> None:
    ending = late(now, silent, times={"xen": reached})
    overdue = now - reached > 10 or now > 100
    assert (ending == "silence") == (overdue and silent >= 5)
    assert (ending == "deadline") == (now > 100 and silent < 5)


def test_before_the_first_stage_time_runs_from_power_on() -> None:
    assert late(8, 8, stage=None, times={}) is None
    assert late(8.1, 8.1, stage=None, times={}) == "silence"
    ending = clock().late(None, {}, 9, 9)
    assert ending is not None
    assert ending.detail == (
        "silent for 9 s; firmware was due within 8 s of power-on (all deadlines x 1.0)"
    )


def test_a_stage_without_a_deadline_has_a_minute() -> None:
    times = {"acpi": 20.0}
    assert late(80, 30, stage="acpi", times=times) is None
    assert late(80.1, 30, stage="acpi", times=times) == "silence"


def test_nothing_is_due_after_the_last_stage() -> None:
    assert late(1e6, 1e6, stage="login", times={}) is None


def test_the_scale_stretches_all_three() -> None:
    assert late(60, 9.9, scale=2.0) is None  # silent for less than 2 x 5
    assert late(40, 20, scale=2.0) is None  # due within 2 x 10
    assert late(40.1, 20, scale=2.0) == "silence"
    assert late(200, 0, scale=2.0) is None  # the boot has 2 x 100
    assert late(200.1, 0, scale=2.0) == "deadline"
    assert late(21.1, 0.5, scale=0.1) == "silence"


def test_a_slow_host_stretches_them_and_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = clock(2.0)
    monkeypatch.setattr(deadlines, "host_slowness", lambda: 3.0)
    assert slow.stretch() == 6.0
    monkeypatch.setattr(deadlines, "host_slowness", lambda: 1.0)
    assert slow.stretch() == 6.0
    times = {"xen": 0.0}
    assert slow.late("xen", times, 60, 60) is None
    ending = slow.late("xen", times, 60.1, 60.1)
    assert ending is not None
    assert "within 60 s of xen (all deadlines x 6.0)" in ending.detail


def test_a_board_that_goes_silent_is_found_at_the_first_moment_it_can_be() -> None:
    """A board that is silent from 23 s on, watched four times a second."""
    watch, now = clock(), 20.0
    while watch.late("xen", {"xen": 20.0}, now, max(0.0, now - 23.0)) is None:
        now += 0.25
    assert now == 30.25


def test_a_board_that_talks_has_until_the_end() -> None:
    watch, now = clock(), 20.0
    while (ending := watch.late("xen", {"xen": 20.0}, now, 0.1)) is None:
        now += 0.25
    assert now == 100.25
    assert ending.kind == "deadline"
    assert "acpi was not reached within the 100 s of the whole boot" in ending.detail


@pytest.mark.parametrize(
    ("load", "cpus", "slowness"),
    [(0.0, 2, 1.0), (2.0, 2, 1.0), (5.0, 2, 2.5), (1000.0, 2, 8.0), (3.0, 1, 3.0)],
)
def test_slowness_is_load_per_cpu(
    load: float, cpus: int, slowness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The function that the fixture above puts aside.
    measure: Callable[[], float] = host_slowness
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr("harness.deadlines._CPUS", cpus)
    assert measure() == slowness


def test_a_host_that_does_not_say_is_not_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError

    monkeypatch.setattr(os, "getloadavg", refuse)
    assert host_slowness() == 1.0
