"""Live progress of a boot: a status line on a terminal, plain lines in CI, the console with -v."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from typing import TextIO

from rich.console import Console as Terminal
from rich.status import Status
from rich.text import Text

from harness.bootlog import Line
from harness.console import Console
from harness.session import Observer, Session
from harness.target.base import Target


class Nowhere(io.StringIO):
    """Takes everything and keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)


class ProgressTerminal(Terminal):
    """A terminal for progress: whoever reads it may stop, and nothing else does."""

    def on_broken_pipe(self) -> None:
        """Nobody reads the progress any more. (That of rich ends the process.)"""
        self.quiet = True


class Progress(Observer):
    """Tells a person what a boot does, on `out` (never stdout: that is for results).

    Args:
        verbose: show the console itself instead of a status line.
    """

    def __init__(self, *, verbose: bool = False, out: TextIO | None = None) -> None:
        # Given no file, rich writes to stdout.
        self._out = out or sys.stderr or Nowhere()
        self._terminal = ProgressTerminal(file=self._out, highlight=False, soft_wrap=True)
        self._live = self._terminal.is_terminal and not verbose
        self._verbose = verbose
        self._status: Status | None = None
        self._started = time.monotonic()
        self._console: Console | None = None
        self._stages: set[str] = set()
        self._last = ""
        self._drawn = 0.0

    def step(self, name: str) -> None:
        self._say(f"{self._clock()}  {name}")

    def detail(self, text: str) -> None:
        self._say(f"{self._clock()}    {text}")

    def attached(self, console: Console, target: Target) -> None:
        self._console = console
        console.on_line.append(self.line)
        self._say(f"{self._clock()}  console attached: {target.name} ({target.evidence})")

    def line(self, line: Line) -> None:
        if self._verbose:
            self._say(f"{line.at or 0.0:9.3f} {line.text}")
        elif line.text.strip():
            self._last = line.text

    def tick(self) -> None:
        if self._console is None:
            return
        reached = self._console.parser.stage_times
        if len(reached) != len(self._stages):
            for stage, at in reached.items():
                if stage not in self._stages:
                    self._stages.add(stage)
                    self._say(f"{at or 0.0:9.1f} s  {stage}")
        now = time.monotonic()
        if self._live and now - self._drawn > 0.1:
            self._drawn = now
            self._draw()

    def finished(self, session: Session) -> None:
        del session
        self.tick()
        self.close()

    def close(self) -> None:
        """Take the status line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _draw(self) -> None:
        if self._console is None:
            return
        width = max(20, self._terminal.width - 24)
        text = Text(f"{self._console.now:6.1f} s  {self._last[:width]}")
        if self._status is None:
            self._status = self._terminal.status(text, spinner="line")
            self._status.start()
        else:
            self._status.update(text)

    def _say(self, text: str) -> None:
        # Console output is data: no markup, no control characters of the board on our terminal.
        clean = "".join(c if c.isprintable() else "?" for c in text)
        with contextlib.suppress(OSError):  # that nobody can read it ends no boot
            self._terminal.print(Text(clean))

    def _clock(self) -> str:
        return f"{time.monotonic() - self._started:9.1f} s"
