"""What rules for ACPI tables look at: the tables of a machine, and what else is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from harness.errors import FormatError
from harness.formats.acpi import hpet, madt
from harness.formats.acpi.ivrs import Ivhd, Ivrs, parse_with_faults
from harness.formats.acpi.ivrs.model import IVHD_10H, IVHD_11H, IVHD_40H
from harness.formats.acpi.ivrs.ranges import Span, spans
from harness.formats.acpi.tableset import RawTable, TableSet
from harness.lint.acpi_model import Region
from harness.lint.acpi_model.machine import Ioapic
from harness.lint.facts import Facts
from harness.lint.rule import Check, Consequences, Found, Hit, Missing, Rule, Severity, told

SPEC = "AMD IOMMU Specification (48882), chapter 5, "
MOST_HITS = 20
"""Findings of one rule in one input; a table of 64 KiB can have 16,000 wrong entries."""

_NO_TABLE = Missing("there is no IVRS among the tables", "the IVRS of the machine")


@dataclass(frozen=True)
class Device:
    """A device entry with the block that it is in."""

    block: Ivhd
    span: Span


@dataclass(frozen=True)
class AcpiSubject:
    """The ACPI tables of one input.

    Attributes:
        own: the tables of the input itself.
        tables: these, and those that were given with it.
        raw: its IVRS as bytes; None without one.
        ivrs: the same, read; None if it cannot be read at all.
        faults: what could not be walked in it; or why it could not be read.
        ioapics: of the machine, from its MADT or from its log; None if they are not known.
        hpet: the HPET's number; None if there is none, or it is not known.
        hpet_known: whether that is known.
        e820: the memory map; None if it is not known.
        pci: PCI functions without host bridges; None if they are not known.
    """

    own: TableSet
    tables: TableSet
    raw: RawTable | None = None
    ivrs: Ivrs | None = None
    faults: tuple[FormatError, ...] = ()
    ioapics: tuple[Ioapic, ...] | None = None
    hpet: int | None = None
    hpet_known: bool = False
    e820: tuple[Region, ...] | None = None
    pci: frozenset[int] | None = None

    def knows(self, offset: int, size: int = 1) -> bool:
        """Whether these bytes of the IVRS are the firmware's, not made up from a log."""
        if self.raw is None:
            return False
        end = offset + size
        return not any(one.start < end and offset < one.stop for one in self.raw.unknown)

    @property
    def types(self) -> tuple[int, ...]:
        """The types of IVHD in the table, ascending."""
        return tuple(sorted({block.type for block in self.ivhds}))

    @property
    def ivhds(self) -> tuple[Ivhd, ...]:
        return self.ivrs.ivhds if self.ivrs else ()

    def of_type(self, kind: int) -> tuple[Ivhd, ...]:
        """The IVHD blocks of a type."""
        return tuple(block for block in self.ivhds if block.type == kind)

    @property
    def devices(self) -> Iterator[Device]:
        """All device entries, ranges as one, without padding."""
        for block in self.ivhds:
            for span in spans(block.entries):
                yield Device(block, span)

    @property
    def read_by_xen(self) -> int | None:
        """The type of IVHD that Xen 4.16 and newer read; None if there is none."""
        wanted = [kind for kind in self.types if kind == 0x10 or (kind == 0x11 and self.efr_sup)]
        return max(wanted, default=None)

    @property
    def efr_sup(self) -> bool:
        """EFRSup of IVinfo; taken as set where a log does not tell it."""
        return bool(self.ivrs and (self.ivrs.efr_sup or not self.knows(36, 4)))


def subject_of(own: TableSet, others: Iterable[RawTable], facts: Facts) -> AcpiSubject:
    """The subject for one input.

    Args:
        own: what was read from it.
        others: tables of other inputs that have no IVRS; those count that `own` does not have.
    """
    have = {table.signature for table in own.tables}
    more = tuple(table for table in others if table.signature not in have)
    tables = replace(own, tables=(*own.tables, *more))
    raw = own.find("IVRS")
    made = AcpiSubject(own, tables, raw, e820=facts.e820, pci=facts.pci)
    if raw is not None:
        try:
            table, faults = parse_with_faults(raw.data)
            made = replace(made, ivrs=table, faults=faults)
        except FormatError as bad:
            made = replace(made, faults=(bad,))
    return replace(made, **_controllers(tables))  # type: ignore[arg-type]


