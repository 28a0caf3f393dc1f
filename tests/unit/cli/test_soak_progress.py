"""What a person sees while a soak runs: a table on a terminal, a line for each boot elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.report.soak import SoakProgress
from harness.soak.lines import Contents
from harness.soak.outcome import Outcome
from harness.soak.plan import Injection, SoakPlan

PLAN = SoakPlan("apu2", boots=20, seed=7, injection=Injection(0.5, ("no-iommu",)))


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def outcome(number: int, verdict: str, last_line: str = "(XEN) Brought up 4 CPUs") -> Outcome:
    boot = PLAN.boot(number)
    result = {"verdict": verdict, "stage": "smp", "last_line": last_line, "stages": {"xen": 1.0}}
    return Outcome.of(boot, {**result, "seconds": 12.5})


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass."""
    clock = 1000.0

    def passes(seconds: float) -> None:
        nonlocal clock
        clock += seconds

    monkeypatch.setattr("harness.report.soak.time.monotonic", lambda: clock)
    return passes


def test_a_line_for_each_boot_where_nobody_looks() -> None:
    out = io.StringIO()
    progress = SoakProgress(out)
    progress.begin(Path("/soak"), Contents(PLAN))
    for number, verdict in ((1, "PASS"), (2, "HUNG")):
        progress.started(PLAN.boot(number))
        progress.ended(outcome(number, verdict))
    progress.close()
    rows = out.getvalue().splitlines()
    assert rows[0] == "soak of apu2 in /soak: 20 boots, 1 at a time, seed 7"
    assert rows[1] == "50 % of the boots are made to fail (injected): no-iommu"
    made = {n: " (injected: no-iommu)" if PLAN.boot(n).injected else "" for n in (1, 2)}
    assert rows[2] == f"boot 1: PASS{made[1]}, 12.5 s; 1 of 20 ended"
    assert rows[3] == f"boot 2: HUNG at `Brought up 4 CPUs`{made[2]}, 12.5 s; 2 of 20 ended"
    assert "\x1b" not in out.getvalue()


def test_a_table_on_a_terminal(
    now: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    out = Tty()
    progress = SoakProgress(out)
    progress.begin(Path("/soak"), Contents(PLAN))
    for number in range(1, 10):
        progress.started(PLAN.boot(number))
        now(2)
        long = f"(XEN) {'[red]very long ' * 20}\x1b[2J"
        progress.ended(outcome(number, "HUNG" if number % 3 == 0 else "PASS", long))
    progress.started(PLAN.boot(10))
    now(5)
    progress.tick()
    said = out.getvalue()
    assert "3 of 9 boots failed" in said
    assert "running: 10 (5 s)" in said
    assert "of 9 boots were made to fail (injected)" in said
    # What a board says is no markup and clears no screen.
    assert "[red]" in said
    assert "\x1b[2J" not in said
    widest = max(len(line) for line in said.replace("\r", "\n").split("\n") if "\x1b" not in line)
    assert widest <= 80
    progress.close()
    progress.close()


def test_that_nobody_reads_it_ends_no_soak() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    progress = SoakProgress(Gone())
    progress.begin(Path("/soak"), Contents(PLAN))
    progress.started(PLAN.boot(1))
    progress.ended(outcome(1, "PASS"))
    progress.close()
