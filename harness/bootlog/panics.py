"""Finds panics: of U-Boot, of Xen, of its dom0, and of the Linux in it, with their call traces.

Formats: xen/drivers/char/console.c (panic), xen/arch/x86/traps.c (show_execution_state),
xen/arch/arm/traps.c (do_unexpected_trap, do_trap_hyp_sync), xen/common/domain.c (domain_crash,
vcpu_show_execution_state),
xen/common/shutdown.c; Linux kernel/panic.c, lib/bug.c and
arch/*/mm/fault.c.
"""

from __future__ import annotations

import re

from harness.bootlog.lines import Line
from harness.bootlog.panic_facts import OpenPanic, Panic, PanicKind
from harness.bootlog.uboot_panics import UbootPanics

MAX_PANICS = 50
_FRAME_TEXT = 200  # characters of a line in which a frame is searched


XEN_WORDS = frozenset(
    [
        *("----[", "Panic", "Assertion", "Xen", "Domain", "Hardware", "***", "CPU:", "RIP:", "PC:"),
        *("Hypervisor", "Data", "Instruction"),
        "'0'",  # the debug key that has dom0's registers printed
    ]
)
LINUX_WORDS = frozenset(
    ["Kernel", "BUG:", "Unable", "Oops:", "Internal", "kernel", "general", "PANIC:"]
)
TRAP = " [#"
"""Stands in every line that counts an oops (arch/x86/kernel/dumpstack.c, __die_header)."""


_STARS = re.compile(r"\*{20,}")
_INSTRUCTION = re.compile(r"(?:RIP:\s+\w+:\[<([0-9a-f]+)>\]|PC:\s+([0-9a-f]+))\s*(\S.*)?")
_XEN_FRAME = re.compile(r"\s+\[<[0-9a-f]+>\] (?:[RSF] )?(\S+)")
_DOM0_FAULT = re.compile(r"d0v\d+ Unhandled(?:: vec| .*fault)")
_TRAP = re.compile(r"(?:Hypervisor|Data Abort|Instruction Abort) Trap\. |CPU\d+: Unexpected Trap: ")
_CRASHED = re.compile(r"Domain (\d+) (?:\(vcpu#\d+\) |reported )?crashed.*?(?: on cpu#(\d+)|: |$)")
# A guest's state, as after its triple fault; dom0's is that of the board.
_GUEST_DUMP = re.compile(r"\*\*\* Dumping Dom[1-9]\d* vcpu#")
_LINUX_BUG = re.compile(
    r"BUG: (?:unable to handle|kernel NULL|stack guard)|Unable to handle kernel|Oops:"
    r"|Internal error:|kernel BUG at |general protection fault|PANIC: double fault"
    r"|[a-z][\w ,.-]*: [0-9a-f]{4} \[#\d+\]"
)
_LINUX_FRAME = re.compile(r"(?:\? )?([\w.$]+\+0x[0-9a-f]+/0x[0-9a-f]+)")
_LINUX_RIP = re.compile(r"(?:RIP: (?:\w+:)?|pc : |PC is at )([\w.$]+\+0x[0-9a-f]+/0x[0-9a-f]+)")
_LINUX_CPU = re.compile(r"CPU: (\d+) (?:UID|PID)")


