"""A real shell behind a simulated terminal, as a channel; and what others on the line do to it."""

from __future__ import annotations

import itertools
import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from harness.target.base import ChannelClosed

KERNEL = b"[    9.100000] usb 1-1: new device\r\n"
XEN = b"(XEN) d0v0 something\r\n"

Damage = Callable[[bytes], bytes]


class Dom0:
    """A channel with a real shell behind a terminal: echo, prompts, a login.

    Args:
        echo: what becomes of a key on its way.

    Attributes:
        damage: what other writers on the line make of each answer (output and prompt).
        after_echo: what they say after a key was echoed.
        typed: the lines that were entered.
    """

    def __init__(
        self,
        folder: Path,
        *,
        prompt: str = "~ # ",
        password: str | None = None,
        logged_in: bool = True,
        echo: Damage = lambda data: data,
    ) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={"PATH": os.environ["PATH"], "PS1": prompt, "LC_ALL": "C"},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._sh = self._process.stdin, self._process.stdout
        self._password = password
        self._echo = echo
        self._state = "shell" if logged_in else "user"
        self._line = b""
        self._answer = b""
        self._out = b"" if logged_in else b"\r\napu2 login: "
        self.damage: Iterator[Damage] = itertools.repeat(lambda data: data)
        self.after_echo: Callable[[], bytes] = bytes
        self.typed: list[str] = []
        if logged_in:
            self._run(b":")

    def read(self, size: int, timeout: float) -> bytes:
        if not self._out:
            self._listen(timeout)
        data, self._out = self._out[:size], self._out[size:]
        return data

    def _listen(self, timeout: float) -> None:
        """The answer of the shell, once it is whole: prompt between two NULs."""
        while select.select([self._sh], [], [], timeout)[0]:
            data = os.read(self._sh.fileno(), 1 << 16)
            if not data:
                raise ChannelClosed
            self._answer += data
            whole = re.fullmatch(rb"(.*)\0<(.*)>\0", self._answer, re.DOTALL)
            if whole:
                answer = whole[1].replace(b"\n", b"\r\n") + whole[2]
                self._out += next(self.damage)(answer)
                self._answer = b""
                return

    def write(self, data: bytes) -> None:
        for byte in data:
            self._key(bytes([byte]))

    def _key(self, key: bytes) -> None:
        if key == b"\x15":
            self._out += b"\b \b" * len(self._line)
            self._line = b""
        elif key == b"\r":
            line, self._line = self._line, b""
            self._out += b"\r\n"
            self._enter(line)
        else:
            heard = key if self._state == "password" else self._echo(key)
            self._line += heard
            self._out += b"" if self._state == "password" else heard + self.after_echo()

    def _enter(self, line: bytes) -> None:
        if self._state == "shell":
            self.typed.append(line.decode())
            self._run(line)
        elif self._state == "user" and self._password is not None:
            self._state = "password"
            self._out += b"Password: "
        elif self._state == "password" and line.decode() != self._password:
            self._state = "user"
            self._out += b"\r\nLogin incorrect\r\napu2 login: "
        else:
            self._state = "shell"
            self._run(b":")

    def _run(self, line: bytes) -> None:
        end = b"printf '\\0<%s>\\0' \"$PS1\""
        # A syntax error ends what is evaluated, as it ends a line that is typed.
        quoted = line.replace(b"'", b"'\\''")
        self._in.write(b"command eval '" + quoted + b"'\n" + end + b"\n")
        self._in.flush()

    def close(self) -> None:
        # With the commands that it runs.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._in.close()
        self._sh.close()
        self._process.wait()
