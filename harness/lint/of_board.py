"""What a board profile tells the rules."""

from __future__ import annotations

from harness.board import Board
from harness.lint.acpi_inputs import pci_functions
from harness.lint.facts import Facts, Range


def facts_of(board: Board, target: str = "serial") -> Facts:
    """The board's memory, registers, CPUs and PCI functions.

    Args:
        target: "qemu" for the emulated machine where it differs from the board.
    """
    hardware = board.hardware_of(target)
    cpus = hardware.arm.cpus if hardware.arm else None
    return Facts(
        ram=tuple(Range.of(one.start, one.size, "RAM") for one in hardware.ram or ()),
        io=tuple(Range.of(one.start, one.size) for one in hardware.io or ()),
        cpus=cpus or (hardware.cpu.count if hardware.cpu else None),
        pci=pci_functions(hardware.pci) if hardware.pci else None,
    )
