"""A serial line that gives the other side time to take what is written."""

from __future__ import annotations

import time

from harness.target.base import Channel

# The FIFO of a 16550 has 16 bytes. While QEMU records, what is written waits in a queue of events,
# and QEMU asks for more as if the FIFO were still empty: more than the FIFO holds is lost.
_AT_ONCE = 8
# Nothing says when the guest has taken them, and a password has no echo. A guest takes them in
# microseconds, the queue is looked at every few milliseconds.
_PAUSE = 0.02


class PacedChannel:
    """Writes a few bytes at a time.

    Args:
        inner: the line itself.
        pause: seconds between two writes.
    """

    def __init__(self, inner: Channel, pause: float = _PAUSE) -> None:
        self._inner = inner
        self._pause = pause
        self._written = float("-inf")

    def read(self, size: int, timeout: float) -> bytes:
        return self._inner.read(size, timeout)

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _AT_ONCE):
            early = self._written + self._pause - time.monotonic()
            if early > 0:
                time.sleep(early)
            self._inner.write(data[start : start + _AT_ONCE])
            self._written = time.monotonic()
