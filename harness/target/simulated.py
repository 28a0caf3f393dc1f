"""The `simulated` target: a script of bytes and answers, for the harness's own tests.

Its evidence class says so: nothing that rests on it says anything about a board.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from harness.target.base import ChannelClosed, Evidence, TargetEvent


@dataclass(frozen=True)
class Say:
    """Print bytes, after a pause in seconds."""

    data: bytes
    after: float = 0.0


@dataclass(frozen=True)
class Hear:
    """Wait until what was typed matches; each typed byte is echoed if `echo`."""

    pattern: bytes
    echo: bool = True


@dataclass(frozen=True)
class End:
    """The line closes, or the target reports an event and stays open."""

    event: TargetEvent | None = None
    closes: bool = True


Step = Say | Hear | End


class SimulatedChannel:
    """Plays a script. `most`: bytes given at once; 1 shakes out reassembly bugs."""

    def __init__(self, script: Sequence[Step], most: int) -> None:
        self._script = list(script)
        self._most = most
        self._typed = b""
        self._out = b""
        self.event: TargetEvent | None = None
        self._closed = False
        self._not_before = 0.0

    def read(self, size: int, timeout: float) -> bytes:
        self._advance()
        if not self._out:
            if self._closed:
                raise ChannelClosed
            time.sleep(min(timeout, 0.01))
            self._advance()
        count = min(size, self._most)
        data, self._out = self._out[:count], self._out[count:]
        return data

    def _advance(self) -> None:
        while self._script and not self._out:
            step = self._script[0]
            if isinstance(step, Say):
                if not self._not_before:
                    self._not_before = time.monotonic() + step.after
                if time.monotonic() < self._not_before:
                    return
                self._not_before = 0.0
                self._out += step.data
            elif isinstance(step, Hear):
                found = re.search(step.pattern, self._typed)
                if found is None:
                    return
                self._typed = self._typed[found.end() :]
            else:
                self.event = step.event
                self._closed = step.closes
            self._script.pop(0)

    def write(self, data: bytes) -> None:
        if self._closed:
            raise ChannelClosed
        self._typed += data
        waiting = next((s for s in self._script if isinstance(s, Hear)), None)
        if waiting is None or waiting.echo:
            self._out += data.replace(b"\r", b"\r\n")


class SimulatedTarget:
    """A script that behaves like a board."""

    name = "simulated"
    evidence: Evidence = "simulated"

    def __init__(self, script: Sequence[Step], *, most: int = 1 << 16) -> None:
        self.channel = SimulatedChannel(script, most)

    def power_on(self) -> None:
        """The script begins when it is read."""

    def poll(self) -> TargetEvent | None:
        return self.channel.event

    def wait_for_end(self) -> TargetEvent | None:
        """What the script ended with; a plain end of the script is a line that closed."""
        return self.channel.event or TargetEvent("died", "the simulated line ended")

    def close(self) -> None:
        """Nothing was opened."""
