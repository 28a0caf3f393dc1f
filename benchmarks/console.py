"""How fast a console log goes through the console and the boot-log parser.

The log is synthetic: a recorded boot, then its lines again and again in a random order (seeded),
then a login prompt. It is served from memory; the raw and the log file are written as in a boot.

Beside it pexpect, fed with the same bytes from memory, waits for the prompt at the end, with a
search window and without. It does less (no files, no lines, no facts), yet it pauses for 0.1 ms
after each read, by default, and searches its window again at each. With a window, its reads must
stay smaller than the window: of a longer one it searches only the end.

Speed is wall-clock, the best of all rounds. Whether it is linear is judged by CPU time, which a
busy host disturbs less.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import gc
import random
import re
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
from pexpect.spawnbase import SpawnBase

from benchmarks.figures import EXIT_INTERRUPTED, Bound, conclude, print_table
from harness.console import Console
from harness.errors import HarnessError, InfraError
from harness.target.base import ChannelClosed
from harness.target.replay import read_log

if TYPE_CHECKING:
    _Base = SpawnBase[str]
else:
    _Base = SpawnBase

RECORDED = Path(__file__).parents[1] / "tests/data/logs/qemu-q35-amd-iommu-xen-4.17.7-dom0.log"
PROMPT = b"benchmark login: "
SEED = 20240229
CONSOLE = "harness Console"
WINDOWED = "pexpect, window 4096"
UNBOUNDED = "pexpect, no window"
_WINDOWS = {WINDOWED: 4096, UNBOUNDED: None}
_PEXPECT_READ = 2000  # pexpect's own default
_MB = 1_000_000
_BLOCK = 2 * _MB
# What would start the boot anew: the parser would then look at the rest with half an eye.
_STARTS = (b"Xen version", b"Linux version")


def synthetic_log(size: int, seed: int = SEED) -> bytes:
    """A console log of `size` bytes which ends with `PROMPT`, and has no other login prompt.

    Raises:
        InputError: the recorded log is not there.
    """
    head = read_log(RECORDED).replace(b"\r", b"").replace(b"\n", b"\r\n")
    lines = [
        line
        for line in head.split(b"\n")
        if line.startswith((b"(XEN) ", b"[ ")) and not any(word in line for word in _STARTS)
    ]
    chosen = random.Random(seed)  # noqa: S311 -- repeatable, not secret
    block = bytearray()
    while len(block) < min(_BLOCK, size):
        block += chosen.choice(lines) + b"\n"
    tail = b"\r\n" + PROMPT
    log = bytearray(head + b"\r\n")
    while len(log) < size:
        log += block
    del log[max(0, size - len(tail)) :]
    return bytes(log + tail)


class MemoryChannel:
    """A serial line whose bytes are all there.

    Args:
        chunk: bytes at once.
    """

    def __init__(self, data: bytes, chunk: int) -> None:
        self._data = data
        self._chunk = chunk
        self._position = 0

    def read(self, size: int, timeout: float) -> bytes:  # noqa: ARG002 -- nothing to wait for
        start = self._position
        if start >= len(self._data):
            raise ChannelClosed
        self._position += min(size, self._chunk)
        return self._data[start : self._position]

    def write(self, data: bytes) -> None:
        del data
        raise ChannelClosed


class MemorySpawn(_Base):
    """pexpect, reading from a `MemoryChannel`.

    Args:
        window: its search window; None for its default, which is to search everything.
    """

    def __init__(self, channel: MemoryChannel, window: int | None) -> None:
        super().__init__(timeout=None, searchwindowsize=window, encoding="utf-8")
        self._channel = channel
        self._text = codecs.getincrementaldecoder("utf-8")()

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> str:  # noqa: ARG002 -- pexpect's signature
        try:
            return self._text.decode(self._channel.read(_MB, 0.0))
        except ChannelClosed:
            raise pexpect.EOF("the log has ended") from None


@dataclass(frozen=True)
class Pass:
    """One pass over a log: seconds of wall clock and CPU, and bytes by which we grew."""

    wall: float
    cpu: float
    grown: int = 0


@dataclass
class Speed:
    """The best of the passes over a log of `size` bytes."""

    size: int
    wall: float = float("inf")
    cpu: float = float("inf")
    grown: int = 0

    def add(self, one: Pass) -> None:
        """One more pass."""
        self.wall = min(self.wall, one.wall)
        self.cpu = min(self.cpu, one.cpu)
        self.grown = max(self.grown, one.grown)

    @property
    def rate(self) -> float:
        """MB per second of wall-clock time."""
        return self.size / _MB / self.wall

    @property
    def cpu_rate(self) -> float:
        """MB per second of CPU time."""
        return self.size / _MB / self.cpu


@dataclass(frozen=True)
class Case:
    """Something that is measured.

    Args:
        reader: `CONSOLE`, `WINDOWED` or `UNBOUNDED`.
        size: bytes of the log.
        chunk: bytes of one read.
        repeated: measured in every round, not only in the first.
    """

    reader: str
    size: int
    chunk: int
    repeated: bool = True

    def run(self, data: bytes) -> Pass:
        """One pass over `data`.

        Raises:
            InfraError: the reader did not get all of it.
        """
        gc.collect()
        if self.reader == CONSOLE:
            return _pass_console(data, self.chunk)
        return _pass_pexpect(data, self.chunk, _WINDOWS[self.reader])


def _resident() -> int:
    """Bytes of memory that we use now (proc_pid_statm(5), second field)."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


