"""The `replay` target: a recorded log takes the place of a board. It has no clock of its own."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from harness.bootlog import read_recorded
from harness.errors import InputError
from harness.target.base import ChannelClosed, Evidence, TargetEvent

_MOST = 1 << 30


STDIN = Path("-")


def read_log(path: Path) -> bytes:
    """The bytes of a recorded log; `STDIN` is the standard input.

    Raises:
        InputError: it cannot be read, is empty, or is not a file or pipe of at most 1 GiB.
    """
    name = "standard input" if path == STDIN else str(path)
    try:
        with open(0, "rb", closefd=False) if path == STDIN else path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode) and not stat.S_ISSOCK(mode):
                raise InputError("not a regular file", where=name, expected="a console log")
            data = file.read(_MOST + 1)
    except FileNotFoundError:
        raise InputError("no such log file", where=name) from None
    except IsADirectoryError:
        raise InputError("not a regular file", where=name, expected="a console log") from None
    except OSError as bad:
        raise InputError(f"cannot be read: {bad.strerror}", where=name) from None
    if len(data) > _MOST:
        raise InputError("more than 1 GiB", where=name, expected="a console log")
    if not data.strip():
        raise InputError("the log is empty", where=name, expected="what a console printed")
    return data


class ReplayChannel:
    """Gives a recorded log, with the time stamps it was recorded with, if it has any."""

    def __init__(self, data: bytes) -> None:
        recorded = read_recorded(data)
        self.timed = any(line.at is not None for line in recorded.lines)
        self._at = 0.0
        self._chunks: list[tuple[float, bytes]] = []
        if self.timed:
            for line in recorded.lines:
                self._at = line.at if line.at is not None else self._at
                self._chunks.append((self._at, line.text.encode() + b"\n"))
            if recorded.partial:
                self._chunks.append((self._at, recorded.partial.encode()))
        else:
            self._chunks.append((0.0, data))
        self._chunks.reverse()
        self._at = 0.0

    def clock(self) -> float:
        """The time of the line that was read last, in seconds; 0 in a log without times."""
        return self._at

    def read(self, size: int, timeout: float) -> bytes:  # noqa: ARG002 -- nothing to wait for
        if not self._chunks:
            raise ChannelClosed
        at, data = self._chunks.pop()
        self._at = at
        if len(data) > size:
            self._chunks.append((at, data[size:]))
        return data[:size]

    def write(self, data: bytes) -> None:
        del data
        raise ChannelClosed


class ReplayTarget:
    """A recorded log.

    Args:
        most: judge only so many bytes from its start; None = all.

    Raises:
        InputError: see `read_log`.
    """

    name = "replay"
    evidence: Evidence = "replayed"

    def __init__(self, path: Path, most: int | None = None) -> None:
        self.path = path
        self.data = read_log(path)[:most]
        self.channel = ReplayChannel(self.data)

    def power_on(self) -> None:
        """The recording begins at its first byte."""

    def poll(self) -> TargetEvent | None:
        return None

    def wait_for_end(self) -> TargetEvent | None:
        """A recording just ends."""
        return TargetEvent("end-of-recording", "the recorded log ends here")

    def close(self) -> None:
        """Nothing was opened."""
