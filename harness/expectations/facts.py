"""What derived expectations are made of."""

from __future__ import annotations

from collections.abc import Callable

from harness.board import Board
from harness.bootlog import BootLog
from harness.rules import Fact, Scope


def fact(
    name: str,
    stage: str | None,
    fact: Callable[[BootLog], object],
    want: object,
    why: str,
    *,
    optional: bool = False,
    grows: bool = False,
) -> Fact:
    """A fact that must have the value `want` once `stage` is passed; see `Fact`.

    `stage`: None = at the goal.
    """
    scope = Scope(stage)
    return Fact(name, fact, lambda have: have == want, str(want), why, scope, optional, grows)


def after_banner(board: Board) -> str:
    """The stage in which Xen has said what it found at its start: its command line, memory."""
    return board.stages[board.stages.index("xen") + 1]


def words(text: str | None) -> str | None:
    """Loaders add and drop blanks around a command line; the words are what was asked for."""
    return None if text is None else " ".join(text.split())
