"""Options as words again: to be kept, and parsed once more in another folder on another day."""

from __future__ import annotations

import argparse
from pathlib import Path

_ROLES_WITH_FILES = ("xen", "kernel", "initrd")


def words_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> tuple[str, ...]:
    """The options of `parser` that are not what they are by default; paths are absolute.

    `parser` gives the same values for these words as `options` has.
    """
    words: list[str] = []
    for action in parser._actions:
        value = getattr(options, action.dest, action.default)
        if not action.option_strings or value == action.default:
            continue
        name = action.option_strings[-1]
        if action.nargs == 0:
            words.append(name)
            continue
        values = value if isinstance(value, list) else [value]
        words += [f"{name}={_absolute(action.dest, one)}" for one in values]
    return tuple(words)


def _absolute(option: str, value: object) -> str:
    if isinstance(value, Path):
        return str(value.absolute())
    text = str(value)
    role, equals, what = text.partition("=") if option == "use" else ("", "", text)
    if (option == "use" or option in _ROLES_WITH_FILES) and _is_file(what):
        what = str(Path(what).absolute())
    return f"{role}{equals}{what}"


def absolute_board(name: str) -> str:
    """The name of a board; of one that is given as a file, its absolute path."""
    return str(Path(name).absolute()) if "/" in name or name.endswith((".yaml", ".yml")) else name


def _is_file(text: str) -> bool:
    """As `harness.build.binaries` tells a file from a version or a suite."""
    return "/" in text or Path(text).is_file()
