"""Rules for ACPI tables of any kind: checksums, lengths, what can be walked."""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import FormatError
from harness.formats.acpi import fadt, hpet, madt, mcfg
from harness.formats.acpi.header import HEADER_SIZE, checksum
from harness.formats.acpi.tableset import RawTable
from harness.lint.acpi_subject import AcpiSubject, acpi_rule
from harness.lint.rule import Consequences, Found, Hit, Rule

_HEADER = 'ACPI 6.5, section 5.2.6, "System Description Table Header"'
_PARSERS: dict[str, Callable[[bytes], object]] = {
    "APIC": madt.parse,
    "HPET": hpet.parse,
    "MCFG": mcfg.parse,
    "FACP": fadt.parse,
}
_OF_OTHERS: Consequences = (
    ("Xen 4.8+", 'says "ACPI Warning (tbutils-0189): Incorrect checksum" and uses the table'),
    ("Linux", 'says "ACPI BIOS Warning (bug): Incorrect checksum" and uses the table'),
)


@acpi_rule(
    "acpi.checksum",
    "error",
    checks="The bytes of each table sum up to 0, modulo 256.",
    reference=_HEADER,
    then=(
        ("Xen 4.8-4.15", 'no IOMMU: "IVRS Error: Invalid Checksum", with iommu=debug only'),
        ("Xen 4.16+", 'no IOMMU: "AMD-Vi: Error: IVRS: invalid checksum"'),
        ("Linux", 'no IOMMU: "[Firmware Bug]: IVRS invalid checksum"'),
    ),
    any_table=True,
)
def checksums(subject: AcpiSubject) -> Found:
    """A wrong sum, and the byte that would make it right."""
    for table in subject.own.tables:
        header = table.header
        if table.checksum_ok is not False or table.reconstructed or header is None:
            continue
        total = checksum(table.data[: header.length])
        right = (header.checksum - total) & 0xFF
        yield Hit(
            f"the bytes of {table.signature} sum up to {total:#04x}; the checksum is "
            f"{header.checksum:#04x}",
            hint=f"a checksum of {right:#04x}, computed after everything else",
            severity=None if table.signature == "IVRS" else "warning",
            then=() if table.signature == "IVRS" else _OF_OTHERS,
            table=table.signature,
            offset=9,
            field="Checksum",
        )


@acpi_rule(
    "acpi.length",
    "error",
    checks="The length in a table's header is that of the table.",
    reference=_HEADER,
    then=(
        (
            "Xen 4.8+",
            "reads what lies behind the table, or not all of it: an IVRS is refused "
            '("table length exceeded", "invalid checksum")',
        ),
        ("Linux", "the same: the checksum is wrong, and there is no IOMMU"),
    ),
    any_table=True,
)
def lengths(subject: AcpiSubject) -> Found:
    """A header that says more, or less, than there is."""
    for table in subject.own.tables:
        if table.signature in ("RSD PTR ", "FACS"):
            continue
        size = len(table.data)
        header = table.header
        if header is None:
            yield _length(table, f"the table ends after {size} bytes, within its header", 0)
            continue
        least = 48 if table.signature == "IVRS" else HEADER_SIZE
        if header.length > size:
            yield _length(
                table, f"the header says {header.length} bytes, there are {size}", header.length
            )
        elif header.length < least:
            yield _length(
                table, f"the header says {header.length} bytes, it needs {least}", header.length
            )
        elif header.length < size and any(table.data[header.length :]):
            yield _length(
                table,
                f"the header says {header.length} bytes, {size - header.length} more follow "
                "that are not 0",
                header.length,
                certain=False,
            )


def _length(table: RawTable, message: str, length: int, *, certain: bool = True) -> Hit:
    del length
    return Hit(
        f"{table.signature}: {message}",
        hint=f"a length of {len(table.data)}, and the checksum that goes with it; or the whole "
        "table, if it was cut when it was copied",
        severity=None if certain else "note",
        table=table.signature,
        offset=4,
        size=4,
        field="Length",
    )


@acpi_rule(
    "acpi.structure",
    "error",
    checks="MADT, HPET, MCFG and FADT can be walked: each structure has a length that leads to "
    "the next one.",
    reference="ACPI 6.5, sections 5.2.12 and 5.2.9; IA-PC HPET Specification 1.0a, 3.2.4; PCI "
    "Firmware Specification 3.3, 4.1.2",
    then=(
        ("Xen 4.8+", "passes over what is behind: IOAPICs, processors or the timer are missing"),
        ("Linux", "the same"),
    ),
    any_table=True,
)
def structures(subject: AcpiSubject) -> Found:
    """What the parsers refuse."""
    for table in subject.own.tables:
        parse = _PARSERS.get(table.signature)
        if parse is None or table.header is None or table.header.length > len(table.data):
            continue
        try:
            parse(table.data)
        except FormatError as bad:
            yield Hit(
                f"{table.signature}: {bad.message}",
                hint=f"expected: {bad.expected}" if bad.expected else "",
                table=table.signature,
                offset=bad.offset,
                field=bad.field,
            )


@acpi_rule(
    "ivrs.second-table",
    "warning",
    checks="There is one IVRS.",
    reference="ACPI 6.5, section 5.2.8: a signature that may repeat says so",
    then=(
        ("Xen 4.8+", "reads the first one of them"),
        ("Linux", "reads the first one of them"),
    ),
    any_table=True,
)
def _second(subject: AcpiSubject) -> Found:
    for table in subject.own.all("IVRS")[1:]:
        yield Hit(
            f"there is another IVRS, of {len(table.data)} bytes, from {table.origin}: it is not "
            "judged",
            hint="leave out all but one; or give them one at a time",
            table="IVRS",
        )


RULES: tuple[Rule, ...] = (checksums, lengths, structures, _second)
