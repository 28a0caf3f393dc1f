"""What the console keeps on disk, and what happens when the disk takes it no more."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from harness.console import Console
from harness.errors import TargetError
from harness.target.simulated import End, Say, SimulatedTarget

FULL = Path("/dev/full")


def console(data: bytes, *, raw: Path | None = None, log: Path | None = None) -> Console:
    channel = SimulatedTarget([Say(data), End()]).channel
    return Console(channel, raw=raw, log=log, clock=time.monotonic)


class Slow:
    """A file that takes three bytes at once, as an unbuffered one may."""

    name = "slow"

    def __init__(self) -> None:
        self.kept = b""

    def write(self, data: bytes) -> int:
        self.kept += bytes(data[:3])
        return len(data[:3])

    def close(self) -> None:
        pass


def test_every_byte_is_kept_and_counted() -> None:
    one = console(b"(XEN) Xen version 4.17\r\n")
    slow: Any = Slow()
    one._raw = slow
    one.pump(0.1)
    assert slow.kept == b"(XEN) Xen version 4.17\r\n"
    assert one.received == len(slow.kept)
    one.close()


@pytest.mark.parametrize("which", ["raw", "log"])
def test_a_full_disk_is_an_error_of_ours_with_its_path(which: str) -> None:
    one = console(b"a line\n", **{which: FULL})
    with pytest.raises(TargetError, match="cannot write /dev/full: No space left on device"):
        one.pump(0.1)
    one.close()


def test_a_full_disk_while_draining_hides_no_panic() -> None:
    one = console(b"a line\n", raw=FULL)
    one.drain(0.1, 0.5)
    one.close()
