"""Boots in processes of their own: their answers, their deaths, and ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.board import load
from harness.errors import InfraError, UsageError
from harness.request import BootRequest
from harness.soak.executors import open_executor
from harness.soak.executors.local import LocalExecutor
from harness.soak.plan import Boot
from harness.soak.tasks import task_of

# Answers as the task says; "sleep" sleeps for ever. It leaves its process id behind.
WORKER = """
import json, os, sys, time
taken, given = map(int, sys.argv[1:])
answers = os.fdopen(given, "wb")
for line in os.fdopen(taken, "rb"):
    task = json.loads(line)
    with open(task["pids"], "a") as pids:
        print(os.getpid(), file=pids)
    do = task["do"]
    if do == "sleep":
        time.sleep(600)
    elif do == "kill":
        os.kill(os.getpid(), 9)
    elif do == "raise":
        raise RuntimeError("out of luck")
    elif do == "mumble":
        answers.write(b"{\\n")
    answer = {"number": task["number"], "result": {"verdict": "PASS"}, "refused": None}
    answers.write(json.dumps(answer).encode() + b"\\n")
    answers.flush()
"""
COMMAND = (sys.executable, "-c", WORKER)


@pytest.fixture
def pids(tmp_path: Path) -> Path:
    return tmp_path / "pids"


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    made = LocalExecutor(2, COMMAND)
    yield made
    made.close()


def task(number: int, pids: Path, do: str = "pass") -> dict[str, Any]:
    return {
        "number": number,
        "seed": 1,
        "do": do,
        "pids": str(pids),
        "board": {"name": "apu2"},
        "injected": None,
        "run_folder": None,
    }


def answers(executor: LocalExecutor, wanted: int) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    end = time.monotonic() + 120
    while len(found) < wanted:
        assert time.monotonic() < end
        for one in executor.completed(1.0):
            assert one["number"] not in found
            found[one["number"]] = one
    return found


def gone(pid: int) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def wait_for(pids: Path, lines: int) -> list[int]:
    end = time.monotonic() + 60
    while not pids.exists() or len(pids.read_text().splitlines()) < lines:
        assert time.monotonic() < end
        time.sleep(0.05)
    return [int(line) for line in pids.read_text().splitlines()]


def test_each_boot_has_its_answer(executor: LocalExecutor, pids: Path) -> None:
    for number in range(1, 7):
        executor.submit(task(number, pids))
    found = answers(executor, 6)
    assert sorted(found) == [1, 2, 3, 4, 5, 6]
    assert all(one["result"]["verdict"] == "PASS" for one in found.values())
    # One process for each that runs at a time.
    assert len(pids.read_text().split()) == 6
    assert len(set(pids.read_text().split())) == 2
    assert executor.completed(0.0) == []


def test_a_worker_is_replaced_after_many_boots(
    executor: LocalExecutor, pids: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.soak.executors.local._MOST", 2)
    for number in range(1, 6):
        executor.submit(task(number, pids))
        answers(executor, 1)
    workers = pids.read_text().split()
    assert workers[0] == workers[1] != workers[2] == workers[3] != workers[4]
    assert gone(int(workers[0]))


def test_a_worker_that_dies_is_our_failure_and_the_next_boots(
    executor: LocalExecutor, pids: Path
) -> None:
    for number, do in enumerate(["kill", "pass", "raise", "mumble", "pass"], 1):
        executor.submit(task(number, pids, do))
    found = answers(executor, 5)
    verdicts = [found[number]["result"]["verdict"] for number in (1, 2, 3, 4, 5)]
    assert verdicts == ["INFRA", "PASS", "INFRA", "INFRA", "PASS"]
    assert found[1]["result"]["cause"] == "its worker was killed by SIGKILL"
    cause = found[3]["result"]["cause"]
    assert cause == "its worker ended with exit code 1: RuntimeError: out of luck"
    assert found[1]["result"]["soak"] == {"boot": 1, "seed": 1, "injected": None}


def test_closing_ends_what_runs(executor: LocalExecutor, pids: Path) -> None:
    for number in range(1, 5):
        executor.submit(task(number, pids, "sleep"))
    running = wait_for(pids, 2)
    executor.close()
    executor.close()
    assert len(running) == 2
    assert all(gone(pid) for pid in running)
    with pytest.raises(InfraError):
        executor.submit(task(5, pids))


# Takes its machine down for a while, unless it is asked to end once more.
ORDERLY = """
import os, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.default_int_handler)
taken, given = map(int, sys.argv[1:])
task = os.fdopen(taken, "rb").readline()
place = Path(os.environ["PLACE"])
try:
    (place / "up").touch()
    time.sleep(600)
finally:
    time.sleep(1)
    (place / "down").touch()
"""


def test_a_worker_is_asked_once_to_take_its_machine_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", str(tmp_path))
    made = LocalExecutor(1, (sys.executable, "-c", ORDERLY))
    made.submit(task(1, tmp_path / "pids"))
    end = time.monotonic() + 60
    while not (tmp_path / "up").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    made.close()
    assert (tmp_path / "down").exists()


def test_its_workers_die_with_us(pids: Path, tmp_path: Path) -> None:
    script = tmp_path / "ours.py"
    script.write_text(
        "import sys, time\n"
        "from harness.soak.executors.local import LocalExecutor\n"
        f"executor = LocalExecutor(2, (sys.executable, '-c', {WORKER!r}))\n"
        f"for number in (1, 2):\n    executor.submit({task(1, pids, 'sleep')!r} | "
        "{'number': number})\n"
        "time.sleep(600)\n"
    )
    ours = subprocess.Popen([sys.executable, str(script)])
    running = wait_for(pids, 2)
    ours.send_signal(signal.SIGKILL)
    ours.wait()
    assert all(gone(pid) for pid in running)


def test_a_real_worker_answers(tmp_path: Path) -> None:
    request = BootRequest(board=load("apu2"), method="multiboot")
    asked = task_of(Boot(3, 1), request, run_folder=tmp_path / "run")
    asked["request"]["ivrs"] = str(tmp_path / "none.bin")
    made = LocalExecutor(1)
    try:
        made.submit(asked)
        answer = answers(made, 1)[3]
    finally:
        made.close()
    assert "none.bin" in answer["refused"]
    assert answer["files"] is None


def test_what_is_no_executor() -> None:
    for text in ("", "locally", "local:2", "dask", "dask:", "ssh:host"):
        with pytest.raises(UsageError, match="--executor"):
            open_executor(text, 1)
    with pytest.raises(UsageError, match="--jobs 0"):
        open_executor("local", 0)
