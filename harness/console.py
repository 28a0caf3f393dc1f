"""The one place that turns bytes of a serial line into lines.

Raw bytes go to disk first, unmodified and flushed, before anything reads them. Then they are
decoded, stripped of ANSI, split into lines with time stamps, parsed into the boot log, and checked
against what must never happen (a panic, a reset). `expect` is pexpect's, on the same text.

Works the same for one byte at a time.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
from pexpect.expect import Expecter, searcher_re
from pexpect.spawnbase import SpawnBase

from harness.bootlog import Arch, BootLogParser, Line, LineAssembler
from harness.errors import TargetError
from harness.target.base import Channel, ChannelClosed

# pexpect searches its whole buffer again at every read unless it is given a window; a prompt
# or marker is never longer than this.
_WINDOW = 4096
# Of a read that is longer than its window, pexpect searches only the end. An escape sequence
# that was held back (up to 1000 characters, see `ansi`) may come on top.
_SEARCHED_READ = _WINDOW // 2
_READ = 65536
# How often whoever watches the boot is asked while the console is silent, in seconds.
_TICK = 0.25


if TYPE_CHECKING:
    # The type stubs make it generic over bytes or str; at run time it is not.
    _Base = SpawnBase[str]
else:
    _Base = SpawnBase


class BoardStopped(Exception):  # noqa: N818 -- what the board did, not a defect of ours
    """The board panicked or reset while somebody was waiting for something else.

    Args:
        line: the line that says so.
    """

    def __init__(self, line: Line) -> None:
        super().__init__(line.text)
        self.line = line


class ConsoleTimeout(Exception):  # noqa: N818 -- the boot turns it into a verdict
    """What was waited for did not come in time."""


class Console(_Base):
    """A serial console.

    Args:
        channel: bytes from and to the board.
        raw: the file that gets every byte, unmodified; None keeps none.
        log: the file that gets every line with its time; None keeps none.
        arch: forces the architecture of the boot log; None = detected.
        clock: seconds since power-on, monotonic.
        timed: False for a recorded log without times: lines then have none.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        raw: Path | None,
        log: Path | None,
        arch: Arch | None = None,
        clock: Callable[[], float] = time.monotonic,
        timed: bool = True,
    ) -> None:
        super().__init__(
            timeout=None, maxread=_SEARCHED_READ, searchwindowsize=_WINDOW, encoding="utf-8"
        )
        # pexpect would sleep after each read, for children that are only just exiting.
        self.delayafterread = None
        self.channel = channel
        self.parser = BootLogParser(arch)
        self.lines: list[Line] = []
        self.on_line: list[Callable[[Line], None]] = []
        self.on_bytes: list[Callable[[bytes], None]] = []
        self.closed_by_board = False
        self._assembler = LineAssembler()
        # Unbuffered: what was received is on disk, whatever happens to us next.
        self._raw = raw.open("ab", buffering=0) if raw else None
        self._log = log.open("a", encoding="utf-8", newline="\n") if log else None
        self.received = 0  # bytes
        self._timed = timed
        self._clock = clock
        self.last_output = 0.0
        # Called again and again while we wait; may raise to end the wait.
        self.checks: list[Callable[[], None]] = []
        self._armed = True
        self._alarm: Line | None = None
        # When `expect_text` gives up, on our clock: pexpect's own is the wall clock.
        self._until = math.inf

    @property
    def now(self) -> float:
        """Seconds since power-on."""
        return self._clock()

    @property
    def partial(self) -> str:
        """The unfinished last line, without ANSI sequences."""
        return self._assembler.partial

    @property
    def silent_for(self) -> float:
        """Seconds since the last byte."""
        return self.now - self.last_output

    def pump(self, timeout: float) -> bool:
        """Read once; True if bytes came.

        Raises:
            BoardStopped: the bytes say that the board panicked or reset (unless disarmed).
            ChannelClosed: the line has ended; all its bytes are in.
        """
        text = self._ingest(_READ, timeout)
        if text is None:
            return False
        self._remember(text)
        self._check_alarm()
        return True

    def pump_checked(self, timeout: float) -> bool:
        """`pump`, and then whoever watches the boot may end it (`checks`)."""
        came = self.pump(timeout)
        for check in self.checks:
            check()
        return came

    def _remember(self, text: str) -> None:
        """Keep for `expect` what it may still have to search, and no more."""
        kept = (self.buffer + text)[-_WINDOW:]
        # pexpect keeps what is to be searched and what was not matched yet in two buffers,
        # which must agree between two expects.
        for name in ("_buffer", "_before"):
            held = StringIO()
            held.write(kept)
            setattr(self, name, held)

    def _forget(self) -> None:
        self._before, self._buffer = StringIO(), StringIO()

    def _ingest(self, size: int, timeout: float) -> str | None:
        """The text of what came, which may be "" (an ANSI sequence); None if nothing came."""
        try:
            data = self.channel.read(size, timeout)
        except ChannelClosed:
            self.closed_by_board = True
            raise
        if not data:
            return None
        self._keep(data)
        self.received += len(data)
        self.last_output = self.now
        at = self.last_output if self._timed else None
        for listen in self.on_bytes:
            listen(data)
        fresh = self._assembler.feed(data, at)
        for line in fresh:
            self._take(line)
        if fresh and self._log:
            try:
                self._log.flush()
            except OSError as bad:
                raise _not_kept(self._log.name, bad) from None
        self.parser.see_partial(self._assembler.partial, at)
        return self._assembler.last_text

    def _keep(self, data: bytes) -> None:
        """All of it, on disk: an unbuffered write may take only a part.

        Raises:
            TargetError: it cannot be written.
        """
        rest = memoryview(data)
        while self._raw and rest:
            try:
                rest = rest[self._raw.write(rest) :]
            except OSError as bad:
                raise _not_kept(self._raw.name, bad) from None

    def _take(self, line: Line) -> None:
        if self._log:
            try:
                self._log.write(f"{line.at or 0.0:9.3f} {line.text}\n")
            except OSError as bad:
                raise _not_kept(self._log.name, bad) from None
        self.lines.append(line)
        before = self.parser.alarms
        self.parser.feed(line)
        if self._alarm is None and self.parser.alarms > before:
            self._alarm = line
        for listen in self.on_line:
            listen(line)

    def _check_alarm(self) -> None:
        line, self._alarm = self._alarm, None
        if line is not None and self._armed:
            raise BoardStopped(line)

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> str:
        """What pexpect calls to read: text without ANSI, or its own TIMEOUT and EOF."""
        end = self._until
        if timeout is not None and timeout >= 0:
            end = min(end, self.now + timeout)
        while self.now <= end:
            try:
                text = self._ingest(size, max(0.0, min(_TICK, end - self.now)))
            except ChannelClosed:
                self.flag_eof = True
                raise pexpect.EOF("the serial line has ended") from None
            try:
                self._check_alarm()
                for check in self.checks:
                    check()
            except BaseException:
                self._remember(text or "")
                raise
            if text:
                return text
        raise pexpect.TIMEOUT("no output")

    def expect_text(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait until the text (without ANSI) matches; what matched is consumed.

        Raises:
            ConsoleTimeout: it did not come within `timeout` seconds.
            BoardStopped: the board panicked or reset meanwhile.
            ChannelClosed: the line has ended.
        """
        searcher = searcher_re([re.compile(pattern, re.MULTILINE)])
        self._until = self.now + timeout
        try:
            Expecter(self, searcher, _WINDOW).expect_loop(None)
        except pexpect.TIMEOUT:
            raise ConsoleTimeout(f"{pattern!r} did not come within {timeout:.0f} s") from None
        except pexpect.EOF:
            raise ChannelClosed from None
        finally:
            self._until = math.inf
        found: Any = self.match
        match: re.Match[str] = found
        return match

    def drain(self, quiet: float, limit: float) -> None:
        """Read on until nothing came for `quiet` seconds, for `limit` seconds at most.

        After a panic the reason, the trace and the reboot notice are still under way.
        """
        start = self.now
        with self.disarmed():
            while self.now - start < limit and self.now - max(start, self.last_output) < quiet:
                try:
                    self.pump(min(0.1, quiet))
                except (ChannelClosed, TargetError):
                    return

    @contextmanager
    def disarmed(self) -> Iterator[None]:
        """Panics and resets are still recorded, and interrupt nobody: for a reboot asked for."""
        before = self._armed
        self._armed = False
        try:
            yield
        finally:
            self._armed = before

    def send(self, s: str) -> int:
        """Send text at once, as `pexpect` does. See `type_text` for lines that lose characters."""
        data = s.encode()
        self.channel.write(data)
        return len(data)

    def type_text(self, text: str, *, chunk: int, patience: float) -> bool:
        """Type like a person: `chunk` characters, then wait for their echo.

        Returns True if all of it was echoed (in order; other output may stand between, because
        kernels talk while we type, and lines wrap). False: something was lost or not echoed.

        Args:
            chunk: characters at once; a 16550 has a FIFO of 16.
            patience: seconds to wait for the echo of a chunk.
        """
        # What came before cannot be the echo; half of an earlier attempt may be in it.
        self._forget()
        for start in range(0, len(text), chunk):
            piece = text[start : start + chunk]
            self.channel.write(piece.encode())
            # Possessive: that not all of it is there yet is seen in one pass.
            wanted = (re.escape(c) for c in piece if not c.isspace())
            loose = "".join(f"[^{c}]*+{c}" for c in wanted)
            if loose:
                try:
                    self.expect_text(loose, patience)
                except ConsoleTimeout:
                    return False
        return True

    def close(self) -> None:
        # What cannot be written now is in console.raw, or was an error when it came.
        with suppress(TargetError):
            for line in self._assembler.flush():
                self._take(line)
        for file in (self._raw, self._log):
            if file:
                with suppress(OSError):
                    file.close()


def _not_kept(path: str, bad: OSError) -> TargetError:
    return TargetError(f"cannot write {path}: {bad.strerror}")
