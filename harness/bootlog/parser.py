"""The parser of a boot log: lines in, a `BootLog` out.

The same code reads a live console and a recorded log.
"""

from __future__ import annotations

import re
from dataclasses import replace

from harness.bootlog.draft import first_word
from harness.bootlog.firmware import FirmwareParser
from harness.bootlog.ipxe import IpxeParser
from harness.bootlog.lines import Line
from harness.bootlog.linux import LinuxFacts, LinuxParser
from harness.bootlog.log import BootLog
from harness.bootlog.notes import Note
from harness.bootlog.panics import LINUX_WORDS, TRAP, XEN_WORDS, Panic, PanicWatch
from harness.bootlog.prompts import is_prompt, typed
from harness.bootlog.recorded import RecordedLog, read_recorded
from harness.bootlog.resets import (
    ASKED_LINES,
    MAX_RESETS,
    WORDS,
    Reset,
    can_be_asked,
    command_resets,
    goes_down,
    said_reset,
)
from harness.bootlog.stages import Arch, StageTracker
from harness.bootlog.uboot import UbootParser
from harness.bootlog.xen import PREFIX, XenParser, plain_text
from harness.bootlog.xen_facts import XenFacts

MAX_TEXT = 2048
"""Characters of a line that are looked at: no line of a boot is longer, and noise may be."""

MAX_EMULATOR_NOTES = 500

_TIME_STAMP = re.compile(r"(?:<\d{1,3}>)?\[ *\d+\.\d{6}\](?: ?\[ *[TC]\d+\])? ?")
_FIRMWARE_STARTS = ("SeaBIOS (version ", "coreboot build ", "PC Engines ")
_FIRMWARE_WORDS = {"SeaBIOS", "coreboot", "PC", "U-Boot"}
# A command that shows Xen's log: without it, a second first line of Xen is a second boot.
_LISTS_LOG = re.compile(r"dmesg|log\b|console|hypervisor")
_XEN_STAGES = frozenset(["xen", "acpi", "iommu", "smp", "dom0-build"])


