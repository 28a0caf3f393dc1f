"""FACS: what firmware and operating system share while the machine sleeps.

Source: ACPI 6.5, section 5.2.10, "Firmware ACPI Control Structure (FACS)". It has neither
the standard header nor a checksum.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from harness.errors import FormatError
from harness.formats.acpi.layout import Layout

SIGNATURE = b"FACS"
SIZE = 64

_LAYOUT = Layout(
    "IIIIIQB",
    (
        "Length",
        "Hardware Signature",
        "Firmware Waking Vector",
        "Global Lock",
        "Flags",
        "X Firmware Waking Vector",
        "Version",
    ),
)
_OSPM_FLAGS = Layout("I", ("OSPM Flags",))


@dataclass(frozen=True)
class Facs:
    """The structure, as stored.

    Attributes:
        length: in bytes, 64 or more.
        hardware_signature: changes when the hardware does, so that S4 is not resumed.
        waking_vector: physical address, real mode; 0 for none.
        global_lock: bit 0 pending, bit 1 owned.
        flags: bit 0 S4BIOS, bit 1 64-bit waking.
        x_waking_vector: physical address, protected mode; 0 for none.
        version: 0 in ACPI 1.0, 1 and 2 later.
        ospm_flags: set by the operating system.
        reserved: 3 bytes after `version`, then the 24 at the end.
        trailing: what is there beyond the 64 bytes.
    """

    length: int = SIZE
    hardware_signature: int = 0
    waking_vector: int = 0
    global_lock: int = 0
    flags: int = 0
    x_waking_vector: int = 0
    version: int = 2
    ospm_flags: int = 0
    reserved: tuple[bytes, bytes] = (bytes(3), bytes(24))
    trailing: bytes = b""


_NAMES = [item.name for item in fields(Facs)][: len(_LAYOUT.names)]


def parse(data: bytes) -> Facs:
    """Read a FACS.

    Raises:
        FormatError: another signature, fewer than 64 bytes, or a length that is not there.
    """
    if data[:4] != SIGNATURE:
        raise FormatError(
            f"the signature is {data[:4]!r}", field="Signature", offset=0, expected="'FACS'"
        )
    length = int.from_bytes(data[4:8], "little")
    if len(data) < SIZE or not SIZE <= length <= len(data):
        raise FormatError(
            f"the length is {length}, and {len(data)} bytes are there",
            field="Length",
            offset=4,
            expected=f"at least {SIZE} bytes, all of them there",
        )
    numbers = zip(_NAMES, _LAYOUT.read(data, 4), strict=True)
    return replace(
        Facs(),
        **dict(numbers),
        ospm_flags=_OSPM_FLAGS.read(data, 36)[0],
        reserved=(data[33:36], data[40:SIZE]),
        trailing=data[SIZE:],
    )


def build(facs: Facs) -> bytes:
    """Its bytes.

    Raises:
        FormatError: a value that its field has no room for.
    """
    numbers = [getattr(facs, name) for name in _NAMES]
    first, last = facs.reserved
    return (
        SIGNATURE
        + _LAYOUT.write(numbers, 4)
        + first.ljust(3, b"\0")[:3]
        + _OSPM_FLAGS.write((facs.ospm_flags,), 36)
        + last.ljust(24, b"\0")[:24]
        + facs.trailing
    )
