"""Finds board profiles, reads them, and turns what is wrong in them into errors with a line.

Inheritance: `extends: NAME` lays a profile over another. Mappings are merged key by key; lists
whose items have an `id` are merged by id (`remove: true` takes an item out); other lists and
values are replaced.
"""

from __future__ import annotations

import difflib
import json
import reprlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from harness import data
from harness.board.base import Misfit
from harness.board.model import Board
from harness.board.tree import Node, merge, read
from harness.errors import ProfileError


def search_path(extra: Sequence[Path] = ()) -> list[Path]:
    """The folders with profiles, first wins: `--board-path`, ./boards, the shipped ones."""
    folders: list[Path] = []
    for folder in (*extra, Path("boards"), data.folder("boards")):
        if folder.is_dir() and folder.resolve() not in [f.resolve() for f in folders]:
            folders.append(folder)
    return folders


def available(extra: Sequence[Path] = ()) -> dict[str, Path]:
    """Names of all profiles that can be found, with their files."""
    found: dict[str, Path] = {}
    for folder in search_path(extra):
        for file in sorted(folder.glob("*.yaml")):
            found.setdefault(file.stem, file)
    return found


def load(name: str, extra: Sequence[Path] = ()) -> Board:
    """The board with this name, or in this file (`path/to/board.yaml`).

    Raises:
        ProfileError: no such board, or its profile is not valid; with file and line.
    """
    if "/" in name or name.endswith((".yaml", ".yml")):
        file = Path(name)
        if not file.is_file():
            raise ProfileError(f"{name}: no such board profile", hint="list them: harness boards")
        return _validated(_with_parents(file, extra, ()), file)
    boards = available(extra)
    if name not in boards:
        near = difflib.get_close_matches(name, boards, n=1)
        raise ProfileError(
            f"no board {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
            expected=f"one of: {', '.join(sorted(boards)) or 'no board was found'}; "
            f"searched in: {', '.join(str(f) for f in search_path(extra))}",
            hint="list them: harness boards",
        )
    return _validated(_with_parents(boards[name], extra, ()), boards[name])


def _with_parents(file: Path, extra: Sequence[Path], seen: tuple[Path, ...]) -> Node:
    own = read(file)
    assert isinstance(own.value, dict)  # noqa: S101 -- what `read` gives
    parent = own.value.pop("extends", None)
    if parent is None:
        return own
    if not isinstance(parent.value, str):
        raise ProfileError("extends takes the name of one board", where=parent.where)
    seen = (*seen, file.resolve())
    base = _parent(parent.value, file, extra, parent.where)
    if base.resolve() in seen:
        chain = " -> ".join(f.name for f in (*seen, base))
        raise ProfileError(
            "a profile extends itself", where=parent.where, expected=f"no loop: {chain}"
        )
    return merge(_with_parents(base, extra, seen), own)


def _parent(name: str, file: Path, extra: Sequence[Path], where: str) -> Path:
    beside = {f.stem: f for f in file.parent.glob("*.yaml") if f.resolve() != file.resolve()}
    candidates = {**available(extra), **beside}
    if name not in candidates:
        near = difflib.get_close_matches(name, candidates, n=1)
        raise ProfileError(
            f"extends {name!r}, and there is no such board"
            + (f"; did you mean {near[0]!r}?" if near else ""),
            where=where,
            expected=f"one of: {', '.join(sorted(candidates))}",
        )
    return candidates[name]


def _validated(tree: Node, file: Path) -> Board:
    try:
        board = Board.model_validate_json(json.dumps(tree.plain()))
    except ValidationError as bad:
        raise _first_error(bad, tree) from None
    if board.name != file.stem:
        name = tree.nearest(("name",))
        raise ProfileError(
            f"name is {board.name!r}, and the file is {file.name}",
            # A variant without a name of its own has its parent's.
            where=(name if name.file == str(file) else tree).where,
            expected=f"name: {file.stem}",
        )
    return board


def _first_error(bad: ValidationError, tree: Node) -> ProfileError:
    # A missing key is often the echo of a misspelt one: name the misspelling first.
    errors = sorted(bad.errors(), key=lambda e: e["type"] != "extra_forbidden")
    error = errors[0]
    path = tuple(p for p in error["loc"] if p != "[key]")
    wrong, names = str(error["input"]), list[str]()
    message, expected = error["msg"].removeprefix("Value error, "), None
    misfit = error.get("ctx", {}).get("error")
    if isinstance(misfit, Misfit):
        path, wrong, names = (*path, *misfit.place), misfit.wrong, list(misfit.names)
    elif error["type"] == "extra_forbidden":
        wrong, names = str(path[-1]), _fields_at(path[:-1])
        message = "unknown key"
    elif error["type"] == "literal_error":
        expected = str(error["ctx"]["expected"])
        names = [part.strip(" '") for part in expected.replace(" or ", ",").split(",")]
        message = f"{reprlib.repr(error['input'])} is not possible here"
    elif error["type"] == "missing":
        message = "is missing"
    near = difflib.get_close_matches(wrong, names, n=1)
    if near:
        message += f"; did you mean {near[0]!r}?"
    if names and not expected and not near:
        expected = "one of: " + ", ".join(names)
    more = f"{len(errors) - 1} more problem(s) in this profile" if len(errors) > 1 else None
    shown = ".".join(str(p) for p in path) or "profile"
    where = tree.nearest(path).where
    return ProfileError(f"{shown}: {message}", where=where, expected=expected, hint=more)


def _fields_at(path: tuple[str | int, ...]) -> list[str]:
    """The keys that are valid at a path of the profile."""
    model: Any = Board
    for step in path:
        if isinstance(step, int):
            continue
        fields = model.model_fields if _is_model(model) else {}
        if step in fields:
            model = next(iter(_models_in(fields[step].annotation)), None)
    if not _is_model(model):
        return []
    names = [field.alias or name for name, field in model.model_fields.items()]
    return [*names, "extends"] if model is Board else names


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _models_in(annotation: Any) -> Iterator[Any]:
    if _is_model(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
