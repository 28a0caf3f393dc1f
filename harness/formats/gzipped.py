"""A gzip file (RFC 1952) of stored blocks (RFC 1951, 3.2.4)."""

from __future__ import annotations

import struct
import zlib


def stored(data: bytes) -> bytes:
    """`data` in a gzip envelope, not compressed; the same data gives the same bytes.

    Compressed bytes differ from one zlib to the next, stored ones cannot; the kernel still
    checks the length and the CRC, so a transfer that was cut short is noticed.
    """
    out = [struct.pack("<2sBBIBB", b"\x1f\x8b", 8, 0, 0, 0, 255)]
    for start in range(0, len(data), 0xFFFF):
        block = data[start : start + 0xFFFF]
        final = start + len(block) == len(data)
        out.append(struct.pack("<BHH", final, len(block), 0xFFFF ^ len(block)) + block)
    out.append(struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF))
    return b"".join(out)
