"""What a target is: something that boots and emits bytes on a serial line.

`qemu`, `serial`, `replay` and `simulated` all pass the same contract tests
(tests/contract/). A target owns what it starts; `close()` leaves nothing behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Evidence = Literal["hardware", "emulated", "replayed", "simulated"]
EventKind = Literal["guest-reset", "guest-shutdown", "guest-panic", "died", "end-of-recording"]


class ChannelClosed(Exception):  # noqa: N818 -- it is a state of the line, not a defect
    """The other side of the line is gone; every byte that it sent has been read."""


class Channel(Protocol):
    """Bytes from and to a serial line."""

    def read(self, size: int, timeout: float) -> bytes:
        """At most `size` bytes; b"" when none came within `timeout` seconds.

        Raises:
            ChannelClosed: the line has ended.
        """
        ...

    def write(self, data: bytes) -> None:
        """Send all bytes.

        Raises:
            ChannelClosed: the line has ended.
            TargetError: the other side takes no bytes.
        """
        ...


@dataclass(frozen=True)
class TargetEvent:
    """Something that the target's own control channel reported, outside the serial line.

    `returncode`: of an emulator that died; negative for a signal.
    """

    kind: EventKind
    detail: str
    returncode: int | None = None


class Target(Protocol):
    """A machine that can be powered on, with a serial line attached before it runs."""

    @property
    def name(self) -> str: ...

    @property
    def evidence(self) -> Evidence: ...

    @property
    def channel(self) -> Channel: ...

    def power_on(self) -> None:
        """Let it run. The channel is attached already: the first byte is never lost.

        Raises:
            TargetError: it does not start; with what it said.
        """
        ...

    def poll(self) -> TargetEvent | None:
        """The first event that ends a boot, or None; returns at once."""
        ...

    def wait_for_end(self) -> TargetEvent | None:
        """After the line closed: what ended it. Waits a moment for an exit code."""
        ...

    def close(self) -> None:
        """Power off and free everything. Safe to call twice."""
        ...
