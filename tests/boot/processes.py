"""Looks at processes from outside: what is alive, and what a child has started."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not reaped yet does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in {"Z", "X"}


def children(pid: int, name: str) -> list[int]:
    """The children of a process, of any of its threads, with this command name."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            comm = Path(f"/proc/{child}/comm")
            if comm.exists() and comm.read_text().strip().startswith(name):
                found.append(child)
    return found


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> bool:
    """Whether a condition comes true; `seconds` only bounds a failure."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())
