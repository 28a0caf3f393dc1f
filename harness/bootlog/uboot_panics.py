"""Panics of SPL and U-Boot: exceptions of the CPU with their registers, and giving up.

Formats: arch/arm/lib/interrupts.c, arch/arm/lib/interrupts_64.c, lib/panic.c and lib/hang.c of
U-Boot 2023.01. It prints no call trace: registers are all there is; `reloc pc` is the address to
look up in its System.map.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.bootlog.lines import Line
from harness.bootlog.panic_facts import OpenPanic, PanicKind

MAX_LINES = 60
"""Lines that a dump of registers has at most."""

_EXCEPTION = re.compile(
    r"(?:undefined instruction|software interrupt|prefetch abort|data abort"
    r"|fast interrupt request|interrupt request)$"
    r'|(?:Bad mode in )?"(?:Synchronous Abort|Irq|Fiq|Error)" handler, esr '
)
_GIVES_UP = re.compile(
    r"### ERROR ### Please RESET the board ###|FDT and ATAGS support not compiled in"
    r"|FDT creation failed!|Resetting CPU \.\.\."
)
_WORDS = frozenset(
    [
        *("undefined", "software", "prefetch", "data", "fast", "interrupt", "Bad"),
        *('"Synchronous', '"Irq"', '"Fiq"', '"Error"', "###", "FDT", "Resetting"),
    ]
)
_REGISTER = re.compile(r"(reloc pc|pc|elr|lr|sp|ip|fp|[rx]\d{1,2}) ?: +(?:\[<)?([0-9a-f]{8,16})")
_FRAME = re.compile(r"Flags: |Code: |UEFI image |\s*$")


class UbootPanics:
    """Finds them in the lines of SPL and U-Boot.

    Args:
        begin: opens a panic of this kind at this line.
    """

    def __init__(self, begin: Callable[[PanicKind, Line], OpenPanic]) -> None:
        self._begin = begin
        self._panic: OpenPanic | None = None
        self._lines = 0

    def feed(self, word: str, text: str, line: Line) -> bool:
        """Takes a line; returns whether it belongs to a panic."""
        if self._panic is not None:
            if self._continue(self._panic, text, line):
                return True
            self._panic = None
        if word not in _WORDS:
            return False
        if _EXCEPTION.match(text.rstrip()):
            self._open("uboot crash", text, line)
        elif _GIVES_UP.match(text):
            self._open("uboot panic", text, line)
        else:
            return False
        return True

    def _open(self, kind: PanicKind, text: str, line: Line) -> None:
        self._panic = self._begin(kind, line)
        self._panic.say(text.strip())
        self._lines = 0

    def _continue(self, panic: OpenPanic, text: str, line: Line) -> bool:
        self._lines += 1
        if self._lines > MAX_LINES:
            return False
        found = _REGISTER.findall(text) if ":" in text else []
        relocated = "reloc " if text.endswith("(reloc)") else ""
        for register, value in found:
            name = relocated + register if relocated else register
            panic.registers.setdefault(name, int(value, 16))
            if name in {"pc", "elr"} and panic.address is None:
                panic.address = int(value, 16)
        if not found and not _FRAME.match(text) and not text.startswith("Resetting CPU"):
            return False
        panic.last = line.number
        return True
