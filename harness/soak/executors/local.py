"""So many boots at a time on this machine, each in a process of its own that dies with us.

A process boots again and again: to start Python and import everything takes a second, in which
nothing would boot.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import harness
from harness import process
from harness.errors import InfraError, UsageError
from harness.soak.work import lost

_COMMAND = (sys.executable, "-m", "harness.soak.worker")
_HOME = Path(harness.__file__).resolve().parents[1]
# A machine that is taken down in order needs a moment, on a busy host a long one.
_PATIENCE = 20.0
_TOLD = 4096  # bytes of a worker's last words
_MOST = 100  # boots of one worker: what it may leave behind does not add up for ever


class _Worker:
    """A process that boots one task after the other.

    Attributes:
        boots: answers that it gave.
        dead: it gives none any more.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.boots, self.dead = 0, False
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by `_close`
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self._tasks, self._answers = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        try:
            self.process: subprocess.Popen[bytes] = process.start(
                [*command, str(theirs_in), str(theirs_out)],
                cwd=_HOME,
                output=self._log,
                pass_fds=(theirs_in, theirs_out),
            )
        except BaseException:
            self._close()
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)

    def give(self, task: Mapping[str, Any]) -> None:
        """Its task; if it is dead already, its answer will tell."""
        with contextlib.suppress(BrokenPipeError):
            self._tasks.write(json.dumps(task).encode() + b"\n")
            self._tasks.flush()

    def take(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Wait for its answer, or its end."""
        line = self._answers.readline()
        try:
            answer = json.loads(line)
        except ValueError:
            self.dead = True
            if not line:  # its end closed the pipe, a moment before it is one
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(_PATIENCE)
            code = process.stop(self.process)
            why = f"its worker {_ended(code)}{self._last_words()}"
            self._close()
            return lost(task, why)
        self.boots += 1
        return {**answer, "files": None}

    def dismiss(self) -> None:
        """End one that does nothing."""
        self._close()
        self.process.kill()
        self.process.wait()

    def _close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._tasks.close()
        self._answers.close()
        self._log.close()

    def _last_words(self) -> str:
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _TOLD))
        rows = self._log.read().decode(errors="replace").split("\n")
        last = next((row.strip() for row in reversed(rows) if row.strip()), "")
        return f": {last}" if last else ""


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"


class LocalExecutor:
    """`jobs` boots at a time, each in a process that has one boot at a time; the rest waits.

    Args:
        jobs: boots at a time.
        command: starts a worker, which gets two file descriptors as arguments.

    Raises:
        UsageError: fewer than one.
    """

    local = True

    def __init__(self, jobs: int, command: Sequence[str] = _COMMAND) -> None:
        if jobs < 1:
            raise UsageError(f"--jobs {jobs}", expected="1 or more")
        self.jobs = jobs
        self._command = command
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._running: set[_Worker] = set()
        self._idle: list[_Worker] = []
        self._answers: queue.Queue[tuple[_Worker, dict[str, Any]]] = queue.Queue()
        self._closed = False

    def submit(self, task: Mapping[str, Any]) -> None:
        if self._closed:
            raise InfraError("the executor is closed")
        self._waiting.append(task)
        self._fill()

    def completed(self, timeout: float) -> list[dict[str, Any]]:
        answers = []
        with contextlib.suppress(queue.Empty):
            answers.append(self._taken(*self._answers.get(timeout=timeout)))
            while True:
                answers.append(self._taken(*self._answers.get_nowait()))
        self._fill()
        return answers

    def _taken(self, worker: _Worker, answer: dict[str, Any]) -> dict[str, Any]:
        self._running.discard(worker)
        if worker.boots >= _MOST:
            worker.dismiss()
        elif not worker.dead:
            self._idle.append(worker)
        return answer

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self.jobs and not self._closed:
            worker = self._idle.pop() if self._idle else _Worker(self._command)
            task = self._waiting.popleft()
            self._running.add(worker)
            worker.give(task)
            args = (worker, task)
            threading.Thread(target=self._wait, args=args, name="boot", daemon=True).start()

    def _wait(self, worker: _Worker, task: Mapping[str, Any]) -> None:
        self._answers.put((worker, worker.take(task)))

    def close(self) -> None:
        self._closed = True
        self._waiting.clear()
        while self._idle:
            self._idle.pop().dismiss()
        for worker in self._running:
            if worker.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    worker.process.terminate()
        end = time.monotonic() + _PATIENCE
        for worker in self._running:
            # Asked a second time, it would leave off taking its machine down.
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0.0, end - time.monotonic()))
            worker.process.kill()
            worker.process.wait()
        self._running.clear()
