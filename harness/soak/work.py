"""The unit of work of a soak: a plain function on a plain description, on whatever machine.

A task (`harness.soak.tasks.task_of` makes it) is JSON:

| key | |
|---|---|
| `number`, `seed` | of the boot (`harness.soak.plan.Boot`) |
| `board` | the whole profile, as it was when the soak began |
| `request` | the other fields of `BootRequest`; paths are absolute, and of the machine that boots |
| `injected` | the recipe of the failure that is made on purpose (`Recipe.to_json`), or null |
| `binaries` | role -> SHA-256 of what the soak boots; empty: whatever there is |
| `run_folder` | where the run is kept; null: in a folder that goes again (with `pack`) |
| `pack` | whether the files of the run folder come with the answer |
| `forensics` | options of `harness.forensics`, for a boot that hangs; null: nothing is asked |

The answer:

| key | |
|---|---|
| `number` | of the boot |
| `result` | as result.json, with `soak`: boot, seed and recipe |
| `files` | bytes: a tar of the run folder, if `pack`; else null |
| `refused` | why this task cannot be carried out (the user must act); null if it was |
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.boot import booted
from harness.errors import InfraError, UserError
from harness.request import BootRequest
from harness.result import failure
from harness.soak import kept
from harness.soak.tasks import hang_observer, request_of
from harness.workfolder import work_folder

_PREFIX = "harness-soak-"


def run_boot(task: Mapping[str, Any]) -> dict[str, Any]:
    """Boot once. May run in any thread, and on any machine.

    What our side fails is a result too (DIED, INFRA).

    Raises:
        KeyboardInterrupt: the user ended it; there is no result.
    """
    where = task["run_folder"]
    with _scratch(where) as scratch:
        folder = scratch / "run" if where is None else Path(where)
        try:
            request = request_of(task, scratch, folder)
            result = _booted(request, task)
        except UserError as bad:
            return {"number": task["number"], "result": {}, "files": None, "refused": str(bad)}
        result = kept.keep(folder, task, result)
        files = kept.packed(folder) if task["pack"] else None
    return {"number": task["number"], "result": result, "files": files, "refused": None}


@contextmanager
def _scratch(run_folder: str | None) -> Iterator[Path]:
    """A folder for what is no part of the run. If we are killed, the next of us clears it."""
    if run_folder is None:
        with work_folder(Path(tempfile.gettempdir()), _PREFIX) as made:
            yield made
        return
    path = kept.scratch_of(Path(run_folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _booted(request: BootRequest, task: Mapping[str, Any]) -> dict[str, Any]:
    try:
        with booted(request, on_hang=hang_observer(task)) as session:
            # The verdict of a boot that the user ended says so; of a soak, he ended all of it.
            if session.ending.kind == "interrupted":
                raise KeyboardInterrupt
            return session.result
    except InfraError as bad:
        return dict(bad.result or failure(request, bad, request.out))


def lost(task: Mapping[str, Any], why: str) -> dict[str, Any]:
    """The answer for a boot whose worker died: our side failed, and it says nothing of the board.

    Args:
        why: "its worker was killed (signal 9)".
    """
    result = {
        "board": task["board"]["name"],
        "verdict": "INFRA",
        "cause": why,
        "ending": {"kind": "infra", "detail": why},
        "stages": {},
        "seconds": None,
        "run_folder": task["run_folder"],
    }
    result["soak"] = kept.label(task)
    return {"number": task["number"], "result": result, "files": None, "refused": None}
