"""Files to and from dom0: over HTTP if there is a network, else typed and printed on the console.

What goes over the line is compressed, and its SHA-256 is compared at the other end. A file appears
under its name when it is whole.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.serve.http import HttpServer
from harness.shell.base import Result, ShellError
from harness.toolstack.typed import type_rows
from harness.toolstack.words import quoted

if TYPE_CHECKING:
    from harness.toolstack.dom0 import Dom0

# Below, the console is as fast as to ask a server.
_SMALL = 2048
# Of compressed bytes: what takes longer than anybody waits (measured: 1 to 4 kB/s typed).
_MOST_TYPED = 1024 * 1024
_MOST_PRINTED = 16 * 1024 * 1024
# Seconds for the other end to fetch, send, pack or unpack a MiB, on an idle host.
_SECONDS_PER_MIB = 10.0
# Characters of base64 in a typed line, and compressed bytes that are printed at once.
_LINE = 768
_PIECE = 24 * 1024
# A transfer of so many seconds is announced.
_LONG = 20.0
_ATTEMPTS = 3
_SCRATCH = "/run/harness-file"


class TransferError(ShellError):
    """A file did not get into dom0, or out of it."""


@dataclass(frozen=True)
class Transfers:
    """How dom0 reaches a server of ours.

    Args:
        server: it runs.
        url: its address as dom0 knows it: "http://192.168.43.1:8000".
    """

    server: HttpServer
    url: str


class Files:
    """Moves files for one dom0."""

    def __init__(self, dom0: Dom0) -> None:
        self._dom0 = dom0
        # Characters a second that were typed so far: of an idle emulator at first.
        self._typed, self._typing = 1500, 1.0
        self._unreachable: Transfers | None = None

    # --- into dom0 -----------------------------------------------------------------------------

    def put(self, path: str, data: bytes, mode: int) -> None:
        """Raises: as `Dom0.put`."""
        there = quoted(path)
        self._check_room(path, len(data))
        fresh = quoted(f"{path}.{secrets.token_hex(4)}.new")
        packed = gzip.compress(data, mtime=0)
        try:
            if not self._offer(packed, data):
                self._type(path, packed)
            wanted = hashlib.sha256(data).hexdigest()
            unpack = f"gunzip <{_SCRATCH} >{fresh}"
            check = f'[ "$(sha256sum <{fresh})" = "{wanted}  -" ] || {{ echo DAMAGED; false; }}'
            move = f"chmod {mode:o} {fresh} && mv -f {fresh} {there}"
            answer = self._run(f"{unpack} && {check} && {move}", len(data))
            if answer.status != 0:
                raise self._not_put(path, answer, len(data))
        finally:
            self._run(f"rm -f {_SCRATCH} {_SCRATCH}.b64 {fresh}", 0)

    def _check_room(self, path: str, size: int) -> None:
        folder = quoted(path.rpartition("/")[0] or "/")
        there = quoted(path)
        answer = self._run(
            f"if [ -d {there} ]; then echo FOLDER; elif [ ! -d {folder} ]; then echo NONE; "
            f"elif [ ! -w {folder} ]; then echo SEALED; else df -Pk {folder}; fi",
            0,
        )
        why = {
            "FOLDER": "it is a folder",
            "NONE": "there is no folder for it",
            "SEALED": "its folder cannot be written to",
        }.get(answer.output)
        if why:
            raise TransferError(f"cannot write {path} in dom0: {why}", where="dom0")
        free = _free_kib(answer.output)
        if free is not None and size > free * 1024:
            raise _no_room(path, size, free)

    def _offer(self, packed: bytes, data: bytes) -> bool:
        """Let dom0 fetch it from our server; False: that way is closed, or not worth it."""
        via = self._dom0.transfers
        if via is None or via is self._unreachable or len(packed) <= _SMALL:
            return False
        with via.server.exchange.offer(packed) as name:
            address = quoted(f"{via.url.rstrip('/')}/{name}")
            answer = self._ask_server(f"-O {_SCRATCH} {address}", len(packed) + len(data))
        if answer.status != 0:
            self._close(via, answer)
            return False
        return True

    def _type(self, path: str, packed: bytes) -> None:
        if len(packed) > _MOST_TYPED:
            raise TransferError(
                f"{path} is too large to be typed on dom0's console: {len(packed)} bytes, packed",
                expected=f"at most {_MOST_TYPED} bytes without a network",
                hint="boot with a network that leads to the harness (Dom0.transfers), or put the "
                "file into the root",
            )
        text = base64.b64encode(packed).decode()
        self._announce(f"{path} goes to dom0 over the console", len(text) * self._rate())
        rows = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
        wanted = f"{hashlib.sha256(packed).hexdigest()}  -"
        for _ in range(_ATTEMPTS):
            began = self._dom0.console.now
            type_rows(self._dom0, rows, f"{_SCRATCH}.b64")
            self._typed += len(text)
            self._typing += self._dom0.console.now - began
            decode = f"base64 -d <{_SCRATCH}.b64 >{_SCRATCH} && sha256sum <{_SCRATCH}"
            answer = self._run(decode, len(packed))
            if answer.output == wanted:
                return
            if "No space left" in answer.output:
                raise _no_room(_SCRATCH, len(packed), None)
        raise TransferError(
            f"{path} arrives damaged on dom0's console, {_ATTEMPTS} times",
            where="dom0",
            expected=f"SHA-256 {wanted.removesuffix('  -')} of the packed file",
            hint="see the console log: does somebody else type on the same line?",
        )

    # --- out of dom0 ---------------------------------------------------------------------------

    def get(self, path: str, limit: int) -> bytes:
        """Raises: as `Dom0.get`."""
        there = quoted(path)
        pack = f"gzip -c <{there} >{_SCRATCH} && sha256sum <{_SCRATCH} && wc -c <{_SCRATCH}"
        size = self._size(path, limit)
        try:
            answer = self._run(pack, size)
            found = re.search(r"([0-9a-f]{64})  -\n *(\d+)", answer.output)
            if answer.status != 0 or found is None:
                raise self._not_got(path, answer)
            wanted, length = found[1], int(found[2])
            packed = self._receive(length)
            if packed is None:
                packed = self._print(path, length)
        finally:
            self._run(f"rm -f {_SCRATCH} {_SCRATCH}.b64", 0)
        if hashlib.sha256(packed).hexdigest() != wanted:
            raise TransferError(
                f"{path} arrived damaged from dom0",
                where="dom0",
                expected=f"SHA-256 {wanted} of the packed file",
            )
        return _unpacked(packed, limit, path)

    def _size(self, path: str, limit: int) -> int:
        there = quoted(path)
        # A device or a FIFO may have no end.
        odd = f"if [ -e {there} ] && [ ! -f {there} ]; then echo it is no regular file; false"
        answer = self._run(f"{odd}; else wc -c <{there}; fi", 0)
        if answer.status != 0 or not answer.output.strip().isdigit():
            raise self._not_got(path, answer)
        size = int(answer.output)
        if size > limit:
            raise TransferError(
                f"{path} has {size} bytes", where="dom0", expected=f"at most {limit} bytes"
            )
        return size

    def _receive(self, length: int) -> bytes | None:
        """Let dom0 send it to our server; None: that way is closed, or not worth it."""
        via = self._dom0.transfers
        if via is None or via is self._unreachable or length <= _PIECE:
            return None
        # As text: busybox' wget sends a file up to its first NUL only.
        self._must(f"base64 <{_SCRATCH} >{_SCRATCH}.b64", length)
        with via.server.exchange.receive(2 * length + 4096) as upload:
            url = quoted(f"{via.url.rstrip('/')}/{upload.name}")
            send = f"-O /dev/null --post-file={_SCRATCH}.b64 {url}"
            answer = self._ask_server(send, length)
        if answer.status != 0 or upload.data is None:
            self._close(via, answer)
            return None
        return _decoded(upload.data)

    def _print(self, path: str, length: int) -> bytes:
        if length > _MOST_PRINTED:
            raise TransferError(
                f"{path} is too large to be printed on dom0's console: {length} bytes, packed",
                expected=f"at most {_MOST_PRINTED} bytes without a network",
                hint="boot with a network that leads to the harness (Dom0.transfers)",
            )
        # A line of 115200 baud carries 11.5 kB/s, of which base64 and marks leave the half.
        self._announce(f"{path} comes from dom0 over the console", length / 6000)
        pieces = [
            _decoded(
                self._must(
                    f"tail -c +{at + 1} {_SCRATCH} | head -c {_PIECE} | base64", _PIECE * 8
                ).encode()
            )
            for at in range(0, length, _PIECE)
        ]
        return b"".join(pieces)

    # --- both ----------------------------------------------------------------------------------

    def _run(self, command: str, size: int) -> Result:
        return self._dom0.tool(command, timeout=60.0 + _patience(size))

    def _ask_server(self, arguments: str, size: int) -> Result:
        """wget, which itself would wait for ever for a server that is not there."""
        seconds = 20.0 + _patience(size)
        limited = f"$HT {seconds * self._dom0.scale:.0f} $HW -q {arguments}"
        return self._dom0.tool(limited, timeout=seconds + 20.0)

    def _must(self, command: str, size: int) -> str:
        answer = self._run(command, size)
        if answer.status != 0:
            raise TransferError(
                f"{command.split(maxsplit=1)[0]} failed in dom0: {answer.output or answer.status}",
                where="dom0",
                hint="is its /run full (df /run)?",
            )
        return answer.output

    def _close(self, via: Transfers, answer: Result) -> None:
        self._unreachable = via
        said = answer.output.strip().splitlines()
        self._dom0.tell(
            f"dom0 does not reach {via.url} ({said[-1] if said else f'status {answer.status}'}): "
            "files go over the console"
        )

    def _rate(self) -> float:
        """Seconds per typed character."""
        return self._typing / self._typed

    def _announce(self, what: str, seconds: float) -> None:
        if seconds >= _LONG:
            self._dom0.tell(f"{what}: about {seconds:.0f} s")

    def _not_put(self, path: str, answer: Result, size: int) -> TransferError:
        if "No space left" in answer.output:
            return _no_room(path, size, None)
        what = "it arrived damaged" if "DAMAGED" in answer.output else answer.output
        return TransferError(
            f"cannot write {path} in dom0: {what or f'status {answer.status}'}", where="dom0"
        )

    @staticmethod
    def _not_got(path: str, answer: Result) -> TransferError:
        what = answer.output.strip().splitlines()
        why = what[-1] if what else f"status {answer.status}"
        if "No space left" in answer.output:
            return _no_room(_SCRATCH, 0, None)
        return TransferError(f"cannot read {path} in dom0: {why}", where="dom0")


def _patience(size: int) -> float:
    return size / (1024 * 1024) * _SECONDS_PER_MIB


def _free_kib(df: str) -> int | None:
    """What `df -Pk` says is free, in KiB; None: it does not say (an initramfs has no size)."""
    for line in df.splitlines()[1:]:
        if match := re.search(r"\s(\d+)\s+\d+\s+(\d+)\s+\d+%\s", line):
            return int(match[2]) if int(match[1]) else None
    return None


def _no_room(path: str, size: int, free: int | None) -> TransferError:
    has = "" if free is None else f"; there are {free * 1024}"
    need = f" for {size} bytes" if size else ""
    return TransferError(
        f"cannot write {path} in dom0: no space{need}{has}",
        where="dom0",
        hint="give dom0 more memory (dom0_mem): its files are in memory; or use another folder",
    )


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        return b""  # its checksum says so


def _unpacked(packed: bytes, limit: int, path: str) -> bytes:
    decoder = zlib.decompressobj(wbits=31)
    try:
        data = decoder.decompress(packed, limit + 1)
    except zlib.error as bad:
        raise TransferError(f"{path} cannot be unpacked: {bad}", where="dom0") from None
    if len(data) > limit or not decoder.eof:
        raise TransferError(
            f"{path} has more bytes than it had", where="dom0", expected=f"at most {limit} bytes"
        )
    return data
