"""What a boot log says, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace

from harness.bootlog.diagnoses import Diagnosis
from harness.bootlog.firmware import FirmwareFacts
from harness.bootlog.iommu_facts import IommuState
from harness.bootlog.ipxe import IpxeFacts
from harness.bootlog.lines import Line
from harness.bootlog.linux import LinuxFacts
from harness.bootlog.notes import Note
from harness.bootlog.panic_facts import Panic
from harness.bootlog.prompts import is_prompt
from harness.bootlog.resets import Reset
from harness.bootlog.stages import STAGES, Arch
from harness.bootlog.uboot_facts import UbootFacts
from harness.bootlog.xen import PREFIX
from harness.bootlog.xen_facts import XenFacts
from harness.bootlog.xen_iommu import hangs_in_iommu


@dataclass(frozen=True, slots=True)
class BootLog:
    """A parsed boot log: the first boot in it that got as far as Xen, else the last one.

    Panics and resets are those of the whole log.

    Attributes:
        arch: "x86" or "arm"; "x86" if nothing tells.
        stages: the stages reached, in the design's order, with the time of their marker in
            seconds since power-on (None in a log without times). A stage that was not seen has
            no key.
        stage_lines: the number of the line that marked each stage.
        notes: warnings and harmless remarks, in the order of the log.
        last_line: the last complete line; last_xen_line: the last one of Xen.
        partial: the unfinished last line; empty if there is none.
    """

    arch: Arch = "x86"
    stages: dict[str, float | None] = field(default_factory=dict)
    stage_lines: dict[str, int] = field(default_factory=dict)
    firmware: FirmwareFacts = field(default_factory=FirmwareFacts)
    ipxe: IpxeFacts = field(default_factory=IpxeFacts)
    uboot: UbootFacts = field(default_factory=UbootFacts)
    xen: XenFacts = field(default_factory=XenFacts)
    linux: LinuxFacts = field(default_factory=LinuxFacts)
    panics: tuple[Panic, ...] = ()
    resets: tuple[Reset, ...] = ()
    notes: tuple[Note, ...] = ()
    last_line: Line | None = None
    last_xen_line: Line | None = None
    partial: str = ""

    @property
    def stage(self) -> str | None:
        """The stage reached that is furthest in the order of a boot."""
        return next(reversed(self.stages), None)

    @property
    def next_stage(self) -> str | None:
        """The stage that should come next; None after the last."""
        order = STAGES[self.arch]
        position = 0 if self.stage is None else order.index(self.stage) + 1
        return order[position] if position < len(order) else None

    @property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """What U-Boot and Xen say that went wrong, explained, in the order of the log."""
        return tuple(sorted((*self.uboot.errors, *self.xen.errors), key=lambda one: one.line))

    @property
    def warnings(self) -> tuple[Note, ...]:
        """The notes that are not known to be harmless."""
        return tuple(note for note in self.notes if not note.harmless)

    @property
    def ends_mid_line(self) -> bool:
        """True if the log ends with an unfinished line that is no prompt."""
        return bool(self.partial) and is_prompt(self.partial) is None


def final_iommu_state(log: BootLog, *, ended: bool) -> IommuState:
    """The state of the IOMMU, with what only the end of a boot can tell.

    Args:
        log: the parsed log.
        ended: the boot went silent at the end of this log. False for a log that may have been
            cut: then a hang is never concluded.
    """
    state = log.xen.iommu
    if ended and log.last_xen_line and hangs_in_iommu(state, log.last_xen_line.text):
        text = log.last_xen_line.text.removeprefix(PREFIX).strip()
        messages = state.messages if text in state.messages else (*state.messages, text)
        return replace(state, state="hang", messages=messages)
    return state


def to_json(log: BootLog) -> dict[str, object]:
    """The facts as plain JSON data. Keys are the names of the fields; numbers stay numbers; a
    part of the chain that said nothing is null.
    """
    facts = {one.name: _plain(getattr(log, one.name)) for one in fields(log)}
    for name in ("firmware", "ipxe", "uboot", "xen", "linux"):
        if getattr(log, name) == getattr(BootLog(), name):
            facts[name] = None
    return {**facts, "stage": log.stage, "next_stage": log.next_stage}


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
