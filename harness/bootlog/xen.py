"""The parser of Xen's part of a boot log. Feed it lines, ask it for `XenFacts`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.bootlog.diagnoses import Diagnoses, diagnose
from harness.bootlog.draft import Draft, Rule, Rules, apply, first_word
from harness.bootlog.iommu_facts import IvrsHeader
from harness.bootlog.lines import Line
from harness.bootlog.notes import Note
from harness.bootlog.panic_facts import Panic
from harness.bootlog.xen_acpi import ACPI_RULES, acpi_line
from harness.bootlog.xen_arm import ARM_RULES, ARM_SECTIONS, COLLECTED_ONLY
from harness.bootlog.xen_boot import BOOT_RULES, BOOT_SECTIONS, RUNTIME_RULES
from harness.bootlog.xen_facts import Arm, Dom0Build, DomainFacts, Hvm, XenFacts
from harness.bootlog.xen_iommu import (
    IOMMU_RULES,
    IOMMU_SECTIONS,
    amd_vi_line,
    amd_vi_problem,
    judge_iommu,
)
from harness.bootlog.xen_problems import XEN_PROBLEMS

PREFIX = "(XEN) "
# xen/drivers/char/console.c, printk_start_of_line: console_timestamps=boot, date, datems, raw.
_STAMP = re.compile(
    r"\[(?: *\d+\.\d{6}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})?|[0-9a-f]{12,16})\](?: |$)"
)


def plain_text(line_text: str) -> str:
    """A line's text without the time stamp that Xen's option console_timestamps puts in it.

    `"(XEN) [    1.234567] Brought up 4 CPUs"` gives `"(XEN) Brought up 4 CPUs"`; any other line
    stays as it is.
    """
    if line_text.startswith("(XEN) ["):
        match = _STAMP.match(line_text, len(PREFIX))
        if match:
            return PREFIX + line_text[match.end() :]
    return line_text


def _merged(*tables: Rules) -> Mapping[str, tuple[Rule, ...]]:
    merged: dict[str, tuple[Rule, ...]] = {}
    for table in tables:
        for word, rules in table.items():
            merged[word] = (*merged.get(word, ()), *rules)
    return merged


# The IOMMU's come first: of two rules for a complaint of ACPI, the one about IVRS knows more.
_RULES = _merged(IOMMU_RULES, ACPI_RULES, BOOT_RULES, ARM_RULES)
_SECTIONS = _merged(IOMMU_SECTIONS, BOOT_SECTIONS, ARM_SECTIONS)
_NESTED: Mapping[str, type] = {"dom0": Dom0Build, "hvm": Hvm, "arm": Arm, "ivrs": IvrsHeader}
_COLLECTED_ONLY = frozenset(
    [
        *("notes", "iommu_messages", "io_virtualisation", "interrupt_remapping", "dom0_mode"),
        *COLLECTED_ONLY,
    ]
)


class XenParser:
    """Collects what Xen says, line by line."""

    def __init__(self) -> None:
        self._draft = Draft()
        self._problems = Diagnoses()
        self._finished = False

    @property
    def changes(self) -> int:
        """Grows with every fact, so that callers can keep a snapshot until it changes."""
        return self._draft.changes

    @property
    def notes(self) -> tuple[Note, ...]:
        return tuple(self._draft.many.get("notes", ()))

    @property
    def console_owner(self) -> str | None:
        """Who gets what is typed, as far as Xen has said."""
        owner = self._draft.one.get("console_owner")
        return owner if isinstance(owner, str) else None

    def diagnose(self, word: str, text: str, line: Line) -> None:
        """Looks for what goes wrong in a line, which may come before Xen has a console."""
        if not self._finished and self._problems.add(diagnose(XEN_PROBLEMS, word, text, line)):
            self._draft.changes += 1

    def feed(self, word: str, text: str, line: Line) -> bool:
        """Takes a line.

        Args:
            word: the first word of the text.
            text: the line without `PREFIX`.
            line: the whole line, for its number and time.

        Returns:
            Whether a rule knows the line.
        """
        if self._finished:
            return self._after_boot(word, text, line)
        draft = self._draft
        self.diagnose(word, text, line)
        if not word or word == "-":
            rules = _SECTIONS.get(draft.section)
            return rules is not None and apply(rules, draft, text, line)
        draft.section = ""
        if word == "ACPI:":
            return acpi_line(draft, text[6:], line)
        if word == "AMD-Vi:":
            return amd_vi_line(draft, text[8:], line)
        rules = _RULES.get(word)
        if rules is None:
            rules = _RULES.get(_stem(word))
            if rules is None:
                return False
        known = apply(rules, draft, text, line)
        self._finished = "init_memory_freed_kb" in draft.one
        return known

    def _after_boot(self, word: str, text: str, line: Line) -> bool:
        if word == "AMD-Vi:":
            return amd_vi_problem(self._draft, text, line)
        rules = RUNTIME_RULES.get(word) or RUNTIME_RULES.get(word.rstrip("0123456789:") + "#")
        return rules is not None and apply(rules, self._draft, text, line)

    def facts(self, panics: Sequence[Panic] = ()) -> XenFacts:
        """The facts so far; the panics of the same log have a say in the IOMMU's state."""
        fields: dict[str, Any] = {}
        nested: dict[str, dict[str, Any]] = {}
        for name, value in self._draft.fields().items():
            group, dot, rest = name.partition(".")
            if dot:
                nested.setdefault(group, {})[rest] = value
            elif name not in _COLLECTED_ONLY:
                fields[name] = value
        domains: dict[int, DomainFacts] = {}
        for group, values in nested.items():
            if group in _NESTED:
                fields[group] = _NESTED[group](**values)
            else:
                domains[int(group.removeprefix("dom"))] = DomainFacts(**values)
        counts: dict[int, int] = fields.pop("irq_counts", {})
        fields["no_irq_handler"] = tuple(sorted(counts.items()))
        fields["iommus_enabled"] = len(fields.get("iommus_enabled", ()))
        return XenFacts(
            **fields,
            iommu=judge_iommu(self._draft, panics),
            domains=domains,
            errors=tuple(self._problems.found),
        )


def _stem(word: str) -> str:
    """ "CPU1:", "MODULE[2]:" and "CMDLINE[46000000]:chosen" without what is counted in them."""
    if "[" in word:
        return word.partition("[")[0] + "#"
    return word.rstrip("0123456789:") + "#"


_EXPLAINED = ("ACPI: ", "IOAPIC[", "PCI", "ERST", "HEST", "SMP:", "IRQ limits")


def unexplained(lines: Iterable[Line]) -> list[Line]:
    """The lines of Xen's ACPI, I/O APIC and PCI parts that no rule knows."""
    parser = XenParser()
    left: list[Line] = []
    for line in lines:
        if line.text.startswith(PREFIX):
            text = plain_text(line.text)[len(PREFIX) :]
            known = parser.feed(first_word(text), text, line)
            if not known and text.startswith(_EXPLAINED):
                left.append(line)
    return left
