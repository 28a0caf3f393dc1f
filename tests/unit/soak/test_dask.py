"""Soaks on a cluster: a real scheduler, two real workers on loopback, boots that are none."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import process
from harness.errors import InfraError, ToolMissing, UsageError
from harness.soak.executors import dask, open_executor, remote
from harness.soak.executors.dask import DaskExecutor
from tests.unit.soak import cluster_work
from tests.unit.soak.cluster import PATIENCE, ROOT, Cluster, waited_for


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    one = Cluster(tmp_path_factory.mktemp("cluster"))
    one.worker()
    one.worker()
    yield one
    one.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster without workers, that a test may break."""
    one = Cluster(tmp_path)
    yield one
    one.close()


def task(folder: Path, number: int, waits: int = 0) -> dict[str, Any]:
    return {
        "number": number,
        "seed": 1000 + number,
        "board": {"name": "apu2"},
        "run_folder": None,
        "injected": None,
        "folder": str(folder),
        "waits": waits,
    }


def all_of(executor: DaskExecutor, count: int) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    until = time.monotonic() + PATIENCE
    while len(answers) < count:
        assert time.monotonic() < until, f"{len(answers)} of {count} came"
        answers += executor.completed(0.5)
    # None comes twice, or late.
    assert executor.completed(0.3) == []
    return answers


def started(folder: Path) -> list[tuple[int, int]]:
    """Number and process of every boot that was begun."""
    path = folder / "started"
    rows = path.read_text().splitlines() if path.exists() else []
    return [(int(row.split()[0]), int(row.split()[1])) for row in rows]


def test_every_boot_has_one_answer_and_its_files(cluster: Cluster, tmp_path: Path) -> None:
    executor = DaskExecutor(cluster.address, 2, cluster_work.boot)
    try:
        assert (executor.jobs, executor.local) == (2, False)
        for number in range(1, 9):
            executor.submit(task(tmp_path, number, waits=1))
        # One is busy: the other one does something too.
        waited_for(lambda: len({pid for _, pid in started(tmp_path)}) == 2)
        (tmp_path / "go").touch()
        answers = all_of(executor, 8)
    finally:
        executor.close()
        executor.close()
    assert sorted(one["number"] for one in answers) == list(range(1, 9))
    for one in answers:
        assert one["result"] == {"verdict": "PASS", "seed": 1000 + one["number"]}
        assert one["files"].startswith(f"console of boot {one['number']}\n".encode())
    assert len(started(tmp_path)) == 8


def test_what_dies_in_mid_run(fresh: Cluster, tmp_path: Path) -> None:
    """A worker: no boot is lost, none counts twice. The scheduler: it is told."""
    workers = [fresh.worker().pid for _ in range(2)]
    executor = DaskExecutor(fresh.address, 2, cluster_work.boot)
    try:
        waited_for(lambda: len(executor._client.nthreads()) == 2)
        for number in range(1, 11):
            executor.submit(task(tmp_path, number, waits=3))
        waited_for(lambda: 3 in dict(started(tmp_path)))
        victim = dict(started(tmp_path))[3]
        assert victim in workers
        os.kill(victim, signal.SIGKILL)
        # It has begun again, on the other one.
        waited_for(lambda: [number for number, _ in started(tmp_path)].count(3) == 2)
        assert dict(started(tmp_path))[3] != victim
        (tmp_path / "go").touch()
        answers = all_of(executor, 10)
        assert Counter(one["number"] for one in answers) == dict.fromkeys(range(1, 11), 1)
        assert {one["result"]["verdict"] for one in answers} == {"PASS"}

        (tmp_path / "go").unlink()
        executor.submit(task(tmp_path, 11, waits=11))
        waited_for(lambda: 11 in dict(started(tmp_path)))
        fresh.scheduler.kill()
        with pytest.raises(InfraError, match=r"the scheduler at tcp://.* is gone .*; 1 boots that"):
            all_of(executor, 1)
        with pytest.raises(InfraError, match="is gone"):
            executor.submit(task(tmp_path, 12))
    finally:
        executor.close()


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_nobody_boots_for_a_soak_that_is_gone(cluster: Cluster, tmp_path: Path, how: str) -> None:
    if how == "closed":
        executor = DaskExecutor(cluster.address, 1, cluster_work.patient)
        executor.submit(task(tmp_path, 1))
        waited_for((tmp_path / "begun").exists)
        executor.close()
    else:
        with (tmp_path / "log").open("wb") as log:
            words = [sys.executable, "-m", "tests.unit.soak.cluster_client"]
            words += [cluster.address, json.dumps(task(tmp_path, 1))]
            client = process.start(words, cwd=ROOT, output=log)
        waited_for((tmp_path / "begun").exists)
        client.kill()
        client.wait()
    waited_for((tmp_path / "unwanted").exists)


