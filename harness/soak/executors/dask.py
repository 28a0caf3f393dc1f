"""Boots on the machines of a dask.distributed cluster.

A boot whose worker dies is run again by the scheduler, on another worker and with the same seed; it
has one answer, whatever happens, because only one future stands for it. dask gives up on a boot
that took several workers with it: that is a boot that our side failed.

On a worker a boot is a process of its own, which ends with the worker, and when nobody wants its
result any more: the user has ended the soak, or was killed.

Sources: distributed's documentation, "Client", "Resilience", "Worker state machine".
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from harness.errors import InfraError, ToolMissing, UsageError
from harness.soak.executors.remote import Work, boot_apart, stamp, stamped
from harness.soak.work import lost

_FORM = "dask:tcp://HOST:PORT, as the scheduler prints it"
_ADDRESS = re.compile(r"(?:tcp://)?(\[[0-9A-Fa-f:]+\]|[\w.-]+):(\d{1,5})", re.ASCII)
_CONNECT = 10.0
_GATHER = 60.0
_NO_WORKERS = 60.0
"""A worker that is started again, by its nanny, is there within seconds."""
_POLL = 0.1
_ATTEMPTS = 2


class DaskExecutor:
    """Boots on the workers of a scheduler.

    Args:
        address: "tcp://HOST:PORT" or "HOST:PORT".
        jobs: boots at a time, of all machines together.
        work: what a worker does with a task; it is imported there.
        patience: seconds that the cluster may be without any worker.

    Raises:
        UsageError: no scheduler answers at this address.
        ToolMissing: distributed is not installed.
        InfraError: there is no worker, or one has another harness than we have.
    """

    local = False

    def __init__(
        self,
        address: str,
        jobs: int,
        work: Work | None = None,
        patience: float = _NO_WORKERS,
    ) -> None:
        if jobs < 1:
            raise UsageError(f"--jobs {jobs}", expected="1 or more")
        self.jobs = jobs
        self._work = work or boot_apart
        self._stamp = stamp()
        self._patience = patience
        self._running: dict[int, _Sent] = {}
        self._seen_workers = time.monotonic()
        self._asked = self._seen_workers
        self._client = _connected(address)
        self._address = address
        try:
            self._check_workers()
        except BaseException:
            self.close()
            raise

    def submit(self, task: Mapping[str, Any]) -> None:
        self._check_scheduler()
        self._send(task, 1)

    def completed(self, timeout: float) -> list[dict[str, Any]]:
        until = time.monotonic() + timeout
        while True:
            self._check_scheduler()
            answers = self._all_taken()
            left = until - time.monotonic()
            if answers or left <= 0:
                return answers
            self._check_any_worker()
            time.sleep(min(_POLL, left))

    def _all_taken(self) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        for number, sent in list(self._running.items()):
            try:
                answer = self._taken(number) if sent.done else None
            except InfraError:
                if answers:
                    return answers  # these are not to be lost; the next call says it again
                raise
            answers += [] if answer is None else [answer]
        return answers

    def close(self) -> None:
        sent, self._running = list(self._running.values()), {}
        # That the scheduler is gone, or a worker slow, must not hide why we end.
        with contextlib.suppress(Exception):
            if sent and self._client.status == "running":
                self._client.cancel([one.future for one in sent], force=True)
        with contextlib.suppress(Exception):
            self._client.close(timeout=_CONNECT)

    def _send(self, task: Mapping[str, Any], attempt: int) -> None:
        try:
            future = self._client.submit(
                stamped,
                self._work,
                dict(task),
                # Two boots are never one, even if they are asked for in the same words.
                key=f"harness-boot-{task['number']}-{uuid4().hex}",
                pure=False,
                retries=0,
            )
        except Exception as bad:  # noqa: BLE001 -- of tornado, asyncio, the socket
            raise self._gone(str(bad)) from None
        self._running[task["number"]] = _Sent(task, future, attempt)

    def _taken(self, number: int) -> dict[str, Any] | None:
        """The answer of a boot that has ended; None: it is run once more."""
        sent = self._running[number]
        if sent.future.status == "cancelled":
            raise self._gone("it has forgotten a boot")
        try:
            got = sent.future.result(timeout=_GATHER)
        except TimeoutError:
            return None  # its worker died with the result: the scheduler has it run again
        except Exception as bad:  # noqa: BLE001 -- whatever happens on another machine
            self._check_scheduler()
            return self._failed(number, f"{type(bad).__name__}: {bad}")
        del self._running[number]
        if got["stamp"]["code"] != self._stamp["code"]:
            return lost(sent.task, f"a worker has {_told(got['stamp'])}; {self._ours()}")
        answer: dict[str, Any] = got["answer"]
        return answer

    def _failed(self, number: int, why: str) -> dict[str, Any] | None:
        sent = self._running.pop(number)
        if sent.attempt < _ATTEMPTS and not why.startswith("KilledWorker"):
            self._send(sent.task, sent.attempt + 1)
            return None
        return lost(sent.task, f"no worker could do it: {why.partition(chr(10))[0]}")

    def _check_scheduler(self) -> None:
        if self._client.status != "running":
            raise self._gone("the connection is lost")

    def _gone(self, why: str) -> InfraError:
        return InfraError(
            f"the scheduler at {self._address} is gone ({why}); {len(self._running)} boots that "
            "ran have no result, all others are kept",
            hint="start it again, then: harness soak resume",
        )

    def _check_any_worker(self) -> None:
        """Nothing will ever come from a cluster without workers."""
        now = time.monotonic()
        if now - self._asked < min(5.0, self._patience / 4):
            return
        self._asked = now
        try:
            workers = self._client.nthreads()
        except Exception as bad:  # noqa: BLE001 -- of tornado, asyncio, the socket
            raise self._gone(str(bad)) from None
        if workers or not self._running:
            self._seen_workers = now
        elif now - self._seen_workers > self._patience:
            raise InfraError(
                f"the scheduler at {self._address} has had no worker for {self._patience:.0f} s; "
                f"{len(self._running)} boots wait, all others are kept",
                hint=f"dask worker {self._address}, then: harness soak resume",
            )

    def _check_workers(self) -> None:
        """There is a worker, and all have our code."""
        try:
            self._client.wait_for_workers(1, timeout=_CONNECT)
        except TimeoutError:
            raise InfraError(
                f"the scheduler at {self._address} has no worker",
                hint=f"on each machine: dask worker --nthreads 1 {self._address}",
            ) from None
        told = self._client.run(stamp, on_error="return")
        wrong = [
            f"{worker} has {_told(its)}"
            for worker, its in sorted(told.items())
            if not isinstance(its, dict) or its["code"] != self._stamp["code"]
        ]
        if wrong:
            raise InfraError(
                f"not all machines have the same harness: {'; '.join(wrong)}; {self._ours()}",
                hint="install the same version on all of them, and start their workers again",
            )

    def _ours(self) -> str:
        return f"the soak has harness {self._stamp['version']} (code {self._stamp['code']})"


@dataclass(frozen=True)
class _Sent:
    """A boot that the cluster has.

    Attributes:
        attempt: how often it was given to it.
    """

    task: Mapping[str, Any]
    future: Any
    attempt: int

    @property
    def done(self) -> bool:
        return bool(self.future.done())


def _told(its: object) -> str:
    if isinstance(its, Mapping):
        return f"harness {its['version']} (code {its['code']}, host {its['host']})"
    return f"none: {type(its).__name__}: {str(its).partition(chr(10))[0]}"


def _connected(address: str) -> Any:
    """A client of the scheduler.

    Raises:
        UsageError: no scheduler answers at this address.
        ToolMissing: distributed is not installed.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[2]) < 1 << 16:
        raise UsageError(f"--executor dask:{address}", expected=_FORM)
    distributed = _distributed()
    where = f"tcp://{match[1]}:{match[2]}"
    try:
        # A name that does not exist, or a port that nobody listens on, is known at once.
        socket.create_connection((match[1].strip("[]"), int(match[2])), _CONNECT).close()
        _check_scheduler_at(where, distributed)
        return distributed.Client(where, timeout=_CONNECT, set_as_default=False)
    except (OSError, TimeoutError) as bad:
        reason = getattr(bad, "strerror", None) or str(bad) or "no answer"
        raise UsageError(
            f"--executor dask:{address}: {reason}",
            expected=_FORM,
            hint="dask scheduler --no-dashboard prints its address",
        ) from None


def _check_scheduler_at(where: str, distributed: Any) -> None:
    """A client would wait for ever for a server that is silent, or is none of dask.

    Raises:
        ConnectionError: it is no scheduler.
    """

    async def kind() -> object:
        async with distributed.core.rpc(where) as server:
            return (await asyncio.wait_for(server.identity(), _CONNECT)).get("type")

    found: object = None
    with contextlib.suppress(Exception):  # what a stranger says can be anything
        found = asyncio.run(kind())
    if found != "Scheduler":
        raise ConnectionError(f"what answers is no scheduler of dask ({found or 'unknown'})")


def _distributed() -> Any:
    try:
        module = importlib.import_module("distributed")
    except ImportError:
        raise ToolMissing(
            "--executor dask needs the Python package distributed",
            hint="pip install 'boot-harness[cluster]' (the extra harness[cluster])",
        ) from None
    # What it says of a lost scheduler are tracebacks; we say it in one sentence.
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return module
