"""The pytest plugin: boards as session fixtures. docs/pytest.md shows it at work.

One boot serves all tests of a board. A boot that fails, fails one test, with its cause; the others
say why they did not run.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import get_args

import pytest

from harness.board.base import MethodName, RootKind
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
from harness.errors import UserError
from harness.silentboard import look

pytest_plugins = ["harness.fixtures"]

_LIVE = {"console", "dom0", "uboot", "xen_input", "xen_keys", "fresh_boot", "fresh_dom0", "trace"}
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
    group.addoption(
        "--root", choices=get_args(RootKind), help="what dom0 lives in (nfs, 9p: with xl)"
    )
    group.addoption("--deadline-scale", type=float, default=1.0, help="factor on all deadlines")


def pytest_configure(config: pytest.Config) -> None:
    """Markers, and a check of the boards that were asked for, before anything runs."""
    config.addinivalue_line("markers", "board(*names): only for these boards")
    config.addinivalue_line("markers", "live: needs a board that runs, not a recorded log")
    config.addinivalue_line("markers", "xl: needs a dom0 with xl")
    config.addinivalue_line("markers", "guests: needs a dom0 with xl, and starts guests")
    config.stash[FAILED] = {}
    config.stash[SESSIONS] = {}
    config.stash[SNAPSHOTS] = {}
    try:
        for folder in config.getoption("--board-path"):
            if not Path(folder).is_dir():
                raise pytest.UsageError(f"--board-path {folder}: no such folder")
        for name in config.getoption("--board"):
            load_board(config, name)
        if config.getoption("--board") and replay_log(config) is None:
            request_of(config, config.getoption("--board")[0])
    except UserError as bad:
        raise pytest.UsageError(str(bad)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One instance of a board test for each `--board`."""
    boards = metafunc.config.getoption("--board")
    if BOARD_NAME in metafunc.fixturenames and boards:
        metafunc.parametrize(BOARD_NAME, boards, indirect=True, scope="session")


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
    if BOARD_NAME not in getattr(item, "fixturenames", ()):
        return False
    name = board_of(item)
    if name is None:
        return True
    wanted = [n for mark in item.iter_markers("board") for n in mark.args]
    return bool(wanted) and name not in wanted


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What cannot run says why, before its fixtures are made."""
    names = set(getattr(item, "fixturenames", ()))
    if BOARD_NAME not in names:
        return
    log = replay_log(item.config)
    if log is not None and (names & _LIVE or item.get_closest_marker("live")):
        pytest.skip(f"needs a live console; the target is the recorded log {log}")
    cause = item.config.stash[FAILED].get(str(board_of(item)))
    if "boot" in names and cause is not None:
        pytest.skip(f"the boot failed: {cause}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the console log of the boot to the report of each test that uses it."""
    report = yield
    session = item.config.stash[SESSIONS].get(str(board_of(item)))
    session = item.stash.get(FRESH, session)
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
        found = look(session, call.excinfo.value if call.excinfo else None)
        if found:
            report.sections.append(("what the machine does", found))
    return report
