"""Freezes CPU1 and up of a Xen in QEMU, over QEMU's gdbstub: a hang whose cause is known.

The remote protocol: appendix E of the manual of gdb. When CPU0 comes to a function, the others
are sent to an endless loop with interrupts off; then the debugger is gone.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from harness.console import Console
from harness.session import Observer
from harness.target.base import Target
from harness.target.qemu import QemuTarget

_JUMP_TO_ITSELF = "ebfe"
_RIP, _EFLAGS = 16, 17
_INTERRUPTS_OFF = 0x2
_PATIENCE = 300.0


class Freezer(Observer):
    """Freezes all CPUs but the first one.

    Args:
        at: the address of the function at which CPU0 is let go on alone.
        loop: an address of code that is not used any more.
        folder: for the socket.
    """

    def __init__(self, at: int, loop: int, folder: Path) -> None:
        self._at, self._loop = at, loop
        self._path = folder / "gdb"
        self.frozen: list[str] = []
        self.failed: Exception | None = None
        self._thread = threading.Thread(target=self._freeze, name="gdb", daemon=True)

    def attached(self, console: Console, target: Target) -> None:
        del console
        assert isinstance(target, QemuTarget)
        line = f"gdbserver unix:{self._path},server=on,wait=off"
        target.qmp("human-monitor-command", {"command-line": line})
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_PATIENCE)
        self._socket.connect(str(self._path))
        # Single registers can be written only by those who know what they are called.
        self._ask("qXfer:features:read:target.xml:0,ffb")
        self._command(f"Z1,{self._at:x},1")
        self._send("c")  # it runs from here
        self._thread.start()

    def _freeze(self) -> None:
        try:
            with self._socket:
                self._receive()  # CPU0 is there
                self._command(f"z1,{self._at:x},1")
                self._command(f"M{self._loop:x},2:{_JUMP_TO_ITSELF}")
                cpu = 2  # gdb counts from one
                while self._ask(f"Hg{cpu}") == "OK":
                    self._command(f"P{_RIP:x}={self._loop.to_bytes(8, 'little').hex()}")
                    self._command(f"P{_EFLAGS:x}={_INTERRUPTS_OFF.to_bytes(4, 'little').hex()}")
                    self.frozen.append(f"CPU{cpu - 1}")
                    cpu += 1
                self._ask("D")
        except (OSError, AssertionError) as bad:
            self.failed = bad

    def _command(self, text: str) -> None:
        said = self._ask(text)
        assert said == "OK", f"{text}: {said}"

    def _ask(self, text: str) -> str:
        self._send(text)
        return self._receive()

    def _send(self, text: str) -> None:
        data = text.encode()
        self._socket.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))

    def _receive(self) -> str:
        data = b""
        while b"#" not in data or len(data.partition(b"#")[2]) < 2:
            more = self._socket.recv(4096)
            if not more:
                raise ConnectionError("QEMU's gdbstub is gone")
            data += more.replace(b"+", b"")
        self._socket.sendall(b"+")
        return data.partition(b"$")[2].partition(b"#")[0].decode()
