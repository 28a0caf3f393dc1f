"""An executor whose boots end as a script says, in the order that a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.soak.work import lost

Script = Callable[[int], str]


class Killed(BaseException):
    """What SIGKILL is to the code under test: nothing of it runs any more."""


def result_of(task: Mapping[str, Any], verdict: str) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "stage": "smp",
        "cause": f"boot {task['number']} with seed {task['seed']}",
        "last_line": "Brought up 4 CPUs",
        "ending": {"kind": "infra", "detail": "no disk"},
        "stages": {"xen": 1.0},
        "seconds": 2.0,
        "run_folder": task["run_folder"],
    }


class Simulated:
    """Boots of which `choose` says which of them ends next.

    Args:
        script: number of a boot -> its verdict; "killed": its worker dies; "refused".
        choose: index into what runs; raises Killed where the soak is killed.
        twice: every answer comes twice, as from a cluster that has run a task again.
        leaves: a boot that runs when the soak is killed leaves its result.json.
    """

    local = True

    def __init__(
        self,
        jobs: int,
        script: Script,
        choose: Callable[[int], int] = lambda _: 0,
        *,
        twice: bool = False,
        leaves: bool = False,
    ) -> None:
        self.jobs = jobs
        self.running: list[Mapping[str, Any]] = []
        self.started: list[int] = []
        self.most = 0
        self.closed = 0
        self._script, self._choose = script, choose
        self._twice, self._leaves = twice, leaves

    def submit(self, task: Mapping[str, Any]) -> None:
        json.dumps(task)
        assert not Path(task["run_folder"]).exists()
        self.running.append(task)
        self.started.append(task["number"])
        self.most = max(self.most, len(self.running))

    def completed(self, timeout: float) -> list[dict[str, Any]]:
        if not self.running or timeout == 0:
            return []
        try:
            task = self.running.pop(self._choose(len(self.running)))
        except Killed:
            if self._leaves:
                self._leave()
            raise
        answer = self._answer(task)
        return [answer, answer] if self._twice else [answer]

    def close(self) -> None:
        self.closed += 1
        self.running = []

    def _answer(self, task: Mapping[str, Any]) -> dict[str, Any]:
        verdict = self._script(task["number"])
        if verdict == "killed":
            return lost(task, "its worker was killed by SIGKILL")
        refused = "there is no such file" if verdict == "refused" else None
        result = {} if refused else result_of(task, verdict)
        return {"number": task["number"], "result": result, "files": None, "refused": refused}

    def _leave(self) -> None:
        for task in self.running:
            verdict = self._script(task["number"])
            folder = Path(task["run_folder"])
            folder.mkdir(parents=True)
            (folder / "console.raw").write_text("(XEN) Brought")
            if verdict not in {"killed", "refused"}:
                (folder / "result.json").write_text(json.dumps(result_of(task, verdict)))
