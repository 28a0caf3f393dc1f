"""Rules for the command lines of Xen and dom0, in a tree or as a script sets them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.lint.facts import Facts
from harness.lint.rule import Found, Hit, Missing, Rule, rule
from harness.lint.script_trace import Trace
from harness.lint.subjects import Boots, TreeSubject, boots_of, starts_xen
from harness.lint.symbols import is_known, shown
from harness.lint.worktree import WorkTree, leaf

Subject = Trace | TreeSubject

_READER = "Xen xen/common/device-tree/bootinfo-fdt.c, boot_fdt_cmdline"
_ZEROS = re.compile(r"@0+[0-9a-f]")
_PLACEHOLDER = re.compile(r"^([XYN]+|<.*>|\.{2,}|\?+|TODO|FIXME|[$%].*)$")
# What these take, as their parsers in Xen read it.
_NUMERIC = {
    "dom0_max_vcpus": (re.compile(r"\d+(-\d*)?|-\d+"), "a number of CPUs, or MIN-MAX"),
    "dom0_mem": (
        re.compile(r"((min|max):)?-?\d+[bkmgt%]?.*", re.IGNORECASE),
        "a size: 256M",
    ),
    "maxcpus": (re.compile(r"\d+"), "a number of CPUs"),
}


@dataclass(frozen=True)
class CommandLine:
    """Xen's command line; `text` is None where Xen gets none.

    Attributes:
        for_dom0: the bootargs that Xen gives to dom0 instead of reading them.
    """

    text: str | None
    line: int | None
    node: str | None
    for_dom0: str | None = None


def xen_command_line(one: Boots) -> CommandLine:
    """What Xen reads as its own, by the rules of the binding."""
    own = one.tree.value("/chosen", "xen,xen-bootargs")
    if own is not None:
        return CommandLine(" ".join(own.as_strings()), own.line, "/chosen")
    text = one.tree.text("/chosen", "bootargs")
    value = one.tree.value("/chosen", "bootargs")
    line = value.line if value else None
    # bootz and its like write the variable over what the tree has.
    variable = one.boot.environment.get("bootargs") if one.boot else None
    if variable:
        text, line = variable, line or (one.boot.line if one.boot else None)
    kernels = [m for m in one.modules if m.kind == "kernel" and not m.domain]
    dom0 = one.tree.value("/chosen", "xen,dom0-bootargs")
    if kernels and dom0 is None and not any(m.has_bootargs for m in kernels):
        return CommandLine(None, line, "/chosen", for_dom0=text)
    return CommandLine(text, line, "/chosen")


def _lines(subject: Subject) -> list[tuple[Boots, CommandLine]]:
    found = []
    for one in boots_of(subject):
        if one.modules and (one.boot is None or starts_xen(one.boot)):
            found.append((one, xen_command_line(one)))
    return found


def _where(one: Boots, line: CommandLine) -> int | None:
    return line.line or (one.boot.line if one.boot else None)


@rule(
    "xen.cmdline",
    "warning",
    checks="Xen is given a command line, and dom0 one of its own.",
    reference='Xen docs/misc/arm/device-tree/booting.txt, "Command lines"; ' + _READER,
    consequence="Xen runs with its defaults: no console is named, and dom0 gets 512 MiB.",
)
def _cmdline(subject: Subject, facts: Facts) -> Found:
    del facts
    for one, line in _lines(subject):
        where = _where(one, line)
        if line.for_dom0:
            yield Hit(
                "the kernel module has no bootargs, so that Xen takes the bootargs of /chosen "
                f'for dom0\'s: "{shown(line.for_dom0)}"',
                line=where,
                node=line.node,
                hint="fdt set /chosen/module@0 bootargs, or /chosen xen,xen-bootargs",
                consequence="Xen itself runs without any option.",
            )
        elif not line.text:
            unset = one.boot is not None and not one.tree.is_known
            yield Hit(
                "no bootargs for Xen" + (", unless the environment has them" if unset else ""),
                line=where,
                node=line.node,
                hint='setenv bootargs "console=dtuart dtuart=serial0 dom0_mem=256M"',
            )


@rule(
    "xen.dtuart",
    "error",
    checks="dtuart= names a node of the tree by its full path, or an alias.",
    reference="Xen xen/drivers/char/uart-init.c (arm-uart.c up to 4.19), dt_uart_init",
    consequence='Xen has no console to say so on ("Unable to find device"): a silent boot.',
)
def _dtuart(subject: Subject, facts: Facts) -> Found:
    del facts
    for one, line in _lines(subject):
        named = re.search(r"(?:^|\s)dtuart=(\S+)", line.text or "")
        if named is None or not is_known(named[1]):
            continue
        path = named[1].partition(":")[0]
        where = _where(one, line)
        if not one.tree.is_known:
            if _ZEROS.search(path):
                yield Hit(
                    f"dtuart={path}: addresses in paths have no leading zeros today "
                    "(/soc@01c00000/serial@01c28000 of 2014 is /soc/serial@1c28000)",
                    line=where,
                    node=line.node,
                    hint=f"dtuart={_without_zeros(path)}, or an alias: dtuart=serial0; give the "
                    "device tree too, and the path is looked up in it",
                    severity="warning",
                )
            else:
                yield Missing("the path is not looked up without the device tree", "the .dtb")
            continue
        if path in one.tree.nodes or _alias(one.tree, path):
            continue
        near = _same_node(one.tree, path)
        yield Hit(
            f"dtuart={path}: the tree has no such " + ("node" if path[:1] == "/" else "alias"),
            line=where,
            node=line.node,
            hint=f"dtuart={near}" if near else "dtuart=serial0, if /aliases has it",
        )


def _alias(tree: WorkTree, name: str) -> bool:
    target = tree.text("/aliases", name) if "/" not in name else None
    return bool(target) and target in tree.nodes


def _without_zeros(path: str) -> str:
    return re.sub(r"@0+(?=[0-9a-f])", "@", path).replace("/soc@1c00000/", "/soc/")


def _same_node(tree: WorkTree, path: str) -> str | None:
    """The node that has the name and address of a wrong path's last part."""
    wanted = _without_zeros(leaf(path))
    found = [each for each in tree.nodes if leaf(each) == wanted]
    return found[0] if len(found) == 1 else None


