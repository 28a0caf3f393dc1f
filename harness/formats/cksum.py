"""The checksum of the POSIX utility `cksum` (POSIX.1-2017, XCU, cksum: CRC and length)."""

from __future__ import annotations

_POLYNOMIAL = 0x04C11DB7


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        crc = byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (_POLYNOMIAL if crc & 0x80000000 else 0)
        rows.append(crc & 0xFFFFFFFF)
    return tuple(rows)


_TABLE = _table()


def cksum(data: bytes) -> int:
    """The 32-bit CRC that `cksum` prints for `data`; the length is part of it."""
    crc = 0
    length = len(data)
    tail = length.to_bytes((length.bit_length() + 7) // 8, "little")
    for byte in data + tail:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _TABLE[(crc >> 24) ^ byte]
    return crc ^ 0xFFFFFFFF
