"""Panics as plain data: of a loader, of Xen, of its dom0, and of the Linux in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.bootlog.lines import Line

PanicKind = Literal[
    "uboot crash",
    "uboot panic",
    "xen panic",
    "xen assertion/BUG",
    "dom0 crash",
    "linux panic",
    "linux oops",
]

MAX_FRAMES = 100


@dataclass(frozen=True, slots=True)
class Panic:
    """One panic.

    Attributes:
        kind: a "linux oops" is one that Linux survived, as far as the log goes; a "uboot crash"
            is an exception of the CPU in SPL or U-Boot, a "uboot panic" is one of them giving up.
        cpu: the CPU that it happened on.
        reason: what was said about the cause, without the frame of stars.
        rip: "symbol+offset/length" of the instruction pointer, with the source file in front
            as Xen prints it ("file.c#symbol+0x7c/0x160"); None if it has no symbol.
        rip_address: the instruction pointer.
        call_trace: frames, innermost first.
        first_line, last_line: its lines in the log.
        at: time of the first of them.
        registers: as a loader prints them, by name ("pc", "reloc pc", "lr", "r0", "elr", "x0").
    """

    kind: PanicKind
    cpu: int | None
    reason: tuple[str, ...]
    rip: str | None
    rip_address: int | None
    call_trace: tuple[str, ...]
    first_line: int
    last_line: int
    at: float | None
    registers: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class OpenPanic:
    """A panic that is still being printed."""

    kind: PanicKind
    first: Line
    last: int
    reason: list[str] = field(default_factory=list)
    cpu: int | None = None
    rip: str | None = None
    address: int | None = None
    trace: list[str] = field(default_factory=list)
    registers: dict[str, int] = field(default_factory=dict)
    in_trace: bool = False
    in_reason: bool = False

    def close(self) -> Panic:
        return Panic(
            self.kind,
            self.cpu,
            tuple(self.reason),
            self.rip,
            self.address,
            tuple(self.trace),
            self.first.number,
            self.last,
            self.first.at,
            dict(self.registers),
        )

    def say(self, text: str) -> None:
        if text and text not in self.reason and len(self.reason) < MAX_FRAMES:
            self.reason.append(text)

    def frame(self, text: str) -> None:
        if len(self.trace) < MAX_FRAMES:
            self.trace.append(text)
