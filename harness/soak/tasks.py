"""What a boot of a soak is, as plain data: from a request to a task, and back on the worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from harness.board import Board
from harness.errors import InputError
from harness.forensics import Options, on_hang
from harness.request import BootRequest
from harness.session import HangContext
from harness.soak.injection import Recipe, injected
from harness.soak.plan import Boot
from harness.target.icount import Icount

_NOT_SENT = ("board", "out")


def task_of(
    boot: Boot,
    request: BootRequest,
    *,
    recipe: Recipe | None = None,
    binaries: Mapping[str, str] | None = None,
    run_folder: Path | None = None,
    forensics: Options | None = None,
) -> dict[str, Any]:
    """The task of one boot (`harness.soak.work`): JSON, and the same for the same arguments.

    Args:
        recipe: of the failure that is made on purpose.
        binaries: role -> SHA-256 that must be booted.
        run_folder: where the run is kept; None: on another machine, its files come back.
        forensics: for a boot that hangs; None: nothing is asked.
    """
    return {
        "number": boot.number,
        "seed": boot.seed,
        "board": json.loads(request.board.model_dump_json(by_alias=True)),
        "request": {
            one.name: _plain(getattr(request, one.name))
            for one in fields(request)
            if one.name not in _NOT_SENT
        },
        "injected": recipe.to_json() if recipe else None,
        "binaries": dict(binaries or {}),
        "run_folder": str(run_folder.absolute()) if run_folder else None,
        "pack": run_folder is None,
        "forensics": None if forensics is None else _options(forensics),
    }


def request_of(task: Mapping[str, Any], scratch: Path, out: Path) -> BootRequest:
    """What a task asks to boot; with its recipe, if it has one.

    Args:
        scratch: a folder for files that the recipe needs.
        out: the run folder.

    Raises:
        UserError: it cannot be carried out on this machine.
    """
    paths = {one.name for one in fields(BootRequest) if "Path" in str(one.type)}
    try:
        board = Board.model_validate_json(json.dumps(task["board"]))
        asked: dict[str, Any] = {
            name: Path(value) if name in paths and value is not None else value
            for name, value in task["request"].items()
        }
        if asked.get("icount") is not None:
            asked["icount"] = Icount(**asked["icount"])
        request = BootRequest(board=board, out=out, **asked)
    except (TypeError, ValueError) as bad:
        raise InputError(
            f"a boot that this harness does not know: {bad}",
            hint="have the same version on all machines of the soak",
        ) from None
    if task["injected"] is None:
        return request
    return injected(request, Recipe.from_json(task["injected"]), scratch)


def hang_observer(task: Mapping[str, Any]) -> Callable[[HangContext], None] | None:
    """For `booted(on_hang=...)`."""
    asked = task["forensics"]
    if asked is None:
        return None
    return on_hang(Options(**{**asked, "symbols": tuple(map(Path, asked["symbols"]))}))


def _options(of: Options) -> dict[str, Any]:
    asked = {one.name: getattr(of, one.name) for one in fields(of)}
    return {**asked, "symbols": [str(path.absolute()) for path in of.symbols]}


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value.absolute())
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return dict(value) if isinstance(value, Mapping) else value
