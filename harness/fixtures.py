"""The fixtures of the pytest plugin. One boot serves all tests of a board."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import pytest

from harness.board import Board
from harness.boardtests import (
    BOARD_NAME,
    FAILED,
    FRESH,
    SESSIONS,
    SNAPSHOTS,
    board_of,
    load_board,
    replay_log,
    request_of,
)
from harness.boot import booted
from harness.console import Console
from harness.errors import HarnessError, InfraError, TargetDied, ToolMissing
from harness.forensics import on_hang
from harness.replay import ReplayRequest, replayed
from harness.report.text import text_report
from harness.session import Session
from harness.shell.uboot import UbootShell
from harness.shell.xen_input import DOM0, XenInput
from harness.shell.xen_keys import XenKeys
from harness.snapshot import Snapshot, restored, saved
from harness.toolstack.dom0 import Dom0
from harness.tracing import Trace
from harness.tracing import trace as take_trace
from harness.verdict import Kind


@pytest.fixture(scope="session", name=BOARD_NAME)
def _board_name(request: pytest.FixtureRequest) -> str:
    """The name of the board under test: one of `--board`."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def board(request: pytest.FixtureRequest, _harness_board: str) -> Board:
    """The profile of the board under test."""
    return load_board(request.config, _harness_board)


@pytest.fixture(scope="session")
def boot(request: pytest.FixtureRequest, board: Board) -> Iterator[Session]:
    """The booted board; alive until the last test of this board."""
    config = request.config
    try:
        log = replay_log(config)
        if log is not None:
            session = replayed(ReplayRequest(log, board))
            _passed_or_fail(config, board.name, session)
            yield session
            return
        with ExitStack() as stack:
            asked = request_of(config, board.name, request.session.items)
            session = stack.enter_context(booted(asked, on_hang=on_hang()))
            _passed_or_fail(config, board.name, session)
            if _fresh_is_wanted(request.session.items, board.name):
                config.stash[SNAPSHOTS][board.name] = _snapshot(stack, session)
            yield session
    except ToolMissing as bad:
        config.stash[FAILED][board.name] = bad.message
        if os.environ.get("CI"):
            pytest.fail(str(bad), pytrace=False)
        pytest.skip(str(bad))
    except HarnessError as bad:
        config.stash[FAILED][board.name] = bad.message
        pytest.fail(str(bad), pytrace=False)


@pytest.fixture(scope="session")
def console(boot: Session) -> Console:
    """The serial console of the booted board."""
    return boot.console


@pytest.fixture(scope="session")
def dom0(boot: Session) -> Dom0:
    """dom0, logged in: `dom0.run("uname -r").output`, `.status`."""
    if boot.shell is None:
        pytest.skip(f"no dom0 shell: the goal of this boot was {boot.rules.goal}")
    return boot.shell


@pytest.fixture
def trace(boot: Session, dom0: Dom0) -> Callable[..., Trace]:
    """Traces Xen: `trace(5, command="xl list").summary`; kept with the run."""
    folder = boot.run.path if boot.run else None
    return partial(take_trace, dom0, keep=folder, evidence=boot.target.evidence)


@pytest.fixture
def xen_input(boot: Session) -> Iterator[XenInput]:
    """Who gets what is typed: `xen_input.switch_to("Xen")`; dom0 has it again after the test."""
    handle = boot.xen_input
    yield handle
    if handle.owner is not None:
        handle.switch_to(DOM0)


@pytest.fixture
def xen_keys(boot: Session) -> XenKeys:
    """Xen's debug keys: `xen_keys.domains()`."""
    return boot.xen_keys


@pytest.fixture(scope="session")
def uboot(request: pytest.FixtureRequest, board: Board) -> Iterator[UbootShell]:
    """U-Boot's prompt, of a boot of its own that goes no further."""
    stopped = replace(request_of(request.config, board.name), until="uboot")
    try:
        with booted(stopped, on_hang=on_hang()) as session:
            if session.verdict.kind is not Kind.PASS:
                pytest.fail(text_report(session.result), pytrace=False)
            yield session.uboot
    except HarnessError as bad:
        pytest.fail(str(bad), pytrace=False)


@pytest.fixture
def fresh_boot(request: pytest.FixtureRequest, board: Board, boot: Session) -> Iterator[Session]:
    """A boot that no other test has touched, for this test alone.

    It starts from a snapshot of `boot`, taken before any test used that, where the machine can be
    saved; else it is a boot of its own. The test's properties say which, and why.
    """
    config, node = request.config, request.node
    kept = config.stash[SNAPSHOTS][board.name]
    if isinstance(kept, str) and boot.target.evidence == "hardware":
        pytest.skip(f"there is one board, and `boot` has it: {kept}")
    try:
        with ExitStack() as stack:
            if isinstance(kept, str):
                node.user_properties.append(("no_snapshot", kept))
                session = stack.enter_context(
                    booted(request_of(config, board.name), on_hang=on_hang())
                )
            else:
                session = stack.enter_context(restored(kept))
            node.stash[FRESH] = session
            if session.ending.kind == "interrupted":
                raise KeyboardInterrupt
            if session.verdict.kind is not Kind.PASS:
                pytest.fail(text_report(session.result), pytrace=False)
            yield session
    except HarnessError as bad:
        pytest.fail(str(bad), pytrace=False)


@pytest.fixture
def fresh_dom0(fresh_boot: Session) -> Dom0:
    """dom0 of `fresh_boot`, logged in: what a test does to it, no other test sees."""
    if fresh_boot.shell is None:
        pytest.skip(f"no dom0 shell: the goal of this boot was {fresh_boot.rules.goal}")
    return fresh_boot.shell


def _fresh_is_wanted(items: Iterable[pytest.Item], board: str) -> bool:
    return any(
        board_of(item) == board and "fresh_boot" in getattr(item, "fixturenames", ())
        for item in items
    )


def _snapshot(stack: ExitStack, session: Session) -> Snapshot | str:
    """A snapshot that lives as long as `stack`; or why there is none.

    The boot that it is of has passed, and serves the other tests also if it cannot be saved.
    """
    try:
        return stack.enter_context(saved(session))
    except TargetDied:
        raise
    except InfraError as bad:  # a machine that cannot be saved, a disk that is full
        return bad.message


def _passed_or_fail(config: pytest.Config, name: str, session: Session) -> None:
    if session.ending.kind == "interrupted":
        raise KeyboardInterrupt
    config.stash[SESSIONS][name] = session
    if session.verdict.kind is Kind.PASS:
        return
    config.stash[FAILED][name] = f"{session.verdict.kind}: {session.verdict.cause}"
    pytest.fail(text_report(session.result), pytrace=False)
