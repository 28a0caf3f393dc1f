"""A dom0 without Xen: shells behind real terminals, and an `xl` that joins them."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from harness.console import Console
from harness.guests import line
from harness.shell import dom0 as dom0_module
from harness.shell.dom0 import Dom0Shell
from harness.target.base import ChannelClosed

XL = """\
#!{python} -IS
import array, os, select, socket, sys, termios, tty
if sys.argv[1] == "list":
    print("Name  ID  Mem VCPUs  State  Time(s)")
    print("g-test  3  128  2  -b----  1.0")
    sys.exit()
if sys.argv[1] == "dmesg":
    sys.exit(print("(XEN) of the guest"))
line = socket.socket(socket.AF_UNIX)
try:
    line.connect({where!r})
    _, fds, _, _ = socket.recv_fds(line, 1, 1)
    guest = fds[0]
except (OSError, IndexError):
    sys.exit(sys.argv[2] + " is an invalid domain identifier (rc=-6)")
before = termios.tcgetattr(0)
tty.setraw(0)
try:
    while True:
        ready, _, _ = select.select([0, guest], [], [])
        if guest in ready:
            os.write(1, os.read(guest, 65536))
        if 0 in ready:
            keys = os.read(0, 65536)
            if b"\\x1d" in keys:
                break
            os.write(guest, keys)
except OSError:
    pass
finally:
    termios.tcsetattr(0, termios.TCSADRAIN, before)
"""


class Terminal:
    """A shell on a terminal, as a channel."""

    def __init__(self, folder: Path, prompt: str) -> None:
        env = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "PS1": prompt,
            "LC_ALL": "C",
            "HOME": str(folder),
        }
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve("/bin/sh", ["sh", "-i"], env)  # noqa: S606 -- a shell is what it is
        self.injected = b""

    def read(self, size: int, timeout: float) -> bytes:
        if self.injected:
            data, self.injected = self.injected, b""
            return data
        if not select.select([self.fd], [], [], timeout)[0]:
            return b""
        try:
            return os.read(self.fd, size)
        except OSError:
            raise ChannelClosed from None

    def write(self, data: bytes) -> None:
        # Of a terminal whose shell is dead, reading tells the end.
        with suppress(OSError):
            os.write(self.fd, data)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def close(self) -> None:
        self.kill()
        with suppress(OSError):
            os.close(self.fd)


class Guest(Terminal):
    """A shell that the `xl console` of its folder leads to, as often as it is called."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "guest:~# ")
        where = str(folder / "guest.socket")
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(where)
        self._server.listen()
        self._dead = False
        xl = folder / "xl"
        xl.write_text(XL.format(python=sys.executable, where=where))
        xl.chmod(0o755)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            with peer:
                if not self._dead:
                    socket.send_fds(peer, [b"x"], [self.fd])

    def destroy(self) -> None:
        """As `xl destroy`: its console ends too."""
        self._dead = True
        self.kill()

    def close(self) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()
        super().close()


@pytest.fixture
def level(tmp_path: Path) -> Path:
    """dom0's file with the level of the messages on its console."""
    file = tmp_path / "printk"
    file.write_text("7\t4\t1\t7\n")
    return file


@pytest.fixture(autouse=True)
def _not_the_host(tmp_path: Path, level: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dom0_module, "_KEPT", str(tmp_path / "kept"))
    monkeypatch.setattr(line, "_LEVEL", str(level))


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    """A guest that `xl console NAME` of dom0 leads to."""
    folder = tmp_path / "dom0"
    folder.mkdir()
    with closing(Guest(folder)) as made:
        yield made


@pytest.fixture
def wire(guest: Guest, tmp_path: Path) -> Iterator[Terminal]:
    """The serial line that leads to dom0."""
    assert guest.pid
    with closing(Terminal(tmp_path / "dom0", "apu2:~# ")) as channel:
        yield channel


@pytest.fixture
def dom0(wire: Terminal) -> Iterator[Dom0Shell]:
    """dom0's shell at its prompt."""
    with closing(Console(wire, raw=None, log=None)) as console:
        shell = Dom0Shell(console)
        shell.wait_for_prompt(10)
        shell.settle()
        yield shell
