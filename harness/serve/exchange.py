"""Files that go to a board once, or come from it once, under names that nobody can guess.

A name is good for one request, and while its context lasts. What comes is kept in memory, up to a
limit that is given beforehand.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "exchange"


@dataclass
class Upload:
    """A file that a board may send by POST.

    Attributes:
        name: what to ask the server for: "exchange/0123...".
        limit: bytes that it may have.
        data: what came, whole; None: nothing yet.
        refused: why what was sent was not taken.
    """

    name: str
    limit: int
    data: bytes | None = None
    refused: str = ""


@dataclass
class Exchange:
    """The names that are good now; used by serving threads too."""

    _offers: dict[str, Path | bytes] = field(default_factory=dict)
    _uploads: dict[str, Upload] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def offer(self, source: Path | bytes) -> Iterator[str]:
        """Inside, the name that gives this file to the first that asks."""
        name = _name()
        with self._lock:
            self._offers[name] = source
        try:
            yield name
        finally:
            with self._lock:
                self._offers.pop(name, None)

    @contextmanager
    def receive(self, limit: int) -> Iterator[Upload]:
        """Inside, a name that takes one file of at most `limit` bytes."""
        upload = Upload(_name(), limit)
        with self._lock:
            self._uploads[upload.name] = upload
        try:
            yield upload
        finally:
            with self._lock:
                self._uploads.pop(upload.name, None)

    def take_offer(self, parts: list[str]) -> Path | bytes | None:
        """The file of this name, which is good no more then; None: there is none."""
        with self._lock:
            return self._offers.pop("/".join(parts), None)

    def take_upload(self, parts: list[str]) -> Upload | None:
        """The upload of this name, which is good no more then; None: nobody expects it."""
        with self._lock:
            return self._uploads.pop("/".join(parts), None)


def _name() -> str:
    return f"{PREFIX}/{secrets.token_hex(16)}"
