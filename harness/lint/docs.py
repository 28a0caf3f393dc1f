"""Writes docs/lint-rules.md from the rules: `python -m harness.lint.docs > docs/lint-rules.md`."""

from __future__ import annotations

import sys

from harness.lint.engine import RULES_OF, rules

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
            parts.append(
                f"\n### {rule.id}\n\n{_escaped(rule.checks)}\n\n"
                f"- severity: {rule.severity}; of: {kinds}\n"
                f"- else: {_escaped(rule.consequence)}\n"
                f"- see: {_escaped(rule.reference)}\n"
            )
    return "".join(parts)


def _escaped(text: str) -> str:
    return text.replace("<", "\\<").replace("*", "\\*").replace("_", "\\_")


if __name__ == "__main__":
    sys.stdout.write(render())
