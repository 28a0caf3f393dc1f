"""Finds board profiles, reads them, and turns what is wrong in them into errors with a line.

Inheritance: `extends: NAME` lays a profile over another. Mappings are merged key by key; lists
whose items have an `id` are merged by id (`remove: true` takes an item out); other lists and
values are replaced.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from harness import data
from harness.board.model import Board
from harness.errors import ProfileError

_MAX_BYTES = 1 << 20
# Anchors can make a small file expand without bound; no profile comes near these.
_MAX_NODES = 20_000
_MAX_DEPTH = 40

Place = tuple[str, int]
Plain = dict[str, Any]


@dataclass(frozen=True)
class _Loaded:
    """A profile as plain data, and for each path in it the file and line that set it."""

    data: Plain
    places: dict[tuple[str | int, ...], Place]


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
            raise ProfileError(f"{name}: no such board profile", hint="harness boards lists them")
        return _validated(_with_parents(file, extra, ()), file)
    boards = available(extra)
    if name not in boards:
        near = difflib.get_close_matches(name, boards, n=1)
        raise ProfileError(
            f"no board {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
            expected=f"one of: {', '.join(sorted(boards)) or 'no board was found'}",
            hint="searched in: " + ", ".join(str(f) for f in search_path(extra)),
        )
    return _validated(_with_parents(boards[name], extra, ()), boards[name])


def _with_parents(file: Path, extra: Sequence[Path], seen: tuple[Path, ...]) -> _Loaded:
    if file.resolve() in seen:
        chain = " -> ".join(str(f.name) for f in (*seen, file))
        raise ProfileError("a profile extends itself", where=str(file), expected=f"no loop: {chain}")
    own = _read(file)
    parent = own.data.get("extends")
    if parent is None:
        return own
    line = own.places.get(("extends",), (str(file), 1))[1]
    where = f"{file}:{line}"
    if not isinstance(parent, str):
        raise ProfileError("extends takes the name of one board", where=where)
    sibling = file.parent / f"{parent}.yaml"
    candidates = {**available(extra)}
    if sibling.is_file() and sibling.resolve() != file.resolve():
        candidates[parent] = sibling
    if parent not in candidates:
        near = difflib.get_close_matches(parent, candidates, n=1)
        raise ProfileError(
            f"extends {parent!r}, and there is no such board"
            + (f"; did you mean {near[0]!r}?" if near else ""),
            where=where,
            expected=f"one of: {', '.join(sorted(candidates))}",
        )
    base = _with_parents(candidates[parent], extra, (*seen, file.resolve()))
    rest = {key: value for key, value in own.data.items() if key != "extends"}
    places = dict(base.places)
    merged = _merge(base.data, rest, (), (), own.places, places)
    return _Loaded(merged, places)


def _merge(
    base: Any,
    over: Any,
    at: tuple[str | int, ...],
    over_at: tuple[str | int, ...],
    over_places: Mapping[tuple[str | int, ...], Place],
    places: dict[tuple[str | int, ...], Place],
) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        result = dict(base)
        for key, value in over.items():
            where, over_where = (*at, key), (*over_at, key)
            result[key] = _merge(base.get(key), value, where, over_where, over_places, places)
        return result
    if _has_ids(base) and _has_ids(over):
        items = list(base)
        for index, item in enumerate(over):
            names = [known.get("id") for known in items]
            position = names.index(item["id"]) if item["id"] in names else len(items)
            if item.get("remove") is True and position < len(items):
                # Places behind a removed item shift; they are only used to name lines.
                del items[position]
                continue
            where, over_where = (*at, position), (*over_at, index)
            old = items[position] if position < len(items) else None
            new = _merge(old, item, where, over_where, over_places, places)
            items[position : position + 1] = [new]
        return items
    for path, place in over_places.items():
        if path[: len(over_at)] == over_at:
            places[(*at, *path[len(over_at) :])] = place
    return over


def _has_ids(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and isinstance(item.get("id"), str) for item in value)
    )


def _read(file: Path) -> _Loaded:
    try:
        raw = file.read_bytes()
    except OSError as bad:
        raise ProfileError(f"cannot be read: {bad.strerror}", where=str(file)) from None
    if len(raw) > _MAX_BYTES:
        raise ProfileError(f"{len(raw)} bytes; a profile has at most 1 MiB", where=str(file))
    try:
        tree = YAML(typ="rt").load(raw.decode("utf-8"))
    except UnicodeDecodeError as bad:
        raise ProfileError("is not UTF-8", where=f"{file}, offset {bad.start:#x}") from None
    except MarkedYAMLError as bad:
        mark = bad.problem_mark or bad.context_mark
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        raise ProfileError(f"not YAML: {bad.problem or bad.context}", where=where) from None
    except (YAMLError, ValueError, RecursionError) as bad:
        first = (str(bad).splitlines() or ["nested too deeply"])[0]
        raise ProfileError(f"not YAML: {first}", where=str(file)) from None
    if not isinstance(tree, CommentedMap):
        raise ProfileError("a profile is a mapping (key: value)", where=f"{file}:1")
    places: dict[tuple[str | int, ...], Place] = {}
    count = [0]
    plain = _plain(tree, (), 1, str(file), places, count)
    return _Loaded(plain, places)


def _plain(
    node: Any,
    at: tuple[str | int, ...],
    line: int,
    file: str,
    places: dict[tuple[str | int, ...], Place],
    count: list[int],
) -> Any:
    count[0] += 1
    if count[0] > _MAX_NODES or len(at) > _MAX_DEPTH:
        raise ProfileError("expands to more than a profile can hold", where=f"{file}:{line}")
    places[at] = (file, line)
    if isinstance(node, CommentedMap):
        result: Plain = {}
        for key, value in node.items():
            row = node.lc.data[key][0] + 1 if key in (node.lc.data or {}) else line
            if not isinstance(key, str):
                raise ProfileError(
                    f"the key {key!r} is not a text", where=f"{file}:{row}", hint=f'write "{key}":'
                )
            result[str(key)] = _plain(value, (*at, str(key)), row, file, places, count)
        return result
    if isinstance(node, CommentedSeq):
        rows = node.lc.data or {}
        return [
            _plain(
                v, (*at, i), rows[i][0] + 1 if i in rows else line, file, places, count
            )
            for i, v in enumerate(node)
        ]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    raise ProfileError(
        f"{node!r} is a {type(node).__name__}",
        where=f"{file}:{line}",
        expected="text, number, true or false",
        hint="put it in quotes",
    )


def _validated(loaded: _Loaded, file: Path) -> Board:
    try:
        board = Board.model_validate_json(json.dumps(loaded.data))
    except ValidationError as bad:
        raise _first_error(bad, loaded, file) from None
    except ValueError as bad:  # NaN and infinity, which JSON does not have
        raise ProfileError(str(bad), where=str(file)) from None
    if board.name != file.stem:
        name_file, line = loaded.places.get(("name",), (str(file), 1))
        raise ProfileError(
            f"name is {board.name!r}, and the file is {file.name}",
            where=f"{name_file}:{line}",
            expected=f"name: {file.stem}",
        )
    return board


def _first_error(bad: ValidationError, loaded: _Loaded, file: Path) -> ProfileError:
    # A missing key is often the echo of a misspelt one: name the misspelling first.
    errors = sorted(bad.errors(), key=lambda e: e["type"] != "extra_forbidden")
    error = errors[0]
    path = tuple(p for p in error["loc"] if p != "[key]")
    place = _place(path, loaded, file)
    shown = ".".join(str(p) for p in path) or "profile"
    message, expected = error["msg"].removeprefix("Value error, "), None
    names: list[str] = []
    if error["type"] == "extra_forbidden":
        names = _fields_at(path[:-1])
        message = "unknown key"
    elif error["type"] == "literal_error":
        expected = str(error["ctx"]["expected"])
        names = [part.strip(" '") for part in expected.replace(" or ", ",").split(",")]
        message = f"{error['input']!r} is not possible here"
    elif error["type"] == "missing":
        message = "is missing"
    wrong = str(path[-1] if error["type"] == "extra_forbidden" else error["input"])
    near = difflib.get_close_matches(wrong, names, n=1)
    if near:
        message += f"; did you mean {near[0]!r}?"
    elif names and not expected:
        expected = "one of: " + ", ".join(names)
    more = f"{len(errors) - 1} more problem(s) in this profile" if len(errors) > 1 else None
    return ProfileError(
        f"{shown}: {message}", where=f"{place[0]}:{place[1]}", expected=expected, hint=more
    )


def _place(path: tuple[str | int, ...], loaded: _Loaded, file: Path) -> Place:
    for length in range(len(path), -1, -1):
        if path[:length] in loaded.places:
            return loaded.places[path[:length]]
    return (str(file), 1)


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
