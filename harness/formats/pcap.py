"""A capture of network packets in the classic pcap format.

Source: IETF draft-ietf-opsawg-pcap, "PCAP Capture File Format". QEMU's
`-object filter-dump` writes such files (net/dump.c): little-endian on the hosts of today,
microseconds, Ethernet.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from harness.errors import FormatError

ETHERNET = 1
HEADER_SIZE = 24
RECORD_SIZE = 16

# The magic as it stands in the file, with byte order and parts of a second.
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
}


@dataclass(frozen=True)
class Packet:
    """One packet.

    Attributes:
        at: seconds, as the file counts them; for most writers since 1970.
        data: from its link-layer header on, as far as it was captured.
        length: bytes that it had on the wire; more than `data` when it was cut.
    """

    at: float
    data: bytes
    length: int


@dataclass(frozen=True)
class Capture:
    """What a capture file holds.

    Attributes:
        linktype: of the link-layer headers; 1 is Ethernet.
        snaplen: packets are cut at this many bytes.
        packets: in the order of the file.
        truncated: the file ends in the middle of a record, as one does that is being
            written, or whose writer was killed.
    """

    linktype: int
    snaplen: int
    packets: tuple[Packet, ...]
    truncated: bool


def parse(data: bytes) -> Capture:
    """Read a capture, as far as it goes.

    Raises:
        FormatError: the file header is not that of a pcap file.
    """
    if data[:4] not in _MAGIC:
        raise FormatError(
            f"the magic is {data[:4].hex(' ') or 'missing'}",
            field="magic",
            offset=0,
            expected="a pcap file: d4 c3 b2 a1 or one of its variants (not pcapng)",
        )
    if len(data) < HEADER_SIZE:
        raise FormatError(
            f"the file ends after {len(data)} bytes",
            field="header",
            offset=len(data),
            expected=f"a header of {HEADER_SIZE} bytes",
        )
    order, parts = _MAGIC[data[:4]]
    major, _minor, _zone, _accuracy, snaplen, network = struct.unpack_from(
        order + "HHIIII", data, 4
    )
    if major != 2:
        raise FormatError(f"version {major}", field="version", offset=4, expected="version 2")
    packets = []
    offset = HEADER_SIZE
    while offset + RECORD_SIZE <= len(data):
        seconds, fraction, kept, length = struct.unpack_from(order + "IIII", data, offset)
        end = offset + RECORD_SIZE + kept
        if end > len(data):
            break
        at = seconds + fraction / parts
        packets.append(Packet(at, data[offset + RECORD_SIZE : end], length))
        offset = end
    # The upper half of the last word describes the frame check sequence.
    return Capture(network & 0xFFFF, snaplen, tuple(packets), truncated=offset != len(data))
