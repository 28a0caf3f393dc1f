"""Real boots on a real cluster: two workers, of which one dies, and a soak that ends in mid-run."""

from __future__ import annotations

import os
import signal
import tarfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from harness.board import load
from harness.request import BootRequest
from harness.soak.executors.dask import DaskExecutor
from harness.soak.plan import Boot
from harness.soak.tasks import task_of
from tests.boot.conftest import PATIENCE
from tests.unit.soak.cluster import Cluster, waited_for


@pytest.fixture
def cluster(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    monkeypatch.setenv("XDG_STATE_HOME", environment["XDG_STATE_HOME"])
    # What a worker that is killed leaves behind is swept by the next one that boots there.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    one = Cluster(tmp_path)
    one.worker()
    one.worker()
    yield one
    one.close()


def task(number: int) -> dict[str, Any]:
    request = BootRequest(board=load("apu2"), method="multiboot", until="smp", scale=3)
    return task_of(Boot(number, number), request)


def emulators(folder: Path) -> dict[int, list[int]]:
    """The emulators that run in a folder, each with its ancestors."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
            where = (entry / "cwd").readlink()
        except OSError:
            continue
        program = line.partition(b"\0")[0].rpartition(b"/")[2]
        if program.startswith(b"qemu-system") and folder in [where, *where.parents]:
            found[int(entry.name)] = ancestors(int(entry.name))
    return found


def ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
        found.append(pid)
    return found


def answered(executor: DaskExecutor) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        answers = executor.completed(1)
        if answers:
            [answer] = answers
            return answer
    pytest.fail("no answer came")


def test_boots_come_home_whatever_dies(cluster: Cluster, tmp_path: Path) -> None:
    executor = DaskExecutor(cluster.address, 1)
    try:
        waited_for(lambda: len(executor._client.nthreads()) == 2)
        executor.submit(task(1))
        waited_for(lambda: emulators(tmp_path))
        [(emulator, above)] = emulators(tmp_path).items()
        [victim] = [one.pid for one in cluster.processes if one.pid in above]
        os.kill(victim, signal.SIGKILL)
        waited_for(lambda: emulator not in emulators(tmp_path))
        answers = [answered(executor)]
        for number in (2, 3, 4):
            executor.submit(task(number))
            answers.append(answered(executor))
        assert [one["number"] for one in answers] == [1, 2, 3, 4]
        assert [one["result"]["verdict"] for one in answers] == ["PASS"] * 4
        for one in answers:
            with tarfile.open(fileobj=BytesIO(one["files"])) as files:
                assert {"console.raw", "result.json"} <= {
                    name.removesuffix(".gz") for name in files.getnames()
                }

        executor.submit(task(5))
        waited_for(lambda: emulators(tmp_path))
    finally:
        executor.close()
    # Nobody wants the fifth any more.
    waited_for(lambda: not emulators(tmp_path))
    waited_for(lambda: not list(tmp_path.glob("harness-cluster-*")))
