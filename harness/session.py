"""A boot that was followed to its verdict, still alive: its console, its dom0, its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.board import Board
from harness.bootlog import Line, is_prompt
from harness.build.artifacts import Artifacts, build
from harness.build.dom0root import Dom0Files
from harness.build.files import Files
from harness.console import Console
from harness.deadlines import StageClock
from harness.errors import InfraError, UsageError
from harness.judging import Rules
from harness.lint.engine import Finding
from harness.request import BootRequest
from harness.run import RunFolder
from harness.serve.http import HttpServer
from harness.serve.requests import Request
from harness.serve.site import Site
from harness.shell.uboot import UbootShell, uboot_shell
from harness.shell.xen_input import DOM0, XenInput
from harness.shell.xen_keys import XenKeys
from harness.sources import Binary
from harness.target.base import Target
from harness.target.icount import FOLDER, LOG
from harness.target.qemu import QemuTarget
from harness.target.qemu_command import Wiring, paste, qemu_command
from harness.target.serial import SerialTarget
from harness.toolstack.dom0 import Dom0, Transfers
from harness.verdict import Ending, Verdict


class Observer:
    """Is told what happens; the base class ignores it all."""

    def step(self, name: str) -> None:
        """A step of the story begins: sources, build, serve, power on."""

    def detail(self, text: str) -> None:
        """Something in a long step: "fetching ..."."""

    def attached(self, console: Console, target: Target) -> None:
        """The console is attached, the machine not yet running."""

    def line(self, line: Line) -> None:
        """A whole line of the console."""

    def tick(self) -> None:
        """Called several times a second while a boot is followed."""

    def finished(self, session: Session) -> None:
        """The verdict is there, the machine still alive."""


@dataclass
class Session:
    """One boot or recorded log that was followed to its end. `conclude` adds rules and verdict.

    Args:
        board: None for a log that is judged by generic rules.
        request: what was asked for; None for a recorded log.
        run: its folder; None for a recorded log.
        clock: its deadlines; None for a recorded log.
        requests: what the board asked of our servers.
        shell: dom0, logged in, if the boot got that far.
        http: our server; None if nothing is served.
        findings: what lint says of the card that we made.
        artifacts: what was booted; None for a recorded log.
        result: what result.json says.
    """

    board: Board | None
    target: Target
    console: Console
    ending: Ending
    request: BootRequest | None = None
    run: RunFolder | None = None
    clock: StageClock | None = None
    binaries: Mapping[str, Binary] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    shell: Dom0 | None = None
    http: HttpServer | None = None
    findings: tuple[Finding, ...] = ()
    artifacts: Artifacts | None = None
    result: dict[str, Any] = field(default_factory=dict)
    rules: Rules = field(init=False)
    verdict: Verdict = field(init=False)

    @property
    def dom0(self) -> Dom0:
        """The shell of dom0, logged in.

        Raises:
            UsageError: this boot has none (a recorded log, or it did not get to a login).
        """
        if self.shell is None:
            raise UsageError(f"there is no dom0 shell: the boot is {self.verdict.kind}")
        return self.shell

    @property
    def uboot(self) -> UbootShell:
        """U-Boot's prompt, where the goal `uboot` ends a boot.

        Raises:
            UsageError: the console does not stand at it.
        """
        if self.request is None or is_prompt(self.console.partial) != "uboot":
            raise UsageError(
                f"the console is not at U-Boot's prompt: the boot is {self.verdict.kind}",
                expected="a live boot with --until uboot",
            )
        scale = self.clock.stretch() if self.clock else 1.0
        burst = self.request.board.console.burst
        return uboot_shell(self.console, burst=burst, scale=scale)

    @property
    def xen_input(self) -> XenInput:
        """Who gets what is typed: dom0, Xen or a domain; and how to change it."""
        return XenInput(self.console, scale=self.clock.stretch() if self.clock else 1.0)

    @property
    def xen_keys(self) -> XenKeys:
        """Xen's debug keys."""
        return XenKeys(self.xen_input)


