"""A scheduler of dask and its workers on loopback, for tests."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import process

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0


class Cluster:
    """A scheduler and its workers, as processes that die with us."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.file = folder / "scheduler.json"
        self.scheduler = self.start("scheduler", "--host", "127.0.0.1", "--port", "0")
        waited_for(self.file.exists)

    @property
    def address(self) -> str:
        address: str = json.loads(self.file.read_text())["address"]
        return address

    def worker(self) -> subprocess.Popen[bytes]:
        return self.start(
            "worker",
            *("--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--memory-limit", "0"),
            *("--local-directory", str(self.folder)),
        )

    def start(self, what: str, *more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard"]
        command += ["--scheduler-file", str(self.file), *more]
        with (self.folder / f"{what}.log").open("ab") as log:
            started = process.start(command, cwd=ROOT, output=log)
        self.processes.append(started)
        return started

    def close(self) -> None:
        for one in reversed(self.processes):
            one.kill()
            one.wait()


def waited_for(what: Callable[[], Any]) -> None:
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)
