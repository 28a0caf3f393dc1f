"""A board that falls silent under a test. Evidence: simulated."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness import silentboard
from harness.forensics.model import Forensics
from harness.session import HangContext, Session
from harness.shell.base import ShellError
from harness.target.base import ChannelClosed
from harness.target.qemu import QemuTarget

LATE = ShellError("no answer")


class Shell:
    """A dom0 that answers, or fails so."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.ran: list[str] = []

    def run(self, command: str, timeout: float) -> Any:
        assert timeout > 0
        self.ran.append(command)
        if self.failure:
            raise self.failure
        return SimpleNamespace(status=0)


def session(shell: Shell | None, target: object = None) -> Session:
    shown = SimpleNamespace(
        run=SimpleNamespace(path=Path("/run-folder")),
        shell=shell,
        dom0=shell,
        result={"forensics": None},
        target=object.__new__(QemuTarget) if target is None else target,
        ending=None,
    )
    return cast(Session, shown)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    seen: list[Session] = []

    def collect(context: HangContext, options: object) -> Forensics:
        seen.append(context.session)
        context.session.result["forensics"] = {"file": "forensics.txt"}
        return Forensics(summary=("CPU0 spins in foo",))

    monkeypatch.setattr(silentboard, "collect", collect)
    return seen


def test_a_dom0_that_does_not_answer_is_looked_at_once(looked: list[Session]) -> None:
    board = session(Shell(ShellError("true: no answer")))
    said = silentboard.look(board, LATE)
    assert said.splitlines() == [
        "dom0 does not answer any more.",
        "CPU0 spins in foo",
        "all of it: /run-folder/forensics.txt",
    ]
    assert silentboard.look(board, LATE) == ""
    assert looked == [board]


def test_a_dom0_that_answers_is_left_alone(looked: list[Session]) -> None:
    shell = Shell()
    assert silentboard.look(session(shell), LATE) == ""
    assert (shell.ran, looked) == (["true"], [])


@pytest.mark.parametrize("error", [None, AssertionError("1 != 2"), KeyError("x")])
def test_what_is_no_silence_asks_nobody(looked: list[Session], error: Any) -> None:
    shell = Shell(LATE)
    assert silentboard.look(session(shell), error) == ""
    assert (shell.ran, looked) == ([], [])


def test_nobody_is_asked_where_there_is_no_machine(looked: list[Session]) -> None:
    assert silentboard.look(session(Shell(ChannelClosed())), LATE) == ""
    assert silentboard.look(session(Shell(LATE), target=object()), LATE) == ""
    assert silentboard.look(session(None), LATE) == ""
    assert looked == []