def log_in(
    request: BootRequest, console: Console, site: Site, run: RunFolder, scale: float
) -> Dom0:
    """Log in on the console, with the account of the profile.

    Args:
        site: our HTTP server takes files to and from a dom0 whose root came over the network.
        run: keeps what is found out about a command that hangs.

    Raises:
        ShellError: it does not work.
    """
    shell = Dom0(console, scale=scale)
    shell.keep = run.keep
    if site.http is not None and site.nfs is not None:
        shell.transfers = Transfers(site.http, site.url.rpartition("/")[0])
    # What Xen gets, it takes for debug keys: "R" reboots.
    shell.before_typing = XenInput(console, scale=scale).guard(DOM0)
    if is_prompt(console.partial) == "shell":
        shell.settle()
    else:
        shell.login(request.board.dom0.user, request.board.dom0.password)
    return shell


def build_for(
    request: BootRequest,
    binaries: Mapping[str, Binary],
    folder: Path,
    dom0: Dom0Files | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Artifacts:
    """The artifacts of a boot, in its work folder.

    Args:
        dom0: what its root is made of, if it is not busybox alone.
        progress: gets one line before each step that can take long.

    Raises:
        ProfileError, InputError, ToolMissing, ToolFailed: they cannot be made.
    """
    if request.how == "sdcard" and request.target_kind == "serial":
        # The card is in the board: `harness sdcard` writes it.
        return Artifacts(folder, Files(), {}, request.xen_cmdline, request.kernel_cmdline)
    return build(
        request.board,
        request.how,
        binaries,
        folder,
        request.xen_cmdline,
        request.kernel_cmdline,
        request.card,
        request.tables,
        dom0,
        progress,
    )


def open_target(request: BootRequest, artifacts: Artifacts, run: RunFolder) -> Target:
    """The target of a request, its console attached, not yet running.

    Raises:
        TargetError, ToolMissing, UsageError: it cannot be had.
    """
    board = request.board
    if request.target_kind == "serial":
        line = board.targets.serial
        return SerialTarget(
            request.target_where,
            baud=board.console.baud,
            evidence=line.evidence,
            power_on=request.power_on or line.power_on,
            power_off=request.power_off or line.power_off,
        )

    (run.path / "command").write_text(paste_command(request, artifacts) + "\n")

    def command(wiring: Wiring) -> list[str]:
        return _command(request, artifacts, wiring)

    records = request.icount is not None and request.icount.records
    if records:
        try:
            (run.path / FOLDER).mkdir()
            # A path that holds in the work folder, wherever that is.
            (run.work / FOLDER).symlink_to(run.path / FOLDER, target_is_directory=True)
        except OSError as bad:
            raise InfraError.of(bad, "cannot work in", run.path) from None
    return QemuTarget(command, run.work, run.path / "qemu.log", recording=records)


def paste_command(request: BootRequest, artifacts: Artifacts) -> str:
    """The QEMU command of a boot, for a person to paste."""
    if request.icount is not None:
        # Beside the recording of this run, not over it.
        request = replace(request, icount=replace(request.icount, log=LOG))
    return paste(_command(request, artifacts, Wiring()), artifacts.folder)


def _command(request: BootRequest, artifacts: Artifacts, wiring: Wiring) -> list[str]:
    return qemu_command(
        request.board,
        request.how,
        artifacts.files,
        xen_cmdline=artifacts.xen_cmdline,
        kernel_cmdline=artifacts.kernel_cmdline,
        wiring=wiring,
        icount=request.icount,
    )


def console_of(target: Target, run: RunFolder, board: Board, power: PowerOn) -> Console:
    """The console of a boot, kept in its run folder."""
    return Console(
        target.channel,
        raw=run.path / "console.raw",
        log=run.path / "console.log",
        arch=board.log_arch,
        clock=power.clock,
    )


@dataclass(frozen=True)
class HangContext:
    """What `on_hang` gets, before anything is torn down: the session and how it ended."""

    session: Session
    ending: Ending


class PowerOn:
    """The moment of power-on, from which all times of a run are counted."""

    def __init__(self) -> None:
        self.now()

    def now(self) -> None:
        """It is now."""
        self._zero = time.monotonic()

    def clock(self) -> float:
        """Seconds since power-on."""
        return time.monotonic() - self._zero
