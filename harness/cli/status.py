"""One line on a terminal that says how far something is; nothing where there is none."""

from __future__ import annotations

import contextlib
import sys
from types import TracebackType

from rich.console import Console as Terminal
from rich.status import Status as Spinner
from rich.text import Text


class Status:
    """Says on stderr how far something is; stdout is for results."""

    def __init__(self) -> None:
        self._terminal = Terminal(file=sys.stderr, highlight=False, soft_wrap=True)
        self._spinner: Spinner | None = None

    def __enter__(self) -> Status:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def show(self, text: str) -> None:
        """Replace the line, on a terminal."""
        if not self._terminal.is_terminal:
            return
        if self._spinner is None:
            self._spinner = self._terminal.status(Text(text), spinner="line")
            self._spinner.start()
        else:
            self._spinner.update(Text(text))

    def say(self, text: str) -> None:
        """A line that stays."""
        clean = "".join(c if c.isprintable() else "?" for c in text)
        with contextlib.suppress(OSError):  # nobody reads it
            self._terminal.print(Text(clean))

    def close(self) -> None:
        """Take the line away."""
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None
