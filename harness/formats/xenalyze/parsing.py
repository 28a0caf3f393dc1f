"""The sections of a summary of xenalyze.

A heading says what the rows below it are. Excerpts are read too: what stands under no domain or
vCPU gets one without an id.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.formats.xenalyze import rows
from harness.formats.xenalyze.drafts import DomainDraft, PcpuDraft, VcpuDraft, VolumeDraft
from harness.formats.xenalyze.model import Row, Summary

_WORD = r"-?(?:\d{1,18}(?:\.\d{1,9})?|nan|inf)"
_TOTAL = re.compile(
    rf"Total time: (?P<seconds>{_WORD}) seconds "
    rf"\(using cpu speed (?P<speed>{_WORD}) (?P<unit>[GMk ])Hz\)"
)
_UNITS = {"G": 1e9, "M": 1e6, "k": 1e3, " ": 1.0}
_NUMBER = r"(?P<n>\d{1,9})"
_VOLUME_CPU = re.compile(rf" - cpu {_NUMBER} -")
_DOMAIN = re.compile(rf"\|-- Domain {_NUMBER} --\|")
_VCPU = re.compile(rf"-- v{_NUMBER} --")
_PCPU = re.compile(rf"pcpu {_NUMBER}")
# xenalyze's own id for vCPUs of which it does not know the domain.
_DEFAULT_DOMAIN = 32768

# How a summary, or an excerpt, begins; what comes before is xenalyze talking.
_STARTS = ("Total time: ", "|-- ", "-- v", "...", "+-")
_SECTIONS = {
    "--- Log volume summary ---": "volume",
    " Runstates:": "runstates",
    " Grant table ops:": "",
    "  Done by:": "grants_by",
    "  Done for:": "grants_for",
    " Populate-on-demand:": "",
    "  Populated:": "populated",
    "  Reclaim order:": "reclaimed",
    "  Reclaim contexts:": "reclaim_contexts",
    "PV events:": "pv",
    "Exit reasons:": "exits",
    "Guest interrupt counts:": "interrupts",
    "IPI latency": "ipi",
    "IO address summary:": "ports",
    "MMIO address summary:": "mmio",
    "Emulate eip list": "emulated",
}
_OF_VCPU = {"pv", "exits", "interrupts", "ipi", "ports", "mmio"}
_OF_DOMAIN = {"grants_by", "grants_for", "populated", "reclaimed", "reclaim_contexts", "emulated"}


def parse(text: str) -> Summary:
    """The figures of a summary: all of it, an excerpt, or nothing at all. Never an error.

    Args:
        text: the output of `xenalyze --summary [--report-pcpu]`, with or without its stderr
            before it.
    """
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), 1):
        reader.feed(number, line)
    return reader.summary()


def _number(pattern: re.Pattern[str], line: str) -> int | None:
    found = pattern.fullmatch(line)
    return int(found["n"]) if found else None


class _Reader:
    """Row by row; the last of each list is the one that is being read."""

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._cpu_hz: float | None = None
        self._gaps = 0
        self._volumes: list[VolumeDraft] = []
        self._domains: list[DomainDraft] = []
        self._pcpus: list[PcpuDraft] = []
        self._notes: list[str] = []
        self._unknown: list[Row] = []
        self._begun = False
        self._domain: DomainDraft | None = None
        self._vcpu: VcpuDraft | None = None
        self._section = ""

    def summary(self) -> Summary:
        return Summary(
            self._seconds,
            self._cpu_hz,
            tuple(draft.done() for draft in self._volumes),
            tuple(draft.done() for draft in self._domains),
            tuple(draft.done() for draft in self._pcpus),
            tuple(self._notes),
            self._gaps,
            tuple(self._unknown),
        )

    def feed(self, number: int, line: str) -> None:
        if not line.strip():
            return
        if not self._begun and not line.startswith(_STARTS) and line.rstrip() not in _SECTIONS:
            self._notes.append(line)
            return
        self._begun = True
        if self._heading(line.rstrip()):
            return
        if len(line) > rows.LONGEST or not self._row(line):
            self._unknown.append(Row(number, self._section, line))

    def _row(self, line: str) -> bool:
        read = self._reader_of(line)
        return read is not None and read(line)

    def _reader_of(self, line: str) -> Callable[[str], bool] | None:
        """What reads the rows of the section; where an excerpt has none, of the one they show."""
        section = self._section
        if not section and line.startswith("+-"):
            section = self._section = "volume"
        if section == "volume":
            if not self._volumes:
                self._volumes.append(VolumeDraft(None))
            return self._volumes[-1].volume
        if section == "pcpu":
            return self._pcpus[-1].pcpu
        if section == "runstates":
            return (self._vcpu or self._some_domain()).runstates
        owner = self._vcpu if section in _OF_VCPU else self._domain
        return getattr(owner, section) if section and owner is not None else None

    def _heading(self, line: str) -> bool:
        if line.startswith("..."):
            # Who knows what was cut: the next row may be of another domain.
            self._leave()
            self._gaps += 1
            return True
        total = _TOTAL.fullmatch(line)
        if total is not None:
            speed = rows.real(total["speed"])
            self._seconds = rows.real(total["seconds"])
            self._cpu_hz = speed * _UNITS[total["unit"]] if speed else None
            return True
        section = _SECTIONS.get(line)
        if section is None:
            return self._numbered(line)
        if section == "volume":
            self._leave()
        elif section in _OF_VCPU and self._vcpu is None:
            self._open_vcpu(None)
        elif section in _OF_DOMAIN:
            self._some_domain()
        self._section = section
        return True

    def _numbered(self, line: str) -> bool:
        """A heading with a number."""
        if (number := _number(_VOLUME_CPU, line)) is not None:
            self._leave()
            self._volumes.append(VolumeDraft(number))
            self._section = "volume"
        elif (number := _number(_DOMAIN, line)) is not None:
            self._open_domain(number)
        elif line == "|-- Default domain --|":
            self._open_domain(_DEFAULT_DOMAIN)
        elif (number := _number(_VCPU, line)) is not None:
            self._open_vcpu(number)
        elif (number := _number(_PCPU, line)) is not None:
            self._leave()
            self._pcpus.append(PcpuDraft(number))
            self._section = "pcpu"
        else:
            return self._section == "pcpu" and line.startswith("Total active cpus:")
        return True

    def _leave(self) -> None:
        self._domain = self._vcpu = None
        self._section = ""

    def _open_domain(self, number: int | None) -> DomainDraft:
        self._leave()
        self._domain = DomainDraft(number)
        self._domains.append(self._domain)
        return self._domain

    def _some_domain(self) -> DomainDraft:
        return self._domain or self._open_domain(None)

    def _open_vcpu(self, number: int | None) -> None:
        domain = self._some_domain()
        self._vcpu = VcpuDraft(number)
        domain.vcpus.append(self._vcpu)
        self._section = ""
