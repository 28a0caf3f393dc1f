"""Several looks at all CPUs: one alone would not tell a loop from work."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import TargetError
from harness.forensics.machine import Machine
from harness.formats.registers import CpuRegisters, parse_registers

# Xen's stacks are eight pages, aligned to their size (STACK_ORDER of x86 and ARM).
_STACK = 0x8000
# Seconds between samples: uneven, so that they do not fall in step with a timer's ticks.
_SPACING = (0.11, 0.23, 0.37, 0.19, 0.31)
_BEFORE, _AFTER = 16, 16


@dataclass(frozen=True)
class Sample:
    """All CPUs at one moment.

    Attributes:
        at: seconds since power-on.
        stacks: by CPU, the bytes from the stack pointer up to the end of the stack.
        around: by CPU, an address and the code from there on, past the program counter.
        times: by CPU, seconds for which the host ran its thread, and let it wait.
        instructions: executed so far, if the machine counts them.
    """

    at: float
    registers: tuple[CpuRegisters, ...]
    stacks: Mapping[int, bytes] = field(default_factory=dict)
    around: Mapping[int, tuple[int, bytes]] = field(default_factory=dict)
    times: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    instructions: int | None = None


def take(
    machine: Machine, clock: Callable[[], float], count: int, folder: Path
) -> tuple[Sample, ...]:
    """Samples, and what they were read from: registers-N.txt and stack-cpuN.bin in `folder`.

    Raises:
        TargetError: QEMU is gone, or does not answer.
        OSError: a file cannot be written.
    """
    taken: list[Sample] = []
    for number in range(count):
        if number:
            # Time has to pass for the guest; there is no event to wait for.
            time.sleep(_SPACING[number % len(_SPACING)])
        with machine.held():
            text = machine.registers()
            cpus = parse_registers(text)
            (folder / f"registers-{number}.txt").write_text(text)
            stacks = {one.cpu: _stack(machine, one) for one in cpus}
            around = {one.cpu: _around(machine, one) for one in cpus}
            taken.append(
                Sample(
                    clock(),
                    cpus,
                    {cpu: data for cpu, data in stacks.items() if data},
                    {cpu: code for cpu, code in around.items() if code is not None},
                    machine.host_times(),
                    machine.instructions(),
                )
            )
    for cpu, data in taken[-1].stacks.items() if taken else ():
        (folder / f"stack-cpu{cpu}.bin").write_bytes(data)
    return tuple(taken)


def _stack(machine: Machine, cpu: CpuRegisters) -> bytes:
    """What is on its stack; of 16-bit code, nothing."""
    if cpu.arch == "x86" and cpu.bits != 64:
        return b""
    end = (cpu.sp | _STACK - 1) + 1
    try:
        return machine.memory(cpu.cpu, cpu.sp, end - cpu.sp) if cpu.sp else b""
    except TargetError:
        return b""  # a stack pointer of nonsense is a finding, not an error


def _around(machine: Machine, cpu: CpuRegisters) -> tuple[int, bytes] | None:
    first = max(0, cpu.pc - _BEFORE)
    try:
        return first, machine.memory(cpu.cpu, first, _BEFORE + _AFTER)
    except TargetError:
        return None
