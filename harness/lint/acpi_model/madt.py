"""The IOAPICs that Xen takes from the MADT.

Sources: xen/drivers/acpi/tables.c acpi_parse_entries(); xen/arch/x86/acpi/boot.c
acpi_parse_ioapic(); xen/arch/x86/mpparse.c mp_register_ioapic().
"""

from __future__ import annotations

import struct

from harness.formats.acpi.tableset import TableSet
from harness.lint.acpi_model.machine import Ioapic

_FIRST_ENTRY = 44
_IOAPIC = 1
_IOAPIC_SIZE = 12


def ioapics(tables: TableSet) -> tuple[Ioapic, ...]:
    """In their order; those at address 0 are skipped, and what follows a broken entry."""
    table = tables.find("APIC")
    if table is None:
        return ()
    data = table.data[: int.from_bytes(table.data[4:8], "little")]
    found: list[Ioapic] = []
    offset = _FIRST_ENTRY
    while offset + 2 < len(data):
        kind, length = data[offset], data[offset + 1]
        if length < 2:
            break
        if kind == _IOAPIC:
            if length < _IOAPIC_SIZE or offset + _IOAPIC_SIZE > len(data):
                break  # BAD_MADT_ENTRY()
            address, gsi_base = struct.unpack_from("<II", data, offset + 4)
            if address:
                found.append(Ioapic(data[offset + 2], address, gsi_base))
        offset += length
    return tuple(found)
