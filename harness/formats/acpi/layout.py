"""Fixed layouts of numbers, the same list for reading and for writing."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import FormatError


@dataclass(frozen=True)
class Layout:
    """Numbers one after another, little-endian, without gaps.

    Attributes:
        codes: of `struct`, one character for each field: B, H, I, Q.
        names: of the fields, in the words of their specification.
    """

    codes: str
    names: tuple[str, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return struct.calcsize("<" + self.codes)

    def read(self, data: bytes, offset: int = 0) -> tuple[int, ...]:
        """The numbers at `offset`.

        Raises:
            FormatError: the bytes end before the layout does.
        """
        if len(data) - offset < self.size:
            raise FormatError(
                f"{max(len(data) - offset, 0)} bytes are left",
                field=self.names[0],
                offset=offset,
                expected=f"{self.size} bytes",
            )
        return struct.unpack_from("<" + self.codes, data, offset)

    def write(self, values: Iterable[int], offset: int = 0) -> bytes:
        """The bytes of these numbers; `offset` is where they will stand, for messages.

        Raises:
            FormatError: a number that its field has no room for.
        """
        made = bytearray()
        for code, name, value in zip(self.codes, self.names, values, strict=True):
            try:
                made += struct.pack("<" + code, value)
            except struct.error:
                raise FormatError(
                    f"{value:#x} does not fit",
                    field=name,
                    offset=offset + len(made),
                    expected=f"{struct.calcsize('<' + code)} bytes",
                ) from None
        return bytes(made)
