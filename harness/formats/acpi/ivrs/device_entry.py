"""Device entries: which devices an IVHD is about, and how they are treated.

Source: AMD IOMMU Specification (48882), sections on IVHD device entries. All numbers are
little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from harness.errors import FormatError

PAD4: Final = 0
ALL: Final = 1
SELECT: Final = 2
RANGE_START: Final = 3
RANGE_END: Final = 4
PAD8: Final = 64
ALIAS_SELECT: Final = 66
ALIAS_RANGE_START: Final = 67
EXTENDED_SELECT: Final = 70
EXTENDED_RANGE_START: Final = 71
SPECIAL: Final = 72
ACPI_HID: Final = 240

PADS: Final = frozenset({PAD4, PAD8})
RANGE_STARTS: Final = frozenset({RANGE_START, ALIAS_RANGE_START, EXTENDED_RANGE_START})

VARIETY_IOAPIC: Final = 1
VARIETY_HPET: Final = 2

UID_NONE: Final = 0
UID_INTEGER: Final = 1
UID_STRING: Final = 2
ACPI_HID_SIZE: Final = 22  # without the UID
UID_LENGTH_OFFSET: Final = 21


def bdf(device_id: int) -> str:
    """A device id as bus:device.function, "00:14.0"."""
    return f"{device_id >> 8:02x}:{device_id >> 3 & 0x1F:02x}.{device_id & 7}"


def fixed_entry_size(entry_type: int) -> int:
    """The bytes of a device entry by its type's size class: bits 7:6 give 4, 8, 16 or 32.

    An ACPI HID entry (F0h) is the exception: 22 bytes and its UID.
    """
    return 4 << (entry_type >> 6)


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """One device entry of an IVHD.

    A field that the type does not have is None. `raw` is the entry's bytes and always agrees with
    the fields: where they differ on construction, as after `dataclasses.replace(entry,
    device_id=...)`, the fields win, and `raw` gives the bytes that no field names (reserved
    ones, and the whole body of a type that the specification does not know). A field that is
    left None is read from `raw`. `of` makes an entry from bytes alone.

    Attributes:
        type: see the constants above.
        device_id: bus << 8 | device << 3 | function; reserved in some types, and kept.
        data: the DTE setting (`names.DTE_FLAGS`).
        raw: the whole entry.
        offset: of its first byte in the table.
        source_id: of an alias (66, 67) the device id that requests carry, of a special
            device (72) the device that it sends requests as.
        handle: of a special device: I/O APIC id or HPET number.
        variety: of a special device: 1 I/O APIC, 2 HPET.
        ext_data: of an extended entry (70, 71): the extended DTE setting.
        hid, cid: of an ACPI HID entry: up to eight characters, Latin-1, NULs at the end left out.
        uid_format: of an ACPI HID entry: 0 none, 1 integer, 2 string.
        uid: of an ACPI HID entry, as stored; at most 255 bytes.

    Raises:
        FormatError: a value that its field has no room for.
    """

    type: int
    device_id: int
    data: int = 0
    raw: bytes = b""
    offset: int = field(default=0, compare=False)
    source_id: int | None = None
    handle: int | None = None
    variety: int | None = None
    ext_data: int | None = None
    hid: str | None = None
    cid: str | None = None
    uid_format: int | None = None
    uid: bytes | None = None

    @classmethod
    def of(cls, raw: bytes, offset: int = 0) -> DeviceEntry:
        """The entry that these bytes are; at least four, missing ones count as 0."""
        return cls(raw[0], int.from_bytes(raw[1:3], "little"), raw[3], raw, offset)

    @property
    def size(self) -> int:
        return len(self.raw)

    def __post_init__(self) -> None:
        kind = self.type
        head = _number(kind, 1, "Type") + _number(self.device_id, 2, "Device ID")
        head += _number(self.data, 1, "DTE Setting")
        size = ACPI_HID_SIZE if kind == ACPI_HID else fixed_entry_size(kind)
        body = bytearray(self.raw[:size].ljust(size, b"\0"))
        body[:4] = head
        for name, label, at, width in _NUMBERS:
            value = getattr(self, name)
            if kind not in _HAS[name]:
                value = None
            elif value is None:
                value = int.from_bytes(body[at : at + width], "little")
            else:
                body[at : at + width] = _number(value, width, label)
            object.__setattr__(self, name, value)
        for name, label, at in _TEXTS:
            text = getattr(self, name)
            if kind != ACPI_HID:
                text = None
            elif text is None:
                text = body[at : at + 8].rstrip(b"\0").decode("latin-1")
            else:
                body[at : at + 8] = _text(text, 8, label)
            object.__setattr__(self, name, text)
        object.__setattr__(self, "uid", self._with_uid(body) if kind == ACPI_HID else None)
        object.__setattr__(self, "raw", bytes(body))

    def _with_uid(self, body: bytearray) -> bytes:
        """The UID, which is put behind the 22 bytes of `body`."""
        length = body[UID_LENGTH_OFFSET]
        uid = self.uid
        if uid is None:
            uid = self.raw[ACPI_HID_SIZE : ACPI_HID_SIZE + length].ljust(length, b"\0")
        body[UID_LENGTH_OFFSET:] = _number(len(uid), 1, "UID Length") + uid
        return uid


# Fields of device entries beyond the first four bytes: name, label, offset, bytes.
_NUMBERS = (
    ("source_id", "Source Device ID", 5, 2),
    ("handle", "Handle", 4, 1),
    ("variety", "Variety", 7, 1),
    ("ext_data", "Extended DTE Setting", 4, 4),
    ("uid_format", "UID Format", 20, 1),
)
_TEXTS = (("hid", "ACPI HID", 4), ("cid", "ACPI CID", 12))
_HAS = {
    "source_id": frozenset({ALIAS_SELECT, ALIAS_RANGE_START, SPECIAL}),
    "handle": frozenset({SPECIAL}),
    "variety": frozenset({SPECIAL}),
    "ext_data": frozenset({EXTENDED_SELECT, EXTENDED_RANGE_START}),
    "uid_format": frozenset({ACPI_HID}),
}


def _number(value: int, size: int, label: str) -> bytes:
    if not 0 <= value < 1 << 8 * size:
        raise FormatError(f"{value:#x} does not fit", field=label, expected=f"{size} bytes")
    return value.to_bytes(size, "little")


def _text(value: str, size: int, label: str) -> bytes:
    raw = value.encode("latin-1", "replace")
    if len(raw) > size or raw.decode("latin-1") != value:
        raise FormatError(f"{value!r} does not fit", field=label, expected=f"{size} characters")
    return raw.ljust(size, b"\0")
