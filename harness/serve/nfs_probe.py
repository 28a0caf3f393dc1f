"""Asks an NFS server whether it serves an export: two calls, over one TCP connection.

Source: RFC 5531 (the calls, and section 11 for the records on TCP), RFC 7530 (NFSv4.0:
procedures, operations and status codes).
"""

from __future__ import annotations

import itertools
import socket
import struct

from harness.errors import ServerError

_PROGRAM, _VERSION = 100003, 4
_NULL, _COMPOUND = 0, 1
_CALL, _REPLY = 0, 1
_LAST = 0x80000000  # of the fragments of a record
# What a record of ours, or its answer, never is; a length beyond it is not read.
_RECORD_MAX = 64 * 1024
_PUTROOTFH, _LOOKUP, _GETFH = 24, 15, 10
_STATUS = {
    2: "there is no such name (NFS4ERR_NOENT)",
    13: "permission denied (NFS4ERR_ACCESS)",
    10016: "security flavour refused (NFS4ERR_WRONGSEC)",
}
_numbers = itertools.count(1)


def probe(host: str, port: int, export: str, timeout: float) -> None:
    """Return once the server at HOST:PORT has answered, and shows `export` ("/dom0").

    Args:
        timeout: seconds, for each step.

    Raises:
        OSError: nobody answers there (refused, timed out).
        ServerError: what answers does not serve the export, or does not speak NFSv4.
    """
    where = f"nfs://{host}:{port}{export}"
    with socket.create_connection((host, port), timeout) as line:
        _call(line, _NULL, b"", where)
        names = [part for part in export.split("/") if part]
        operations = [struct.pack(">I", _PUTROOTFH)]
        operations += [struct.pack(">I", _LOOKUP) + _string(name.encode()) for name in names]
        operations.append(struct.pack(">I", _GETFH))
        # No tag, minor version 0, which needs no session.
        arguments = struct.pack(">III", 0, 0, len(operations)) + b"".join(operations)
        result = _call(line, _COMPOUND, arguments, where)
    if len(result) < 4:
        raise ServerError("the answer ends before its status", where=where)
    (status,) = struct.unpack_from(">I", result)
    if status:
        why = _STATUS.get(status, f"NFSv4 status {status}")
        raise ServerError(f"the NFS server does not serve the export: {why}", where=where)


def _call(line: socket.socket, procedure: int, arguments: bytes, where: str) -> bytes:
    """The results of one call, as bytes.

    Raises:
        ServerError: no answer to this call, or a refusal.
    """
    number = next(_numbers)
    # AUTH_SYS as root without further groups, with an empty machine name and no verifier.
    credentials = struct.pack(">IIIII", 0, 0, 0, 0, 0)
    call = struct.pack(">IIIIII", number, _CALL, 2, _PROGRAM, _VERSION, procedure)
    call += struct.pack(">II", 1, len(credentials)) + credentials + struct.pack(">II", 0, 0)
    call += arguments
    line.sendall(struct.pack(">I", _LAST | len(call)) + call)
    answer = _record(line, where)
    try:
        back, kind, denied, _, length = struct.unpack_from(">IIIII", answer)
        (outcome,) = struct.unpack_from(">I", answer, 20 + (length + 3) // 4 * 4)
    except struct.error:
        raise ServerError("no NFS server: the answer is too short", where=where) from None
    if (back, kind) != (number, _REPLY):
        raise ServerError("no NFS server: it answers something else", where=where)
    if denied or outcome:
        raise ServerError(
            f"the server refuses NFSv4 (RPC status {denied}, {outcome})",
            where=where,
        )
    return answer[24 + (length + 3) // 4 * 4 :]


def _record(line: socket.socket, where: str) -> bytes:
    record = b""
    while True:
        (head,) = struct.unpack(">I", _exactly(line, 4, where))
        length = head & ~_LAST
        if len(record) + length > _RECORD_MAX:
            raise ServerError("no NFS server: it answers something else", where=where)
        record += _exactly(line, length, where)
        if head & _LAST:
            return record


def _exactly(line: socket.socket, count: int, where: str) -> bytes:
    got = b""
    while len(got) < count:
        part = line.recv(count - len(got))
        if not part:
            raise ServerError("the server closed the connection", where=where)
        got += part
    return got


def _string(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text + b"\0" * (-len(text) % 4)
