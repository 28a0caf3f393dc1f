"""Lints files: reads them, tells them of each other, and runs the rules of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.devicetree.tree import Node, Tree, parse_dtb
from harness.errors import FormatError
from harness.formats import uimage
from harness.lint import (
    acpi_all,
    boot_rules,
    cfg_board_rules,
    cfg_rules,
    cmdline_rules,
    domain_rules,
    image_rules,
    memory_rules,
    module_rules,
    script_rules,
    static_rules,
    tree_rules,
)
from harness.lint.acpi_machine import machine_of, predicted_of
from harness.lint.acpi_reading import subjects_of
from harness.lint.acpi_subject import AcpiSubject
from harness.lint.cfg_rules import Domain
from harness.lint.dts import compile_dts
from harness.lint.facts import Facts
from harness.lint.given import Given, beside, read
from harness.lint.image_rules import Image
from harness.lint.rule import Consequences, Hit, Missing, Rule, Severity, told
from harness.lint.script_run import follow
from harness.lint.script_trace import Trace
from harness.lint.subjects import TreeSubject
from harness.lint.worktree import WorkTree
from harness.lint.xlcfg import parse as parse_cfg

_SHARED = (
    *module_rules.RULES,
    *cmdline_rules.RULES,
    *domain_rules.RULES,
    *static_rules.RULES,
)
_SCRIPT = (
    *script_rules.RULES,
    *boot_rules.RULES,
    *memory_rules.RULES,
    *_SHARED,
    *image_rules.RULES,
)
_TREE = (*tree_rules.RULES, *_SHARED)

# One entry for each kind of input.
RULES_OF: Mapping[str, tuple[Rule, ...]] = {
    "dtb": _TREE,
    "dts": _TREE,
    "boot.cmd": _SCRIPT,
    "boot.scr": _SCRIPT,
    "domU.cfg": (*cfg_rules.RULES, *cfg_board_rules.RULES, *image_rules.RULES),
    "zimage": image_rules.RULES,
    "ramdisk": (),
    "acpi": acpi_all.RULES,
}
SCRIPTS = ("boot.cmd", "boot.scr")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with all that its reader needs.

    Attributes:
        then: the consequence by who reads the file; () if that makes no difference.
        table, offset, size, field: of ACPI tables, the bytes that are meant.
    """

    rule: str
    severity: Severity
    where: str
    message: str
    consequence: str
    hint: str
    reference: str
    then: Consequences = ()
    table: str | None = None
    offset: int | None = None
    size: int | None = None
    field: str | None = None


@dataclass(frozen=True)
class NotRun:
    """A rule that could not be judged."""

    rule: str
    why: str
    needs: str


@dataclass(frozen=True)
class Linted:
    """One input with what was found.

    Attributes:
        machine: of ACPI tables, what is known of the machine (`acpi_machine.machine_of`).
        predicted: of an IVRS, what releases of Xen would do (`acpi_machine.predicted_of`).
        notes: what its reader had to assume, one sentence each.
    """

    path: str
    kind: str
    findings: tuple[Finding, ...]
    not_run: tuple[NotRun, ...]
    machine: Mapping[str, Any] | None = field(default=None, compare=False)
    predicted: Mapping[str, Mapping[str, Any]] | None = field(default=None, compare=False)
    notes: tuple[str, ...] = ()


def rules() -> tuple[Rule, ...]:
    """All rules, each once, in the order of the documentation."""
    return tuple({rule.id: rule for each in RULES_OF.values() for rule in each}.values())


def lint(paths: Sequence[Path], board: Facts | None = None) -> tuple[Linted, ...]:
    """Lint files together.

    Args:
        board: what is known of the board: `ram`, `io`, `cpus`, `e820` and `pci` are taken.

    Raises:
        InputError: a file that cannot be read, or whose format is broken.
        ToolMissing: dtc, for the source of a tree.
    """
    given = [read(path) for path in paths]
    subjects: dict[int, Any] = {}
    for at, one in enumerate(given):
        if one.kind in _EARLY:
            subjects[at] = _EARLY[one.kind](one)
    tables = {at: one.path for at, one in enumerate(given) if one.kind == "acpi"}
    subjects |= subjects_of(tables, board or Facts())
    facts = _facts(given, subjects, board or Facts())
    named: set[str] = set()
    for at, one in enumerate(given):
        if one.kind in SCRIPTS:
            subjects[at] = _script(one, facts)
            named |= {load.base_name for load in subjects[at].loads}
        elif one.kind == "domU.cfg":
            named.add(subjects[at].kernel)
    for at, one in enumerate(given):
        if one.kind == "zimage":
            subjects[at] = Image(one.data, one.name, one.name in named)
    return tuple(_linted(one, subjects.get(at), facts) for at, one in enumerate(given))


def _dtb(one: Given) -> TreeSubject:
    try:
        tree = parse_dtb(one.data)
    except FormatError as bad:
        raise _located(bad, one) from None
    return TreeSubject(tree, WorkTree(tree))


