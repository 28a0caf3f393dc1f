"""A synchronous face on qemu.qmp: commands from the boot, events kept as they come.

QMP: docs/interop/qmp-spec.rst of QEMU. The event loop runs in a thread of its own, so that an
event is taken even while the boot waits for the console.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from qemu.qmp import EventListener, QMPClient, QMPError
from qemu.qmp.error import QMPError as _Base

from harness.errors import TargetError

T = TypeVar("T")
Event = Mapping[str, Any]


class Qmp:
    """One QMP connection over an open socket."""

    def __init__(self, sock: socket.socket) -> None:
        # A dead emulator is reported by the target, with its exit code; the library's own
        # log of the broken connection would only repeat it on the user's terminal.
        logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)
        self._sock = sock
        self._client = QMPClient("harness")
        self._events: list[Event] = []
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="qmp", daemon=True)
        self._collector: asyncio.Task[None] | None = None

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise TargetError(f"QEMU did not answer on QMP within {timeout:.0f} s") from None
        except (QMPError, _Base, OSError, EOFError) as bad:
            raise TargetError(f"QMP: {str(bad) or type(bad).__name__}") from None

    def connect(self, timeout: float = 30.0) -> None:
        """Greet and negotiate.

        Raises:
            TargetError: QEMU does not answer.
        """
        self._thread.start()

        async def work() -> None:
            listener = EventListener()
            self._client.register_listener(listener)
            self._collector = asyncio.ensure_future(self._collect(listener))
            await self._client.connect(self._sock)

        self._call(work(), timeout)

    async def _collect(self, listener: EventListener) -> None:
        async for event in listener:
            with self._lock:
                self._events.append(dict(event))

    def execute(
        self, command: str, arguments: Mapping[str, object] | None = None, timeout: float = 30.0
    ) -> Any:
        """Run a QMP command and give its return value.

        Raises:
            TargetError: QEMU refused, or is gone.
        """
        return self._call(self._client.execute(command, arguments), timeout)

    def events(self) -> list[Event]:
        """All events so far, oldest first."""
        with self._lock:
            return list(self._events)

    def close(self) -> None:
        if not self._thread.is_alive():
            self._loop.close()
            self._sock.close()
            return

        async def work() -> None:
            if self._collector is not None:
                self._collector.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._collector
            # Disconnecting raises what ended the connection; it was reported when it happened.
            with contextlib.suppress(Exception):
                await self._client.disconnect()
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()

        with contextlib.suppress(TargetError):
            self._call(work(), 5.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        if not self._thread.is_alive():
            self._loop.close()
        self._sock.close()
