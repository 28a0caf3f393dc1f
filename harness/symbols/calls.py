"""Calls in machine code: which instruction stands before a return address.

Encodings: AMD64 Architecture Programmer's Manual, volume 3 (CALL near); Arm Architecture
Reference Manual (BL, BLR, BLX, WFI, WFE). Thumb is not decoded: neither Xen nor Linux for ARM use
it for their own code here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST_CALL = 8  # prefix, opcode, ModRM, SIB, disp32


@dataclass(frozen=True, slots=True)
class Call:
    """A call. `target`: where to; None: through a register or memory."""

    target: int | None


class Code:
    """Machine code as it is in memory.

    Args:
        pieces: (address of the first byte, bytes).
    """

    def __init__(self, pieces: Sequence[tuple[int, bytes]]) -> None:
        self._pieces = [piece for piece in pieces if piece[1]]

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def read(self, address: int, size: int) -> bytes | None:
        """These bytes; None unless all of them are known."""
        for first, data in self._pieces:
            start = address - first
            if start >= 0 and start + size <= len(data):
                return data[start : start + size]
        return None


def call_before(arch: str, code: Code, address: int) -> Call | None:
    """The call that returns to `address`; None: there is none, or its bytes are not known.

    Args:
        arch: "x86" (64-bit code), "aarch64" or "arm".
    """
    if arch == "x86":
        return _x86(code, address)
    word = _word(code, address - 4)
    if word is None or address % 4:
        return None
    return _aarch64(word, address - 4) if arch == "aarch64" else _arm(word, address - 4)


def is_wait(arch: str, code: Code, address: int) -> bool:
    """Whether the instruction before `address` sleeps until an interrupt: HLT, WFI.

    WFE is not one: QEMU executes it as a hint.
    """
    if arch == "x86":
        return code.read(address - 1, 1) == b"\xf4"
    word = _word(code, address - 4)
    if arch == "aarch64":
        return word == 0xD503207F
    return word is not None and word & 0x0FFFFFFF == 0x0320F003


def jumps_to(arch: str, code: Code, first: int, end: int, target: int) -> bool:
    """Whether a jump from [first, end) goes to `target`: the tail call of a function.

    On x86, where instructions have no fixed places, every byte is taken for the beginning of one.
    """
    data = code.read(first, end - first)
    if data is None or target >= 1 << 64:
        return False
    if arch == "x86":
        return any(
            first + at + 5 + struct.unpack_from("<i", data, at + 1)[0] == target
            for at in _places(data, 0xE9)
            if at + 5 <= len(data)
        )
    top, bits, ahead = (0x14000000, 26, 0) if arch == "aarch64" else (0x0A000000, 24, 8)
    mask = 0xFC000000 if arch == "aarch64" else 0x0F000000
    words = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
    return any(
        word & mask == top
        and first + 4 * at + ahead + 4 * _signed(word & (1 << bits) - 1, bits) == target
        for at, word in enumerate(words)
    )


def _places(data: bytes, byte: int) -> list[int]:
    return [at for at, one in enumerate(data) if one == byte]


def _word(code: Code, address: int) -> int | None:
    data = code.read(address, 4)
    return None if data is None else int(struct.unpack("<I", data)[0])


def _x86(code: Code, address: int) -> Call | None:
    direct = code.read(address - 5, 5)
    if direct is not None and direct[0] == 0xE8:
        offset: int = struct.unpack("<i", direct[1:])[0]
        return Call((address + offset) & 0xFFFFFFFFFFFFFFFF)
    for size in range(2, _LONGEST_CALL + 1):
        data = code.read(address - size, size)
        if data is not None and _is_indirect_call(data):
            return Call(None)
    return None


def _is_indirect_call(data: bytes) -> bool:
    """FF /2 of just this length, with or without a REX prefix."""
    if 0x40 <= data[0] <= 0x4F:
        data = data[1:]
    if len(data) < 2 or data[0] != 0xFF:
        return False
    mod, reg, rm = data[1] >> 6, data[1] >> 3 & 7, data[1] & 7
    if reg != 2:
        return False
    if mod == 3:
        return len(data) == 2
    sib = rm == 4
    if sib and len(data) < 3:
        return False
    # Without a base register, or relative to RIP, the displacement has four bytes.
    plain = mod == 0 and (rm == 5 or (sib and data[2] & 7 == 5))
    displacement = 4 if plain or mod == 2 else mod
    return len(data) == 2 + sib + displacement


def _aarch64(word: int, address: int) -> Call | None:
    if word & 0xFC000000 == 0x94000000:  # BL
        return Call((address + 4 * _signed(word & 0x3FFFFFF, 26)) & 0xFFFFFFFFFFFFFFFF)
    return Call(None) if word & 0xFFFFFC1F == 0xD63F0000 else None  # BLR


def _arm(word: int, address: int) -> Call | None:
    if word >> 28 == 0xF:
        return None
    if word & 0x0F000000 == 0x0B000000:  # BL
        return Call((address + 8 + 4 * _signed(word & 0xFFFFFF, 24)) & 0xFFFFFFFF)
    return Call(None) if word & 0x0FFFFFF0 == 0x012FFF30 else None  # BLX register


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
