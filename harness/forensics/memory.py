"""The memory of the Xen under test, read through one of its CPUs."""

from __future__ import annotations

from contextlib import suppress

from harness.errors import TargetError
from harness.forensics.diagnosis import Names
from harness.forensics.machine import Machine
from harness.forensics.samples import Sample
from harness.symbols import Code, SymbolTable

_PAGE = 0x1000
# Each costs a question to QEMU of about a millisecond.
_MOST_HOLES = 2000


def in_xen(sample: Sample, names: Names) -> int:
    """A CPU whose address space is Xen's; the first one if none is."""
    for one in sample.registers:
        table = names.of(one)
        if table is not None and table is names.xen and table.is_code(one.pc):
            return one.cpu
    return sample.registers[0].cpu


def code_of(machine: Machine, xen: SymbolTable, sample: Sample, names: Names) -> Code:
    """Xen's code as it is in memory: patched, and without what it has freed."""
    cpu = in_xen(sample, names)
    pieces = []
    for first, end in xen.code:
        try:
            pieces.append((first, machine.memory(cpu, first, end - first)))
        except TargetError:
            continue  # the code of its initialisation is gone once it is up
    return Code(pieces)


def with_holes(machine: Machine, cpu: int, first: int, end: int) -> bytes:
    """This memory; pages that are not mapped (guards of stacks, freed code) are zeros."""
    data = bytearray()
    for _ in range(_MOST_HOLES):
        # Refused: the hole is here.
        with suppress(TargetError):
            data += machine.memory(cpu, first + len(data), end - first - len(data))
        if len(data) >= end - first:
            break
        data += bytes(min(_PAGE - (first + len(data)) % _PAGE, end - first - len(data)))
    return bytes(data)
