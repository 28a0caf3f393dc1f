"""Channels over a connected socket: the serial line of an emulator."""

from __future__ import annotations

import select
import socket
import time

from harness.errors import TargetError
from harness.target.base import ChannelClosed

_WRITE_PATIENCE = 10.0


class SocketChannel:
    """A serial line over a stream socket, which it owns."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sock.setblocking(False)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def read(self, size: int, timeout: float) -> bytes:
        if self._sock.fileno() < 0:
            raise ChannelClosed
        if not self._poll.poll(max(0.0, timeout) * 1000):
            return b""
        try:
            data = self._sock.recv(size)
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
            try:
                rest = rest[self._sock.send(rest) :]
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TargetError(
                        f"the serial line took no byte for {_WRITE_PATIENCE:.0f} s"
                    ) from None
                select.select([], [self._sock], [], 0.1)
            except OSError:
                raise ChannelClosed from None

    def close(self) -> None:
        self._sock.close()
