"""What lint knows of the machine behind a table set, and what Xen would do there: for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from harness.formats.acpi.header import with_checksum
from harness.formats.acpi.ivrs import bdf
from harness.formats.acpi.tableset import TableSet
from harness.lint.acpi_model import Machine, predict
from harness.lint.acpi_model.machine import Ioapic
from harness.lint.acpi_subject import AcpiSubject

VERSIONS: Final = ("4.14", "4.17", "4.20")
"""The releases that are predicted by default: those that were compared with the real Xen."""

_BASE = 0xFEB80000
_BASE_STEP = 0x80000
_CAPABILITY = 0x40


def machine_of(subject: AcpiSubject) -> dict[str, Any]:
    """What is known: IOAPICs, HPET, IOMMUs as the table has them, and which inputs were given."""
    ioapics = subject.ioapics
    return {
        "tables": [table.signature for table in subject.tables.tables],
        "reconstructed": bool(subject.raw and subject.raw.reconstructed),
        "ioapics": None
        if ioapics is None
        else [{"id": one.id, "address": one.address, "gsi_base": one.gsi_base} for one in ioapics],
        "hpet": subject.hpet,
        "e820": subject.e820 is not None,
        "pci": subject.pci is not None,
        "iommus": _iommus(subject),
    }


def _iommus(subject: AcpiSubject) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for block in subject.ivhds:
        name = f"{block.segment:04x}:{bdf(block.device_id)}"
        one = found.setdefault(
            name,
            {
                "device": name,
                "base": block.base if subject.knows(block.offset + 8, 8) else None,
                "capability": block.capability if subject.knows(block.offset + 6, 2) else None,
                "types": [],
            },
        )
        one["types"].append(f"{block.type:02X}h")
    return list(found.values())


def predicted_of(subject: AcpiSubject) -> Mapping[str, Mapping[str, Any]]:
    """What each release does: "xen-4.17" -> outcome, messages, basis.

    The machine is the one that the table describes: IOMMUs where it says, IOAPICs as in the
    MADT or the log, the memory map if it is known. Without a MADT, IOAPICs are taken to be
    those that the table has. Empty without an IVRS.
    """
    if subject.raw is None:
        return {}
    tables = _completed(subject)
    machine = Machine.described_by(tables, e820=subject.e820, ioapics=_ioapics(subject))
    found: dict[str, Mapping[str, Any]] = {}
    for version in VERSIONS:
        said = predict(tables, machine, version)
        guessed = subject.raw.reconstructed or subject.ioapics is None
        found[f"xen-{version}"] = {
            "outcome": said.outcome,
            "messages": list(said.messages),
            "basis": "source" if guessed else said.basis,
        }
    return found


def _ioapics(subject: AcpiSubject) -> tuple[Ioapic, ...]:
    if subject.ioapics is not None:
        return subject.ioapics
    kind = subject.read_by_xen
    ids = dict.fromkeys(
        entry.handle
        for block in (subject.of_type(kind) if kind is not None else ())
        for entry in block.entries
        if entry.variety == 1 and entry.handle is not None
    )
    from_table = enumerate(one for one in ids if one is not None)
    return tuple(Ioapic(one, 0xFEC00000 + 0x1000 * at, 24 * at) for at, one in from_table)


def _completed(subject: AcpiSubject) -> TableSet:
    """A table from a log with the fields that the log does not tell, so that it can be read."""
    raw = subject.raw
    assert raw is not None  # noqa: S101 -- the caller has seen to it
    if not raw.reconstructed:
        return subject.tables
    data = bytearray(raw.data)
    places: dict[tuple[int, int], int] = {}
    for block in subject.ivhds:
        number = places.setdefault((block.segment, block.device_id), len(places))
        if not subject.knows(block.offset + 8, 8):
            base = _BASE + number * _BASE_STEP
            data[block.offset + 8 : block.offset + 16] = base.to_bytes(8, "little")
        if not subject.knows(block.offset + 6, 2):
            data[block.offset + 6 : block.offset + 8] = _CAPABILITY.to_bytes(2, "little")
    if not subject.knows(36, 4):
        data[36:40] = _IVINFO.to_bytes(4, "little")
    made = replace(raw, data=with_checksum(bytes(data)))
    tables = tuple(made if one is raw else one for one in subject.tables.tables)
    return replace(subject.tables, tables=tables)


# EFRSup where a log has blocks of type 11h is what Xen needs to read them; 64 bits, 48 bits.
_IVINFO = 0x00203041
