"""The pytest plugin: boards as session fixtures. docs/pytest.md shows it at work.

One boot serves all tests of a board. A boot that fails, fails one test, with its cause; the others
say why they did not run.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from harness.board import Board, load
from harness.board.base import MethodName
from harness.boot import booted
from harness.build.binaries import parse_uses
from harness.console import Console
from harness.errors import HarnessError, InfraError, TargetDied, ToolMissing, UserError
from harness.replay import ReplayRequest, replayed
from harness.report.text import text_report
from harness.request import BootRequest
from harness.session import Session
from harness.shell.dom0 import Dom0Shell
from harness.shell.uboot import UbootShell
from harness.shell.xen_input import DOM0, XenInput
from harness.shell.xen_keys import XenKeys
from harness.snapshot import Snapshot, restored, saved
from harness.verdict import Kind

_FAILED = pytest.StashKey[dict[str, str]]()
_SESSIONS = pytest.StashKey[dict[str, Session]]()
# By board; a text says why there is none.
_SNAPSHOTS = pytest.StashKey[dict[str, Snapshot | str]]()
# A test's own boot.
_FRESH = pytest.StashKey[Session]()
# What makes a test a board test. Not "board" itself: that may be a parameter of anybody's test.
_NAME = "_harness_board"
_LIVE = {"console", "dom0", "uboot", "xen_input", "xen_keys", "fresh_boot", "fresh_dom0"}
_TAIL = 40


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of `harness boot`, for tests."""
    group = parser.getgroup("harness", "boards (boot-harness)")
    group.addoption("--board", action="append", default=[], help="run the tests of this board")
    group.addoption("--board-path", action="append", default=[], help="look for boards here first")
    group.addoption("--target", default="qemu", help="qemu, serial:URL or replay:LOG")
    group.addoption("--use", action="append", default=[], help="ROLE=FILE|VERSION|SUITE")
    for role in ("xen", "kernel", "initrd"):
        group.addoption(f"--{role}", help=f"the same as --use {role}=...")
    group.addoption("--cmdline-xen", help="edits of Xen's command line ('+iommu=debug')")
    group.addoption("--method", choices=get_args(MethodName), help="how to get to Xen")
    group.addoption("--ivrs", type=Path, help="boot with the IVRS of this file")
    group.addoption("--acpi", type=Path, help="boot with the ACPI tables of this folder or file")
    group.addoption("--deadline-scale", type=float, default=1.0, help="factor on all deadlines")


