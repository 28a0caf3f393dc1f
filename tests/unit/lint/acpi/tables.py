"""A good table set, and what lint says of one with damage."""

from __future__ import annotations

from collections.abc import Iterable

from harness.acpi.builder import Spec, build, q35_ivrs
from harness.acpi.mutations import apply
from harness.formats.acpi.tableset import TableSet
from harness.lint.acpi_all import RULES
from harness.lint.acpi_model import Region
from harness.lint.acpi_subject import AcpiSubject, subject_of
from harness.lint.engine import judged
from harness.lint.facts import Facts
from harness.lint.rule import Hit, Missing, Rule, Severity

E820 = (
    Region(0, 0x9FC00, 1),
    Region(0x100000, 0x10000000, 1),
    Region(0xFED1C000, 0xFED20000, 2),
)
PCI = frozenset({0x08, 0xF8, 0xA0})
FACTS = Facts(e820=E820, pci=PCI)

Found = list[tuple[Rule, Hit]]


def good() -> TableSet:
    """A machine with one IOMMU, in whose tables no rule finds anything."""
    return build(Spec(ivrs=q35_ivrs()))


def subject(tables: TableSet, facts: Facts = FACTS) -> AcpiSubject:
    return subject_of(tables, (), facts)


def found(tables: TableSet, facts: Facts = FACTS) -> Found:
    """What the rules find, each with its rule."""
    one = subject(tables, facts)
    return [
        (rule, hit) for rule in RULES for hit in judged(rule, one, facts) if isinstance(hit, Hit)
    ]


def missing(tables: TableSet, facts: Facts) -> set[str]:
    """The rules that, or parts of which, could not be judged."""
    one = subject(tables, facts)
    return {
        rule.id for rule in RULES for hit in judged(rule, one, facts) if isinstance(hit, Missing)
    }


def damaged(mutation: str) -> TableSet:
    return apply(good(), mutation)


def severities(hits: Iterable[tuple[Rule, Hit]]) -> set[tuple[str, Severity]]:
    return {(rule.id, hit.severity or rule.severity) for rule, hit in hits}