def _dts(one: Given) -> TreeSubject:
    flat = compile_dts(one.path, one.text)
    if isinstance(flat, bytes):
        return _dtb(replace(one, data=flat))
    empty = Tree(Node("/"))
    return TreeSubject(empty, WorkTree(empty), flat)


def _cfg(one: Given) -> Domain:
    return Domain(parse_cfg(one.text))


_EARLY: Mapping[str, Callable[[Given], Any]] = {"dtb": _dtb, "dts": _dts, "domU.cfg": _cfg}


def _located(bad: FormatError, one: Given) -> FormatError:
    where = ", ".join(text for text in (str(one.path), bad.where) if text)
    return FormatError(bad.message, where=where, expected=bad.expected, hint=bad.hint)


def _facts(given: Sequence[Given], subjects: Mapping[int, Any], board: Facts) -> Facts:
    files = {one.name: one.data for one in given}
    trees: list[tuple[str, Tree]] = []
    for at, one in enumerate(given):
        subject = subjects.get(at)
        if isinstance(subject, TreeSubject) and not subject.errors:
            trees.append((one.name, subject.tree))
        elif isinstance(subject, Domain) and subject.kernel and subject.kernel not in files:
            data = beside(one.path, subject.kernel)
            if data is not None:
                files[subject.kernel] = data
    # The tree of a guest's devices says nothing of the board.
    boards = [each for each in trees if not tree_rules.is_partial(each[1])] or trees
    name, tree = boards[0] if len(boards) == 1 else ("", None)
    return replace(
        board,
        files=files,
        tree=tree,
        tree_name=name,
        tree_is_base=any(one.kind in (*SCRIPTS, "domU.cfg") for one in given),
        cpus=board.cpus or (tree_rules.cpu_count(tree) if tree else None),
    )


def _script(one: Given, facts: Facts) -> Trace:
    text = one.text
    if one.kind == "boot.scr":
        try:
            text = uimage.script_text(uimage.parse(one.data)).decode(errors="replace")
        except FormatError as bad:
            raise _located(bad, one) from None
    used, room = _sizes(facts)
    return follow(
        text,
        sizes={name: len(data) for name, data in facts.files.items()},
        base=facts.tree,
        base_name=facts.tree_name,
        base_size=used,
        base_room=room,
    )


def _sizes(facts: Facts) -> tuple[int | None, int]:
    """How many bytes of the given tree are in use, and how many behind them are free."""
    data = facts.files.get(facts.tree_name, b"")
    if data[:4] != b"\xd0\x0d\xfe\xed" or len(data) < 40:
        return None, 0
    total, strings, size = (int.from_bytes(data[at : at + 4], "big") for at in (4, 12, 32))
    return strings + size, max(total - strings - size, 0)


def _linted(one: Given, subject: Any, facts: Facts) -> Linted:
    rules_of = RULES_OF[one.kind]
    if isinstance(subject, TreeSubject) and subject.errors:
        rules_of = (tree_rules.compiles,)
    findings: dict[Finding, None] = {}
    not_run: dict[NotRun, None] = {}
    for rule in rules_of:
        for found in judged(rule, subject, facts):
            if isinstance(found, Missing):
                not_run[NotRun(rule.id, found.why, found.needs)] = None
            else:
                findings[_finding(rule, found, one)] = None
    for rule in RULES_OF[one.kind]:
        if rule not in rules_of:
            not_run[NotRun(rule.id, "dtc refuses the source", "a tree that compiles")] = None
    done = Linted(str(one.path), one.kind, tuple(findings), tuple(not_run))
    if isinstance(subject, AcpiSubject):
        notes = tuple(note for table in subject.own.tables for note in table.notes)
        machine, predicted = machine_of(subject), predicted_of(subject)
        return replace(done, machine=machine, predicted=predicted, notes=notes)
    return done


def judged(rule: Rule, subject: Any, facts: Facts) -> Iterable[Hit | Missing]:
    """What a rule says of a subject; a number in a tree that has no sense is a finding too."""
    try:
        yield from rule.check(subject, facts)
    except FormatError as bad:
        yield Hit(bad.message, hint=bad.expected or "", node=bad.field)


def _finding(rule: Rule, hit: Hit, one: Given) -> Finding:
    where = str(one.path)
    if hit.line is not None:
        where += f":{hit.line}"
    if hit.node:
        where += f" {hit.node}"
    if hit.table is not None:
        where += f": {hit.table}"
        if hit.offset is not None:
            where += f" at {hit.offset:#x}"
            where += f", {hit.field}" if hit.field else ""
    then = hit.then or (rule.then if hit.consequence is None else ())
    consequence = told(then) if hit.consequence is None and then else hit.consequence
    if consequence is None:
        consequence = rule.consequence
    return Finding(
        rule.id,
        hit.severity or rule.severity,
        where,
        hit.message,
        consequence,
        hit.hint,
        rule.reference,
        then,
        hit.table,
        hit.offset,
        hit.size if hit.offset is not None else None,
        hit.field,
    )
