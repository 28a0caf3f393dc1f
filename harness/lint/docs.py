"""Writes docs/lint-rules.md from the rules: `python -m harness.lint.docs > docs/lint-rules.md`.

With a folder, `python -m harness.lint.docs docs/rules`, a page for each rule about ACPI tables.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.lint.acpi_all import RULES as TABLE_RULES
from harness.lint.engine import RULES_OF, rules
from harness.lint.rule import Rule

_HEAD = """\
# The rules of harness lint

`harness lint FILE...` checks the files that a board boots from, without booting it. A finding
has the severity of its rule, unless the case at hand is better or worse; `--fail-on` says from
which severity on the exit code is 1. A rule that could not be judged is listed with what it needs.

This page is written from the code: `python -m harness.lint.docs > docs/lint-rules.md`.
"""

_FAMILIES = {
    "script": "Boot scripts: what U-Boot does",
    "modules": "The modules under /chosen, in a tree or as a script makes them",
    "xen": "Command lines",
    "domain": "Domains that Xen starts itself",
    "zimage": "Kernel and guest images",
    "tree": "Device trees of boards",
    "cfg": "Domain configurations of xl",
    "acpi": "ACPI tables of any kind",
    "ivrs": "IVRS: AMD's table of IOMMUs",
}


def render() -> str:
    """The page, in Markdown."""
    parts = [_HEAD]
    for family, title in _FAMILIES.items():
        parts.append(f"\n## {title}\n")
        for rule in rules():
            if rule.id.partition(".")[0] != family:
                continue
            kinds = ", ".join(kind for kind, own in RULES_OF.items() if rule in own)
            if rule in TABLE_RULES:
                parts.append(
                    f"\n### [{rule.id}](rules/{rule.id}.md)\n\n{_escaped(rule.checks)}\n\n"
                    f"- severity: {rule.severity}\n"
                )
                continue
            parts.append(
                f"\n### {rule.id}\n\n{_escaped(rule.checks)}\n\n"
                f"- severity: {rule.severity}; of: {kinds}\n"
                f"- else: {_escaped(rule.consequence)}\n"
                f"- see: {_escaped(rule.reference)}\n"
            )
    return "".join(parts)


def page(rule: Rule) -> str:
    """The page of one rule about ACPI tables, in Markdown."""
    rows = "".join(f"| {who} | {_escaped(what)} |\n" for who, what in rule.then)
    return (
        f"# {rule.id}\n\n{_escaped(rule.checks)}\n\n"
        f"- severity: {rule.severity}, unless a finding says otherwise\n"
        f"- see: {_escaped(rule.reference)}\n\n"
        "What comes of it where it does not hold:\n\n"
        f"| read by | then |\n|---|---|\n{rows}\n"
        "All rules: [lint-rules.md](../lint-rules.md). This page is written from the code: "
        "`python -m harness.lint.docs docs/rules`.\n"
    )


def write_pages(folder: Path) -> None:
    """Write the pages; those of rules that are gone go too."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"{rule.id}.md": page(rule) for rule in TABLE_RULES}
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def _escaped(text: str) -> str:
    return text.replace("<", "\\<").replace("*", "\\*").replace("_", "\\_")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write_pages(Path(sys.argv[1]))
    else:
        sys.stdout.write(render())
