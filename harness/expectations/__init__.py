"""Expectations of a boot: the profile's own, and those derived from its facts and our artifacts.

Derived ones beat hand-written ones: a profile says that it has four CPUs once, and the line that
Xen must print follows.
"""

from __future__ import annotations

import re

from harness.board import Board
from harness.board.model import Expect
from harness.expectations.acpi import Given, from_acpi, hardware_with, prediction
from harness.expectations.arm import from_arm, from_card
from harness.expectations.artifacts import Built, from_artifacts, of_linux
from harness.expectations.facts import after_banner
from harness.expectations.hardware import from_hardware
from harness.rules import Expectation, InOrder, MustNotSay, MustSay, Scope

__all__ = ["Built", "Given", "expectations", "greetings", "prediction", "without_xen"]


def expectations(
    board: Board, target: str, built: Built | None, goal: str, given: Given | None = None
) -> list[Expectation]:
    """All expectations for a boot of `board` on `target` up to stage `goal`.

    Args:
        given: ACPI tables that the emulated machine had instead of its own.
    """
    hardware = board.hardware_of(target)
    if given is not None:
        hardware = hardware_with(hardware, given.tables)
    cmdline = built.xen_cmdline if built else None
    derived = from_hardware(board, hardware)
    derived += from_arm(hardware.arm, cmdline, board.xen.cmdline)
    derived += from_artifacts(built, after_banner(board)) if built else []
    derived += from_acpi(board, given) if given else []
    derived += from_card(board, built) if built and built.sizes else []
    own = [_from_profile(e) for e in board.expectations]
    own += [
        MustSay(f"domains.{name}.greeting", said, f"{name} says so when it is up")
        for name, said in greetings(board).items()
    ]
    return [e for e in (*own, *derived) if isinstance(e, MustNotSay) or _reachable(e, board, goal)]


def greetings(board: Board) -> dict[str, re.Pattern[str]]:
    """What each domain says when it is up, as it stands on Xen's console: name -> pattern.

    Xen numbers them from 1, and names them DOM1 (vpl011) or d1 (console_io).
    """
    return {
        domain.name: re.compile(rf"\((?:XEN\) DOM{number}:|d{number}\)) {_words(domain.greeting)}")
        for number, domain in enumerate(board.domains, 1)
        if domain.greeting
    }


def _words(greeting: str) -> str:
    """A pattern for what a domain says, where it stands behind a prefix.

    Its flags hold for it alone, and "^" is the begin of what is said.
    """
    flags, pattern = re.fullmatch(r"(?s)(?:\(\?([aimsux]+)\))?(.*)", greeting).groups("")  # type: ignore[union-attr]  # both parts may be empty
    anywhere = "" if pattern.startswith("^") else ".*?"
    return f"{anywhere}(?{flags}:{pattern.removeprefix('^')})"


def without_xen(built: Built) -> list[Expectation]:
    """What Linux alone must show: a menu entry that boots the kernel without Xen."""
    return of_linux(built)


def _reachable(expectation: Expectation, board: Board, goal: str) -> bool:
    """A boot that is stopped at an early stage on purpose cannot meet what comes later."""
    # Without a stage of its own, it speaks about the goal of the board.
    position, end = board.stages.index(goal), board.stages.index(board.boot.goal)
    stage = expectation.scope.stage
    return position >= end if stage is None else board.stages.index(stage) <= position


def _from_profile(expect: Expect) -> Expectation:
    scope = Scope(expect.stage, expect.xen)
    if expect.must:
        return MustSay(expect.id, re.compile(expect.must), expect.why, scope)
    if expect.must_not:
        return MustNotSay(expect.id, re.compile(expect.must_not), expect.why, scope)
    return InOrder(expect.id, tuple(re.compile(p) for p in expect.order or ()), expect.why, scope)
