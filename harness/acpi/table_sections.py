"""Any ACPI table as sections, with the field names of the specification that defines it.

Sources: ACPI 6.5, sections 5.2.5 to 5.2.12; HPET Specification 1.0a, 3.2.4; PCI Firmware
Specification 3.3, 4.1.2; for the IVRS `ivrs_sections`.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.acpi.ivrs_sections import ivrs_sections
from harness.acpi.sections import (
    Reader,
    Section,
    Speller,
    header_section,
    read_layout,
    sections_end,
)
from harness.errors import FormatError
from harness.formats.acpi.header import HEADER_SIZE

MAX_SECTIONS = 4096
"""Structures of one table that are shown one by one; the rest is bytes."""

_GAS = """
    1 {0}: Address Space ID
    1 {0}: Register Bit Width
    1 {0}: Register Bit Offset
    1 {0}: Access Size
    8 {0}: Address
"""
_FADT_1 = """
    4 FIRMWARE_CTRL
    4 DSDT
    1 INT_MODEL
    1 Preferred_PM_Profile
    2 SCI_INT
    4 SMI_CMD
    1 ACPI_ENABLE
    1 ACPI_DISABLE
    1 S4BIOS_REQ
    1 PSTATE_CNT
    4 PM1a_EVT_BLK
    4 PM1b_EVT_BLK
    4 PM1a_CNT_BLK
    4 PM1b_CNT_BLK
    4 PM2_CNT_BLK
    4 PM_TMR_BLK
    4 GPE0_BLK
    4 GPE1_BLK
    1 PM1_EVT_LEN
    1 PM1_CNT_LEN
    1 PM2_CNT_LEN
    1 PM_TMR_LEN
    1 GPE0_BLK_LEN
    1 GPE1_BLK_LEN
    1 GPE1_BASE
    1 CST_CNT
    2 P_LVL2_LAT
    2 P_LVL3_LAT
    2 FLUSH_SIZE
    2 FLUSH_STRIDE
    1 DUTY_OFFSET
    1 DUTY_WIDTH
    1 DAY_ALRM
    1 MON_ALRM
    1 CENTURY
    2 IAPC_BOOT_ARCH
    1 Reserved
    4 Flags
"""
_FADT_2 = """
    1 RESET_VALUE
    2 ARM_BOOT_ARCH
    1 FADT Minor Version
    8 X_FIRMWARE_CTRL
    8 X_DSDT
"""
_FADT_REGISTERS = (
    "X_PM1a_EVT_BLK",
    "X_PM1b_EVT_BLK",
    "X_PM1a_CNT_BLK",
    "X_PM1b_CNT_BLK",
    "X_PM2_CNT_BLK",
    "X_PM_TMR_BLK",
    "X_GPE0_BLK",
    "X_GPE1_BLK",
    "SLEEP_CONTROL_REG",
    "SLEEP_STATUS_REG",
)
_FACS = """
    4s Signature
    4 Length
    4 Hardware Signature
    4 Firmware Waking Vector
    4 Global Lock
    4 Flags
    8 X Firmware Waking Vector
    1 Version
    3x Reserved
    4 OSPM Flags
    24x Reserved
"""
_RSDP = """
    8s Signature
    1 Checksum
    6s OEMID
    1 Revision
    4 RsdtAddress
    4 Length
    8 XsdtAddress
    1 Extended Checksum
    3x Reserved
"""
_MCFG_ALLOCATION = """
    8 Base Address
    2 PCI Segment Group Number
    1 Start Bus Number
    1 End Bus Number
    4 Reserved