def test_what_always_fails_is_a_failure_of_our_side(cluster: Cluster, tmp_path: Path) -> None:
    executor = DaskExecutor(cluster.address, 2, cluster_work.broken)
    try:
        executor.submit(task(tmp_path, 1))
        [answer] = all_of(executor, 1)
    finally:
        executor.close()
    assert answer["result"]["verdict"] == "INFRA"
    assert answer["result"]["cause"] == ("no worker could do it: ZeroDivisionError: of the work")
    assert len(started(tmp_path)) == 2


def test_a_cluster_without_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a soak, and when a boot has taken the last one with it."""
    # Of the scheduler: a boot is not tried again on three more workers.
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    monkeypatch.setattr(dask, "_CONNECT", 2.0)
    fresh = Cluster(tmp_path)
    try:
        with pytest.raises(InfraError, match="has no worker") as bad:
            DaskExecutor(fresh.address, 1, cluster_work.deadly)
        assert f"dask worker --nthreads 1 {fresh.address}" in str(bad.value)

        monkeypatch.setattr(dask, "_CONNECT", 60.0)
        fresh.worker()
        executor = DaskExecutor(fresh.address, 1, cluster_work.deadly, patience=0.5)
        try:
            executor.submit(task(tmp_path, 1))
            [answer] = all_of(executor, 1)
            assert answer["result"]["verdict"] == "INFRA"
            assert "KilledWorker" in answer["result"]["cause"]
            executor.submit(task(tmp_path, 2))
            with pytest.raises(InfraError, match=r"has had no worker for .* s; 1 boots wait"):
                all_of(executor, 1)
        finally:
            executor.close()
    finally:
        fresh.close()


def test_what_has_come_is_given_before_what_is_lost_is_told(
    cluster: Cluster, tmp_path: Path
) -> None:
    executor = DaskExecutor(cluster.address, 2, cluster_work.boot)
    try:
        for number in (1, 2):
            executor.submit(task(tmp_path, number))
        waited_for(lambda: all(sent.done for sent in executor._running.values()))
        # Somebody else has cancelled the second.
        executor._client.cancel([executor._running[2].future], force=True)
        assert [one["number"] for one in executor.completed(1)] == [1]
        with pytest.raises(InfraError, match="it has forgotten a boot"):
            executor.completed(1)
    finally:
        executor.close()


def test_another_harness_is_refused(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "stamp", Stamp(remote.stamp()))
    with pytest.raises(InfraError, match="not all machines have the same harness: tcp://") as bad:
        DaskExecutor(cluster.address, 1, cluster_work.boot)
    assert "(code 000000000000)" in str(bad.value)


def test_another_harness_that_joins_later_counts_for_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    executor = DaskExecutor(cluster.address, 1, cluster_work.boot)
    try:
        executor.submit(task(tmp_path, 1))
        executor._stamp = {**executor._stamp, "code": "000000000000"}
        [answer] = all_of(executor, 1)
    finally:
        executor.close()
    assert answer["result"]["verdict"] == "INFRA"
    assert "a worker has harness" in answer["result"]["cause"]


class Stamp:
    """Another code than that of the workers; there it is what it was."""

    def __init__(self, real: dict[str, str]) -> None:
        self.real = real

    def __call__(self) -> dict[str, str]:
        return {**self.real, "code": "000000000000"}

    def __reduce__(self) -> str | tuple[Any, ...]:
        return (getattr, (remote, "stamp"))


@pytest.mark.parametrize(
    "address", ["", "tcp://", "host", "tls://host:1", "host:0", "host:65536", "a b:1", "host:x"]
)
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(UsageError, match="--executor dask"):
        DaskExecutor(address, 1)


def test_an_address_where_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UsageError, match="Connection refused"):
        open_executor(f"dask:tcp://127.0.0.1:{port}", 1)


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-OpenSSH_9.2\r\n" * 9])
def test_an_address_where_somebody_else_listens(
    says: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "_CONNECT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(other.accept()[0])
                    taken[-1].sendall(says)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(UsageError, match="no scheduler of dask"):
            open_executor(f"dask:127.0.0.1:{other.getsockname()[1]}", 1)
        other.shutdown(socket.SHUT_RDWR)
    thread.join()
    for one in taken:
        one.close()


def test_the_address_of_a_worker(cluster: Cluster) -> None:
    executor = DaskExecutor(cluster.address, 1, cluster_work.boot)
    worker = next(iter(executor._client.nthreads()))
    executor.close()
    with pytest.raises(UsageError, match=r"no scheduler of dask \(Worker\)"):
        DaskExecutor(worker, 1)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ToolMissing, match="distributed") as bad:
        open_executor("dask:127.0.0.1:1", 1)
    assert "harness[cluster]" in str(bad.value)
