"""Replays a recording, and compares what it prints with what was printed, byte by byte."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.deadlines import host_slowness
from harness.errors import InfraError, TargetError
from harness.recording.model import Recording
from harness.recording.replaying import Replay, replaying
from harness.target.base import ChannelClosed

_CONTEXT = 60
_READ = 65536
_TICK = 0.2
_ASK_EVERY = 1.0
# A replay executes instructions all the time; one that waits for an event that does not come
# does not.
_STALLED = 20.0
_LAST_BYTES = 0.3


@dataclass(frozen=True)
class Difference:
    """Where a replay prints something else.

    Attributes:
        offset: of the first byte that differs, in console.raw.
        before: what both printed last.
        recorded, replayed: what came then; empty: nothing more.
    """

    offset: int
    before: bytes
    recorded: bytes
    replayed: bytes


@dataclass(frozen=True)
class Rerun:
    """How a replay went.

    Attributes:
        recorded: bytes of the recorded console.
        replayed: bytes that the replay printed, as far as they were compared.
        whole: it was replayed to its end.
        instructions: that were executed.
        emulator: its version.
        why: why it did not come to its end, or "".
        notes: what is not as it was when it was recorded.
        console: what the replay printed.
    """

    recorded: int
    replayed: int
    difference: Difference | None
    whole: bool
    instructions: int
    seconds: float
    emulator: str
    console: bytes
    why: str = ""
    notes: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        return self.difference is None and self.whole

    def to_json(self) -> dict[str, Any]:
        """For programs; bytes as text."""
        found = self.difference
        return {
            "schema": "harness-rerun/1",
            "evidence": "emulated",
            "identical": self.identical,
            "recorded_bytes": self.recorded,
            "replayed_bytes": self.replayed,
            "first_difference": None
            if found is None
            else {
                "offset": found.offset,
                "before": shown(found.before),
                "recorded": shown(found.recorded),
                "replayed": shown(found.replayed),
            },
            "whole": self.whole,
            "why": self.why,
            "instructions": self.instructions,
            "seconds": round(self.seconds, 3),
            "emulator": self.emulator,
            "notes": list(self.notes),
        }


def shown(data: bytes) -> str:
    """Bytes of a console, fit to be printed."""
    return data.decode("utf-8", "backslashreplace").encode("unicode_escape").decode("ascii")


def difference(recorded: bytes, replayed: bytes, ended: bool) -> Difference | None:
    """The first one; None while there is none. `ended`: the replay prints nothing more."""
    if recorded.startswith(replayed) and not (ended and len(replayed) < len(recorded)):
        return None
    pairs = enumerate(zip(recorded, replayed, strict=False))
    shorter = min(len(recorded), len(replayed))
    at = next((offset for offset, (one, other) in pairs if one != other), shorter)
    end = at + _CONTEXT
    return Difference(at, recorded[max(0, at - _CONTEXT) : at], recorded[at:end], replayed[at:end])


def rerun(
    recording: Recording,
    progress: Callable[[int, int, int], None] = lambda *_: None,
) -> Rerun:
    """Replay a recording to its end, or to the first difference.

    Args:
        progress: is told about once a second: bytes that came, of how many, instructions.

    Raises:
        ToolMissing, TargetDied, TargetError, InfraError: as `replaying`.
    """
    try:
        recorded = recording.console.read_bytes()
    except OSError as bad:
        raise InfraError.of(bad, "cannot read", recording.console) from None
    began = time.monotonic()
    with replaying(recording) as replay:
        replay.go()
        follow = _Follow(replay, recorded, progress)
        follow.run()
        return Rerun(
            recorded=len(recorded),
            replayed=len(follow.came),
            difference=follow.found,
            whole=follow.whole,
            instructions=follow.instructions,
            seconds=time.monotonic() - began,
            emulator=replay.emulator,
            console=bytes(follow.came),
            why=follow.why,
            notes=replay.notes,
        )


class _Follow:
    """Reads what a replay prints until that differs, or the replay is at its end."""

    def __init__(
        self, replay: Replay, recorded: bytes, progress: Callable[[int, int, int], None]
    ) -> None:
        self.replay = replay
        self.recorded = recorded
        self.progress = progress
        self.came = bytearray()
        self.found: Difference | None = None
        self.whole = False
        self.why = ""
        self.instructions = 0
        self._moved = self._asked = time.monotonic()

    def run(self) -> None:
        while self.found is None and not self.whole and not self.why:
            self._read(_TICK)
            if time.monotonic() - self._asked >= _ASK_EVERY:
                self._look()
        if self.whole:
            while self._read(_LAST_BYTES * host_slowness()):
                pass
        elif self.found is not None:
            # What follows the first byte that differs comes when it comes.
            wanted = self.found.offset + _CONTEXT
            while len(self.came) < wanted and self._read(_LAST_BYTES * host_slowness()):
                pass
        self.found = difference(self.recorded, bytes(self.came), ended=self.whole)

    def _read(self, timeout: float) -> bool:
        try:
            data = self.replay.target.channel.read(_READ, timeout)
        except ChannelClosed:
            raise (self.replay.died() or TargetError("QEMU closed its serial line")) from None
        if data:
            at = len(self.came)
            self.came += data
            if self.recorded[at : len(self.came)] != data:
                self.found = difference(self.recorded, bytes(self.came), ended=False)
        return bool(data)

    def _look(self) -> None:
        """Whether it moves, and whether it is at its end."""
        now = self._asked = time.monotonic()
        status, count = self.replay.status(), self.replay.instructions()
        self.progress(len(self.came), len(self.recorded), count)
        if count != self.instructions:
            self.instructions, self._moved = count, now
        if status in {"shutdown", "paused"}:
            self.whole = True
        elif status != "running":
            self.why = f"the machine does not run: QEMU says {status!r}"
        elif now - self._moved > _STALLED * host_slowness():
            self.why = (
                f"it stands still at instruction {count}: it waits for an event that the "
                "recording does not have there"
            )
