"""What a network boot asked for, out of captured packets: DHCP messages and TFTP transfers.

Sources: RFC 951 and 2131 (BOOTP, DHCP), 2132 (options), 3004 (user class), 4578 (PXE);
RFC 1350 (TFTP), 2347 to 2349 (its options). Packets that are anything else, or are cut
before what is needed of them, are passed over; a capture never is an error.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.formats.pcap import Packet

DHCP_KINDS = {
    1: "discover",
    2: "offer",
    3: "request",
    4: "decline",
    5: "ack",
    6: "nak",
    7: "release",
    8: "inform",
}

_COOKIE = b"\x63\x82\x53\x63"
_RRQ, _DATA, _ACK, _ERROR, _OACK = 1, 3, 4, 5, 6
_TFTP_PORT = 69


@dataclass(frozen=True)
class DhcpMessage:
    """One DHCP message.

    Attributes:
        at: seconds, as the capture counts them.
        kind: "discover", "offer", "request", "ack", "nak", ...; "bootrequest" or
            "bootreply" for one without a type, or one that was cut before it.
        from_client: False for what a server says.
        xid: the number that an answer shares with its question.
        mac: hardware address of the client, "00:0d:b9:43:3f:bc".
        address: offered to the client, or had by it; "0.0.0.0" for none.
        server: the server to boot from (siaddr), "0.0.0.0" for none.
        file: the boot file, offered or asked for.
        vendor_class: option 60; "PXEClient:Arch:00000:UNDI:002001" of a PXE firmware.
        user_class: option 77; "iPXE" of iPXE.
        cut: the capture lacks the end of the message, and with it some options.
    """

    at: float
    kind: str
    from_client: bool
    xid: int
    mac: str
    address: str
    server: str
    file: str
    vendor_class: str
    user_class: str
    cut: bool


@dataclass(frozen=True)
class TftpTransfer:
    """One file that was asked for by TFTP.

    Attributes:
        at: seconds, as the capture counts them, of the request.
        client, server: IPv4 addresses.
        file: its name.
        mode: "octet" or "netascii".
        size: bytes, as the server announced them; None if it did not.
        answered: the server said something.
        bytes_sent: of the file, each byte counted once.
        duration: seconds from the request to the last packet that belongs to it.
        complete: the client has acknowledged the last block.
        error_code: of the TFTP error that ended it, None if there was none.
        error_text: its words.
        error_by_client: the client gave up, as iPXE does after asking for a size.
    """

    at: float
    client: str
    server: str
    file: str
    mode: str
    size: int | None = None
    answered: bool = False
    bytes_sent: int = 0
    duration: float = 0.0
    complete: bool = False
    error_code: int | None = None
    error_text: str = ""
    error_by_client: bool = False


Event = DhcpMessage | TftpTransfer


def events(packets: Iterable[Packet]) -> list[Event]:
    """The DHCP messages and TFTP transfers among Ethernet packets, in order of time."""
    messages: list[Event] = []
    transfers = _Transfers()
    for packet in packets:
        datagram = _datagram(packet)
        if datagram is None:
            continue
        if datagram.ports in ((68, 67), (67, 68), (67, 67)):
            message = _dhcp(datagram)
            if message is not None:
                messages.append(message)
        else:
            transfers.feed(datagram)
    return sorted(messages + transfers.all(), key=lambda event: event.at)


@dataclass(frozen=True)
class _Datagram:
    """A UDP datagram; `data` may be shorter than its `size` says."""

    at: float
    source: str
    target: str
    ports: tuple[int, int]
    data: bytes
    size: int


def _datagram(packet: Packet) -> _Datagram | None:
    """The UDP datagram of an Ethernet packet, or its first fragment."""
    frame = packet.data
    start = 18 if frame[12:14] == b"\x81\x00" else 14  # one VLAN tag (IEEE 802.1Q)
    ip = frame[start:]
    if frame[start - 2 : start] != b"\x08\x00" or len(ip) < 20 or ip[0] >> 4 != 4:
        return None
    head = 4 * (ip[0] & 0xF)
    (fragment,) = struct.unpack_from(">H", ip, 6)
    if ip[9] != 17 or head < 20 or fragment & 0x1FFF or len(ip) < head + 8:
        return None
    source, target, size = struct.unpack_from(">HHH", ip, head)
    if size < 8:
        return None
    return _Datagram(
        packet.at,
        _address(ip[12:16]),
        _address(ip[16:20]),
        (source, target),
        ip[head + 8 : head + size],
        size - 8,
    )


def _address(raw: bytes) -> str:
    return ".".join(str(byte) for byte in raw)


def _text(raw: bytes) -> str:
    """Up to the first NUL; what does not print as %XX."""
    return "".join(
        chr(byte) if 0x20 <= byte <= 0x7E else f"%{byte:02X}" for byte in raw.partition(b"\0")[0]
    )


def _dhcp(datagram: _Datagram) -> DhcpMessage | None:
    data = datagram.data
    if len(data) < 44 or data[0] not in (1, 2):
        return None
    options = _options(data[240:]) if data[236:240] == _COOKIE else {}
    asks = data[0] == 1
    number = options.get(53, b"\0")[:1] or b"\0"
    theirs, yours = data[12:16], data[16:20]
    return DhcpMessage(
        at=datagram.at,
        kind=DHCP_KINDS.get(number[0], "bootrequest" if asks else "bootreply"),
        from_client=asks,
        xid=int.from_bytes(data[4:8]),
        mac=data[28 : 28 + min(data[2], 16)].hex(":"),
        address=_address(yours if any(yours) else theirs),
        server=_address(data[20:24]),
        file=_text(options[67]) if 67 in options else _text(data[108:236]),
        vendor_class=_text(options.get(60, b"")),
        user_class=_text(_user_class(options.get(77, b""))),
        cut=len(data) < datagram.size,
    )


def _user_class(raw: bytes) -> bytes:
    """RFC 3004 puts a length before each class; iPXE sends its name as it is."""
    return raw[1 : 1 + raw[0]] if raw and raw[0] < len(raw) else raw


def _options(data: bytes) -> dict[int, bytes]:
    """The options of a message; one that comes in pieces is put together (RFC 3396)."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        size = data[at + 1] if at + 1 < len(data) else 0
        value = data[at + 2 : at + 2 + size]
        if len(value) == size and at + 1 < len(data):
            found[data[at]] = found.get(data[at], b"") + value
        at += 2 + size
    return found


