"""What lint found, as JUnit XML: a suite for each input, a test case for each of its rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from harness.lint.baseline import Compared
from harness.lint.engine import Finding, Linted
from harness.lint.rule import SEVERITIES, Rule, Severity
from harness.texts import printable

NAME = "harness lint"


def as_junit(compared: Compared, rules_of: Mapping[str, Sequence[Rule]], fail_on: Severity) -> str:
    """The document of `--format junit`.

    A rule with a finding at `fail_on` or worse is a failure. A rule that could not be judged is
    skipped, with what it needs, unless what of it could be judged failed. Lesser findings, and
    those that a baseline accepts, are in the output of their test case.

    Args:
        rules_of: the rules of each kind of input.
    """
    root = ElementTree.Element("testsuites", {"name": NAME})
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for one, accepted in zip(compared.new, compared.accepted, strict=True):
        suite = _suite(one, accepted, rules_of.get(one.kind, ()), fail_on)
        for name in totals:
            totals[name] += int(suite.get(name, "0"))
        root.append(suite)
    for name, count in totals.items():
        root.set(name, str(count))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, "unicode")


def _suite(
    one: Linted, accepted: Sequence[Finding], rules: Sequence[Rule], fail_on: Severity
) -> ElementTree.Element:
    bad = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    failed: dict[str, list[Finding]] = defaultdict(list)
    told: dict[str, list[str]] = defaultdict(list)
    for finding in one.findings:
        if finding.severity in bad:
            failed[finding.rule].append(finding)
        else:
            told[finding.rule].append(_text(finding))
    for finding in accepted:
        told[finding.rule].append(f"accepted by the baseline: {_text(finding)}")
    skipped: dict[str, list[str]] = defaultdict(list)
    for each in one.not_run:
        skipped[each.rule].append(f"{each.why}; needs: {each.needs}")
    # A finding may have a rule that the kind does not list.
    names = dict.fromkeys([*(rule.id for rule in rules), *failed, *told, *skipped])
    suite = ElementTree.Element("testsuite", {"name": _clean(one.path)})
    skips = 0
    for name in names:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": _clean(one.path), "name": name, "time": "0"}
        )
        if name in failed:
            _fail(case, failed[name])
        elif name in skipped:
            skips += 1
            ElementTree.SubElement(case, "skipped", {"message": _clean("; ".join(skipped[name]))})
        if name in told:
            ElementTree.SubElement(case, "system-out").text = _clean("\n\n".join(told[name]))
    counts = {"tests": len(names), "failures": len(failed), "errors": 0, "skipped": skips}
    for key, count in counts.items():
        suite.set(key, str(count))
    suite.set("time", "0")
    return suite


def _fail(case: ElementTree.Element, findings: Sequence[Finding]) -> None:
    """One failure, whatever the number of findings: not every reader takes several."""
    message = findings[0].message
    if len(findings) > 1:
        message += f" (and {len(findings) - 1} more)"
    worst = min((one.severity for one in findings), key=SEVERITIES.index)
    failure = ElementTree.SubElement(case, "failure", {"type": worst, "message": _clean(message)})
    failure.text = _clean("\n\n".join(_text(one) for one in findings))


def _text(finding: Finding) -> str:
    rows = [
        f"{finding.where}: {finding.severity}: {finding.message}",
        f"then: {finding.consequence}",
    ]
    if finding.hint:
        rows.append(f"mend: {finding.hint}")
    if finding.reference:
        rows.append(f"see: {finding.reference}")
    return "\n".join(rows)


def _clean(text: str) -> str:
    """XML has no way to write most control characters, and none for half a surrogate pair."""
    return printable(text)
