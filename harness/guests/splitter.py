"""Tells apart what comes on one serial line while `xl console` runs in dom0's terminal.

Three speak: the guest, through dom0; Xen, whose lines may come in the middle of anybody's text
(among them "(d3) ...", what a domain says to Xen's console: hvmloader does); and dom0's shell,
before `xl console` and after it. Pure: bytes in, two streams out.
"""

from __future__ import annotations

import re
from typing import Literal

# Xen prints a row in one go, under its console lock (xen/drivers/char/console.c).
_XEN = re.compile(rb"\((?:XEN|d[1-9]\d{0,4})\) ")
_BEGUN = re.compile(rb"\((?:X(?:E(?:N\)?)?)?|d(?:[1-9]\d{0,4}\)?)?)?\Z")
_END_OF_STATUS = re.compile(rb"(\d{1,3})\r*\n")

State = Literal["before", "guest", "after"]


class Splitter:
    """Splits the bytes of a line into those of a guest and those of everybody else.

    Args:
        begin: what dom0's shell prints, in a row of its own, before the guest speaks.
        end: what it prints after that, followed by an exit status and the end of the row.

    Attributes:
        guest: what the guest has said, not taken yet.
        own: what Xen and dom0 have said, not taken yet.
        state: who has the terminal.
        status: the exit status behind `end`; None before.
    """

    def __init__(self, begin: bytes, end: bytes) -> None:
        self.guest = bytearray()
        self.own = bytearray()
        self.state: State = "before"
        self.status: int | None = None
        self._begin, self._end = begin, end
        self._held = b""
        self._in_xen = False

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the line, in chunks of any size."""
        data, self._held = self._held + data, b""
        if self.state == "before":
            data = self._before(data)
        while data and self.state == "guest":
            data = self._xen(data) if self._in_xen else self._guest(data)
        if self.state == "after":
            self.own += data

    def release(self) -> None:
        """Nothing came for a while: what was held back is what it looks like."""
        if self.state == "guest" and not self._held.startswith(self._end):
            self.guest += self._held
            self._held = b""

    def _before(self, data: bytes) -> bytes:
        found = re.search(re.escape(self._begin) + rb"\r*\n", data)
        if not found:
            # The mark may be there in part; dom0's own words can wait until it is whole.
            keep = data.rfind(b"\n") + 1
            self.own += data[:keep]
            self._held = data[keep:]
            return b""
        self.own += data[: found.end()]
        self.state = "guest"
        return data[found.end() :]

    def _xen(self, data: bytes) -> bytes:
        row, newline, rest = data.partition(b"\n")
        self.own += row + newline
        self._in_xen = not newline
        return rest

    def _guest(self, data: bytes) -> bytes:
        xen, end = _XEN.search(data), data.find(self._end)
        if xen and (end < 0 or xen.start() < end):
            self.guest += data[: xen.start()]
            self._in_xen = True
            return data[xen.start() :]
        if end >= 0:
            self.guest += data[:end]
            status = _END_OF_STATUS.match(data, end + len(self._end))
            if not status:
                self._held = data[end:]
                return b""
            self.status = int(status[1])
            self.state = "after"
            self.own += data[end : status.end()]
            return data[status.end() :]
        begun = _BEGUN.search(data)
        held = max(len(begun[0]) if begun else 0, _begun(data, self._end))
        self.guest += data[: len(data) - held]
        self._held = data[len(data) - held :]
        return b""


def _begun(data: bytes, mark: bytes) -> int:
    """How many of the last bytes are the begin of `mark`."""
    most = min(len(data), len(mark) - 1)
    return next((n for n in range(most, 0, -1) if data.endswith(mark[:n])), 0)
