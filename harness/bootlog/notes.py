"""Remarks of a boot log: lines worth showing to a person that decide nothing by themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.bootlog.draft import Action, Draft
from harness.bootlog.lines import Line


@dataclass(frozen=True, slots=True)
class Note:
    """A warning or a remark.

    Attributes:
        kind: what it is about: irq-handler, spurious-irq, mtrr, acpi, amd-vi, vt-d, cpu, nmi,
            linux, module, service, emulator, guest.
        harmless: it also stands in logs of boots that went well.
    """

    line: int
    at: float | None
    kind: str
    text: str
    harmless: bool = False


def notes(kind: str, *, harmless: bool = False) -> Action:
    """A rule's action: the line is a note of that kind."""

    def action(draft: Draft, match: re.Match[str], line: Line) -> None:
        draft.add("notes", Note(line.number, line.at, kind, match.string.strip(), harmless))

    return action
