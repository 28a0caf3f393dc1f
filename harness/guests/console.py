"""The console of a guest as a console of ours, and the shell on it.

    with attached(dom0, "g-pv", folder=run.path) as guest:
        guest.wait_until_up()
        guest.shell.run("dmesg").lines

Its bytes and lines are in guest-NAME.raw and guest-NAME.log, its boot log is its own: a guest that
panics has panicked, not dom0.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from harness.bootlog import Arch
from harness.build.guest import PROMPT
from harness.console import BoardStopped, Console, ConsoleTimeout
from harness.errors import TargetError
from harness.guests.diagnosis import GuestError, gone, late, panicked
from harness.guests.line import GuestLine
from harness.shell.base import QUIET, Result
from harness.shell.dom0 import Dom0Shell
from harness.target.base import ChannelClosed

UP = 400.0
"""Seconds from `xl create` to the prompt, on an idle host: an HVM guest under TCG needs 60."""

SILENCE = 180.0
"""Seconds of silence after which a guest that boots is taken for hung, on an idle host."""

_NUDGES = 3
# Until its prompt answers an Enter; a program that runs there has none, and gets the keys then.
_ANSWER = 2.0
_TICK = 0.1
_PROMPT = "guest# "


class GuestShell(Dom0Shell):
    """The shell of a guest: commands run as in dom0, their output arrives as whole."""

    def __init__(self, guest: GuestConsole) -> None:
        super().__init__(guest.console, scale=guest.scale)
        self.dialect = replace(self.dialect, name=f"guest {guest.name}")
        self.before_typing = self._is_next
        self._guest = guest
        self._settled = False

    def run(self, command: str, *, timeout: float = 60.0) -> Result:
        """Run one command to its end.

        Raises:
            As `Shell.run`; GuestError: the guest panicked, or is gone.
        """
        try:
            return super().run(command, timeout=timeout)
        except ChannelClosed:
            raise self._guest.end() from None

    def settle(self) -> None:
        """A prompt that dom0 does not have, no terminal queries, no wrapping at column 80.

        Raises:
            ConsoleTimeout: no prompt came.
        """
        self.press("export TERM=dumb PS1='guest''# '; stty cols 999\r")
        for nudge in range(_NUDGES, -1, -1):
            try:
                self.console.expect_text(_PROMPT, QUIET * self.scale)
                break
            except ConsoleTimeout:
                if not nudge:
                    raise
                self.press("\r")
        self.dialect = replace(self.dialect, prompt=f"^{_PROMPT}")
        self._settled = True

    def _is_next(self) -> None:
        """What is typed comes to the guest: its prompt answers, not dom0's terminal."""
        line = self._guest.line
        fresh = not line.attached
        line.ready()
        if not (fresh and self._settled):
            return
        for _ in range(_NUDGES):
            self.console.send("\r")
            with suppress(ConsoleTimeout):
                self.console.expect_text(_PROMPT, _ANSWER * self.scale)
                return


class GuestConsole:
    """One guest: its line, its console, its shell. Made by `attached`."""

    def __init__(self, line: GuestLine, console: Console, scale: float) -> None:
        self.line = line
        self.console = console
        self.scale = scale
        self.shell = GuestShell(self)
        self.log: Path | None = None
        self._alarms = 0
        console.checks.append(self._check)

    @property
    def name(self) -> str:
        """As `xl list` shows it."""
        return self.line.name

    def wait_for(self, pattern: str, timeout: float, *, silence: float = SILENCE) -> None:
        """Wait until the guest says something.

        Args:
            timeout: seconds, on an idle host.
            silence: so long it may say nothing at all.

        Raises:
            GuestError: it panicked, is gone, says nothing, or other things only; with what
                dom0 knows about it.
            BoardStopped: dom0 or Xen panicked, or the board reset.
        """
        console = self.console
        start = console.now
        while True:
            waited = console.now - start
            quiet = console.now - max(start, console.last_output)
            hung = quiet >= silence * self.scale
            if hung or waited >= timeout * self.scale:
                raise late(self, pattern, quiet, waited, hung=hung)
            patience = min(timeout * self.scale - waited, silence * self.scale - quiet)
            try:
                console.expect_text(pattern, max(patience, _TICK))
            except ConsoleTimeout:
                continue
            except ChannelClosed:
                raise self.end() from None
            return

    def wait_until_up(self, timeout: float = UP, *, silence: float = SILENCE) -> GuestShell:
        """Wait for the prompt of its shell, and make it ready for commands.

        Raises:
            As `wait_for`.
        """
        self.wait_for(PROMPT + r"\Z", timeout, silence=silence)
        try:
            self.shell.settle()
        except ConsoleTimeout:
            quiet = self.console.silent_for
            raise late(self, _PROMPT, quiet, timeout, hung=quiet >= QUIET) from None
        except ChannelClosed:
            raise self.end() from None
        return self.shell

    def end(self) -> GuestError | ChannelClosed:
        """What to raise once its line has ended: with the guest, or with the whole board."""
        return ChannelClosed() if self.line.lost else gone(self)

    def _check(self) -> None:
        """What the guest does wrong ends whatever is waited for, as the guest's doing."""
        alarms = self.console.parser.alarms
        if alarms == self._alarms:
            return
        self._alarms = alarms
        # Its reason is still under way; and if dom0 died, Xen says so in the next lines.
        self.console.drain(1.0 * self.scale, 10.0 * self.scale)
        self._alarms = self.console.parser.alarms
        raise panicked(self)


@contextmanager
def attached(
    dom0: Dom0Shell,
    name: str,
    *,
    folder: Path | None = None,
    arch: Arch | None = None,
) -> Iterator[GuestConsole]:
    """The console of a running guest; dom0's terminal is dom0's again in the end.

    All that it has said since it was started is read first: xenconsoled keeps a megabyte.

    Args:
        folder: where guest-NAME.raw and guest-NAME.log are written; None: nowhere.
        arch: of the guest's boot log; None = that of the board.

    Raises:
        ShellError: dom0 does not take the command, or does not get its terminal back.
    """
    outer = dom0.console
    raw, log = (folder / f"guest-{name}{end}" if folder else None for end in (".raw", ".log"))
    with ExitStack() as stack:
        line = GuestLine(dom0, name, raw=raw)
        stack.callback(_left, line)
        console = Console(line, raw=None, log=log, arch=arch, clock=lambda: outer.now)
        stack.callback(console.close)
        # Its panics interrupt nobody as the board's: `GuestConsole` raises them as its own.
        stack.enter_context(console.disarmed())
        guest = GuestConsole(line, console, dom0.scale)
        guest.log = log
        line.attach()
        yield guest


def _left(line: GuestLine) -> None:
    # A board that has stopped gives no prompt back, and whoever waited knows already.
    with suppress(BoardStopped, ChannelClosed, TargetError):
        line.close()


__all__ = ["SILENCE", "UP", "GuestConsole", "GuestError", "GuestShell", "attached"]