class PanicWatch:
    """Collects panics from lines; `changes` grows with every line that belongs to one."""

    def __init__(self) -> None:
        self.changes = 0
        self._all: list[OpenPanic] = []
        self._xen: OpenPanic | None = None
        self._linux: OpenPanic | None = None
        self._uboot = UbootPanics(self._begin)
        self._key = False  # the registers of dom0 that come now were asked for
        self._asked_for = False  # the next register dump is no panic: somebody asked for it

    @property
    def in_xen(self) -> bool:
        """True while a Xen panic is being printed: every Xen line may belong to it."""
        return self._xen is not None

    @property
    def in_linux(self) -> bool:
        return self._linux is not None

    @property
    def panics(self) -> tuple[Panic, ...]:
        return tuple(one.close() for one in self._all)

    def uboot_line(self, word: str, text: str, line: Line) -> None:
        """A line of SPL or U-Boot, and its first word."""
        if self._uboot.feed(word, text, line):
            self.changes += 1

    def xen_line(self, word: str, text: str, line: Line) -> None:
        """A line of Xen, without its prefix, and the first word of it."""
        if word in _XEN_STARTS or word.startswith(("d0v", "CPU")):
            self._xen_start(word, text, line)
        elif self._xen is not None:
            self._xen_continue(self._xen, text, line)

    def _xen_start(self, word: str, text: str, line: Line) -> None:
        if word == "----[":
            self._dump(line)
        elif text.startswith("Panic on CPU "):
            panic = self._xen or self._begin("xen panic", line)
            panic.in_trace, panic.in_reason, panic.last = False, True, line.number
            cpu = text[13:].rstrip(": ")
            panic.cpu = int(cpu) if cpu.isdecimal() else panic.cpu
            self.changes += 1
        elif text.startswith(("Xen BUG at ", "Assertion '")):
            panic = self._xen or self._begin("xen panic", line)
            panic.kind = "xen assertion/BUG"
            self._add_reason(panic, text, line)
        elif _TRAP.match(text):
            self._add_reason(self._xen or self._begin("xen panic", line), text, line)
        elif text.startswith(("Xen WARN at ", "*** Dumping CPU")) or _GUEST_DUMP.match(text):
            self._asked_for = True
        elif text.startswith(("'0' pressed", "*** Serial input")):
            self._key = text.startswith("'0'")
        elif self._key and text.startswith("*** Dumping Dom0 vcpu#"):
            self._asked_for = True
        elif _DOM0_FAULT.match(text) or text.startswith("Hardware Dom0 crashed"):
            self._add_reason(self._dom0(line), text, line)
            if word == "Hardware":
                self._xen = None
        elif match := _CRASHED.match(text):
            self._crashed(match, text, line)
        elif self._xen is not None:
            self._xen_continue(self._xen, text, line)

    def _crashed(self, match: re.Match[str], text: str, line: Line) -> None:
        if match[1] != "0":
            self._asked_for = True
            return
        panic = self._dom0(line)
        self._add_reason(panic, text.rstrip(": "), line)
        if match[2]:
            panic.cpu = int(match[2])

    def _dump(self, line: Line) -> None:
        if self._asked_for:
            self._asked_for = False
            self._xen = None
            return
        panic = self._xen
        if panic is None or panic.address is not None:
            panic = self._begin("xen panic", line)
        panic.last = line.number
        self.changes += 1

    def _dom0(self, line: Line) -> OpenPanic:
        if self._xen is not None and self._xen.kind == "dom0 crash":
            return self._xen
        return self._begin("dom0 crash", line)

    def _begin(self, kind: PanicKind, line: Line) -> OpenPanic:
        panic = OpenPanic(kind, line, line.number)
        if len(self._all) < MAX_PANICS:
            self._all.append(panic)
        if kind.startswith("linux"):
            self._linux = panic
        elif not kind.startswith("uboot"):
            self._xen = panic
        self.changes += 1
        return panic

    def _add_reason(self, panic: OpenPanic, text: str, line: Line) -> None:
        panic.say(text.strip())
        panic.last = line.number
        self.changes += 1

    def _xen_continue(self, panic: OpenPanic, text: str, line: Line) -> None:
        if panic.in_reason:
            if _STARS.match(text):
                panic.last = line.number
                self._xen = None
            elif text.startswith(("Xen BUG at ", "Assertion '")):
                panic.kind = "xen assertion/BUG"
                self._add_reason(panic, text, line)
            else:
                self._add_reason(panic, text, line)
        elif text.startswith("CPU:"):
            cpu = text[4:].strip()
            panic.cpu = int(cpu) if cpu.isdecimal() else panic.cpu
        elif text.startswith("Xen call trace:"):
            panic.in_trace = True
        elif match := _INSTRUCTION.match(text):
            panic.address = int(match[1] or match[2], 16)
            panic.rip = match[3].strip() if match[3] else None
        elif panic.in_trace and (match := _XEN_FRAME.match(text)):
            panic.frame(match[1])
        else:
            panic.in_trace = panic.in_trace and text.startswith(" ")
            return
        panic.last = line.number
        self.changes += 1

    def linux_line(self, text: str, line: Line) -> None:
        """A line of Linux, without its time stamp."""
        panic = self._linux
        if text.startswith("Kernel panic - not syncing"):
            panic = panic or self._begin("linux panic", line)
            panic.kind = "linux panic"
            self._add_reason(panic, text, line)
        elif _LINUX_BUG.match(text):
            self._add_reason(panic or self._begin("linux oops", line), text, line)
        elif panic is not None:
            self._linux_continue(panic, text, line)

    def _linux_continue(self, panic: OpenPanic, text: str, line: Line) -> None:
        if text.startswith("---[ end Kernel panic"):
            self._linux = None
        elif match := _LINUX_RIP.match(text):
            panic.rip = panic.rip or match[1]
        elif match := _LINUX_CPU.match(text):
            panic.cpu = int(match[1])
        elif text[:10].lower() == "call trace":
            panic.in_trace = True
        elif (
            panic.in_trace
            and text.startswith(" ")
            and (match := _LINUX_FRAME.search(text[:_FRAME_TEXT]))
        ):
            panic.frame(match[1])
        else:
            panic.in_trace = panic.in_trace and text.startswith(" ")
            return
        panic.last = line.number
        self.changes += 1


_XEN_STARTS = XEN_WORDS - {"CPU:", "RIP:", "PC:"}
