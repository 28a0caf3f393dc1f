"""What the board asked of our servers, and whether it got it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["http", "tftp", "dhcp"]


@dataclass(frozen=True)
class Request:
    """One request of a board.

    Attributes:
        at: seconds since power-on, by the clock that the server was given.
        protocol: of the server that was asked.
        client: address of who asked.
        method: "GET" or "HEAD"; "RRQ" for TFTP; a DHCP message such as "discover".
        path: what was asked for, as the client wrote it, with bytes that do not print as
            %XX; "" if the request was not understood.
        status: as in HTTP, also for other protocols: below 400 it was served, 400 to 499
            the board asked for what we do not have, from 500 on our side failed, 0 nobody
            answered.
        bytes_sent: of content, handed to the network; not all of it need have arrived.
        duration: seconds from the request to the last byte.
        complete: all of the answer was sent. False while it is under way, and for ever
            if the client went away in the middle.
    """

    at: float
    protocol: Protocol
    client: str
    method: str
    path: str
    status: int
    bytes_sent: int
    duration: float
    complete: bool


class RequestLog:
    """The requests of one server, in the order in which they came; for many threads.

    Args:
        on_request: called with each request once it has ended, by the thread that served
            it; calls do not overlap. What it raises is kept in `callback_error`.
    """

    def __init__(self, on_request: Callable[[Request], None] | None = None) -> None:
        self.callback_error: Exception | None = None
        self._on_request = on_request
        self._entries: dict[int, Request] = {}
        self._lock = threading.Lock()
        self._calling = threading.Lock()

    def begin(self, request: Request) -> int:
        """Note a request whose answer is under way; the number is for the other methods."""
        with self._lock:
            number = len(self._entries)
            self._entries[number] = request
        return number

    def update(self, number: int, request: Request) -> None:
        """Note how far an answer has come."""
        with self._lock:
            self._entries[number] = request

    def end(self, number: int, request: Request) -> None:
        """Note how a request ended, and say so."""
        self.update(number, request)
        if self._on_request is None:
            return
        with self._calling:
            try:
                self._on_request(request)
            except Exception as error:  # noqa: BLE001 - a serving thread has nobody to raise to
                self.callback_error = error

    def snapshot(self) -> list[Request]:
        """All requests so far; those under way say how far they have come."""
        with self._lock:
            return list(self._entries.values())
