"""What runs on the workers of a cluster; `harness.soak.executors.dask` sends it there.

Source: distributed's documentation, "Worker state machine".
"""

from __future__ import annotations

import hashlib
import importlib
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import harness
from harness.soak import kept
from harness.soak.executors.local import LocalExecutor
from harness.soak.work import lost
from harness.workfolder import work_folder

Work = Callable[[Mapping[str, Any]], dict[str, Any]]
"""What a worker does with a task: `harness.soak.work.run_boot`, or the like."""


def boot_apart(task: Mapping[str, Any]) -> dict[str, Any]:
    """Boot in a process of its own, as long as somebody wants the result.

    Returns:
        As `harness.soak.work.run_boot`.
    """
    wanted = wanted_here()
    with work_folder(Path(tempfile.gettempdir()), "harness-cluster-") as scratch:
        folder = scratch / "run"
        executor = LocalExecutor(1)
        try:
            executor.submit({**task, "run_folder": str(folder), "pack": False})
            answers: list[dict[str, Any]] = []
            while not answers:
                if not wanted():
                    return lost(task, "nobody wants it any more")
                answers = executor.completed(0.5)
        finally:
            executor.close()
        [answer] = answers
        keep = task["pack"] and folder.is_dir() and answer["refused"] is None
        return {**answer, "files": kept.packed(folder) if keep else None}


def wanted_here() -> Callable[[], bool]:
    """Whether the task that this thread runs is still wanted by who submitted it."""
    distributed = importlib.import_module("distributed")
    worker = distributed.get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        known = worker.state.tasks.get(key)
        return known is not None and known.state == "executing" and worker.status.name == "running"

    return wanted


def stamped(work: Work, task: Mapping[str, Any]) -> dict[str, Any]:
    """The answer, and which harness made it."""
    answer = work(task)
    return {"stamp": stamp(), "answer": answer}


def stamp() -> dict[str, str]:
    """Which harness this machine has now: two checkouts of one version may differ."""
    made = hashlib.sha256()
    root = Path(harness.__file__).parent
    for path in sorted(root.rglob("*.py")):
        made.update(f"{path.relative_to(root)}\0".encode())
        made.update(path.read_bytes())
    return {
        "version": harness.__version__,
        "code": made.hexdigest()[:12],
        "host": socket.gethostname(),
    }
