"""What an IVRS says, as data: blocks and device entries with their fields as they are stored.

Source: AMD I/O Virtualization Technology (IOMMU) Specification, document 48882, chapter
"I/O Virtualization ACPI Table". All numbers are little-endian.

`length` fields hold what the table says, true or not, so that broken tables can be told. Offsets
count from the start of the table; they are no part of a value: two blocks with the same fields
are equal wherever they stand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from harness.formats.acpi.header import Header
from harness.formats.acpi.ivrs.device_entry import DeviceEntry

SIGNATURE: Final = "IVRS"
BLOCKS_OFFSET: Final = 48  # header 36, IVinfo 4, reserved 8

IVHD_10H: Final = 0x10
IVHD_11H: Final = 0x11
IVHD_40H: Final = 0x40
IVHD_HEADER_SIZES: Final = {IVHD_10H: 24, IVHD_11H: 40, IVHD_40H: 40}

IVMD_ALL: Final = 0x20
IVMD_SELECT: Final = 0x21
IVMD_RANGE: Final = 0x22
IVMD_TYPES: Final = frozenset({IVMD_ALL, IVMD_SELECT, IVMD_RANGE})
IVMD_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class Ivhd:
    """An I/O virtualization hardware definition: one IOMMU and the devices behind it.

    Attributes:
        type: 10h, 11h or 40h.
        flags: see `names.ivhd_flags`.
        length: bytes of the block, as stored.
        device_id: of the IOMMU itself.
        capability: offset of the IOMMU's capability in its configuration space.
        base: physical address of its control registers.
        segment: PCI segment group.
        info: IOMMU info: MSI number and unit id.
        features: 32 bits at offset 20: the feature reporting of type 10h, the attributes of
            types 11h and 40h.
        efr: extended feature register image (offset 24); None in type 10h.
        efr2: second image or reserved (offset 32); None in type 10h.
        entries: in the order of the table.
        offset: of its first byte in the table.
        tail: bytes at its end that are no whole device entry.
    """

    type: int
    flags: int
    length: int
    device_id: int
    capability: int
    base: int
    segment: int = 0
    info: int = 0
    features: int = 0
    efr: int | None = None
    efr2: int | None = None
    entries: tuple[DeviceEntry, ...] = ()
    offset: int = field(default=0, compare=False)
    tail: bytes = b""

    @property
    def attributes(self) -> int:
        """The same 32 bits as `features`, under the name that types 11h and 40h give them."""
        return self.features

    @property
    def header_size(self) -> int:
        """24 or 40 bytes; for a type that is none, by whether it has an EFR."""
        return IVHD_HEADER_SIZES.get(self.type, 24 if self.efr is None else 40)

    @property
    def size(self) -> int:
        """The bytes that it takes in truth."""
        return self.header_size + sum(entry.size for entry in self.entries) + len(self.tail)


@dataclass(frozen=True, slots=True)
class Ivmd:
    """An I/O virtualization memory definition: what devices need mapped, or left alone.

    Attributes:
        type: 20h all devices, 21h one device, 22h a range of devices.
        flags: see `names.IVMD_FLAGS`.
        length: bytes of the block, as stored; 32 by the specification.
        device_id: the device, or the first of the range; reserved in type 20h.
        aux: the last device of the range; reserved in types 20h and 21h.
        reserved: eight bytes at offset 8.
        start: physical address.
        size: bytes of memory.
        offset: of its first byte in the table.
        tail: bytes behind the 32.
    """

    type: int
    flags: int
    length: int
    device_id: int
    aux: int
    reserved: int
    start: int
    size: int
    offset: int = field(default=0, compare=False)
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class UnknownBlock:
    """A block of unknown type, or one that is too short to have the fields of its type.

    Attributes:
        type: its first byte.
        data: the whole block, from that byte on; fewer bytes than its length field says
            when the table ends in it.
        offset: of its first byte in the table.
    """

    type: int
    data: bytes
    offset: int = field(default=0, compare=False)

    @property
    def flags(self) -> int:
        return self.data[1]

    @property
    def length(self) -> int:
        """As stored."""
        return int.from_bytes(self.data[2:4], "little")

    @property
    def device_id(self) -> int | None:
        """What known types have at offset 4."""
        return int.from_bytes(self.data[4:6], "little") if len(self.data) >= 6 else None


Block = Ivhd | Ivmd | UnknownBlock


@dataclass(frozen=True, slots=True)
class Ivrs:
    """The table.

    Attributes:
        header: its standard header, as stored; `header.length` may lie.
        ivinfo: 32 bits at offset 36.
        reserved: eight bytes at offset 40.
        blocks: in the order of the table.
        trailing: bytes at the end of the table that no block could be read from.
        excess: bytes of the input behind the end that the header states.
    """

    header: Header
    ivinfo: int
    reserved: int
    blocks: tuple[Block, ...]
    trailing: bytes = b""
    excess: bytes = b""

    @property
    def efr_sup(self) -> bool:
        """Bit 0: the extended feature register is there, and types 11h and 40h are to be read."""
        return bool(self.ivinfo & 1)

    @property
    def dma_guard(self) -> bool:
        """Bit 1, DMA remapping support: the firmware guards against DMA before it boots."""
        return bool(self.ivinfo & 2)

    @property
    def gva_size(self) -> int:
        """Bits 7:5: guest virtual address size; 2 is 48 bits."""
        return self.ivinfo >> 5 & 7

    @property
    def pa_size(self) -> int:
        """Bits 14:8: physical address size in bits."""
        return self.ivinfo >> 8 & 0x7F

    @property
    def va_size(self) -> int:
        """Bits 21:15: virtual address size in bits."""
        return self.ivinfo >> 15 & 0x7F

    @property
    def ht_ats_resv(self) -> bool:
        """Bit 22: the HyperTransport range for ATS responses is reserved."""
        return bool(self.ivinfo >> 22 & 1)

    @property
    def ivhds(self) -> tuple[Ivhd, ...]:
        return tuple(block for block in self.blocks if isinstance(block, Ivhd))

    @property
    def ivmds(self) -> tuple[Ivmd, ...]:
        return tuple(block for block in self.blocks if isinstance(block, Ivmd))
