"""What lint found, as text and as JSON."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.lint.engine import Finding, Linted
from harness.lint.rule import SEVERITIES, Severity
from harness.texts import printable

SCHEMA = "harness-lint/1"
_OF_TABLES = ("then", "table", "offset", "size", "field")


def as_json(linted: Sequence[Linted]) -> dict[str, Any]:
    """The document of `--format json`."""
    return {"schema": SCHEMA, "inputs": [_input(one) for one in linted]}


def _input(one: Linted) -> dict[str, Any]:
    """What only ACPI tables have is left out for the other kinds."""
    found = dataclasses.asdict(one)
    if one.machine is None:
        for key in ("machine", "predicted", "notes"):
            del found[key]
    for finding in found["findings"]:
        for key in _OF_TABLES:
            if not finding[key] and finding[key] != 0:
                del finding[key]
        if "then" in finding:
            finding["then"] = dict(finding["then"])
    return found


def as_text(linted: Sequence[Linted]) -> str:
    """One block for each finding: where, what, what comes of it, how to mend it."""
    blocks = [_block(finding) for one in linted for finding in one.findings]
    for one in linted:
        if one.not_run:
            rows = Counter((each.why, each.needs) for each in one.not_run)
            names = {
                key: ", ".join(e.rule for e in one.not_run if (e.why, e.needs) == key)
                for key in rows
            }
            lines = [f"  {names[why, needs]}: {why}; needs: {needs}" for why, needs in rows]
            blocks.append("\n".join([f"{one.path}: not judged", *lines]))
    blocks += [_predicted(one) for one in linted if one.predicted]
    return printable("\n\n".join([*blocks, _summary(linted)]))


def _predicted(one: Linted) -> str:
    """What releases of Xen would do with an IVRS."""
    rows = [f"{one.path}: predicted, for the machine as given"]
    for name, said in (one.predicted or {}).items():
        messages = "".join(f"\n    {text}" for text in said["messages"])
        rows.append(f"  {name}: {said['outcome']} (by {said['basis']}){messages}")
    rows += [f"  note: {text}" for text in one.notes]
    return "\n".join(rows)


def _block(finding: Finding) -> str:
    rows = [
        f"{finding.where}: {finding.severity}: {finding.message} [{finding.rule}]",
        f"  then: {finding.consequence}",
    ]
    if finding.hint:
        rows.append(f"  mend: {finding.hint}")
    return "\n".join(row.replace("\n", r"\n") for row in rows)


def _summary(linted: Sequence[Linted]) -> str:
    counts = Counter(finding.severity for one in linted for finding in one.findings)
    said = [f"{counts[one]} {one}{'s' if counts[one] != 1 else ''}" for one in SEVERITIES]
    kinds = ", ".join(f"{one.path} ({one.kind})" for one in linted)
    return f"{', '.join(said)} in {kinds}"


def fails(linted: Sequence[Linted], at: Severity) -> bool:
    """Whether something was found that is as bad as `at`, or worse."""
    bad = SEVERITIES[: SEVERITIES.index(at) + 1]
    return any(finding.severity in bad for one in linted for finding in one.findings)
