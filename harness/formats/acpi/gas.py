"""A register of the hardware, wherever it is: the Generic Address Structure.

Source: ACPI 6.5, section 5.2.3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.formats.acpi.layout import Layout

SIZE = 12
SYSTEM_MEMORY = 0
SYSTEM_IO = 1
PCI_CONFIG = 2

_LAYOUT = Layout(
    "BBBBQ",
    (
        "Address Space ID",
        "Register Bit Width",
        "Register Bit Offset",
        "Access Size",
        "Address",
    ),
)


@dataclass(frozen=True)
class Gas:
    """A register.

    Attributes:
        space: 0 memory, 1 I/O ports, 2 PCI configuration space, ...
        bit_width, bit_offset: of the register, in bits.
        access_size: 0 undefined, 1 byte, 2 word, 3 dword, 4 qword.
        address: in that space; all of 0 means that there is no such register.
    """

    space: int = 0
    bit_width: int = 0
    bit_offset: int = 0
    access_size: int = 0
    address: int = 0


def parse(data: bytes, offset: int = 0) -> Gas:
    """Read the twelve bytes at `offset`.

    Raises:
        FormatError: they are not all there.
    """
    return Gas(*_LAYOUT.read(data, offset))


def build(gas: Gas, offset: int = 0) -> bytes:
    """Its twelve bytes; `offset` is where they will stand, for messages.

    Raises:
        FormatError: a number that its field has no room for.
    """
    return _LAYOUT.write(
        (gas.space, gas.bit_width, gas.bit_offset, gas.access_size, gas.address), offset
    )
