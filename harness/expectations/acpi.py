"""Expectations from ACPI tables that a boot was given: what Xen must print of them.

Xen's own course through the table (`harness.lint.acpi_model`) says which lines those are: it
prints the blocks of one type only, and none behind the first fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.board import Board
from harness.board.hardware import Hardware, Hpet, Ioapic
from harness.bootlog import BootLog, BootLogParser, Line
from harness.bootlog.iommu_facts import IvhdEntry, IvmdBlock, IvrsBlock
from harness.errors import FormatError, UsageError
from harness.expectations.facts import fact
from harness.formats.acpi import hpet, madt
from harness.formats.acpi.ivrs import bdf
from harness.formats.acpi.tableset import TableSet
from harness.lint.acpi_model import Machine, Prediction, Region, XenVersion, predict
from harness.rules import Expectation, Fact, MustNotSay, Scope

_WHY = "the IVRS of this boot says so"
# e820.c prints the types so; the numbers are those of the ACPI specification, 15.
_TYPES = {"usable": 1, "reserved": 2, "ACPI data": 3, "ACPI NVS": 4, "unusable": 5}


@dataclass(frozen=True)
class Given:
    """ACPI tables that a boot was given.

    Args:
        tables: as they were booted.
        predicted: what the model of this Xen says; None if it knows it not.
        xen_cmdline: decides what Xen prints.
    """

    tables: TableSet
    predicted: Prediction | None
    xen_cmdline: str


def prediction(board: Board, tables: TableSet, log: BootLog) -> Prediction | None:
    """What the Xen of this log does with these tables on the board's emulated machine.

    Version and memory map are those that it printed; None if it did not name itself, or as a
    release that the model does not know.
    """
    machine = board.targets.qemu
    if log.xen.version is None or machine is None:
        return None
    try:
        version = XenVersion.parse(log.xen.version)
    except UsageError:
        return None
    emulated = Machine()
    others = {_device_id(one): bytes(256) for one in board.hardware_of("qemu").pci or ()}
    emulated = replace(
        emulated,
        functions={**others, **emulated.functions},
        e820=_memory_map(log) or None,
        cpus=machine.smp,
        memory=machine.memory_mib << 20,
    )
    return predict(tables, emulated, version)


def _memory_map(log: BootLog) -> tuple[Region, ...]:
    return tuple(
        Region(one.start, one.end + 1, _TYPES.get(one.type, _TYPES["reserved"]))
        for one in log.xen.e820
    )


def _device_id(address: str) -> int:
    bus, device, function = re.split("[:.]", address)
    return int(bus, 16) << 8 | int(device, 16) << 3 | int(function)


def hardware_with(hardware: Hardware, tables: TableSet) -> Hardware:
    """The facts of the machine, with the I/O APICs and the HPET that the tables tell."""
    return hardware.model_copy(update={"ioapics": _ioapics(tables), "hpet": _hpet(tables)})


def _ioapics(tables: TableSet) -> tuple[Ioapic, ...] | None:
    table = tables.find("APIC")
    try:
        found = madt.parse(table.data).ioapics if table else ()
    except FormatError:
        return None
    return tuple(Ioapic(id=one.id, address=one.address) for one in found) or None


def _hpet(tables: TableSet) -> Hpet | None:
    table = tables.find("HPET")
    try:
        found = hpet.parse(table.data) if table else None
    except FormatError:
        return None
    return Hpet(id=found.block_id, address=found.base.address) if found else None


def from_acpi(board: Board, given: Given) -> list[Expectation]:
    """Each block and device entry that Xen must print, and that it finds the board's devices."""
    found: list[Expectation] = [_covered(board)]
    predicted = given.predicted
    if predicted is None or not _prints(given.xen_cmdline):
        return found
    parser = BootLogParser("x86")
    for count, said in enumerate(predicted.lines, 1):
        parser.feed(Line(f"(XEN) {said.text}", None, count))
    xen = parser.log.xen
    for number, block in enumerate(xen.ivrs_blocks):
        found += _block(number, block)
    for number, memory in enumerate(xen.ivmd_blocks):
        found.append(_listed(f"acpi.ivmd.{number}", _ivmds, number, _ivmd_text(memory)))
    return found


def _covered(board: Board) -> MustNotSay:
    """No function of the board is without an IOMMU; others are the emulated machine's."""
    own = "|".join(re.escape(one) for one in board.hardware.pci or ()) or r"\S+"
    return MustNotSay(
        "acpi.devices",
        re.compile(rf"[Nn]o (?:IOMMU|iommu) for (?:device )?(?:0000:)?(?:{own}); cannot"),
        "the IVRS has no entry for this device, so that Xen gives it to no domain",
        Scope("kernel"),
    )


def _prints(cmdline: str) -> bool:
    """Whether Xen prints blocks and entries: with iommu=verbose,debug, and loglvl=all."""
    words = [word.partition("=") for word in cmdline.split()]
    options = {item for name, _, value in words if name == "iommu" for item in value.split(",")}
    levels = [value for name, _, value in words if name == "loglvl"]
    return {"verbose", "debug"} <= options and levels[-1:] in (["all"], ["info"], ["debug"])


def _block(number: int, block: IvrsBlock) -> Iterator[Fact]:
    name = f"acpi.ivhd.{number}"
    yield _listed(name, _ivhds, number, _ivhd_text(block))
    for index, entry in enumerate(block.entries):

        def entries(log: BootLog) -> Sequence[str]:
            blocks = log.xen.ivrs_blocks
            return [_entry_text(e) for e in blocks[number].entries] if number < len(blocks) else []

        yield _listed(f"{name}.{index}", entries, index, _entry_text(entry))


def _listed(name: str, read: Callable[[BootLog], Sequence[str]], index: int, want: str) -> Fact:
    def value(log: BootLog) -> object:
        have = read(log)
        return have[index] if index < len(have) else None

    return fact(name, "iommu", value, want, _WHY, grows=True)


def _ivhds(log: BootLog) -> Sequence[str]:
    return [_ivhd_text(block) for block in log.xen.ivrs_blocks]


def _ivmds(log: BootLog) -> Sequence[str]:
    return [_ivmd_text(block) for block in log.xen.ivmd_blocks]


def _ivhd_text(block: IvrsBlock) -> str:
    where = f", base {block.base:#x}" if block.base is not None else ""
    return (
        f"IVHD type {block.type:#x} of {bdf(block.id)}, flags {block.flags:#x}, "
        f"length {block.length}{where}"
    )


def _ivmd_text(block: IvmdBlock) -> str:
    return f"IVMD type {block.type:#x}, {block.length:#x} bytes at {block.phys:#x}"


def _entry_text(entry: IvhdEntry) -> str:
    text = f"device entry type {entry.type:#x} of {bdf(entry.id)}, flags {entry.flags:#x}"
    if entry.range_end is not None:
        text += f", up to {bdf(entry.range_end)}"
    if entry.alias is not None:
        text += f", alias {bdf(entry.alias)}"
    if entry.special is not None:
        special = entry.special
        text += f", variety {special.variety} handle {special.handle} at {special.sbdf}"
    return text
