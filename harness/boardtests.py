"""What the pytest plugin knows of a run: its boards, and the boots that were asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.board import Board, load
from harness.board.base import RootKind
from harness.build.binaries import parse_uses
from harness.request import BootRequest
from harness.serve.nfs import why_no_nfs
from harness.session import Session
from harness.snapshot import Snapshot

FAILED = pytest.StashKey[dict[str, str]]()
SESSIONS = pytest.StashKey[dict[str, Session]]()
# By board; a text says why there is none.
SNAPSHOTS = pytest.StashKey[dict[str, Snapshot | str]]()
# A test's own boot.
FRESH = pytest.StashKey[Session]()
# What makes a test a board test. Not "board" itself: that may be a parameter of anybody's test.
BOARD_NAME = "_harness_board"
# Marks of tests that need a dom0 with xl.
TOOLSTACK = ("xl", "guests")


def board_of(item: pytest.Item) -> str | None:
    """The name of the board that an instance of a test is for."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get(BOARD_NAME)


def load_board(config: pytest.Config, name: str) -> Board:
    """The profile of a board. Raises: UserError, if there is none or it is not valid."""
    return load(name, [Path(p) for p in config.getoption("--board-path")])


def replay_log(config: pytest.Config) -> Path | None:
    """The recorded log that is judged instead of a boot."""
    kind, _, where = config.getoption("--target").partition(":")
    return Path(where) if kind == "replay" else None


def request_of(config: pytest.Config, name: str, items: Iterable[pytest.Item] = ()) -> BootRequest:
    """The boot that the options ask for.

    Args:
        items: the tests; if one of this board needs xl (`TOOLSTACK`), dom0 gets a root that has it.

    Raises:
        UserError: the options do not fit together.
    """
    option = config.getoption
    uses = parse_uses(option("--use"))
    uses |= {r: option(f"--{r}") for r in ("xen", "kernel", "initrd") if option(f"--{r}")}
    request = BootRequest(
        board=load_board(config, name),
        target=option("--target"),
        method=option("--method"),
        uses=uses,
        xen_edits=option("--cmdline-xen"),
        scale=option("--deadline-scale"),
        ivrs=option("--ivrs"),
        acpi=option("--acpi"),
        root=option("--root"),
    )
    wanted = any(board_of(i) == name and needs_toolstack(i) for i in items)
    if not wanted or request.root is not None or request.root_kind != "busybox":
        return request
    if request.target_kind != "qemu":  # what dom0 of a real board lives in is its owner's choice
        return request
    return replace(request, root=toolstack_root(request))


def needs_toolstack(item: pytest.Item) -> bool:
    """Whether a test needs a dom0 with xl."""
    return any(item.get_closest_marker(mark) for mark in TOOLSTACK)


def toolstack_root(request: BootRequest) -> RootKind:
    """The root with xl that comes nearest to the original report: NFS where it can be had."""
    board, target, method = request.board, request.target_kind, request.method
    if why_no_nfs() is None and board.no_root("nfs", target, method) is None:
        return "nfs"
    return "9p" if board.no_root("9p", target, method) is None else "initramfs"
