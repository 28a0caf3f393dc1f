"""The parser of a boot log: lines in, a `BootLog` out.

The same code reads a live console and a recorded log.
"""

from __future__ import annotations

import re
from dataclasses import replace

from harness.bootlog.diagnoses import Diagnoses
from harness.bootlog.draft import first_word
from harness.bootlog.firmware import FirmwareParser
from harness.bootlog.guests import Guests, console_io_guest, named_guest
from harness.bootlog.ipxe import IpxeParser
from harness.bootlog.lines import Line
from harness.bootlog.linux import LinuxFacts, LinuxParser
from harness.bootlog.log import BootLog
from harness.bootlog.notes import Note
from harness.bootlog.panic_facts import Panic
from harness.bootlog.panics import LINUX_WORDS, TRAP, XEN_WORDS, PanicWatch
from harness.bootlog.prompts import is_prompt
from harness.bootlog.recorded import RecordedLog, read_recorded
from harness.bootlog.resets import WORDS, goes_down
from harness.bootlog.resets import XEN_WORDS as XEN_RESETS
from harness.bootlog.restarts import LOADER_WORDS, Restarts
from harness.bootlog.stages import Arch, StageTracker
from harness.bootlog.uboot import UbootParser
from harness.bootlog.xen import PREFIX, XenParser, plain_text
from harness.bootlog.xen_facts import XenFacts

MAX_TEXT = 2048
"""Characters of a line that are looked at: no line of a boot is longer, and noise may be."""

MAX_EMULATOR_NOTES = 500

_TIME_STAMP = re.compile(r"(?:<\d{1,3}>)?\[ *\d+\.\d{6}\](?: ?\[ *[TC]\d+\])? ?")
_XEN_STAGES = frozenset(["xen", "acpi", "iommu", "smp", "dom0-build"])


class BootLogParser:
    """Parses lines as they come; total, and linear in their length.

    Args:
        arch: "x86" or "arm"; None to tell it from the log.
    """

    def __init__(self, arch: Arch | None = None) -> None:
        self._arch = arch
        self._panics = PanicWatch()
        self._restarts = Restarts()
        self._uboot_problems = Diagnoses()  # of all starts: the first one may be the cause
        self._userspace = ""  # the last words of neither Xen nor a kernel
        self._emulator: list[Note] = []
        self._begun = 0
        self._frozen = False
        self._last: Line | None = None
        self._before: Line | None = None  # the line before the last one
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
        self._uboot = UbootParser(self._uboot_problems)
        self._xen = XenParser()
        self._guests = Guests()
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
        return self._panics.changes + self._restarts.unasked

    def feed(self, line: Line) -> None:
        """Takes the next complete line."""
        self._before, self._last = self._last, line
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
        if text.startswith("(d"):
            said = console_io_guest(text)
            if said:
                self._guest_line(*said, line)
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

    def _guest_line(self, domain: int, text: str, line: Line) -> None:
        if not self._frozen:
            self._xen_speaks()
            self._guests.say(domain, text, line)

    def _xen_speaks(self) -> None:
        """Xen, a guest of it or a kernel says something: no loader speaks any more."""
        if self._loading:
            self._loading = False
            self._ipxe.end()

    def _xen_line(self, text: str, line: Line) -> None:
        word = first_word(text)
        if word.startswith("DOM"):
            said = named_guest(text)
            if said:
                self._guest_line(*said, line)
                return
        self._last_xen = line
        panics = self._panics
        if word in XEN_WORDS or panics.in_xen or word.startswith(("d0v", "CPU")):
            panics.xen_line(word, text, line)
        if word in XEN_RESETS:
            self._restarts.says(text, line)
        if text.startswith("Xen version ") and self._restarts.xen_starts(line, self._userspace):
            self._starts_again()
        if self._frozen:
            return
        self._xen_speaks()
        self._stages.xen_line(word, text, line)
        self._xen.feed(word, text, line)
        if word in {"Domain", "Kernel"} or "Triple fault" in text:
            self._guests.xen_says(text, self._xen.console_owner, line)

    def _kernel_line(self, text: str, line: Line) -> None:
        word = first_word(text)
        if word in LINUX_WORDS or TRAP in text or self._panics.in_linux:
            self._panics.linux_line(text, line)
        if word in WORDS:
            self._restarts.says(text, line)
        elif goes_down(text):
            self._restarts.asked(line)
        self._restarts.kernel_speaks()
        if self._frozen:
            return
        self._xen_speaks()
        self._stages.kernel_line(word, text, line)
        self._linux.kernel(word, text, line)

    def _other_line(self, text: str, line: Line) -> None:
        word = first_word(text)
        if word in LINUX_WORDS or TRAP in text or self._panics.in_linux:
            self._panics.linux_line(text, line)
        if word in WORDS:
            self._restarts.says(text, line)
        if word in LOADER_WORDS:
            self._loader_starts(text, line)
        if word.startswith("qemu-system-") and len(self._emulator) < MAX_EMULATOR_NOTES:
            self._emulator.append(Note(line.number, line.at, "emulator", text))
        if not text.isspace():
            self._userspace = text
        self._restarts.asks(text, line, loading=self._loading)
        if self._frozen:
            return
        self._stages.other_line(word, text, line)
        if self._loading:
            self._firmware.feed(line)
            self._ipxe.feed(line)
            self._uboot.feed(line)
            if self._uboot.spoken:
                self._panics.uboot_line(word, text, line)
            if word == "-":  # Xen's early printk
                self._xen.diagnose(word, text, line)
        else:
            self._linux.userspace(text, line)

    def _loader_starts(self, text: str, line: Line) -> None:
        before = "" if self._before is None else self._before.text
        progressed = not self._frozen and bool(self._stages.reached.keys() - {"firmware"})
        if self._restarts.loader_starts(text, line, before=before, progressed=progressed):
            self._starts_again()

    def _starts_again(self) -> None:
        if self._frozen or self._stages.reached.keys() & _XEN_STAGES:
            self._frozen = True
        else:
            self._begin()

    @property
    def log(self) -> BootLog:
        """A snapshot of what is known now; the same object until something changes."""
        parsers = (
            *(self._firmware, self._ipxe, self._uboot, self._xen, self._guests),
            self._linux,
        )
        key = (
            self._begun,
            *(parser.changes for parser in parsers),
            *(len(self._stages.reached), self._stages.arch, self.alarms, len(self._restarts.found)),
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
        notes = (*self._emulator, *self._xen.notes, *self._guests.notes, *self._linux.notes)
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
            resets=tuple(self._restarts.found),
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
        facts = self._xen_kept[1]
        if not self._guests.changes:
            return facts
        return replace(facts, domains=self._guests.domains(facts.domains))

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
