"""Rules for the domains that Xen starts itself: `xen,domain` nodes, and what belongs to them."""

from __future__ import annotations

from collections.abc import Iterator

from harness.lint.facts import Facts
from harness.lint.modules import DOMAIN
from harness.lint.rule import Found, Hit, Rule, rule
from harness.lint.script_trace import Trace
from harness.lint.subjects import TreeSubject, boots_of
from harness.lint.worktree import Value, WorkTree

Subject = Trace | TreeSubject

BINDING = "Xen docs/misc/arm/device-tree/booting.txt, "
_ENHANCED = ("", "enabled", "disabled", "legacy", "no-xenstore")
_PASSTHROUGH = ("enabled", "disabled")


def nodes_of(tree: WorkTree, *names: str) -> Iterator[str]:
    """The paths of the nodes below /chosen with one of these compatible strings."""
    for path in tree.nodes:
        if path.startswith("/chosen/"):
            value = tree.value(path, "compatible")
            if value and any(name in names for name in value.as_strings()):
                yield path


def domains(subject: Subject) -> Iterator[tuple[WorkTree, str]]:
    """Every domain: the tree that has it, and its path."""
    for one in boots_of(subject):
        for path in nodes_of(one.tree, DOMAIN):
            yield one.tree, path


def hit(tree: WorkTree, path: str, message: str, name: str = "", hint: str = "") -> Hit:
    """A finding about a node, at the line that set one of its properties."""
    value = tree.value(path, name) if name else None
    line = value.line if value and value.line else tree.lines.get(path)
    return Hit(message, line, path, hint)


def cell(value: Value | None) -> int | None:
    """A property of one cell; None for any other."""
    numbers = value.as_numbers() if value else None
    return numbers[0].value if numbers and len(numbers) == 1 else None


@rule(
    "domain.memory",
    "error",
    checks="Every domain has memory: two cells, the KiB as a 64-bit number, more than 0.",
    reference=BINDING + '"memory"; Xen dom0less-build.c, construct_domU',
    consequence='Xen says "Error building DomU: cannot read \\"memory\\" property" and panics.',
)
def _memory(subject: Subject, facts: Facts) -> Found:
    del facts
    for tree, path in domains(subject):
        value = tree.value(path, "memory")
        numbers = value.as_numbers() if value else None
        if not numbers:
            yield hit(tree, path, "the domain has no memory", hint="memory = <0x0 0x10000>;")
        elif len(numbers) != 2:
            message = f"memory has {len(numbers)} cells"
            hint = f"<0x0 {numbers[-1].text}>"
            yield hit(tree, path, message, "memory", hint)
        elif all(number.value == 0 for number in numbers):
            yield hit(tree, path, "memory is 0", "memory")


@rule(
    "domain.cpus",
    "error",
    checks="Every domain says how many CPUs it has: cpus, more than 0.",
    reference=BINDING + '"cpus"; Xen dom0less-bindings.c',
    consequence="Xen panics: \"Missing property 'cpus' for domain\".",
)
def _cpus(subject: Subject, facts: Facts) -> Found:
    for tree, path in domains(subject):
        value = tree.value(path, "cpus")
        count = cell(value)
        if value is None:
            yield hit(tree, path, "the domain has no cpus", hint="cpus = <1>;")
        elif count == 0:
            yield hit(tree, path, "cpus is 0", "cpus")
        elif count and facts.cpus and count > facts.cpus:
            message = f"cpus is {count}, the board has {facts.cpus}"
            found = hit(tree, path, message, "cpus")
            yield Hit(found.message, found.line, path, severity="note",
                      consequence="They share the real ones.")  # fmt: skip


@rule(
    "domain.kernel",
    "error",
    checks="Every domain has a kernel module.",
    reference=BINDING + '"Creating Multiple Domains directly from Xen"',
    consequence='Xen panics: "Could not set up domain".',
)
def _kernel(subject: Subject, facts: Facts) -> Found:
    del facts
    for one in boots_of(subject):
        for path in nodes_of(one.tree, DOMAIN):
            if not any(m.domain == path and m.kind == "kernel" for m in one.modules):
                hint = 'a node below it: compatible = "multiboot,kernel", "multiboot,module"; reg'
                yield hit(one.tree, path, "the domain has no kernel module", hint=hint)


@rule(
    "domain.cells",
    "error",
    checks="Every domain has #address-cells and #size-cells.",
    reference=BINDING + '"#address-cells and #size-cells"',
    consequence="Xen reads the reg of its modules with the cells of /chosen: where these differ, "
    "at a wrong place.",
)
def _cells(subject: Subject, facts: Facts) -> Found:
    del facts
    for tree, path in domains(subject):
        missing = [n for n in ("#address-cells", "#size-cells") if tree.value(path, n) is None]
        if missing:
            yield hit(tree, path, f"the domain has no {' and no '.join(missing)}")


@rule(
    "domain.values",
    "error",
    checks="xen,enhanced and passthrough have one of their values.",
    reference=BINDING + '"xen,enhanced", "passthrough"; Xen dom0less-build.c',
    consequence="Xen does as if the property were not there.",
)
def _values(subject: Subject, facts: Facts) -> Found:
    del facts
    for tree, path in domains(subject):
        for name, allowed in (("xen,enhanced", _ENHANCED), ("passthrough", _PASSTHROUGH)):
            text = tree.text(path, name)
            if text is not None and text not in allowed:
                said = ", ".join(f'"{one}"' for one in allowed if one)
                yield hit(tree, path, f'{name} is "{text}"', name, f"one of {said}")


RULES: tuple[Rule, ...] = (
    _memory,
    _cpus,
    _kernel,
    _cells,
    _values,
)
