"""What guests say on the console that Xen shares: of each domain but dom0.

Formats: `DOM1: text` behind Xen's prefix, from an emulated PL011 (xen/arch/arm/vpl011.c), and
`(d1) text` from the console hypercall (xen/drivers/char/console.c, guest_printk). The domain that
owns the input is printed without its name: its lines look like Xen's own.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.bootlog.lines import Line
from harness.bootlog.notes import Note
from harness.bootlog.xen_facts import DomainFacts

KEPT_LINES = 20
"""So many lines of a guest are kept from its begin, and as many from its end."""

MAX_GUESTS = 64
MAX_TEXT = 500
_MAX_NOTES = 20

_NAMED = re.compile(r"DOM([1-9]\d{0,4}):(?: (.*))?$", re.ASCII)
_CONSOLE_IO = re.compile(r"\(d([1-9]\d{0,4})\)(?: (.*))?$", re.ASCII)
_STAMPS = re.compile(r"(?:<\d{1,3}>)?(?:\[[^\]\s][^\]]{0,40}\] ?|\[ +[\d.]{1,20}\] ?){1,3}")
_PANIC = "Kernel panic - not syncing"
_CRASHED = re.compile(r"Domain ([1-9]\d{0,4}) \(vcpu#\d+\) crashed\b", re.ASCII)
# xen/arch/x86/hvm/hvm.c, hvm_triple_fault
_TRIPLE_FAULT = re.compile(r"d([1-9]\d{0,4})v\d+ Triple fault\b", re.ASCII)
_OWNER = re.compile(r"DOM([1-9]\d{0,4})$", re.ASCII)


def named_guest(text: str) -> tuple[int, str] | None:
    """Domain and words of `DOM1: text`, a line of Xen without its prefix."""
    match = _NAMED.match(text)
    return (int(match[1]), match[2] or "") if match else None


def console_io_guest(text: str) -> tuple[int, str] | None:
    """Domain and words of `(d1) text`, a whole line."""
    match = _CONSOLE_IO.match(text)
    return (int(match[1]), match[2] or "") if match else None


@dataclass(slots=True)
class _Guest:
    count: int = 0
    first: list[str] = field(default_factory=list)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    panicked: str | None = None
    panicked_line: int | None = None
    crashed: str | None = None


class Guests:
    """Collects them; `changes` grows with every line."""

    def __init__(self) -> None:
        self.changes = 0
        self.notes: list[Note] = []
        self._guests: dict[int, _Guest] = {}

    def say(self, domain: int, text: str, line: Line) -> None:
        """A line that this domain has printed."""
        guest = self._guest(domain)
        if guest is None:
            return
        self.changes += 1
        guest.count += 1
        text = text[:MAX_TEXT]
        if len(guest.first) < KEPT_LINES:
            guest.first.append(text)
        guest.last.append(text)
        if _PANIC in text:
            stamps = _STAMPS.match(text)
            self._panic(domain, guest, text[stamps.end() :] if stamps else text, line)

    def xen_says(self, text: str, owner: str | None, line: Line) -> None:
        """A line of Xen that begins with `Domain` or `Kernel`, or tells of a triple fault.

        Args:
            owner: who owns the console's input ("DOM1"): such a domain's lines have no name.
        """
        crashed = _CRASHED.match(text) or _TRIPLE_FAULT.match(text)
        owned = _OWNER.match(owner or "")
        if crashed:
            guest = self._guest(int(crashed[1]))
            if guest and guest.crashed is None:
                guest.crashed = text.strip().rstrip(":")
                self._note(line, guest.crashed)
        elif owned and text.startswith(_PANIC):
            guest = self._guest(int(owned[1]))
            if guest:
                self._panic(int(owned[1]), guest, text, line)

    def _panic(self, domain: int, guest: _Guest, text: str, line: Line) -> None:
        if guest.panicked is None and text.startswith(_PANIC):
            guest.panicked, guest.panicked_line = text.strip(), line.number
            self._note(line, f"DOM{domain}: {guest.panicked}")

    def _note(self, line: Line, text: str) -> None:
        self.changes += 1
        if len(self.notes) < _MAX_NOTES:
            self.notes.append(Note(line.number, line.at, "guest", text))

    def _guest(self, domain: int) -> _Guest | None:
        if domain not in self._guests and len(self._guests) < MAX_GUESTS:
            self._guests[domain] = _Guest()
        return self._guests.get(domain)

    def domains(self, built: Mapping[int, DomainFacts]) -> dict[int, DomainFacts]:
        """The facts of all domains that were built or have said something, by their ids."""
        domains = {}
        for domain in sorted(built.keys() | self._guests.keys()):
            guest = self._guests.get(domain, _Guest())
            domains[domain] = replace(
                built.get(domain, DomainFacts()),
                line_count=guest.count,
                first_lines=tuple(guest.first),
                last_lines=tuple(guest.last),
                panicked=guest.panicked,
                panicked_line=guest.panicked_line,
                crashed=guest.crashed,
            )
        return domains