@dataclass
class _Progress:
    """A transfer under way."""

    transfer: TftpTransfer
    block_size: int = 512
    blocks: int = 0
    last: int | None = None  # how many blocks there are, once the short one was seen


class _Transfers:
    """Puts the packets of TFTP transfers together; a transfer is known by its client's port."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int, str], _Progress] = {}
        self._closed: list[_Progress] = []

    def all(self) -> list[Event]:
        return [progress.transfer for progress in (*self._closed, *self._open.values())]

    def feed(self, datagram: _Datagram) -> None:
        if len(datagram.data) < 2:
            return
        source, target = datagram.ports
        (opcode,) = struct.unpack_from(">H", datagram.data)
        theirs = (datagram.source, source, datagram.target)
        if opcode == _RRQ and target == _TFTP_PORT:
            self._begin(theirs, datagram)
            return
        by_client = self._open.get(theirs)
        progress = by_client or self._open.get((datagram.target, target, datagram.source))
        if progress is not None:
            self._move(progress, opcode, datagram, by_client=by_client is not None)

    def _begin(self, key: tuple[str, int, str], datagram: _Datagram) -> None:
        words = [_text(word) for word in datagram.data[2:].split(b"\0")]
        transfer = TftpTransfer(
            datagram.at,
            datagram.source,
            datagram.target,
            file=words[0],
            mode=words[1].lower() if len(words) > 1 else "",
        )
        before = self._open.get(key)
        if before is not None:
            if before.transfer.file == transfer.file and not before.transfer.answered:
                return  # the same request again, as nobody answered
            self._closed.append(self._open.pop(key))
        self._open[key] = _Progress(transfer)

    def _move(
        self, progress: _Progress, opcode: int, datagram: _Datagram, *, by_client: bool
    ) -> None:
        old = progress.transfer
        duration = max(0.0, datagram.at - old.at)
        new = replace(old, duration=duration, answered=old.answered or not by_client)
        body = datagram.data[2:]
        number = int.from_bytes(body[:2]) if len(body) >= 2 else None
        if opcode == _ERROR:
            new = replace(
                new,
                error_code=number or 0,
                error_text=_text(body[2:]),
                error_by_client=by_client,
            )
        elif opcode == _OACK and not by_client:
            options = _pairs(body)
            progress.block_size = options.get("blksize", progress.block_size)
            new = replace(new, size=options.get("tsize", new.size))
        elif opcode == _DATA and not by_client and number == (progress.blocks + 1) & 0xFFFF:
            size = datagram.size - 4
            progress.blocks += 1
            if size < progress.block_size:
                progress.last = progress.blocks
            new = replace(new, bytes_sent=new.bytes_sent + max(0, size))
        elif opcode == _ACK and by_client and progress.last is not None:
            new = replace(new, complete=new.complete or number == progress.last & 0xFFFF)
        progress.transfer = new


def _pairs(body: bytes) -> dict[str, int]:
    """The options of an OACK that have a number for a value."""
    words = body.split(b"\0")
    pairs = zip(words[::2], words[1::2], strict=False)
    return {
        _text(name).lower(): int(value)
        for name, value in pairs
        if value.isdigit() and len(value) <= 18
    }
