"""A shell on dom0's console: log in, run commands, read their output whole.

The kernel of dom0 and Xen print on the same line. So the output of a command is kept in a file in
dom0 and printed with a mark before each line; a checksum says whether it arrived unharmed, and if
it did not, it is printed again as base64. The command itself never runs twice. Output that would
read like Xen or a panic on the console is printed as base64 at once.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
from dataclasses import dataclass

from harness.console import Console, ConsoleTimeout
from harness.shell.base import QUIET, Dialect, Result, Shell, ShellError, split

_KEPT = "/run/harness-output"
# What would look like a panic or a line of Xen to whoever reads the console (`xl dmesg`).
_ALARMING = "XEN|anic|BUG:|Oops"
# Any shell's prompt, at the end of the text.
_ANY = r"[#$] ?\Z"
# Characters typed before their echo is waited for. Xen keeps 128 for dom0 (SERIAL_RX_SIZE); the
# FIFO of a UART holds 16 only, so what is lost there is typed again more carefully.
_CHUNK = 64
# How often Enter is pressed to see a prompt again.
_NUDGES = 3


def _functions() -> str:
    """What is defined in the shell once, so that a command is typed with few more characters.

    They use $m, the mark, and $s, the status of the command.
    """
    show = f'sed "s/^/$m$k/" {_KEPT}.out; echo; echo "<$m]$s $(md5sum <{_KEPT})"'
    kind = f"if grep -qE '{_ALARMING}' {_KEPT}; then k=:; base64 {_KEPT}; "
    end = f"{kind}else k='|'; cat {_KEPT}; fi >{_KEPT}.out; __show"
    return f"__show() {{ {show}; }}; __end() {{ {end}; }}"


@dataclass(frozen=True)
class _Dom0(Dialect):
    def wrap(self, command: str, mark: str) -> str:
        # $m is set by the line that runs the command: without that, `again` shows nothing of ours.
        typed = split(mark, "''")
        return f"{{ {command}; }} >{_KEPT} 2>&1 </dev/null; s=$? m={typed}; __end"

    def again(self, mark: str) -> str:
        # With the functions: the command may have replaced the shell that had them.
        del mark
        return f"{_functions()}; k=:; base64 {_KEPT} >{_KEPT}.out; __show"

    def unwrap(self, lines: list[str], mark: str, end: str) -> str | None:
        # md5sum, because every busybox and coreutils has it; nobody forges a console.
        wanted = end.split()[:1]
        plain = [line[len(mark) + 1 :] for line in lines if line.startswith(f"{mark}|")]
        coded = [line[len(mark) + 1 :] for line in lines if line.startswith(f"{mark}:")]
        tries = ["\n".join(plain).encode(), ("\n".join(plain) + "\n").encode()]
        with contextlib.suppress(binascii.Error):
            tries.append(base64.b64decode("".join(coded), validate=True))
        for data in tries:
            if [hashlib.md5(data, usedforsecurity=False).hexdigest()] == wanted:
                return data.decode(errors="replace").rstrip("\n")
        return None


def _dialect(prompt: str) -> _Dom0:
    return _Dom0(name="dom0", prompt=prompt, chunk=_CHUNK, nudge=True)


class Dom0Shell(Shell):
    """dom0's shell. `run` gives the output (stdout and stderr) and the exit status of a command."""

    def __init__(self, console: Console, *, scale: float = 1.0) -> None:
        super().__init__(console, _dialect(_ANY), scale=scale)
        self._defined = False

    def login(self, user: str, password: str | None, *, timeout: float = 30.0) -> None:
        """Log in at a `login:` prompt that is there already.

        Raises:
            ShellError: the password was refused, or no prompt came; says what came instead.
        """
        self.press(f"{user}\r")
        end = self.console.now + timeout * self.scale
        asked = False
        # The kernel talks whenever it likes: behind a prompt, it hides it until the next Enter.
        nudges = _NUDGES
        while True:
            ask = "" if asked else r"(?P<ask>[Pp]assword: ?)|"
            pattern = rf"{ask}^(?P<bad>Login incorrect)\s*$|(?P<again>login: ?\Z)|(?P<ok>{_ANY})"
            patience = min(QUIET * self.scale, end - self.console.now)
            try:
                found = self.console.expect_text(pattern, max(patience, 0.1)).groupdict()
            except ConsoleTimeout:
                if self.console.now >= end:
                    raise self._no_prompt(user) from None
                if nudges and asked and self.console.silent_for >= patience:
                    nudges -= 1
                    self.press("\r")
                continue
            if found["ok"]:
                break
            if found["bad"] or (found.get("ask") and password is None):
                raise self._refused(user)
            if found["again"]:
                if asked:
                    raise self._refused(user)
                self.press(f"{user}\r")
                continue
            # A password typed before its prompt is lost: login empties the line first.
            self.press(f"{password}\r")
            asked = True
        self.settle()

    def _no_prompt(self, user: str) -> ShellError:
        return ShellError(
            f"no prompt after logging in as {user}",
            expected="a shell prompt",
            hint=f"the console stands at {self.console.partial!r}",
        )

    @staticmethod
    def _refused(user: str) -> ShellError:
        return ShellError(
            f"dom0 refuses user {user!r} with the password of the profile",
            hint="dom0.user and dom0.password in the board profile; is it another initrd?",
        )

    def settle(self) -> None:
        """A unique prompt, no terminal queries, rows that neither wrap nor scroll at column 80.

        Raises:
            ConsoleTimeout: no prompt came.
        """
        # readline looks at the columns only where there are rows, and when COLUMNS is set.
        self.press("export TERM=dumb PS1='dom0''# '; stty rows 24 cols 999; COLUMNS=999\r")
        # Not only at a line's begin or end: the kernel may have talked before and behind it.
        for nudge in range(_NUDGES, -1, -1):
            try:
                self.console.expect_text("dom0# ", QUIET * self.scale)
                break
            except ConsoleTimeout:
                if not nudge:
                    raise
                self.press("\r")
        self.dialect = _dialect("^dom0# ")
        self._defined = False

    def run(self, command: str, *, timeout: float = 60.0) -> Result:
        """See `Shell.run`."""
        if not self._defined:
            self.type_line(_functions())
            self._see_prompt("the definition of functions")
            self._defined = True
        return super().run(command, timeout=timeout)
