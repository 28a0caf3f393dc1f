"""Reads the ACPI tables of an input; of a log, what else it tells of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.acpi import reading
from harness.bootlog import parse_recorded
from harness.bootlog.xen_facts import XenFacts
from harness.errors import InputError
from harness.formats.acpi.tableset import TableSet
from harness.lint.acpi_inputs import pci_functions, regions
from harness.lint.acpi_model.machine import Ioapic
from harness.lint.acpi_subject import AcpiSubject, subject_of
from harness.lint.facts import Facts


@dataclass(frozen=True)
class Tables:
    """The tables of an input.

    Attributes:
        xen: what Xen printed, if the input is a log.
    """

    tables: TableSet
    xen: XenFacts | None = None


def read_tables(path: Path) -> Tables:
    """The tables of a file, of a folder, or of a log.

    Raises:
        InputError: they cannot be read.
    """
    tables = reading.read(path)
    if not any(table.reconstructed for table in tables.tables):
        return Tables(tables)
    try:
        data = path.read_bytes()
    except OSError as bad:
        raise InputError(f"cannot be read: {bad.strerror}", where=str(path)) from bad
    return Tables(tables, parse_recorded(data).xen)


def with_log(subject: AcpiSubject, xen: XenFacts | None) -> AcpiSubject:
    """The subject, with what the log tells of the machine where nothing better is known."""
    if xen is None:
        return subject
    if subject.ioapics is None and xen.ioapics:
        found = tuple(Ioapic(one.id, one.address, one.gsi_base or 0) for one in xen.ioapics)
        subject = replace(subject, ioapics=found)
    if subject.e820 is None and xen.e820:
        subject = replace(subject, e820=regions(xen.e820))
    if subject.pci is None and xen.pci_added:
        subject = replace(subject, pci=pci_functions(xen.pci_added))
    return subject


def subjects_of(paths: Mapping[int, Path], board: Facts) -> dict[int, AcpiSubject]:
    """The subjects of inputs, by their numbers.

    Tables of an input without an IVRS, such as a MADT in a file of its own, count for the others.

    Raises:
        InputError: an input cannot be read.
    """
    own = {at: read_tables(path) for at, path in paths.items()}
    lone = [
        table
        for each in own.values()
        if each.tables.find("IVRS") is None
        for table in each.tables.tables
    ]
    return {
        at: with_log(subject_of(each.tables, lone, board), each.xen) for at, each in own.items()
    }
