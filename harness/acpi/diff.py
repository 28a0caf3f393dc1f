"""What changed from one firmware's ACPI tables to another's, in the words of the specifications."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.acpi.ivrs_diff import diff_ivrs
from harness.acpi.sections import Field, Section, header_section
from harness.acpi.table_sections import table_sections
from harness.errors import FormatError
from harness.formats.acpi.header import HEADER_SIZE
from harness.formats.acpi.ivrs import parse
from harness.formats.acpi.tableset import RawTable, TableSet

_STRUCTURED = {"APIC", "HPET", "MCFG", "FACP", "FACS", "RSD PTR ", "RSDT", "XSDT"}
# The fields that say which one of several structures of a kind it is.
_IDENTITY = {
    "Processor Local APIC": ("ACPI Processor UID",),
    "I/O APIC": ("I/O APIC ID",),
    "Interrupt Source Override": ("Bus", "Source"),
    "NMI Source": ("Global System Interrupt",),
    "Local APIC NMI": ("ACPI Processor UID",),
    "Processor Local x2APIC": ("ACPI Processor UID",),
    "Local x2APIC NMI": ("ACPI Processor UID",),
    "Configuration space base address allocation": (
        "PCI Segment Group Number",
        "Start Bus Number",
    ),
}
_TITLES = {"APIC": "MADT", "FACP": "FADT", "RSD PTR ": "RSDP"}


def diff(old: TableSet, new: TableSet) -> tuple[str, ...]:
    """What changed, one sentence each, with the table's name first; empty if nothing did.

    Order counts only where it has a meaning. A table whose bytes differ is never passed
    over: if no field of it tells the difference, the bytes do.
    """
    counts = [Counter(table.signature for table in one.tables) for one in (old, new)]
    several = {name for count in counts for name, number in count.items() if number > 1}
    before, after = _keyed(old, several), _keyed(new, several)
    found: list[str] = []
    for key, table in before.items():
        if key not in after:
            found.append(f"{_name(table)} removed ({len(table.data)} bytes)")
        elif table.data != after[key].data:
            found += [f"{_name(table)}: {text}" for text in _changes(table, after[key])]
    found += [
        f"{_name(table)} added ({len(table.data)} bytes)"
        for key, table in after.items()
        if key not in before
    ]
    return tuple(found)


def _keyed(tables: TableSet, several: set[str]) -> dict[tuple[str, str, int], RawTable]:
    """By signature; where one has several tables, as SSDT has, by their OEM table ids too."""
    seen: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, str, int], RawTable] = {}
    for table in tables.tables:
        header = table.header
        named = header is not None and table.signature in several
        key = (table.signature, header.oem_table_id if header and named else "")
        found[(*key, seen[key])] = table
        seen[key] += 1
    return found


def _name(table: RawTable) -> str:
    name = _TITLES.get(table.signature, table.signature.strip())
    header = table.header
    return f"{name} {header.oem_table_id}" if name == "SSDT" and header else name


def _changes(old: RawTable, new: RawTable) -> Iterator[str]:
    said = False
    for text in (*_header_changes(old.data, new.data), *_content_changes(old, new)):
        said = True
        yield text
    if not said:
        yield f"only bytes without a meaning of their own differ: {_bytes(old.data, new.data)}"


def _content_changes(old: RawTable, new: RawTable) -> Iterator[str]:
    if old.signature == "IVRS":
        try:
            yield from diff_ivrs(parse(old.data), parse(new.data))
        except FormatError as bad:
            yield f"{_bytes(old.data, new.data)}; not compared by fields: {bad.message}"
    elif old.signature in _STRUCTURED:
        yield from _section_changes(table_sections(old.data), table_sections(new.data))
    elif old.data[HEADER_SIZE:] != new.data[HEADER_SIZE:]:
        yield _bytes(old.data, new.data)


def _header_changes(old: bytes, new: bytes) -> Iterator[str]:
    """The fields of the standard header; length and checksum only if they became wrong or right."""
    if old[:4] in (b"RSD ", b"FACS") or min(len(old), len(new)) < HEADER_SIZE:
        return
    for a, b in zip(header_section(old).fields, header_section(new).fields, strict=True):
        if a.label in ("Length", "Checksum"):
            before, after = _verdict(a), _verdict(b)
            if before != after:
                yield f"{a.label}: {before} -> {after}"
        elif a.data != b.data:
            yield f"{a.label}: {a.text} -> {b.text}"


def _verdict(field: Field) -> str:
    """What the header says about its own length or checksum, without the value itself."""
    return field.text.partition("  ")[2] or "right"


def _section_changes(old: tuple[Section, ...], new: tuple[Section, ...]) -> Iterator[str]:
    before, after = _identified(old), _identified(new)
    for key, section in before.items():
        if key not in after:
            yield f"{key[0]} removed{_content(section, key[0])}"
            continue
        yield from _field_changes(key[0], section, after[key])
    for key, section in after.items():
        if key not in before:
            yield f"{key[0]} added{_content(section, key[0])}"


def _identified(sections: tuple[Section, ...]) -> dict[tuple[str, int], Section]:
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], Section] = {}
    for section in sections:
        if section.title == "Header":
            continue
        labels = _IDENTITY.get(section.title, ())
        ids = [f"{one.label} {one.text}" for one in section.fields if one.label in labels]
        name = ", ".join([section.title, *ids])
        found[name, seen[name]] = section
        seen[name] += 1
    return found


def _field_changes(name: str, old: Section, new: Section) -> Iterator[str]:
    count = max(len(old.fields), len(new.fields))
    for at in range(count):
        a = old.fields[at] if at < len(old.fields) else None
        b = new.fields[at] if at < len(new.fields) else None
        if a and b and a.data == b.data:
            continue
        label = (a or b or old.fields[0]).label
        if a and b and a.label == b.label == "Bytes":
            yield f"{name}: {_bytes(a.data, b.data)}"
        else:
            yield f"{name}: {label} {a.text if a else 'absent'} -> {b.text if b else 'absent'}"


def _content(section: Section, name: str) -> str:
    words = [
        f"{field.label} {field.text}"
        for field in section.fields
        if field.label not in ("Type", "Length") and f"{field.label} {field.text}" not in name
    ]
    return f" ({', '.join(words[:8])})" if words else ""


def _bytes(old: bytes, new: bytes) -> str:
    first = next(
        (at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
        min(len(old), len(new)),
    )
    if len(old) != len(new):
        return f"{len(old)} -> {len(new)} bytes, different from {first:X}h on"
    count = sum(a != b for a, b in zip(old, new, strict=True))
    return f"{count} of {len(new)} bytes differ, the first at {first:X}h"