def pytest_configure(config: pytest.Config) -> None:
    """Markers, and a check of the boards that were asked for, before anything runs."""
    config.addinivalue_line("markers", "board(*names): only for these boards")
    config.addinivalue_line("markers", "live: needs a board that runs, not a recorded log")
    config.stash[_FAILED] = {}
    config.stash[_SESSIONS] = {}
    config.stash[_SNAPSHOTS] = {}
    try:
        for folder in config.getoption("--board-path"):
            if not Path(folder).is_dir():
                raise pytest.UsageError(f"--board-path {folder}: no such folder")
        for name in config.getoption("--board"):
            _load(config, name)
        if config.getoption("--board") and _replay_log(config) is None:
            _request(config, config.getoption("--board")[0])
    except UserError as bad:
        raise pytest.UsageError(str(bad)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One instance of a board test for each `--board`."""
    boards = metafunc.config.getoption("--board")
    if _NAME in metafunc.fixturenames and boards:
        metafunc.parametrize(_NAME, boards, indirect=True, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `--board`, board tests are deselected; so are tests of other boards."""
    kept: list[pytest.Item] = []
    gone: list[pytest.Item] = []
    for item in items:
        (gone if _is_for_nobody(item) else kept).append(item)
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = kept


def _is_for_nobody(item: pytest.Item) -> bool:
    if _NAME not in getattr(item, "fixturenames", ()):
        return False
    name = _board_of(item)
    if name is None:
        return True
    wanted = [n for mark in item.iter_markers("board") for n in mark.args]
    return bool(wanted) and name not in wanted


def _board_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get(_NAME)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What cannot run says why, before its fixtures are made."""
    names = set(getattr(item, "fixturenames", ()))
    if _NAME not in names:
        return
    log = _replay_log(item.config)
    if log is not None and (names & _LIVE or item.get_closest_marker("live")):
        pytest.skip(f"needs a live console; the target is the recorded log {log}")
    cause = item.config.stash[_FAILED].get(str(_board_of(item)))
    if "boot" in names and cause is not None:
        pytest.skip(f"the boot failed: {cause}")


@pytest.fixture(scope="session", name=_NAME)
def _board_name(request: pytest.FixtureRequest) -> str:
    """The name of the board under test: one of `--board`."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def board(request: pytest.FixtureRequest, _harness_board: str) -> Board:
    """The profile of the board under test."""
    return _load(request.config, _harness_board)


@pytest.fixture(scope="session")
def boot(request: pytest.FixtureRequest, board: Board) -> Iterator[Session]:
    """The booted board; alive until the last test of this board."""
    config = request.config
    try:
        log = _replay_log(config)
        if log is not None:
            session = replayed(ReplayRequest(log, board))
            _passed_or_fail(config, board.name, session)
            yield session
            return
        with ExitStack() as stack:
            session = stack.enter_context(booted(_request(config, board.name)))
            _passed_or_fail(config, board.name, session)
            if _fresh_is_wanted(request.session.items, board.name):
                config.stash[_SNAPSHOTS][board.name] = _snapshot(stack, session)
            yield session
    except ToolMissing as bad:
        config.stash[_FAILED][board.name] = bad.message
        if os.environ.get("CI"):
            pytest.fail(str(bad), pytrace=False)
        pytest.skip(str(bad))
    except HarnessError as bad:
        config.stash[_FAILED][board.name] = bad.message
        pytest.fail(str(bad), pytrace=False)


@pytest.fixture(scope="session")
def console(boot: Session) -> Console:
    """The serial console of the booted board."""
    return boot.console


@pytest.fixture(scope="session")
def dom0(boot: Session) -> Dom0Shell:
    """dom0, logged in: `dom0.run("uname -r").output`, `.status`."""
    if boot.shell is None:
        pytest.skip(f"no dom0 shell: the goal of this boot was {boot.rules.goal}")
    return boot.shell


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
    stopped = replace(_request(request.config, board.name), until="uboot")
    try:
        with booted(stopped) as session:
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
    kept = config.stash[_SNAPSHOTS][board.name]
    if isinstance(kept, str) and boot.target.evidence == "hardware":
        pytest.skip(f"there is one board, and `boot` has it: {kept}")
    try:
        with ExitStack() as stack:
            if isinstance(kept, str):
                node.user_properties.append(("no_snapshot", kept))
                session = stack.enter_context(booted(_request(config, board.name)))
            else:
                session = stack.enter_context(restored(kept))
            node.stash[_FRESH] = session
            if session.ending.kind == "interrupted":
                raise KeyboardInterrupt
            if session.verdict.kind is not Kind.PASS:
                pytest.fail(text_report(session.result), pytrace=False)
            yield session
    except HarnessError as bad:
        pytest.fail(str(bad), pytrace=False)


@pytest.fixture
def fresh_dom0(fresh_boot: Session) -> Dom0Shell:
    """dom0 of `fresh_boot`, logged in: what a test does to it, no other test sees."""
    if fresh_boot.shell is None:
        pytest.skip(f"no dom0 shell: the goal of this boot was {fresh_boot.rules.goal}")
    return fresh_boot.shell


def _fresh_is_wanted(items: Iterable[pytest.Item], board: str) -> bool:
    return any(
        _board_of(item) == board and "fresh_boot" in getattr(item, "fixturenames", ())
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
    config.stash[_SESSIONS][name] = session
    if session.verdict.kind is Kind.PASS:
        return
    config.stash[_FAILED][name] = f"{session.verdict.kind}: {session.verdict.cause}"
    pytest.fail(text_report(session.result), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the console log of the boot to the report of each test that uses it."""
    report = yield
    session = item.config.stash[_SESSIONS].get(str(_board_of(item)))
    session = item.stash.get(_FRESH, session)
    if session is None or "boot" not in getattr(item, "fixturenames", ()):
        return report
    if call.when == "setup":
        item.user_properties.append(("verdict", str(session.verdict.kind)))
        item.user_properties.append(("evidence", session.target.evidence))
        item.user_properties.append(("snapshot", str(session.result["snapshot"]).lower()))
        if session.run is not None:
            log = session.run.path / "console.log"
            item.user_properties.append(("console_log", str(log)))
            # The form that Jenkins and GitLab take as an attachment of a test case.
            item.add_report_section("setup", "stdout", f"[[ATTACHMENT|{log}]]")
        report.user_properties = list(item.user_properties)
    if report.failed:
        tail = "\n".join(line.text for line in session.console.lines[-_TAIL:])
        report.sections.append((f"serial console, last {_TAIL} lines", tail))
    return report


def _load(config: pytest.Config, name: str) -> Board:
    return load(name, [Path(p) for p in config.getoption("--board-path")])


def _replay_log(config: pytest.Config) -> Path | None:
    kind, _, where = config.getoption("--target").partition(":")
    return Path(where) if kind == "replay" else None


def _request(config: pytest.Config, name: str) -> BootRequest:
    option = config.getoption
    uses = parse_uses(option("--use"))
    uses |= {r: option(f"--{r}") for r in ("xen", "kernel", "initrd") if option(f"--{r}")}
    return BootRequest(
        board=_load(config, name),
        target=option("--target"),
        method=option("--method"),
        uses=uses,
        xen_edits=option("--cmdline-xen"),
        scale=option("--deadline-scale"),
        ivrs=option("--ivrs"),
        acpi=option("--acpi"),
    )
