"""What lint found, as SARIF 2.1.0 (OASIS), for code hosts and their viewers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import harness
from harness.lint.baseline import Compared
from harness.lint.engine import Finding, Linted
from harness.lint.fingerprint import fingerprint
from harness.lint.place import Place, absolute, below, place_of
from harness.lint.rule import Rule, Severity
from harness.texts import printable

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
VERSION = "2.1.0"
PACKAGE = "boot-harness"
FINGERPRINT = "harnessFinding/v1"
# GitHub's own. Its upload action would compute it from the source's lines, and a table has none.
_LINE_HASH = "primaryLocationLineHash"

_LEVELS: Mapping[Severity, str] = {"error": "error", "warning": "warning", "note": "note"}


def as_sarif(
    compared: Compared, rules: Sequence[Rule], *, folder: Path | None = None, page: str = ""
) -> dict[str, Any]:
    """The document of `--format sarif`.

    Args:
        compared: what was found; what a baseline accepts is in it, as suppressed.
        rules: all rules, in the order in which they are numbered.
        folder: paths of files below it are told from there; None = the current folder.
        page: where the rules are documented, "https://.../lint-rules.md"; "" = nowhere.
    """
    root = folder or Path.cwd()
    numbers = {rule.id: at for at, rule in enumerate(rules)}
    seen: Counter[str] = Counter()
    results = []
    for one, accepted in zip(compared.new, compared.accepted, strict=True):
        for finding, old in _both(one, accepted):
            results.append(_result(finding, one, numbers, root, seen, accepted=old))
    driver = {
        "name": "harness lint",
        "version": harness.__version__,
        "semanticVersion": harness.__version__,
        "rules": [_rule(rule, page) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolConfigurationNotifications": list(_not_run(compared.new, numbers, root)),
            }
        ],
        "artifacts": [{"location": {"uri": _uri(one.path, root)}} for one in compared.new],
        "results": results,
        "columnKind": "unicodeCodePoints",
    }
    return {"$schema": SCHEMA, "version": VERSION, "runs": [run]}


def rules_page() -> str:
    """Where the rules are documented: `Rules` of [project.urls] in pyproject.toml; "" if none."""
    try:
        urls = metadata(PACKAGE).get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    pairs = (str(text).partition(", ") for text in urls)
    return next((url for label, _, url in pairs if label == "Rules"), "")


def _both(one: Linted, accepted: Sequence[Finding]) -> Iterator[tuple[Finding, bool]]:
    yield from ((finding, False) for finding in one.findings)
    yield from ((finding, True) for finding in accepted)


def _rule(rule: Rule, page: str) -> dict[str, Any]:
    text = f"{rule.checks}\n\nElse: {rule.consequence}\n\nSee: {rule.reference}"
    made: dict[str, Any] = {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.id.replace(".", "-").split("-")),
        "shortDescription": {"text": rule.checks},
        "fullDescription": {"text": rule.consequence},
        "help": {"text": text},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": [rule.id.partition(".")[0]]},
    }
    if page:
        made["helpUri"] = f"{page}#{rule.id.replace('.', '').lower()}"
    return made


def _result(
    finding: Finding,
    one: Linted,
    numbers: Mapping[str, int],
    root: Path,
    seen: Counter[str],
    *,
    accepted: bool,
) -> dict[str, Any]:
    mark = fingerprint(finding)
    place = place_of(finding, one)
    key = f"{place.path}\0{mark}"
    seen[key] += 1
    rows = [finding.message, f"Then: {finding.consequence}"]
    if finding.hint:
        rows.append(f"Mend: {finding.hint}")
    if finding.reference:
        rows.append(f"See: {finding.reference}")
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": printable("\n".join(rows))},
        "locations": [_location(place, root)],
        "partialFingerprints": {
            FINGERPRINT: f"{mark}:{seen[key]}",
            _LINE_HASH: f"{mark[:16]}:{seen[key]}",
        },
    }
    if finding.rule in numbers:
        result["ruleIndex"] = numbers[finding.rule]
    if accepted:
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": "in the baseline"}
        ]
    return result


def _location(place: Place, root: Path) -> dict[str, Any]:
    # A binary file has no lines; GitHub shows nothing that has no line (and ignores bytes).
    region: dict[str, Any] = {"startLine": place.line or 1}
    if place.offset is not None:
        region["byteOffset"] = place.offset
        region["byteLength"] = place.size
    physical = {"artifactLocation": {"uri": _uri(place.path, root)}, "region": region}
    location: dict[str, Any] = {"physicalLocation": physical}
    if place.name:
        location["logicalLocations"] = [{"fullyQualifiedName": printable(place.name)}]
    return location


def _not_run(
    linted: Sequence[Linted], numbers: Mapping[str, int], root: Path
) -> Iterator[dict[str, Any]]:
    for one in linted:
        for each in one.not_run:
            rule: dict[str, Any] = {"id": each.rule}
            if each.rule in numbers:
                rule["index"] = numbers[each.rule]
            yield {
                "level": "note",
                "message": {"text": printable(f"not judged: {each.why}; needs: {each.needs}")},
                "associatedRule": rule,
                "locations": [
                    {"physicalLocation": {"artifactLocation": {"uri": _uri(one.path, root)}}}
                ],
            }


def _uri(path: str, root: Path) -> str:
    """Relative to the root where the file is below it: that is how code hosts find it."""
    relative = below(path, root)
    if relative is not None:
        return quote(os.fsencode(relative))
    return "file://" + quote(os.fsencode(absolute(path).as_posix()))