@rule(
    "xen.placeholder",
    "error",
    checks="No option of Xen has the placeholder of a manual as its value.",
    reference="Xen docs/misc/xen-command-line.pandoc",
    consequence="Xen cannot read the value: the option has no effect, or that of 0.",
)
def _placeholder(subject: Subject, facts: Facts) -> Found:
    del facts
    for one, line in _lines(subject):
        for word in (line.text or "").split():
            name, equals, value = word.partition("=")
            if not equals or not is_known(value):
                continue
            rule_of = _NUMERIC.get(name)
            if rule_of and not rule_of[0].fullmatch(value):
                hint = f"{name}= takes {rule_of[1]}"
            elif _PLACEHOLDER.match(value):
                hint = f"a value for {name}"
            else:
                continue
            yield Hit(f"{word}: {value} is no value", _where(one, line), line.node, hint)


@rule(
    "xen.dom0-cpus",
    "warning",
    checks="dom0_max_vcpus= does not ask for more CPUs than the board has.",
    reference="Xen docs/misc/xen-command-line.pandoc, dom0_max_vcpus",
    consequence="dom0's CPUs share the real ones, and pinned ones wait for each other.",
)
def _dom0_cpus(subject: Subject, facts: Facts) -> Found:
    for one, line in _lines(subject):
        named = re.search(r"(?:^|\s)dom0_max_vcpus=(\d+)\b(?!-)", line.text or "")
        if named is None:
            continue
        if facts.cpus is None:
            yield Missing("nothing says how many CPUs there are", "--board, or the .dtb")
        elif int(named[1]) > facts.cpus:
            message = f"dom0_max_vcpus={named[1]}, the board has {facts.cpus} CPUs"
            yield Hit(message, _where(one, line), line.node, f"at most {facts.cpus}")


@rule(
    "xen.dom0-mem",
    "note",
    checks="Xen's command line says how much memory dom0 gets.",
    reference="Xen xen/arch/arm/domain_build.c, create_dom0",
    consequence='Xen warns "PLEASE SPECIFY dom0_mem PARAMETER" and gives it 512 MiB.',
)
def _dom0_mem(subject: Subject, facts: Facts) -> Found:
    del facts
    for one, line in _lines(subject):
        dom0 = any(m.kind == "kernel" and not m.domain for m in one.modules)
        if dom0 and line.text and is_known(line.text) and "dom0_mem" not in line.text:
            yield Hit("no dom0_mem=", _where(one, line), line.node, "dom0_mem=256M")


RULES: tuple[Rule, ...] = (_cmdline, _dtuart, _placeholder, _dom0_cpus, _dom0_mem)
