"""What a script does: loads, the tree that it makes, and how it starts the system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.lint.script_words import Problem
from harness.lint.symbols import Number
from harness.lint.worktree import WorkTree

# (number of the if, which arm), from the outermost on: what may not happen together.
Branch = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Load:
    """A file read into memory.

    Attributes:
        number: of the load in the script, from 0.
        file: the path as the command names it.
        size: in bytes; None if the file was not given.
    """

    number: int
    line: int
    command: str
    address: Number
    file: str
    size: int | None
    branch: Branch

    @property
    def base_name(self) -> str:
        return self.file.rpartition("/")[2]


@dataclass(frozen=True)
class WorkingFdt:
    """The tree that `fdt` commands edit.

    Attributes:
        address: where it is.
        line: of the `fdt addr`.
        load: the number of the load that put it there.
        total: its size in bytes, with the room that was made; None if it is not known.
        used: the part of it that is in use.
        grown: by how much the commands since then made it grow.
        resized: the line of the last command that made room.
        shrunk: the line of a `fdt resize` without a size, behind a `fdt addr` with one.
    """

    address: Number
    line: int
    load: int | None = None
    total: int | None = None
    used: int | None = None
    grown: int = 0
    resized: int | None = None
    shrunk: int | None = None


@dataclass(frozen=True)
class Boot:
    """A command that starts a system, with all that was true when it ran.

    Attributes:
        arguments: as they were after expansion.
        environment: the variables.
        loads: what had been read until then, in the order of the script.
    """

    line: int
    command: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    tree: WorkTree
    fdt: WorkingFdt | None
    loads: tuple[Load, ...]
    branch: Branch


@dataclass(frozen=True)
class Trace:
    """All that a script does.

    Attributes:
        unknown: (line, command) of what the interpreter does not know.
        branches: lines of the ifs of which more than one arm was followed.
        text: the script.
    """

    text: str
    loads: tuple[Load, ...] = ()
    boots: tuple[Boot, ...] = ()
    problems: tuple[Problem, ...] = ()
    unknown: tuple[tuple[int, str], ...] = ()
    branches: tuple[int, ...] = ()
    comments: tuple[tuple[int, str], ...] = ()


def compatible(one: Branch, other: Branch) -> bool:
    """Whether two things can happen in the same run of the script."""
    arms = dict(one)
    return all(arms.get(number, arm) == arm for number, arm in other)


@dataclass
class State:
    """What the interpreter knows at one point of the script."""

    environment: dict[str, str] = field(default_factory=dict)
    tree: WorkTree = field(default_factory=WorkTree)
    fdt: WorkingFdt | None = None
    ended: bool = False

    def copy(self) -> State:
        return State(dict(self.environment), self.tree.copy(), self.fdt, self.ended)
