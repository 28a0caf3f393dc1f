"""A prompt on a console that runs one command and gives its output and status.

Written once; what differs between iPXE and a dom0 shell is a `Dialect`: how a command is wrapped
so that the end of its output can be seen, and how the output is taken out again.
"""

from __future__ import annotations

import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from harness.console import Console, ConsoleTimeout
from harness.errors import HarnessError

# Seconds of silence before Enter is pressed to see a prompt again.
QUIET = 5.0
# The same when the prompt must be next: only a message that cut it in two can hide it.
_PROMPT_IS_NEXT = 1.0
# Characters that every UART's FIFO holds.
CAREFUL = 16


class ShellError(HarnessError):
    """A command could not be run, or its answer could not be read: the board's doing, not ours."""

    exit_code = 1


class CommandTimeout(ShellError):  # noqa: N818 -- as subprocess.TimeoutExpired
    """A command did not end in time: it may run still, and the prompt is not there.

    Args:
        command: as it was asked for.
        seconds: how long was waited.
    """

    def __init__(self, command: str, seconds: float, shell: str, hint: str) -> None:
        super().__init__(
            f"{command!r} did not end within {seconds:.0f} s",
            where=f"{shell} shell",
            expected="its end, and the prompt",
            hint=hint,
        )
        self.command = command
        self.seconds = seconds


@dataclass(frozen=True)
class Result:
    r"""What a command said (lines joined by "\n", no final newline), and its exit status.

    A shell without numeric status (iPXE) gives 0 or 1.
    """

    output: str
    status: int

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


@dataclass(frozen=True)
class Dialect(ABC):
    """How to talk to one kind of prompt.

    Args:
        name: for messages: "ipxe", "dom0".
        prompt: regular expression of the prompt, at the end of the text.
        chunk: see `Console.type_text`; after a loss, `CAREFUL` of them at most.
        clear: the keys that empty a half-typed line.
        longest: characters that the prompt's line editor takes.
        nudge: whether an empty line does nothing but to bring another prompt; U-Boot's repeats
            the command before.
    """

    name: str
    prompt: str
    chunk: int
    clear: str = "\x15"
    longest: int = 1000
    attempts: int = 3
    nudge: bool = False

    @abstractmethod
    def wrap(self, command: str, mark: str) -> str:
        """The line to type. The shell then prints `<MARK]STATUS ...` in a line of its own.

        The prompt echoes what is typed, so the typed line must not contain `<MARK]` itself.
        """

    def again(self, mark: str) -> str | None:
        """The line that prints the same output once more; None: this shell cannot."""
        del mark
        return None

    @abstractmethod
    def unwrap(self, lines: list[str], mark: str, end: str) -> str | None:
        """The output in the lines before `end` (what follows `<MARK]`); None if it is damaged."""


class Shell:
    """A prompt that runs commands.

    Args:
        scale: stretches all patience, for slow hosts.

    Attributes:
        before_typing: called before anything is typed, to see to it that it comes to this
            prompt (`XenInput.guard`): what Xen gets, it takes for debug keys.
    """

    def __init__(self, console: Console, dialect: Dialect, *, scale: float = 1.0) -> None:
        self.console = console
        self.dialect = dialect
        self.scale = scale
        self.before_typing: Callable[[], None] = _nobody_else

    def press(self, keys: str) -> None:
        """Send keys to this prompt, without waiting for an echo."""
        self.before_typing()
        self.console.send(keys)

    def wait_for_prompt(self, timeout: float) -> None:
        """Wait for the prompt, `timeout` seconds on an idle host.

        Raises:
            ConsoleTimeout: it did not come.
        """
        self.console.expect_text(self.dialect.prompt, timeout * self.scale)

    def type_line(self, text: str) -> None:
        """Type a line so that it surely arrives whole, then Enter.

        Raises:
            ShellError: the prompt did not echo it, in several attempts.
        """
        if any(ord(c) < 0x20 for c in text) or len(text) > self.dialect.longest:
            raise ShellError(
                f"not a command line that the {self.dialect.name} prompt can take: {text[:60]!r}",
                expected=f"one line of at most {self.dialect.longest} characters, no control keys",
            )
        for attempt in range(self.dialect.attempts):
            self.before_typing()
            chunk = self.dialect.chunk
            if self.console.type_text(
                text,
                chunk=min(chunk, CAREFUL) if attempt else chunk,
                patience=3.0 * self.scale,
            ):
                self.console.send("\r")
                return
            self.press(self.dialect.clear)
            self.console.drain(0.3, 2.0)
        raise ShellError(
            f"the {self.dialect.name} prompt does not echo what is typed: {text!r}",
            hint=f"the console stands at {self.console.partial!r}; see its log",
        )

    def run(self, command: str, *, timeout: float = 60.0) -> Result:
        """Run one command to its end.

        Args:
            timeout: seconds, on an idle host.

        Raises:
            CommandTimeout: it did not end in time (a ShellError too).
            ShellError: its output never arrived whole.
            BoardStopped: the board panicked or reset meanwhile.
        """
        mark = secrets.token_hex(4)
        line: str | None = self.dialect.wrap(command, mark)
        # A prompt without the mark: the mark was damaged, or the shell did not take the line.
        end = rf"<{mark}\](?P<status>\d+)(?P<end>[^\n]*)\n|^{self.dialect.prompt}"
        said: list[str] = []
        for _ in range(self.dialect.attempts):
            if line is None:
                break
            self.type_line(line)
            # The rest of the typed row becomes a line with the Enter; the output is below it.
            first = len(self.console.lines) + 1
            found = self._wait(end, command, timeout)
            if found["status"] is not None:
                self._see_prompt(command)
            said = [row.text for row in self.console.lines[first:]]
            if found["status"] is not None:
                output = self.dialect.unwrap(said, mark, found["end"])
                if output is not None:
                    return Result(output, int(found["status"]))
            line = self.dialect.again(mark)
        raise ShellError(
            f"no whole output of {command!r}: the shell refused it, or other output came between",
            where=f"{self.dialect.name} shell",
            hint=f"it said {' / '.join(said[-3:])!r}; see the console log, and if the kernel is "
            "noisy, lower its log level (dmesg -n 1)",
        )

    def _see_prompt(self, command: str) -> None:
        try:
            self.wait_for_prompt(_PROMPT_IS_NEXT)
        except ConsoleTimeout:
            # The kernel may have talked into it; Enter brings another.
            self.press("\r")
            self._wait(self.dialect.prompt, command, 10.0)

    def _wait(self, pattern: str, command: str, timeout: float) -> re.Match[str]:
        """Wait for the end of a command.

        If it never comes, a message may have cut both mark and prompt: Enter brings a prompt.
        """
        with suppress(ConsoleTimeout):
            return self.console.expect_text(pattern, timeout * self.scale)
        with suppress(ConsoleTimeout):
            if self.dialect.nudge:
                self.press("\r")
                return self.console.expect_text(pattern, _PROMPT_IS_NEXT * self.scale)
        stands = f"the console stands at {self.console.partial!r}"
        raise CommandTimeout(command, timeout * self.scale, self.dialect.name, stands)


def _nobody_else() -> None:
    """The line leads to one prompt only."""


def split(mark: str, quote: str) -> str:
    """The mark as it is typed: `quote` in its middle vanishes when the shell prints it."""
    return re.sub("^(....)", rf"\g<1>{quote}", mark)
