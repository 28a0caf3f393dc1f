"""Tables of one machine on another: what must change before the emulated one can be asked.

Xen skips an IVHD for an IOMMU that is not there without a word: the question would be lost. So
the blocks are pointed to the emulated IOMMU, and every change is told. All other bytes stay as
they are, defects included; a checksum that was wrong stays wrong by as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.acpi.builder import Spec, build, with_roots
from harness.acpi.machine import Q35, Machine
from harness.errors import FormatError
from harness.formats.acpi import hpet, ivrs, madt, mcfg
from harness.formats.acpi.header import CHECKSUM_OFFSET, checksum
from harness.formats.acpi.ivrs import Ivhd, Ivmd, Ivrs, bdf
from harness.formats.acpi.ivrs.device_entry import VARIETY_IOAPIC
from harness.formats.acpi.ivrs.model import IVHD_HEADER_SIZES
from harness.formats.acpi.madt import IoApic, LocalApic, LocalX2Apic, Madt
from harness.formats.acpi.tableset import RawTable, TableSet

_KEPT = frozenset({"APIC", "HPET", "IVRS"})
_OF_THE_MACHINE = {"FACP": "FADT", "FACS": "FACS", "DSDT": "DSDT"}
_ROOTS = frozenset({"RSD PTR ", "RSDT", "XSDT"})


@dataclass(frozen=True)
class Rebased:
    """Tables for the emulated machine.

    Attributes:
        tables: a complete set.
        changes: in words, one sentence each, what is not as it was given.
    """

    tables: TableSet
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotAskable:
    """Rebasing would change the question."""

    reason: str


@dataclass(frozen=True)
class _Field:
    """A field of an IVHD that names the IOMMU."""

    words: str
    offset: int
    size: int
    shown: Callable[[int], str]


_DEVICE = _Field("device id", 4, 2, bdf)
_FIELDS = (
    _DEVICE,
    _Field("capability offset", 6, 2, hex),
    _Field("base address", 8, 8, hex),
    _Field("PCI segment", 16, 2, str),
)


def rebase(tables: TableSet, machine: Machine = Q35, *, cpus: int = 1) -> Rebased | NotAskable:
    """A complete set for `machine`, from tables of another one, be they complete or not.

    The IVRS, the MADT's I/O APICs and overrides and the HPET table are what is asked about.
    What is missing is made; the IVRS never is.

    Args:
        cpus: that the machine will have.
    """
    changes: list[str] = []
    made = build(Spec(cpus=cpus))
    ours: list[RawTable] = []
    try:
        for number, table in enumerate(tables.all("IVRS")):
            data = _ivrs(table.data, machine, changes, number)
            if isinstance(data, NotAskable):
                return data
            ours.append(replace(table, data=data))
        ours = [*_interrupts(tables, made, machine, cpus, changes), *ours]
    except FormatError as bad:
        return NotAskable(f"a table cannot be walked, so that it cannot be rebased: {bad}")
    ours += _timer(tables, machine, changes)
    ours += _config_space(tables, made, machine, changes)
    replaced = [name for key, name in _OF_THE_MACHINE.items() if tables.find(key)]
    if replaced:
        changes.append(f"{', '.join(replaced)}: the emulated machine's own")
    known = _KEPT | _ROOTS | _OF_THE_MACHINE.keys() | {"MCFG"}
    left_out = [table.signature for table in tables.tables if table.signature not in known]
    if left_out:
        changes.append(f"left out: {', '.join(left_out)}")
    own = [table for table in made.tables if table.signature in _OF_THE_MACHINE]
    return Rebased(with_roots((*own, *ours)), tuple(changes))


def _ivrs(data: bytes, machine: Machine, changes: list[str], number: int) -> bytes | NotAskable:
    table = ivrs.parse(data)
    places = list(_hardware_blocks(table))
    several = _several(data, places)
    if several:
        return NotAskable(several)
    wanted = (machine.iommu, machine.capability, machine.base, 0)
    patched = bytearray(data)
    name = "IVRS" if number == 0 else f"IVRS {number + 1}"
    for field, value in zip(_FIELDS, wanted, strict=True):
        # What names the IOMMU is what its first block says. 0 is a defect, and stays, as does
        # what another block says differently. (A segment of 0 is none: it is what we want.)
        found = [
            (at, _number(data, at, field))
            for at, end in places
            if at + field.offset + field.size <= end
        ]
        named = next((value for _at, value in found if value), value)
        if named == value:
            continue
        for at, old in found:
            if old == named:
                _put(patched, at, field, value)
        changes.append(
            f"{name}: {field.words} {field.shown(named)} of the IOMMU is now {field.shown(value)}"
        )
    memory = [block for block in table.blocks if isinstance(block, Ivmd)]
    if memory:
        changes.append(
            f"{name}: the memory of its {len(memory)} IVMD blocks is judged by the emulated "
            "machine's memory map"
        )
    covered = min(table.header.length, len(data))
    if covered > CHECKSUM_OFFSET:
        delta = checksum(bytes(patched[:covered])) - checksum(data[:covered])
        patched[CHECKSUM_OFFSET] = (patched[CHECKSUM_OFFSET] - delta) & 0xFF
    return bytes(patched)


def _hardware_blocks(table: Ivrs) -> Iterator[tuple[int, int]]:
    """Where the IVHD blocks begin and end, those included that are too short for their type."""
    for block in table.blocks:
        if block.type in IVHD_HEADER_SIZES:
            size = block.size if isinstance(block, Ivhd) else block.length
            yield block.offset, block.offset + size


def _several(data: bytes, places: Sequence[tuple[int, int]]) -> str:
    """Why more than one IOMMU cannot be asked about; "" for one, or none."""
    whole = [at for at, end in places if at + 18 <= end]
    ids = {(_number(data, at, _FIELDS[3]), _number(data, at, _DEVICE)) for at in whole}
    named = sorted(one for one in ids if one[1])
    if len(named) < 2:
        return ""
    listed = ", ".join(f"{segment:04x}:{bdf(device)}" for segment, device in named)
    return f"it describes {len(named)} IOMMUs ({listed}), and the emulated machine has one"


def _number(data: bytes, at: int, field: _Field) -> int:
    return int.from_bytes(data[at + field.offset : at + field.offset + field.size], "little")


def _put(data: bytearray, at: int, field: _Field, value: int) -> None:
    data[at + field.offset : at + field.offset + field.size] = value.to_bytes(field.size, "little")


def _interrupts(
    tables: TableSet, made: TableSet, machine: Machine, cpus: int, changes: list[str]
) -> list[RawTable]:
    given = tables.find("APIC")
    if given is None:
        return [_made_interrupts(tables, made, machine, cpus, changes)]
    table = madt.parse(given.data)
    entries = list(table.entries)
    present = [entry for entry in entries if isinstance(entry, (LocalApic, LocalX2Apic))]
    ours = [LocalApic(number, number) for number in range(cpus)]
    if present != ours:
        rest = [entry for entry in entries if not isinstance(entry, (LocalApic, LocalX2Apic))]
        entries = [*ours, *rest]
        changes.append(
            f"MADT: {_count(len(present), 'processor')} replaced by the emulated machine's {cpus}"
        )
    # The one that the machine has is the one with the ISA interrupts.
    if all(one.address != machine.ioapic for one in table.ioapics):
        for number, entry in enumerate(entries):
            if isinstance(entry, IoApic) and entry.gsi_base == 0:
                entries[number] = replace(entry, address=machine.ioapic)
                changes.append(
                    f"MADT: the address {entry.address:#x} of I/O APIC {entry.id} is now "
                    f"{machine.ioapic:#x}"
                )
                break
    return [replace(given, data=_rebuilt(table, entries, given.data))]


def _rebuilt(table: Madt, entries: Sequence[madt.Entry], data: bytes) -> bytes:
    """The MADT with other entries; its sum is what it was."""
    if tuple(entries) == table.entries:
        return data
    bare = replace(table, entries=tuple(entries), trailing=b"")
    size = len(madt.build(bare))
    bare = replace(bare, header=replace(bare.header, length=size, checksum=0))
    wrong = checksum(data[: table.header.length])
    byte = (wrong - checksum(madt.build(bare))) & 0xFF
    whole = replace(bare, header=replace(bare.header, checksum=byte), trailing=table.trailing)
    return madt.build(whole)


def _made_interrupts(
    tables: TableSet, made: TableSet, machine: Machine, cpus: int, changes: list[str]
) -> RawTable:
    """A MADT for tables that came without: with the I/O APICs that the IVRS names."""
    ids = list(dict.fromkeys(named_ioapics(tables)))
    default = made.tables[[table.signature for table in made.tables].index("APIC")]
    if not ids:
        changes.append("MADT: none was given; it is the emulated machine's, with I/O APIC 0")
        return default
    ioapics = tuple(
        IoApic(one, 0, machine.ioapic + number * 0x1000, number * 24)
        for number, one in enumerate(ids)
    )
    named = ", ".join(str(one) for one in ids)
    changes.append(f"MADT: none was given; its I/O APICs are those that the IVRS names ({named})")
    table = build(Spec(cpus=cpus, ioapics=ioapics)).find("APIC")
    return table or default


def named_ioapics(tables: TableSet) -> Iterator[int]:
    """The ids of I/O APICs in the device entries of an IVRS, in their order.

    Raises:
        FormatError: it cannot be walked.
    """
    for table in tables.all("IVRS"):
        for block in ivrs.parse(table.data).blocks:
            for entry in block.entries if isinstance(block, Ivhd) else ():
                if entry.variety == VARIETY_IOAPIC and entry.handle is not None:
                    yield entry.handle


def _timer(tables: TableSet, machine: Machine, changes: list[str]) -> list[RawTable]:
    """The HPET table as it was given: a machine without one is asked without one."""
    given = tables.find("HPET")
    if given is None:
        return []
    try:
        table = hpet.parse(given.data)
    except FormatError:
        return [given]
    if table.base.address == machine.hpet:
        return [given]
    changes.append(f"HPET: the address {table.base.address:#x} is now {machine.hpet:#x}")
    moved = replace(table, base=replace(table.base, address=machine.hpet))
    bare = replace(moved, header=replace(moved.header, checksum=0))
    covered = table.header.length
    byte = checksum(given.data[:covered]) - checksum(hpet.build(bare)[:covered])
    whole = replace(bare, header=replace(bare.header, checksum=byte & 0xFF))
    return [replace(given, data=hpet.build(whole))]


def _config_space(
    tables: TableSet, made: TableSet, machine: Machine, changes: list[str]
) -> list[RawTable]:
    given = tables.find("MCFG")
    if given is not None:
        try:
            if mcfg.parse(given.data).allocations == (
                mcfg.Allocation(machine.config_space, 0, 0, 0xFF),
            ):
                return [given]
        except FormatError:
            pass
        changes.append("MCFG: the emulated machine's own")
    return list(made.all("MCFG"))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
