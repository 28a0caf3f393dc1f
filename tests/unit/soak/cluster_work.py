"""Boots that are none, for workers of a cluster: fast, and everything they do is written down."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.soak.executors import remote


def boot(task: Mapping[str, Any]) -> dict[str, Any]:
    """Says that it runs, and in which process; answers when a file appears, or after a while."""
    folder = Path(task["folder"])
    with (folder / "started").open("a") as file:
        file.write(f"{task['number']} {os.getpid()}\n")
    if task["number"] == task["waits"]:
        until = time.monotonic() + 60
        while not (folder / "go").exists() and time.monotonic() < until:
            time.sleep(0.02)
    files = f"console of boot {task['number']}\n".encode() * 1000
    result = {"verdict": "PASS", "seed": task["seed"]}
    return {"number": task["number"], "result": result, "files": files, "refused": None}


def broken(task: Mapping[str, Any]) -> dict[str, Any]:
    """Fails as a program does, at every attempt."""
    with (Path(task["folder"]) / "started").open("a") as file:
        file.write(f"{task['number']} {os.getpid()}\n")
    raise ZeroDivisionError("of the work")


def deadly(task: Mapping[str, Any]) -> dict[str, Any]:
    """Takes its worker with it."""
    del task
    os._exit(1)


def patient(task: Mapping[str, Any]) -> dict[str, Any]:
    """Runs as long as somebody wants it, and says so."""
    wanted = remote.wanted_here()
    folder = Path(task["folder"])
    (folder / "begun").touch()
    until = time.monotonic() + 60
    while wanted() and time.monotonic() < until:
        time.sleep(0.05)
    (folder / ("left" if wanted() else "unwanted")).touch()
    return {"number": task["number"], "result": {}, "files": None, "refused": None}
