"""Each rule about ACPI tables has its page."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lint.acpi_all import RULES
from harness.lint.docs import page, write_pages
from harness.lint.rule import Rule

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_page_is_up_to_date(rule: Rule) -> None:
    file = ROOT / "docs" / "rules" / f"{rule.id}.md"
    assert file.read_text() == page(rule), "python -m harness.lint.docs docs/rules"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_what_each_reader_does(rule: Rule) -> None:
    readers = [who.split()[0] for who, _ in rule.then]
    assert {"Xen", "Linux"} == set(readers)
    assert "48882" in rule.reference or "ACPI 6.5" in rule.reference


def test_there_are_no_other_pages(tmp_path: Path) -> None:
    assert {file.stem for file in (ROOT / "docs" / "rules").glob("*.md")} == {r.id for r in RULES}
    (tmp_path / "ivrs.gone.md").write_text("old")
    write_pages(tmp_path)
    assert {file.stem for file in tmp_path.glob("*.md")} == {rule.id for rule in RULES}
