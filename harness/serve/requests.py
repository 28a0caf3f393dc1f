"""What the board asked of our servers, and whether it got it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.formats.netboot import DhcpMessage, Event, TftpTransfer

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


def capture_zero(made: float) -> float:
    """What QEMU's filter-dump writes as the time of power-on.

    It adds the emulator's virtual clock, which is 0 at power-on and stands still while the
    machine is stopped, to the second at which the file was made, and takes that UTC second
    for local time (net/dump.c: net_dump_state_init, dump_receive_iov).

    Args:
        made: `time.time()` at which the capture was begun; its second must be right. The
            modification time of the file is, as long as the machine has not been started.
    """
    return time.mktime(time.gmtime(int(made)))


def from_capture(events: Sequence[Event], zero: float) -> list[Request]:
    """Requests to the DHCP and TFTP servers of the emulator, out of a capture.

    A DHCP request has the client's hardware address for its client, and for its path the
    boot file that it was answered with.

    Args:
        events: of `harness.formats.netboot.events`.
        zero: the time of power-on in the capture; see `capture_zero`.
    """
    made = []
    for number, event in enumerate(events):
        if isinstance(event, TftpTransfer):
            made.append(_from_tftp(event, zero))
        elif event.from_client:
            made.append(_from_dhcp(event, events[number + 1 :], zero))
    return made


def _from_tftp(transfer: TftpTransfer, zero: float) -> Request:
    # RFC 1350: 1 is "file not found", 2 "access violation".
    status = 200 if transfer.answered else 0
    if transfer.error_code is not None and not transfer.error_by_client:
        status = {1: 404, 2: 403}.get(transfer.error_code, 500)
    return Request(
        at=transfer.at - zero,
        protocol="tftp",
        client=transfer.client,
        method="RRQ",
        path=transfer.file,
        status=status,
        bytes_sent=transfer.bytes_sent,
        duration=transfer.duration,
        complete=transfer.complete,
    )


def _from_dhcp(question: DhcpMessage, later: Sequence[Event], zero: float) -> Request:
    answer = None
    for event in later:
        if isinstance(event, DhcpMessage) and event.xid == question.xid:
            answer = None if event.from_client else event
            break
    refused = answer is not None and answer.kind == "nak"
    return Request(
        at=question.at - zero,
        protocol="dhcp",
        client=question.mac,
        method=question.kind,
        path=answer.file if answer else question.file,
        status=0 if answer is None else 403 if refused else 200,
        bytes_sent=0,
        duration=answer.at - question.at if answer else 0.0,
        complete=answer is not None,
    )
