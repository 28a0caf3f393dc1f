"""The U-Boot command line (`=> `): get there, run commands, read the environment.

U-Boot polls the line, and only at its prompt: what is typed behind a running command is lost, so
every command waits for the prompt of the one before. Commands: https://docs.u-boot.org, "Usage".
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from harness.console import Console, ConsoleTimeout
from harness.shell.base import QUIET, Dialect, Result, Shell, ShellError, split

# What hush shows in the middle of a command (an open quote, `if`) is its "> ".
_PROMPT = r"(?:=>|U-Boot>) \Z"
_ANY = r"(?:=>|U-Boot>|>) \Z"
_CTRL_C = "\x03"

# From here on, what is typed is kept for the prompt; before, the UART is set up once more.
_READY = r"Loading Environment"
_ASKS = r"(?P<asks>Hit any key to stop autoboot|[Aa]utoboot in \d)"
# What says that the count-down is over, or that there was none. No files read: `preboot` may
# read some before U-Boot asks.
_GONE = (
    r"(?P<gone>## Executing script|Starting kernel|Found U-Boot script|^Booting "
    r"|^\(XEN\) |^\[ +\d+\.\d+\] )"
)
_KEY = " "
# Seconds from one key to the next. One is enough, if it comes in time and nobody eats it.
_EVERY = 0.1
# Seconds until U-Boot asks; deadlines of stages end a boot that does not get there.
_LONG = 600.0


@dataclass(frozen=True)
class _Uboot(Dialect):
    def wrap(self, command: str, mark: str) -> str:
        # Quotes and not an unset variable: nobody knows what is set here.
        typed = split(mark, '""')
        return f'{command}; echo "<{typed}]$?"'

    def unwrap(self, lines: list[str], mark: str, end: str) -> str | None:
        del end
        said: list[str] = []
        for line in lines:
            before, found, _ = line.partition(f"<{mark}]")
            if not found:
                said.append(line)
                continue
            # Output without a final newline stands in front of the mark.
            return "\n".join([*said, before] if before else said)
        return None


class UbootShell(Shell):
    """U-Boot's prompt. `run` gives the output and `$?`: 0, or 1 for a command that failed.

    U-Boot cannot print an output twice: a message that another writer put into it stays in it.
    """

    def run(self, command: str, *, timeout: float = 60.0) -> Result:
        """Run one command to its end; see `Shell.run`.

        A command that does not end, or that hush takes for the begin of a longer one, is
        interrupted with Ctrl-C, so that the prompt is there for the next.

        Raises:
            ShellError: it is no whole command, did not end in time, or its end was not seen.
            BoardStopped: the board panicked or reset meanwhile.
            ChannelClosed: the line has ended.
        """
        try:
            return super().run(command, timeout=timeout)
        except ShellError:
            with suppress(ConsoleTimeout):
                _interrupt(self.console, self.scale)
            raise


def uboot_shell(
    console: Console, *, burst: int = 16, line_limit: int = 512, scale: float = 1.0
) -> UbootShell:
    """The U-Boot prompt.

    Args:
        burst: characters that the line takes at once; a 16550 has a FIFO of 16.
        line_limit: U-Boot's CONFIG_SYS_CBSIZE: 1024 on sunxi, 512 on qemu_arm.
        scale: stretches all patience, for slow hosts.
    """
    dialect = _Uboot(name="uboot", prompt=_ANY, chunk=burst, clear="\x15", longest=line_limit)
    return UbootShell(console, dialect, scale=scale)


def stop_autoboot(console: Console, *, timeout: float = _LONG, scale: float = 1.0) -> None:
    """Press a key until U-Boot stands at its prompt.

    With `bootdelay=0` U-Boot looks once whether a key is there, without waiting for one; so the
    first is sent when it loads its environment.

    Args:
        timeout: seconds until U-Boot asks, on an idle host.

    Raises:
        ShellError: U-Boot boots on; says whether it asked at all.
        ConsoleTimeout: nothing of it came.
        BoardStopped, ChannelClosed: see `Console`.
    """
    end = console.now + timeout * scale
    pattern = rf"{_ASKS}|(?P<prompt>^{_PROMPT})|{_GONE}"
    first = console.expect_text(rf"{_READY}|{_ASKS}|^{_PROMPT}", timeout * scale)
    asked = first["asks"] is not None
    while True:
        console.send(_KEY)
        try:
            found = console.expect_text(pattern, _EVERY)
        except ConsoleTimeout:
            # The prompt may have matched `_READY`, or came with a key of ours behind it.
            if re.fullmatch(rf"(?:=>|U-Boot>) [{_KEY}]*", console.partial):
                break
            if console.now > end:
                raise
            continue
        if found["prompt"]:
            break
        if found["gone"]:
            raise _boots_on(found["gone"], asked)
        asked = True
    # Keys that came too many stand behind the prompt, or are still under way.
    _interrupt(console, scale)


def _interrupt(console: Console, scale: float) -> None:
    """Ctrl-C, and the prompt of an empty line."""
    # A prompt that came before is not the answer.
    console.expect_text(r"[\s\S]*\Z", QUIET * scale)
    console.send(_CTRL_C)
    console.expect_text(rf"^{_PROMPT}", QUIET * scale)


def _boots_on(said: str, asked: bool) -> ShellError:
    if asked:
        return ShellError(
            "U-Boot asked for a key and booted on all the same",
            where="uboot",
            expected="the prompt `=> `",
            hint=f"it went on with {said.strip()!r}: does this U-Boot want another key "
            "(CONFIG_AUTOBOOT_KEYED), and does the line carry what is typed?",
        )
    return ShellError(
        "U-Boot boots without asking for a key: it cannot be stopped",
        where="uboot",
        expected="Hit any key to stop autoboot",
        hint=f"it went on with {said.strip()!r}; its environment has bootdelay=-2: set it to 0 "
        "or more (0 costs no time)",
    )


def environment(shell: Shell) -> dict[str, str]:
    r"""U-Boot's environment (`printenv`).

    A value of several lines is joined with "\n" again; a line of it that reads like `name=` is
    taken for a variable, because `printenv` does not say where a value ends.

    Raises:
        ShellError: see `Shell.run`; or `printenv` failed.
    """
    answer = shell.run("printenv")
    if answer.status != 0:
        raise ShellError(f"printenv failed: {' / '.join(answer.lines[-2:])}", where="uboot shell")
    found: dict[str, str] = {}
    name = ""
    for line in answer.lines:
        if re.fullmatch(r"Environment size: \d+/\d+ bytes", line):
            break
        if match := re.match(r"([^\s=]+)=(.*)", line):
            name = match[1]
            found[name] = match[2]
        elif name:
            found[name] += "\n" + line
    # A blank line stands in front of the size.
    if name:
        found[name] = found[name].removesuffix("\n")
    return found


def chosen(shell: Shell) -> str:
    """The /chosen node of the working device tree, as `fdt print` shows it.

    Raises:
        ShellError: see `Shell.run`; or there is no working tree, or no such node in it.
    """
    answer = shell.run("fdt print /chosen")
    if answer.status != 0:
        raise ShellError(
            f"U-Boot has no /chosen to show: {' / '.join(answer.lines[-2:])}",
            where="uboot shell",
            hint="`fdt addr ADDRESS` comes first",
        )
    return answer.output
