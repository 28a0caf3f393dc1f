"""What a rule is, and what it finds.

A rule is data with one pure function: what the documentation says of it and what it reports
come from the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
Consequences = tuple[tuple[str, str], ...]
"""Who reads the file, with its versions, and what it then does: ("Xen 4.16+", "no IOMMU")."""
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Hit:
    """What a rule found.

    Attributes:
        message: what is there, one or two sentences.
        line: of a text file, from 1.
        node: the path of a device tree's node.
        hint: how to mend it.
        severity: where it differs from the rule's.
        consequence: where it differs from the rule's.
        then: the same by who reads the file; instead of `consequence`.
        table: of ACPI tables, the signature of the one that is meant.
        offset: in that table, of the first byte that is meant.
        size: how many bytes.
        field: their name in the words of the specification.
    """

    message: str
    line: int | None = None
    node: str | None = None
    hint: str = ""
    severity: Severity | None = None
    consequence: str | None = None
    then: Consequences = ()
    table: str | None = None
    offset: int | None = None
    size: int = 1
    field: str | None = None


@dataclass(frozen=True)
class Missing:
    """A rule, or a part of it, that could not be judged.

    Attributes:
        why: what it could not know.
        needs: what would let it run: a file, or an option.
    """

    why: str
    needs: str


Found = Iterator[Hit | Missing]
Check = Callable[[Any, Any], Iterable[Hit | Missing]]


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: "family.name".
        severity: of what it finds, unless the finding says otherwise.
        checks: what must hold, one sentence.
        reference: the section of a specification, or the source file, that says so.
        consequence: what happens on the board where it does not hold.
        then: the same by who reads the file, if that differs; `consequence` is made of it.
        check: of the subject (a script's trace, a tree, ...) and `harness.lint.facts.Facts`.
    """

    id: str
    severity: Severity
    checks: str
    reference: str
    consequence: str
    check: Check
    then: Consequences = ()


def told(then: Consequences) -> str:
    """Consequences as one sentence for each reader of the file."""
    return " ".join(f"{who}: {what}." for who, what in then)


def rule(
    id: str,  # noqa: A002 -- the name that reports use
    severity: Severity,
    *,
    checks: str,
    reference: str,
    consequence: str,
) -> Callable[[Check], Rule]:
    """Make a rule of its function."""

    def made(check: Check) -> Rule:
        return Rule(id, severity, checks, reference, consequence, check)

    return made
