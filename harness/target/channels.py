"""The serial line of an emulator: a pair of named pipes.

Not a Unix socket: it has room for some 280 writes of one byte, and a reader that was not scheduled
for a few milliseconds left it full. QEMU then holds the UART's transmitter back, Xen's driver for
the DesignWare UART reads IIR once more (handle_dw_usr_busy_quirk), which takes the interrupt away
that it waits for, and the board is silent for ever. A pipe has room for a megabyte.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import time
from pathlib import Path

from harness.errors import TargetError
from harness.target.base import ChannelClosed

_WRITE_PATIENCE = 10.0
_ROOM = 1 << 20


class PipeChannel:
    """A serial line over two named pipes, `NAME.in` and `NAME.out`, as QEMU's chardev `pipe` has.

    Args:
        folder: where they are made.
        name: their name, without the ending.

    Raises:
        OSError: they cannot be made.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._paths = (folder / f"{name}.in", folder / f"{name}.out")
        self._in = self._out = -1
        try:
            for path in self._paths:
                os.mkfifo(path, 0o600)
            self._out = os.open(self._paths[1], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with contextlib.suppress(OSError):  # a user may have used up his share of pages
                fcntl.fcntl(self._out, fcntl.F_SETPIPE_SZ, _ROOM)
            # Until the emulator has opened it, only a pipe that we could read too can be opened.
            self._in = os.open(self._paths[0], os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except BaseException:
            self.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)

    def connected(self) -> None:
        """The emulator has opened both: from now on its end is seen, and the names are gone.

        Raises:
            OSError: the pipe cannot be opened once more.
        """
        ours = os.open(self._paths[0], os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.close(self._in)
        self._in = ours
        self._unlink()

    def read(self, size: int, timeout: float) -> bytes:
        if self._out < 0:
            raise ChannelClosed
        if not self._poll.poll(max(0.0, timeout) * 1000):
            return b""
        try:
            data = os.read(self._out, size)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            raise ChannelClosed
        return data

    def write(self, data: bytes) -> None:
        end = time.monotonic() + _WRITE_PATIENCE
        rest = memoryview(data)
        while rest:
            if self._in < 0:
                raise ChannelClosed
            try:
                rest = rest[os.write(self._in, rest) :]
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TargetError(
                        f"the serial line took no byte for {_WRITE_PATIENCE:.0f} s"
                    ) from None
                # Not select(): it takes no descriptor above 1023.
                room = select.poll()
                room.register(self._in, select.POLLOUT)
                room.poll(100)
            except OSError:
                raise ChannelClosed from None

    def close(self) -> None:
        for fd in (self._in, self._out):
            if fd >= 0:
                os.close(fd)
        self._in = self._out = -1
        self._unlink()

    def _unlink(self) -> None:
        for path in self._paths:
            with contextlib.suppress(OSError):
                path.unlink()
