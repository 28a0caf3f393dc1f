"""The `serial` target: a line to a board (anything that pyserial's serial_for_url opens).

Power is switched by the user's own commands, so that the lab stays outside of the harness.
"""

from __future__ import annotations

import shlex

import serial

from harness import tools
from harness.errors import TargetError, ToolFailed, UsageError
from harness.target.base import ChannelClosed, Evidence, TargetEvent

_HOOK_SECONDS = 60.0
# What pyserial raises when the other side is gone, or the line was closed.
_GONE = (serial.SerialException, OSError, TypeError)


class SerialChannel:
    """A serial line."""

    def __init__(self, url: str, baud: int) -> None:
        try:
            self._line = serial.serial_for_url(url, do_not_open=True, baudrate=baud, timeout=0)
            if "://" not in url:
                # Two readers on one line each get half of the bytes.
                self._line.exclusive = True
            self._line.open()
        except (serial.SerialException, OSError) as bad:
            raise TargetError(
                f"cannot open the serial line: {bad}",
                where=url,
                hint="is the adapter there, may you use it (group dialout), is nobody else on it?",
            ) from None
        except ValueError as bad:
            raise UsageError(f"not a serial line: {bad}", where=url) from None
        self._line.write_timeout = 10.0

    def read(self, size: int, timeout: float) -> bytes:
        try:
            self._line.timeout = max(0.0, timeout)
            first: bytes = self._line.read(1)
        except _GONE:
            raise ChannelClosed from None
        if not first or size == 1:
            return first
        try:
            self._line.timeout = 0
            rest: bytes = self._line.read(size - 1)
        except _GONE:
            return first  # the end of the line is for the next read
        return first + rest

    def write(self, data: bytes) -> None:
        try:
            self._line.write(data)
            self._line.flush()
        except serial.SerialTimeoutException:
            raise TargetError("the serial line took no byte for 10 s") from None
        except (serial.SerialException, OSError):
            raise ChannelClosed from None

    def close(self) -> None:
        # pyserial's socket:// forgets to close a socket whose other side is gone already.
        held = getattr(self._line, "_socket", None)
        self._line.close()
        if held is not None:
            held.close()


class SerialTarget:
    """A board on a serial line.

    Args:
        url: a device (/dev/ttyUSB0) or a URL of pyserial (socket://HOST:PORT, rfc2217://...).
        evidence: what the profile says of the other end; an emulator unless it says hardware.
        power_on, power_off: commands, split as a shell would, run without a shell.

    Raises:
        TargetError: the line cannot be opened.
        UsageError: the URL is not one.
    """

    name = "serial"

    def __init__(
        self,
        url: str,
        *,
        baud: int,
        evidence: Evidence,
        power_on: str | None = None,
        power_off: str | None = None,
    ) -> None:
        self.url = url
        self.evidence: Evidence = evidence
        self._power_on = power_on
        self._power_off = power_off
        self.channel = SerialChannel(url, baud)
        self._on = False

    def power_on(self) -> None:
        if self._power_on:
            # Before, not after: a hook that fails half-way may have switched the power on.
            self._on = True
            self._hook("power_on", self._power_on)

    def poll(self) -> TargetEvent | None:
        return None

    def wait_for_end(self) -> TargetEvent | None:
        """The line itself cannot say why it ended."""
        return TargetEvent("died", f"the serial line {self.url} was closed from the other side")

    def close(self) -> None:
        self.channel.close()
        if self._on and self._power_off:
            self._on = False
            self._hook("power_off", self._power_off)

    def _hook(self, name: str, command: str) -> None:
        try:
            tools.run(shlex.split(command), timeout=_HOOK_SECONDS)
        except ToolFailed as bad:
            raise TargetError(
                f"the {name} command failed: {bad.message}",
                hint=f"targets.serial.{name} in the board profile, or --{name.replace('_', '-')}",
            ) from None