"""
# Each structure of a MADT after its type and length.
_MADT = {
    0: ("Processor Local APIC", "1 ACPI Processor UID\n1 APIC ID\n4 Flags"),
    1: ("I/O APIC", "1 I/O APIC ID\n1 Reserved\n4 I/O APIC Address\n4 GSI Base"),
    2: ("Interrupt Source Override", "1 Bus\n1 Source\n4 Global System Interrupt\n2 Flags"),
    3: ("NMI Source", "2 Flags\n4 Global System Interrupt"),
    4: ("Local APIC NMI", "1 ACPI Processor UID\n2 Flags\n1 Local APIC LINT#"),
    5: ("Local APIC Address Override", "2 Reserved\n8 Local APIC Address"),
    9: ("Processor Local x2APIC", "2 Reserved\n4 X2APIC ID\n4 Flags\n4 ACPI Processor UID"),
    10: (
        "Local x2APIC NMI",
        "2 Flags\n4 ACPI Processor UID\n1 Local x2APIC LINT#\n3x Reserved",
    ),
}


def table_sections(data: bytes) -> tuple[Section, ...]:
    """The table as sections; every byte is in one of them, whatever the table says.

    A table that is not known is its header and its bytes.
    """
    made = (_READERS.get(data[:4]) or _other)(data)
    end = sections_end(made)
    if end < len(data):
        reader = Reader(data, end)
        reader.rest("Bytes")
        made = (*made, reader.section("Behind the fields"))
    return made


def _ivrs(data: bytes) -> tuple[Section, ...]:
    try:
        return ivrs_sections(data)
    except FormatError:
        return _other(data)


def _other(data: bytes) -> tuple[Section, ...]:
    if len(data) < HEADER_SIZE:
        reader = Reader(data, 0)
        reader.rest("Bytes")
        return (reader.section("Less than a header"),)
    return (header_section(data),)


def _rsdp(data: bytes) -> tuple[Section, ...]:
    reader = Reader(data, 0)
    read_layout(reader, _RSDP)
    return (reader.section("Root System Description Pointer"),)


def _facs(data: bytes) -> tuple[Section, ...]:
    reader = Reader(data, 0)
    read_layout(reader, _FACS)
    return (reader.section("Firmware ACPI Control Structure"),)


def _fadt(data: bytes) -> tuple[Section, ...]:
    reader = Reader(data, HEADER_SIZE, _end(data))
    read_layout(reader, _FADT_1)
    read_layout(reader, _GAS.format("RESET_REG"))
    read_layout(reader, _FADT_2)
    for name in _FADT_REGISTERS:
        read_layout(reader, _GAS.format(name))
    reader.number(8, "Hypervisor Vendor Identity")
    return (header_section(data), reader.section("Fixed ACPI Description Table"))


def _roots(size: int) -> Callable[[bytes], tuple[Section, ...]]:
    def read(data: bytes) -> tuple[Section, ...]:
        reader = Reader(data, HEADER_SIZE, _end(data))
        while reader.at + size <= reader.end and len(reader.fields) < MAX_SECTIONS:
            reader.number(size, "Entry")
        return (header_section(data), reader.section("Addresses of tables"))

    return read


def _hpet(data: bytes) -> tuple[Section, ...]:
    reader = Reader(data, HEADER_SIZE, _end(data))
    reader.number(4, "Event Timer Block ID")
    read_layout(reader, _GAS.format("Base Address"))
    read_layout(
        reader,
        """
        1 HPET Number
        2 Main Counter Minimum Clock_tick
        1 Page Protection And OEM Attribute
        """,
    )
    return (header_section(data), reader.section("High precision event timer"))


def _mcfg(data: bytes) -> tuple[Section, ...]:
    reader = Reader(data, HEADER_SIZE, _end(data))
    reader.number(8, "Reserved")
    found = [header_section(data), reader.section("MCFG")]
    while reader.at + 16 <= reader.end and len(found) < MAX_SECTIONS:
        read_layout(reader, _MCFG_ALLOCATION)
        found.append(reader.section("Configuration space base address allocation"))
    return tuple(found)


def _madt(data: bytes) -> tuple[Section, ...]:
    end = _end(data)
    reader = Reader(data, HEADER_SIZE, end)
    reader.number(4, "Local Interrupt Controller Address")
    reader.number(4, "Flags", lambda value: "PCAT_COMPAT" if value & 1 else "")
    found = [header_section(data), reader.section("MADT")]
    at = reader.at
    while at + 2 <= end and data[at + 1] >= 2 and len(found) < MAX_SECTIONS:
        title, layout = _MADT.get(data[at], ("Interrupt controller structure", ""))
        reader = Reader(data, at, min(at + data[at + 1], end))
        reader.number(1, "Type")
        reader.number(1, "Length", _left(end - at))
        read_layout(reader, layout)
        reader.rest("Content" if not layout else "More than the structure has")
        at = reader.at
        found.append(reader.section(title))
    return tuple(found)


def _left(left: int) -> Speller:
    def spelled(value: int) -> str:
        return "" if value <= left else f"but {left} are left"

    return spelled


def _end(data: bytes) -> int:
    """Where the table ends by its length field, if it has one and as far as bytes are there."""
    length = int.from_bytes(data[4:8], "little")
    return min(length, len(data))


_READERS: dict[bytes, Callable[[bytes], tuple[Section, ...]]] = {
    b"IVRS": _ivrs,
    b"APIC": _madt,
    b"HPET": _hpet,
    b"MCFG": _mcfg,
    b"FACP": _fadt,
    b"FACS": _facs,
    b"RSD ": _rsdp,
    b"RSDT": _roots(4),
    b"XSDT": _roots(8),
}