def _pass_console(data: bytes, chunk: int) -> Pass:
    with tempfile.TemporaryDirectory(prefix="console-benchmark-") as folder:
        raw, log = Path(folder) / "console.raw", Path(folder) / "console.log"
        before = _resident()
        wall, cpu = time.perf_counter(), time.process_time()
        console = Console(MemoryChannel(data, chunk), raw=raw, log=log)
        with contextlib.suppress(ChannelClosed):
            while True:
                console.pump(0.0)
        spent = Pass(time.perf_counter() - wall, time.process_time() - cpu, _resident() - before)
        prompt = console.partial
        console.close()
        if raw.stat().st_size != len(data) or prompt.encode() != PROMPT:
            raise InfraError(f"the console did not get all of the log: it ends with {prompt!r}")
    return spent


def _pass_pexpect(data: bytes, chunk: int, window: int | None) -> Pass:
    reader = MemorySpawn(MemoryChannel(data, chunk), window)
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        reader.expect(re.escape(PROMPT.decode()) + "$")
    except pexpect.EOF:
        raise InfraError("pexpect did not find the prompt at the end of the log") from None
    return Pass(time.perf_counter() - wall, time.process_time() - cpu)


class Cases:
    """What is measured for a log of at most `largest` bytes.

    At a byte a time, and without a window, pexpect takes time that no one has: these get less.
    """

    def __init__(self, largest: int) -> None:
        quarter = largest // 4
        # First: nothing has grown us yet, so that what it needs shows in full.
        self.largest = Case(CONSOLE, largest, 65536)
        self.quarter = Case(CONSOLE, quarter, 65536)
        self.windowed = Case(WINDOWED, largest, _PEXPECT_READ)
        self.all = [
            self.largest,
            Case(CONSOLE, largest // 2, 65536),
            self.quarter,
            Case(CONSOLE, quarter, _PEXPECT_READ),
            Case(CONSOLE, quarter, 1024),
            Case(CONSOLE, largest // 50, 1, repeated=False),
            self.windowed,
            Case(WINDOWED, quarter, 1024),
            Case(WINDOWED, largest // 1000, 1, repeated=False),
            Case(UNBOUNDED, largest // 20, _PEXPECT_READ, repeated=False),
        ]


def measure(cases: Cases, rounds: int) -> dict[Case, Speed]:
    """Run all cases, in turns.

    Raises:
        HarnessError: the recorded log is not there, or a reader did not get all of a log.
    """
    speeds = {case: Speed(case.size) for case in cases.all}
    for number in range(rounds):
        for case, speed in speeds.items():
            if case.repeated or number == 0:
                speed.add(case.run(synthetic_log(case.size)))
    return speeds


def report(cases: Cases, speeds: Mapping[Case, Speed], linear: float, faster: float) -> int:
    """Print the table, and give the exit code: 1 if a bound is not kept.

    Args:
        linear: the least speed at the largest size, as a part of that at a quarter of it.
        faster: the least speed at the largest size, as a multiple of pexpect's with a window.
    """
    rows = [
        [
            case.reader,
            f"{case.size / _MB:g}",
            str(case.chunk),
            f"{speed.rate:.2f}",
            f"{speed.cpu_rate:.2f}",
        ]
        for case, speed in speeds.items()
    ]
    print_table(["", "MB", "bytes a read", "MB/s", "MB/s of CPU"], rows)
    most = speeds[cases.largest]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"\nthe Console of {most.size / _MB:g} MB needs {most.grown / _MB:.0f} MB of memory")
    print(f"peak RSS of this process, with the log itself: {peak / _MB:.0f} MB")
    grows = most.cpu_rate / speeds[cases.quarter].cpu_rate
    against = most.rate / speeds[cases.windowed].rate
    return conclude(
        [
            Bound("MB/s of CPU, all to a quarter of the log", grows, linear, at_least=True),
            Bound("MB/s, Console to pexpect with a window", against, faster, at_least=True),
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.console",
        description="Speed of the console and the boot-log parser, beside pexpect's.",
    )
    parser.add_argument(
        "--size", type=float, default=100, metavar="MB", help="of the log (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="the best counts (default: %(default)s)"
    )
    parser.add_argument(
        "--linear",
        type=float,
        default=0.8,
        help="least speed for all of the log, relative to a quarter of it (default: %(default)s)",
    )
    parser.add_argument(
        "--faster",
        type=float,
        default=1.0,
        help="least speed relative to pexpect with a window (default: %(default)s)",
    )
    options = parser.parse_args(argv)
    if not 0.01 <= options.size <= 1000 or options.rounds < 1:
        parser.error("--size: 0.01 to 1000; --rounds: at least 1")
    cases = Cases(int(options.size * _MB))
    try:
        speeds = measure(cases, options.rounds)
    except HarnessError as bad:
        print(bad, file=sys.stderr)
        return bad.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return report(cases, speeds, options.linear, options.faster)


if __name__ == "__main__":
    raise SystemExit(main())
