"""Which rules a boot or a log is judged by: those of its board, or the generic ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.acpi.builder import OEM_ID
from harness.board import Board
from harness.bootlog import STAGES, Arch, BootLog
from harness.build.artifacts import Artifacts
from harness.errors import UsageError
from harness.expectations import Built, Given, expectations, prediction, without_xen
from harness.formats.acpi.tableset import TableSet
from harness.generic import EXPECTATIONS, KNOWN_HANGS, KnownHang
from harness.lint.acpi_model import Prediction
from harness.request import BootRequest
from harness.rules import Expectation
from harness.sources import Binary
from harness.target.base import Target

# The root pointer of a boot that was given ACPI tables.
_OUR_TABLES = re.compile(rf"ACPI: RSDP \S+ \S+ \(r\d {OEM_ID}\)")


@dataclass(frozen=True)
class Rules:
    """What a log is held against.

    Args:
        stages: the stage ids, in order.
        goal: the stage that must be reached.
        facts_of: whose hardware facts were used: "board", "qemu", or "nobody".
        predicted: what the model of Xen says about the ACPI tables that the boot was given.
    """

    stages: Sequence[str]
    goal: str
    expectations: Sequence[Expectation]
    known_hangs: Sequence[KnownHang] = KNOWN_HANGS
    facts_of: str = "nobody"
    predicted: Prediction | None = None


def rules_for_boot(
    request: BootRequest,
    target: Target,
    binaries: Mapping[str, Binary],
    artifacts: Artifacts,
    log: BootLog,
) -> Rules:
    """The rules for a live boot: a line to an emulator shows the emulator's machine.

    Args:
        artifacts: what was booted.
        log: says which Xen it was, and the memory map that ACPI tables are held against.
    """
    facts_of = "board" if target.evidence == "hardware" else "qemu"
    built = _built(request, binaries, artifacts)
    given = None
    if request.tables is not None:
        tables = request.tables.tables
        predicted = prediction(request.board, tables, log)
        given = Given(tables, predicted, request.xen_cmdline)
    rules = _of_board(request.board, facts_of, built, request.goal, given)
    return rules if request.with_xen else replace(rules, expectations=without_xen(built))


def rules_for_log(board: Board | None, arch: Arch, goal: str | None, said: Sequence[str]) -> Rules:
    """The rules for a recorded log.

    Args:
        board: its profile; None = generic rules.
        arch: of the log.
        goal: the stage to reach; None = the board's, or `login`.
        said: the lines of the log: the profile knows how its emulated machine shows.

    Raises:
        UsageError: there is no such stage on this architecture.
    """
    if board is None:
        stages = STAGES[arch]
        if goal is not None and goal not in stages:
            raise UsageError(f"no stage {goal!r} in a log of {arch}", expected=" ".join(stages))
        return Rules(stages, goal or "login", EXPECTATIONS)
    machine = board.targets.qemu
    mark = re.compile(machine.recognise) if machine and machine.recognise else None
    emulated = mark is not None and any(mark.search(line) for line in said)
    goal = goal or board.boot.goal
    if machine and any(_OUR_TABLES.search(line) for line in said):
        # Which tables they were, the log does not say in full.
        return _of_board(board, "qemu", None, goal, Given(TableSet(()), None, ""))
    return _of_board(board, "qemu" if emulated else "board", None, goal)


def _of_board(
    board: Board, facts_of: str, built: Built | None, goal: str, given: Given | None = None
) -> Rules:
    own = tuple(KnownHang(h.id, re.compile(h.last_line), h.why, h.xen) for h in board.known_hangs)
    return Rules(
        board.stages,
        goal,
        expectations(board, facts_of, built, goal, given),
        (*own, *KNOWN_HANGS),
        facts_of,
        given.predicted if given else None,
    )


def _built(request: BootRequest, binaries: Mapping[str, Binary], artifacts: Artifacts) -> Built:
    """What the log must show, because we chose it. A user's own file may be anything."""
    if request.how == "sdcard" and not request.makes_card:
        return Built()
    ours = request.gives_cmdlines
    versions = {
        role: binary.version for role, binary in binaries.items() if binary.origin == "debian"
    }
    return Built(
        xen_version=versions.get("xen"),
        xen_cmdline=request.xen_cmdline if ours else None,
        kernel_release=_release(binaries.get("kernel")),
        kernel_cmdline=artifacts.kernel_cmdline if ours and request.with_xen else None,
        hostname=request.board.dom0.hostname if "initrd" not in request.uses else None,
        sizes=artifacts.sizes
        if ours
        else {},  # where a script of the user's loads them is his to know
        # Xen on ARM reads it before it has a console; then only a loader can print it.
        cmdline_shown=request.how != "direct",
    )


def _release(kernel: Binary | None) -> str | None:
    """What `uname -r` says of a Debian kernel: it is in the name of its package."""
    if kernel is None or kernel.origin != "debian":
        return None
    return kernel.detail["package"].removeprefix("linux-image-")