class BootLogParser:
    """Parses lines as they come; total, and linear in their length.

    Args:
        arch: "x86" or "arm"; None to tell it from the log.
    """

    def __init__(self, arch: Arch | None = None) -> None:
        self._arch = arch
        self._panics = PanicWatch()
        self._resets: list[Reset] = []
        self._unasked = 0  # of them, those that nobody asked for
        self._asked_at: int | None = None  # the line that asked for a reset
        self._userspace = ""  # the last words of neither Xen nor a kernel
        self._emulator: list[Note] = []
        self._begun = 0
        self._frozen = False
        self._seen: set[str] = set()  # in the boot that runs now
        self._last: Line | None = None
        self._last_xen: Line | None = None
        self._partial = ""
        self._snapshot: BootLog | None = None
        self._snapshot_key: tuple[object, ...] = ()
        self._xen_kept: tuple[tuple[int, ...], XenFacts] | None = None
        self._linux_kept: tuple[tuple[int, ...], LinuxFacts] | None = None
        self._begin()

    def _begin(self) -> None:
        self._begun += 1
        self._stages = StageTracker(self._arch)
        self._firmware = FirmwareParser()
        self._ipxe = IpxeParser()
        self._uboot = UbootParser()
        self._xen = XenParser()
        self._linux = LinuxParser()
        self._loading = True  # neither Xen nor a kernel has spoken yet

    @property
    def stage(self) -> str | None:
        """The stage reached that is furthest in the order of a boot; cheap."""
        return self._stages.last

    @property
    def stage_times(self) -> dict[str, float]:
        """Seconds since power-on of the stages reached; without those that have no time."""
        reached = self._stages.ordered()
        return {stage: line.at for stage, line in reached.items() if line.at is not None}

    @property
    def alarms(self) -> int:
        """Grows with each line of a panic and with each reset that nobody asked for: a cheap
        always-armed check.
        """
        return self._panics.changes + self._unasked

    def feed(self, line: Line) -> None:
        """Takes the next complete line."""
        self._last = line
        self._partial = ""
        text = line.text
        if len(text) > MAX_TEXT:
            text = text[:MAX_TEXT]
            line = replace(line, text=text)
        if text.startswith(PREFIX):
            if text.startswith("[", len(PREFIX)):
                text = plain_text(text)
                line = replace(line, text=text)
            self._xen_line(text[len(PREFIX) :], line)
            return
        stamp = _TIME_STAMP.match(text) if text.startswith(("[", "<")) else None
        if stamp:
            self._kernel_line(text[stamp.end() :], line)
        elif text:
            self._other_line(text, line)

    def see_partial(self, text: str, at: float | None = None) -> str | None:
        """Looks at the unfinished last line, as often as it grows.

        Returns:
            The name of the prompt that it is, as `is_prompt` gives it, or None.
        """
        if text == self._partial:
            return is_prompt(text)
        self._partial = text
        number = 1 if self._last is None else self._last.number + 1
        if self._frozen:
            return is_prompt(text)
        prompt = self._stages.partial_line(Line(text, at, number))
        if prompt == "login":
            self._linux.prompt(text)
        return prompt

    def _xen_line(self, text: str, line: Line) -> None:
        self._last_xen = line
        word = first_word(text)
        panics = self._panics
        if word in XEN_WORDS or panics.in_xen or word.startswith("d0v"):
            panics.xen_line(word, text, line)
        if word in WORDS:
            self._reset_line(text, line)
        if text.startswith("Xen version "):
            self._xen_starts(line)
        if self._frozen:
            return
        if self._loading:
            self._loading = False
            self._ipxe.end()
        self._stages.xen_line(word, text, line)
        self._xen.feed(word, text, line)

    def _kernel_line(self, text: str, line: Line) -> None:
        word = first_word(text)
        if word in LINUX_WORDS or TRAP in text or self._panics.in_linux:
            self._panics.linux_line(text, line)
        if word in WORDS:
            self._reset_line(text, line)
        elif goes_down(text):
            self._asked_at = line.number
        self._seen.add("kernel")
        if self._frozen:
            return
        if self._loading:
            self._loading = False
            self._ipxe.end()
        self._stages.kernel_line(word, text, line)
        self._linux.kernel(word, text, line)

    def _other_line(self, text: str, line: Line) -> None:
        word = first_word(text)
        if word in LINUX_WORDS or TRAP in text or self._panics.in_linux:
            self._panics.linux_line(text, line)
        if word in WORDS:
            self._reset_line(text, line)
        if word in _FIRMWARE_WORDS:
            self._firmware_starts(text, line)
        if word.startswith("qemu-system-") and len(self._emulator) < MAX_EMULATOR_NOTES:
            self._emulator.append(Note(line.number, line.at, "emulator", text))
        if not text.isspace():
            self._userspace = text
        if goes_down(text) or command_resets(typed(text)):
            self._asked_at = line.number
        if self._frozen:
            return
        self._stages.other_line(word, text, line)
        if self._loading:
            self._firmware.feed(line)
            self._ipxe.feed(line)
            self._uboot.feed(line)
        else:
            self._linux.userspace(text, line)

    def _reset_line(self, text: str, line: Line) -> None:
        reset = said_reset(text, line)
        if reset:
            self._add_reset(reset)

    def _add_reset(self, reset: Reset) -> None:
        self._seen.add("reset")
        asked_at = self._asked_at
        if asked_at is not None and reset.line - asked_at <= ASKED_LINES and can_be_asked(reset):
            reset = replace(reset, asked=True)
        else:
            self._unasked += 1
        if len(self._resets) < MAX_RESETS:
            self._resets.append(reset)

    def _firmware_starts(self, text: str, line: Line) -> None:
        spl = text.startswith("U-Boot SPL ")
        if spl or text.startswith(_FIRMWARE_STARTS):
            began = "spl" in self._seen or (
                not self._frozen and bool(self._stages.reached.keys() - {"firmware"})
            )
            if began or "xen" in self._seen or "kernel" in self._seen:
                self._restart(line)
            self._seen = {"spl"} if spl else {"firmware"}

    def _xen_starts(self, line: Line) -> None:
        again = "xen" in self._seen or ("kernel" in self._seen and "firmware" not in self._seen)
        if again:
            if "reset" not in self._seen and _LISTS_LOG.search(typed(self._userspace)):
                return  # "xl dmesg" in dom0 says it all again
            self._restart(line)
            self._seen = set()
        self._seen.add("xen")

    def _restart(self, line: Line) -> None:
        self._add_reset(Reset(line.number, line.at, "restart", line.text.strip()))
        self._asked_at = None
        if self._frozen or self._stages.reached.keys() & _XEN_STAGES:
            self._frozen = True
        else:
            self._begin()

    @property
    def log(self) -> BootLog:
        """A snapshot of what is known now; the same object until something changes."""
        parsers = (self._firmware, self._ipxe, self._uboot, self._xen, self._linux)
        key = (
            self._begun,
            *(parser.changes for parser in parsers),
            *(len(self._stages.reached), self._stages.arch, self.alarms, len(self._resets)),
            len(self._emulator),
            *(self._last, self._partial),
        )
        if self._snapshot is None or key != self._snapshot_key:
            self._snapshot_key = key
            self._snapshot = self._build()
        return self._snapshot

    def _build(self) -> BootLog:
        reached = self._stages.ordered()
        panics = self._panics.panics
        notes = (*self._emulator, *self._xen.notes, *self._linux.notes)
        return BootLog(
            arch=self._stages.arch,
            stages={stage: line.at for stage, line in reached.items()},
            stage_lines={stage: line.number for stage, line in reached.items()},
            firmware=self._firmware.facts(),
            ipxe=self._ipxe.facts(),
            uboot=self._uboot.facts(),
            xen=self._xen_facts(panics),
            linux=self._linux_facts(),
            panics=panics,
            resets=tuple(self._resets),
            notes=tuple(sorted(notes, key=lambda note: note.line)),
            last_line=self._last,
            last_xen_line=self._last_xen,
            partial=self._partial,
        )

    def _xen_facts(self, panics: tuple[Panic, ...]) -> XenFacts:
        # Kept until they change: a console asks for a snapshot after every chunk.
        key = (self._begun, self._xen.changes, self._panics.changes)
        if self._xen_kept is None or self._xen_kept[0] != key:
            self._xen_kept = (key, self._xen.facts(panics))
        return self._xen_kept[1]

    def _linux_facts(self) -> LinuxFacts:
        key = (self._begun, self._linux.changes)
        if self._linux_kept is None or self._linux_kept[0] != key:
            self._linux_kept = (key, self._linux.facts())
        return self._linux_kept[1]


def parse_recorded(data: bytes | RecordedLog, arch: Arch | None = None) -> BootLog:
    """Parses a recorded log as a whole, its unfinished last line included."""
    recorded = read_recorded(data) if isinstance(data, bytes) else data
    parser = BootLogParser(arch)
    for line in recorded.lines:
        parser.feed(line)
    if recorded.partial:
        parser.see_partial(recorded.partial, recorded.partial_at)
    return parser.log
