"""JUnit: one test case for each rule and input."""

from __future__ import annotations

from xml.etree import ElementTree

from harness.lint.baseline import Compared, without_baseline
from harness.lint.engine import Linted, NotRun
from harness.lint.junit import as_junit
from harness.lint.rule import Severity
from tests.unit.lint.findings import RULES, finding, linted

MISSING = NotRun("acpi.ivmd-e820", "the memory map is not known", "--e820 LOG")


def suites(
    *inputs: Linted, fail_on: Severity = "error", compared: Compared | None = None
) -> ElementTree.Element:
    text = as_junit(compared or without_baseline(inputs), {"acpi": RULES}, fail_on)
    assert text.startswith('<?xml version="1.0" encoding="utf-8"?>\n')
    root = ElementTree.fromstring(text)  # noqa: S314 -- ours
    for suite in root:
        assert suite.get("tests") == str(len(suite.findall("testcase")))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))
    for name in ("tests", "failures", "skipped", "errors"):
        assert root.get(name) == str(sum(int(suite.get(name, "")) for suite in root))
    return root


def case(root: ElementTree.Element, rule: str, at: int = 0) -> ElementTree.Element:
    (found,) = [one for one in root[at] if one.get("name") == rule]
    return found


def test_each_rule_of_each_input_is_a_test() -> None:
    root = suites(linted(path="a/IVRS"), linted(path="b/IVRS"))
    assert root.get("tests") == "6"
    assert [suite.get("name") for suite in root] == ["a/IVRS", "b/IVRS"]
    assert case(root, "acpi.hpet", 1).get("classname") == "b/IVRS"
    assert len(case(root, "acpi.hpet", 1)) == 0


def test_a_finding_fails_its_rule_and_no_other() -> None:
    root = suites(linted(finding()), linted(path="other"))
    (failure,) = case(root, "acpi.ioapic")
    assert failure.get("message") == "IOAPIC 4 is not described"
    assert failure.get("type") == "error"
    assert (failure.text or "").splitlines() == [
        "IVRS: error: IOAPIC 4 is not described",
        *("then: Xen panics", "mend: add it", "see: 48882, table 95"),
    ]
    assert root.get("failures") == "1"
    assert len(case(root, "acpi.ioapic", 1)) == 0


def test_several_findings_of_a_rule_are_one_failure_with_all_of_them() -> None:
    root = suites(linted(finding(), finding(message="IOAPIC 5 is not described")))
    (failure,) = case(root, "acpi.ioapic")
    assert failure.get("message") == "IOAPIC 4 is not described (and 1 more)"
    assert "IOAPIC 5" in (failure.text or "")


def test_what_is_below_fail_on_is_told_and_does_not_fail() -> None:
    one = linted(finding("acpi.hpet", "no HPET", "warning"))
    (told,) = case(suites(one), "acpi.hpet")
    assert told.tag == "system-out"
    assert "no HPET" in (told.text or "")
    (failure,) = case(suites(one, fail_on="warning"), "acpi.hpet")
    assert failure.tag == "failure"


def test_a_rule_that_was_not_judged_is_skipped_with_what_it_needs() -> None:
    (skipped,) = case(suites(linted(not_run=(MISSING,))), "acpi.ivmd-e820")
    assert skipped.get("message") == "the memory map is not known; needs: --e820 LOG"


def test_what_could_be_judged_of_a_rule_fails_though_a_part_could_not() -> None:
    root = suites(linted(finding("acpi.ivmd-e820"), not_run=(MISSING,)))
    (failure,) = case(root, "acpi.ivmd-e820")
    assert failure.tag == "failure"


def test_what_a_baseline_accepts_does_not_fail() -> None:
    root = suites(compared=Compared((linted(),), ((finding(),),)))
    (told,) = case(root, "acpi.ioapic")
    assert told.tag == "system-out"
    assert (told.text or "").startswith("accepted by the baseline: IVRS: error: IOAPIC 4")


def test_a_finding_of_a_rule_that_the_kind_does_not_list_is_not_lost() -> None:
    root = suites(linted(finding("made.up")))
    assert case(root, "made.up")[0].tag == "failure"


def test_what_xml_cannot_hold_is_written_out() -> None:
    bad = "\x1b[2J\0\udcff<&>\ufffe"
    root = suites(linted(finding(message=bad, where=bad), path=bad))
    assert root[0].get("name") == "\\x1b[2J\\x00\\udcff<&>\\ufffe"
    assert "\\x1b[2J" in (case(root, "acpi.ioapic")[0].text or "")
