"""Findings of rules that are made up, for the reports."""

from __future__ import annotations

from harness.lint.engine import Finding, Linted, NotRun
from harness.lint.rule import Rule, Severity


def finding(
    rule: str = "acpi.ioapic",
    message: str = "IOAPIC 4 is not described",
    severity: Severity = "error",
    where: str = "IVRS",
) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        where=where,
        message=message,
        consequence="Xen panics",
        hint="add it",
        reference="48882, table 95",
    )


def linted(*findings: Finding, path: str = "IVRS", not_run: tuple[NotRun, ...] = ()) -> Linted:
    return Linted(path, "acpi", findings, not_run)


def rule(name: str, severity: Severity = "error") -> Rule:
    return Rule(name, severity, f"{name} holds", "48882", "Xen panics", lambda *_: ())


RULES = (rule("acpi.ioapic"), rule("acpi.hpet", "warning"), rule("acpi.ivmd-e820"))
