"""The benchmark of the soak takes turns, and knows its own use of the CPUs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from benchmarks import soak
from benchmarks.host import CpuUse, cpu_use
from benchmarks.soak import TakingTurns

# Uses half a second of CPU, says so, and waits.
BUSY = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ninput()"


class Inner:
    def __init__(self, _: int) -> None:
        self.answers: list[dict[str, Any]] = []

    def submit(self, task: dict[str, Any]) -> None:
        self.answers.append(task)

    def completed(self, _: float) -> list[dict[str, Any]]:
        made, self.answers = self.answers, []
        return made

    def close(self) -> None:
        pass


def test_the_bare_command_boots_after_each_boot_of_the_soak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 0.0
    done: list[str] = []

    def use() -> CpuUse:
        return CpuUse(clock, clock, 0.0)

    def bare() -> None:
        nonlocal clock
        clock += 10
        done.append("bare")

    monkeypatch.setattr(soak, "LocalExecutor", Inner)
    monkeypatch.setattr(soak, "_use", use)
    monkeypatch.setattr(soak, "wait_for_quiet", lambda *_: done.append("wait"))
    executor = TakingTurns(bare, 0.1)
    for number in (1, 2):
        executor.submit({"number": number})
        clock += 11
        assert executor.completed(0.0) == [{"number": number}]
        assert executor.completed(0.0) == []
    assert done == ["bare", "wait"] * 2
    assert [pair[:2] for pair in executor.pairs] == [(11, 10), (11, 10)]


def test_what_a_worker_that_lives_has_used_is_our_own() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert soak._use().own - cpu_use().own >= 0.4
        child.communicate(b"\n")
