"""A real shell on a real terminal, as a channel: with job control, echo and line editing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
from pathlib import Path

from harness.target.base import ChannelClosed


class Terminal:
    """A shell in a folder; programs in its `bin` come first on PATH."""

    def __init__(self, folder: Path, shell: list[str]) -> None:
        self._master, slave = pty.openpty()

        def own_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        self.process = subprocess.Popen(
            shell,
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=own_terminal,  # noqa: PLW1509 -- tests have one thread
            env={"PATH": path, "PS1": "# ", "LC_ALL": "C", "HOME": str(folder), "TERM": "dumb"},
        )
        os.close(slave)

    def read(self, size: int, timeout: float) -> bytes:
        if not select.select([self._master], [], [], timeout)[0]:
            return b""
        try:
            data = os.read(self._master, size)
        except OSError:
            data = b""
        if not data:
            raise ChannelClosed
        return data

    def write(self, data: bytes) -> None:
        os.write(self._master, data)

    def close(self) -> None:
        """End the shell, and what it runs: a terminal that hangs up tells all its jobs."""
        os.close(self._master)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