def _controllers(tables: TableSet) -> dict[str, object]:
    found: dict[str, object] = {}
    apic = tables.find("APIC")
    if apic is not None:
        try:
            known = madt.parse(apic.data).ioapics
            found["ioapics"] = tuple(Ioapic(one.id, one.address, one.gsi_base) for one in known)
        except FormatError:
            pass  # acpi.structure says so
    timer = tables.find("HPET")
    if timer is not None:
        try:
            found["hpet"] = hpet.parse(timer.data).number
            found["hpet_known"] = True
        except FormatError:
            pass
    elif apic is not None and tables.find("FACP") is not None:
        found["hpet_known"] = True
    return found


def acpi_rule(
    id: str,  # noqa: A002 -- the name that reports use
    severity: Severity,
    *,
    checks: str,
    reference: str,
    then: Consequences,
    any_table: bool = False,
    linux: Severity | None = None,
) -> Callable[[Callable[[AcpiSubject], Found]], Rule]:
    """Make a rule of a function of the subject.

    Its findings are bounded in number, and none is about bytes that a log does not tell.

    Args:
        any_table: whether the rule has something to say without an IVRS that can be read.
        linux: of a rule about device entries, its severity in blocks of type 40h, which Linux
            alone reads; in those that nobody reads, errors are warnings.
    """

    def made(check: Callable[[AcpiSubject], Found]) -> Rule:
        judge = _bounded(check, any_table, severity, then, linux)
        return Rule(id, severity, checks, reference, told(then), judge, then)

    return made


def _bounded(
    check: Callable[[AcpiSubject], Found],
    any_table: bool,
    severity: Severity,
    then: Consequences,
    linux: Severity | None,
) -> Check:
    def judge(subject: AcpiSubject, facts: Facts) -> Found:
        del facts
        if subject.ivrs is None and not any_table:
            if subject.raw is not None:
                yield Missing("the IVRS cannot be read", "one of 48 bytes or more")
            return
        found = check(subject)
        hits = 0
        for one in islice(found, 100_000):
            if isinstance(one, Hit):
                if not _told(subject, one):
                    yield Missing(
                        f"the log does not tell {one.field or 'this'}", "the table itself"
                    )
                    continue
                if linux is not None:
                    own = replace(one, severity=one.severity or severity, then=one.then or then)
                    one = _by_reader(subject, own, linux)  # noqa: PLW2901
                hits += 1
                if hits == MOST_HITS + 1:
                    yield replace(one, message="and more of the same", hint="")
                    return
                if hits > MOST_HITS:
                    return
            yield one

    return judge


def _by_reader(subject: AcpiSubject, hit: Hit, linux: Severity) -> Hit:
    """Xen and Linux take device entries from type 11h, Linux from 40h, if they are there."""
    block = next(
        (
            one
            for one in subject.ivhds
            if one.offset <= (hit.offset or 0) < one.offset + max(one.length, one.size)
        ),
        None,
    )
    if block is None or hit.severity != "error":
        return hit
    if block.type == IVHD_40H:
        then = tuple(each for each in hit.then if not each[0].startswith("Xen"))
        return replace(hit, severity=linux, then=(*then, ("Xen 4.8+", "does not read type 40h")))
    if block.type == IVHD_10H and subject.efr_sup and IVHD_11H in subject.types:
        return replace(
            hit,
            severity="warning",
            message=hit.message + " (not read: there are IVHDs of type 11h)",
        )
    return hit


def _told(subject: AcpiSubject, hit: Hit) -> bool:
    if hit.table != "IVRS" or hit.offset is None:
        return True
    return subject.knows(hit.offset, hit.size)


def at(
    offset: int,
    size: int,
    field: str,
    message: str,
    hint: str = "",
    *,
    severity: Severity | None = None,
    then: Consequences = (),
) -> Hit:
    """A finding at bytes of the IVRS."""
    return Hit(
        message,
        hint=hint,
        severity=severity,
        then=then,
        table="IVRS",
        offset=offset,
        size=size,
        field=field,
    )


def name(block: Ivhd) -> str:
    """ "the IVHD of type 11h"."""
    return f"the IVHD of type {block.type:02X}h at {block.offset:#x}"
