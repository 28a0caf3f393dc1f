"""A guest's console as a serial line: `xl console` in dom0's terminal, as a `Channel`.

The guest's console and dom0's share one real line. Whoever reads first reads for both, and each
gets what is its own: so dom0's console sees a panic of Xen also while a guest is listened to, and
Xen's debug keys can be pressed. A guest that is spoken to is attached; a dom0 that is spoken to
takes its terminal back, and the guest's words wait in xenconsoled.
"""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from harness.console import ConsoleTimeout
from harness.errors import TargetError, UsageError
from harness.guests.splitter import Splitter
from harness.shell.base import QUIET, ShellError, split
from harness.shell.dom0 import Dom0Shell
from harness.target.base import Channel, ChannelClosed

LEAVE = b"\x1d"
"""Ctrl-], which `xl console` takes as the order to end (tools/console/client/main.c)."""

_SWITCH = b"\x01"
_READ = 65536
_PATIENCE = 20.0
_AGAIN = 2.0
_TICK = 0.1
_LEVEL = "/proc/sys/kernel/printk"


class GuestLine:
    """The console of one guest, as a `Channel`.

    Args:
        dom0: its shell stands at its prompt.
        name: the guest's, as `xl list` shows it, or the number of its domain.
        raw: the file that gets every byte of the real line while the guest is attached.
    """

    def __init__(self, dom0: Dom0Shell, name: str, *, raw: Path | None = None) -> None:
        self.dom0 = dom0
        self.name = name
        self.status: int | None = None
        self._outer = dom0.console
        self._file = raw.open("ab", buffering=0) if raw else None
        self._splitter: Splitter | None = None
        self._line: Channel = self._outer.channel
        self._said = bytearray()
        self._before: Callable[[], None] = dom0.before_typing
        self._lost = False

    @property
    def lost(self) -> bool:
        """Whether the real line has ended, and the board with it."""
        return self._lost

    @property
    def attached(self) -> bool:
        """Whether dom0's terminal is the guest's now."""
        return self._splitter is not None and self._splitter.state != "after"

    def attach(self) -> None:
        """Give dom0's terminal to the guest.

        Raises:
            ChannelClosed: `xl console` has ended by itself before: there is no guest any more.
            ShellError: dom0 does not take the command.
        """
        if self.status is not None:
            raise ChannelClosed
        if self.attached:
            return
        self._finish()
        mark = secrets.token_hex(4)
        # dom0's kernel would talk into the guest's words, and nobody could tell them apart.
        typed = split(mark, "''")
        self.dom0.type_line(
            f"read k _ <{_LEVEL}; echo 1 >{_LEVEL}; echo '<'{typed}'['; "
            f"xl console {shlex.quote(self.name)}; s=$?; echo $k >{_LEVEL}; echo '<'{typed}']'$s"
        )
        self._splitter = Splitter(f"<{mark}[".encode(), f"<{mark}]".encode())
        self._line = self._outer.channel
        self._outer.channel = _Own(self)
        self._before = self.dom0.before_typing
        self.dom0.before_typing = self._dom0_is_next
        end = time.monotonic() + _PATIENCE * self.dom0.scale
        while self._splitter.state == "before":
            self._outer.pump_checked(_TICK)
            if time.monotonic() > end:
                raise ShellError(
                    "dom0's shell does not start xl console",
                    where="dom0 shell",
                    hint=f"the console stands at {self._outer.partial!r}",
                )

    def detach(self) -> None:
        """Take dom0's terminal back; what the guest says meanwhile waits. Twice does nothing.

        Raises:
            ShellError: `xl console` does not end, or dom0's prompt does not come back.
        """
        splitter = self._splitter
        if splitter is None:
            return
        if splitter.state != "after":
            self._await_end(splitter)
            # It ended because we said so, not because the guest did.
            self.status = None
        self._finish()

    def read(self, size: int, timeout: float) -> bytes:
        if not self._said:
            if self.status is None:
                self.attach()
            self._pull(timeout)
        data = bytes(self._said[:size])
        del self._said[:size]
        if not data and (self.status is not None or self._lost):
            raise ChannelClosed
        return data

    def write(self, data: bytes) -> None:
        if _SWITCH in data or LEAVE in data:
            raise UsageError(
                "Ctrl-A and Ctrl-] cannot be typed to a guest: Xen takes the one, xl console the "
                "other"
            )
        self.attach()
        self._line.write(data)

    def close(self) -> None:
        """Give dom0's terminal back, if that is possible, and free the file."""
        try:
            self.detach()
        finally:
            if self._file:
                self._file.close()
                self._file = None

    def _dom0_is_next(self) -> None:
        self.detach()
        self.dom0.before_typing()

    def _await_end(self, splitter: Splitter) -> None:
        """Say so until `xl console` ends: what is typed before it is ready, it never sees."""
        start = time.monotonic()
        tries = 0
        while splitter.state != "after":
            waited = time.monotonic() - start
            if waited > _PATIENCE * self.dom0.scale:
                raise ShellError(
                    f"xl console of {self.name} does not end at Ctrl-]",
                    where="dom0 shell",
                    hint=f"the console stands at {self._outer.partial!r}",
                )
            if waited >= tries * _AGAIN * self.dom0.scale:
                self._line.write(LEAVE)
                tries += 1
            self._pull(_TICK)
            if self._lost:
                raise ChannelClosed
        if tries > 1:
            # For readline, Ctrl-] asks for one more key.
            self._line.write(b"\x15")

    def _finish(self) -> None:
        """`xl console` has ended: the line is dom0's alone again, and its prompt is awaited."""
        if self._splitter is None:
            return
        while self._splitter.own:
            self._outer.pump(0.0)
        self._splitter = None
        self.dom0.before_typing = self._before
        self._outer.channel = self._line
        try:
            self.dom0.wait_for_prompt(QUIET)
        except ConsoleTimeout:
            self.dom0.press("\r")
            try:
                self.dom0.wait_for_prompt(_PATIENCE)
            except ConsoleTimeout:
                raise ShellError(
                    "dom0's prompt does not come back after xl console",
                    where="dom0 shell",
                    hint=f"the console stands at {self._outer.partial!r}",
                ) from None

    def _pull(self, timeout: float) -> None:
        """Read the real line once, for both; hand dom0 what is its own."""
        splitter = self._splitter
        if splitter is None or splitter.state == "after":
            return
        self._fetch(splitter, timeout)
        if splitter.own:
            self._outer.pump(0.0)

    def _fetch(self, splitter: Splitter, timeout: float) -> None:
        try:
            data = self._line.read(_READ, timeout)
        except ChannelClosed:
            self._lost = True
            return
        if data:
            self._keep(data)
            splitter.feed(data)
        elif timeout > 0:
            splitter.release()
        self._said += splitter.guest
        splitter.guest.clear()
        if splitter.status is not None:
            self.status = splitter.status

    def _keep(self, data: bytes) -> None:
        rest = memoryview(data)
        while self._file and rest:
            try:
                rest = rest[self._file.write(rest) :]
            except OSError as bad:
                raise TargetError(f"cannot write {self._file.name}: {bad.strerror}") from None

    def ready(self) -> None:
        """See to it that what is typed comes to the guest: attached, and the input dom0's.

        Raises:
            As `attach`, and as `XenInput.switch_to`.
        """
        self.attach()
        self._before()

    def write_own(self, data: bytes) -> None:
        """What is typed to dom0's console meanwhile: keys for Xen."""
        self._line.write(data)

    def read_own(self, size: int, timeout: float) -> bytes:
        """What dom0's console reads meanwhile: Xen's lines, and dom0's shell."""
        splitter = self._splitter
        if splitter is None:
            return self._line.read(size, timeout)
        if not splitter.own and splitter.state != "after":
            self._fetch(splitter, timeout)
        data = bytes(splitter.own[:size])
        del splitter.own[:size]
        if data:
            return data
        if self._lost:
            raise ChannelClosed
        return self._line.read(size, timeout) if splitter.state == "after" else b""


class _Own:
    """The real line as dom0's console sees it while a guest is attached."""

    def __init__(self, line: GuestLine) -> None:
        self._guest = line

    def read(self, size: int, timeout: float) -> bytes:
        return self._guest.read_own(size, timeout)

    def write(self, data: bytes) -> None:
        self._guest.write_own(data)
