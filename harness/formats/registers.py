"""QEMU's `info registers -a`: the registers of every CPU, at one moment.

Layout: cpu_dump_state of QEMU (target/i386/cpu-dump.c, target/arm/cpu.c). Pure and total: what is
not understood is left out. Floating point and vector registers are not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Arch = Literal["x86", "arm", "aarch64"]

_HEAD = re.compile(r"^CPU#(\d{1,5})[ \t]*\r?$", re.MULTILINE)
_VALUE = re.compile(r"(?<![A-Za-z0-9])([A-Z][A-Z0-9]{0,5}) {0,3}=([0-9a-f]{1,16})(?![0-9a-fx])")
# The rows of floating point begin so, and registers of that kind have names like others.
_FLOATING = re.compile(r"^(FCW=|FPR|XMM|YMM|ZMM|Q\d\d=|Z\d\d|P00=|FFR=|s\d\d=|d\d\d=)")
_SEGMENT = re.compile(r"^(CS|SS) {0,2}=[0-9a-f]{4} ([0-9a-f]{8,16}) ")
_CODE_BITS = re.compile(r"^CS .*\bCS(16|32|64)\b")
_MODE = re.compile(r"^PST?A?T?E?R?=[0-9a-f]{8}.*?\b(EL[0-3][ht]|[a-z]{3}32)\b")
_LEVELS = {"usr32": 0, "hyp32": 2, "mon32": 3}

_INTERRUPTS_ON = 1 << 9  # EFLAGS.IF
_IRQ_MASKED = 1 << 7  # PSTATE.I, CPSR.I


@dataclass(frozen=True, slots=True)
class CpuRegisters:
    """One CPU at one moment.

    Attributes:
        cpu: QEMU's number of it, from 0.
        bits: the width of the code that it executes: 16, 32 or 64.
        pc: the next instruction, linear: on x86 with the base of CS, which is 0 in 64-bit code.
        sp: the stack pointer; on x86 with the base of SS.
        level: x86: the privilege level (0 the kernel, 3 user); ARM: the exception level (2 is a
            hypervisor, 1 a kernel, 0 user); None: not said.
        mode: as printed: "EL2h", "hyp32", "CPL0".
        halted: in HLT; None: QEMU does not say (ARM).
        interrupts: whether it takes interrupts; None: not said.
        values: by name, as printed: {"RAX": 0, ...}; no floating point.
    """

    cpu: int
    arch: Arch
    bits: int
    pc: int
    sp: int
    level: int | None = None
    mode: str = ""
    halted: bool | None = None
    interrupts: bool | None = None
    values: Mapping[str, int] = field(default_factory=dict)

    @property
    def link(self) -> int | None:
        """Where the current function returns to, if a register says so (ARM): R14, X30."""
        name = {"arm": "R14", "aarch64": "X30"}.get(self.arch)
        return self.values.get(name) if name else None


def parse_registers(text: str) -> tuple[CpuRegisters, ...]:
    """All CPUs of a dump, in its order; those whose program counter is missing are left out."""
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    found = []
    for head, end in zip(heads, ends, strict=False):
        one = _cpu(int(head[1]), text[head.end() : end].splitlines())
        if one is not None:
            found.append(one)
    return tuple(found)


def _cpu(number: int, lines: list[str]) -> CpuRegisters | None:
    values: dict[str, int] = {}
    bases: dict[str, int] = {}
    mode, code = "", 0
    for line in lines:
        if _FLOATING.match(line):
            break
        for name, value in _VALUE.findall(line):
            values.setdefault(name, int(value, 16))
        if segment := _SEGMENT.match(line):
            bases[segment[1]] = int(segment[2], 16)
        if bits := _CODE_BITS.match(line):
            code = int(bits[1])
        if said := _MODE.match(line):
            mode = said[1]
    if "RIP" in values or "EIP" in values:
        return _x86(number, values, bases, code)
    if "PC" in values:
        level = int(mode[2]) if mode.startswith("EL") else None
        masked = values.get("PSTATE")
        return CpuRegisters(
            number,
            "aarch64",
            64,
            values["PC"],
            values.get("SP", 0),
            level,
            mode,
            interrupts=None if masked is None else not masked & _IRQ_MASKED,
            values=values,
        )
    if "R15" in values:
        psr = values.get("PSR")
        return CpuRegisters(
            number,
            "arm",
            32,
            values["R15"],
            values.get("R13", 0),
            _LEVELS.get(mode, 1) if mode else None,
            mode,
            interrupts=None if psr is None else not psr & _IRQ_MASKED,
            values=values,
        )
    return None


def _x86(
    number: int, values: Mapping[str, int], bases: Mapping[str, int], code: int
) -> CpuRegisters:
    wide = "RIP" in values
    flags = values.get("RFL" if wide else "EFL")
    level = values.get("CPL")
    pc, sp = (values.get(("R" if wide else "E") + name, 0) for name in ("IP", "SP"))
    if not wide:
        pc, sp = (pc + bases.get("CS", 0)) & 0xFFFFFFFF, (sp + bases.get("SS", 0)) & 0xFFFFFFFF
    return CpuRegisters(
        number,
        "x86",
        # Real mode has no attributes of the code segment.
        code or (64 if wide else 16),
        pc,
        sp,
        level,
        "" if level is None else f"CPL{level}",
        bool(values["HLT"]) if "HLT" in values else None,
        None if flags is None else bool(flags & _INTERRUPTS_ON),
        values,
    )
