"""Rules for the modules that Xen is given, in a tree or in the tree that a script makes."""

from __future__ import annotations

from harness.lint.facts import Facts, Range, inside
from harness.lint.modules import DOMAIN, GENERIC, LEGACY, Module, meant
from harness.lint.rule import Found, Hit, Missing, Rule, rule
from harness.lint.script_trace import Trace
from harness.lint.subjects import Boots, TreeSubject, boots_of, ram_of, starts_xen

Subject = Trace | TreeSubject

_BINDING = "Xen docs/misc/arm/device-tree/booting.txt, "
_READER = "Xen xen/common/device-tree/bootinfo-fdt.c (xen/arch/arm/bootfdt.c up to 4.20), "


def _starts(subject: Subject) -> list[Boots]:
    """The starts of Xen; a Linux that is started without it is none of ours."""
    return [one for one in boots_of(subject) if one.boot is None or starts_xen(one.boot)]


def _is_base(subject: Subject, facts: Facts) -> bool:
    """A plain tree that was given for the sake of another file, a script or a configuration."""
    alone = isinstance(subject, TreeSubject) and not Boots(subject.work).modules
    return alone and facts.tree_is_base


_BASE = Missing("the tree has no modules yet: another file was given too", "judged with a script")


def _at(module: Module, line: int | None, message: str, hint: str = "") -> Hit:
    return Hit(message, line=line, node=module.path, hint=hint)


@rule(
    "modules.kernel",
    "error",
    checks="There is a kernel module for dom0, or there are domains that Xen starts itself.",
    reference=_BINDING + '"Dom0 kernel and ramdisk modules"',
    consequence="Xen starts, finds no dom0 kernel, and panics.",
)
def _kernel(subject: Subject, facts: Facts) -> Found:
    if _is_base(subject, facts):
        yield _BASE
        return
    for one in _starts(subject):
        domains = [
            path
            for path in one.tree.nodes
            if (value := one.tree.value(path, "compatible")) and DOMAIN in value.as_strings()
        ]
        if domains or any(m.kind == "kernel" and not m.domain for m in one.modules):
            continue
        unseen = [m.path for m in one.modules if not m.is_seen]
        also = f"; Xen does not see {', '.join(unseen)}" if unseen else ""
        where = one.boot.line if one.boot else None
        yield Hit(
            f"/chosen has no kernel module, and no domain that Xen starts itself{also}",
            line=where,
            node=None if where else "/chosen",
            hint='fdt mknod /chosen module@0, with compatible "multiboot,kernel", '
            '"multiboot,module" and reg; or give the script that does it',
        )


@rule(
    "modules.compatible",
    "error",
    checks="Every module has the compatible string by which Xen sees that it is one: "
    '"multiboot,module", or the older "xen,multiboot-module".',
    reference=_READER + "early_scan_node",
    consequence="Xen passes over the node: the file is in memory, and nobody knows of it.",
)
def _compatible(subject: Subject, facts: Facts) -> Found:
    del facts
    for one in _starts(subject):
        for module in one.modules:
            if module.is_seen:
                continue
            wrong = [name for name in module.compatible if meant(name) in GENERIC]
            if wrong:
                right = meant(wrong[0])
                message = (
                    f'"{wrong[0]}" is no name that Xen knows: "{right}" without its hyphens or '
                    "commas, as printing and copying lose them"
                )
                hint = f'"{right}", or today\'s "multiboot,module"'
            else:
                said = ", ".join(f'"{name}"' for name in module.compatible) or "nothing"
                message = f"compatible says {said}"
                hint = 'add "multiboot,module"'
            yield _at(module, module.compatible_line, message, hint)


@rule(
    "modules.kind",
    "warning",
    checks="Every module says what it is, in a name that Xen knows: multiboot,kernel, "
    "multiboot,ramdisk, multiboot,device-tree, xen,xsm-policy.",
    reference=_READER + "fdt_node_to_kind, process_multiboot_node",
    consequence="Xen guesses by the order of the nodes: the first module without a kind is the "
    "kernel, the second the ramdisk, further ones are nothing. It works as long as nobody adds "
    "one.",
)
def _kind(subject: Subject, facts: Facts) -> Found:
    del facts
    for one in _starts(subject):
        for module in one.modules:
            wrong = [(n, meant(n)) for n in module.compatible if meant(n) not in {None, *GENERIC}]
            for name, right in wrong:
                guess = f"; Xen guesses that it is the {module.kind}" if module.guessed else ""
                today = LEGACY.get(right or "", right)
                yield _at(
                    module,
                    module.compatible_line,
                    f'"{name}" is no name that Xen knows: "{right}" with a hyphen lost{guess}',
                    f'"{right}"' + (f', or today\'s "{today}"' if today != right else ""),
                )
            if module.guessed and not wrong:
                message = f"nothing says what the module is; Xen guesses: {module.kind}"
                yield _at(module, module.compatible_line, message, '"multiboot,kernel" or its like')


@rule(
    "modules.legacy-names",
    "note",
    checks="Modules have today's names, those of Xen 4.5 and later.",
    reference=_BINDING + '"Xen 4.4 supported a different set of legacy compatible strings"',
    consequence="None under U-Boot: Xen reads both. Started by UEFI, Xen does not know the old "
    "names.",
)
def _legacy_names(subject: Subject, facts: Facts) -> Found:
    del facts
    for one in _starts(subject):
        old = [m for m in one.modules if any(name in LEGACY for name in m.compatible)]
        if old:
            names = dict.fromkeys(n for m in old for n in m.compatible if n in LEGACY)
            yield _at(
                old[0],
                old[0].compatible_line,
                f"the names of Xen 4.4: {', '.join(names)}",
                ", ".join(f"{name} is {LEGACY[name]} today" for name in names),
            )


@rule(
    "modules.cells",
    "warning",
    checks="/chosen says how many cells an address and a size have: #address-cells, #size-cells.",
    reference=_READER + "device_tree_for_each_node; Devicetree Specification 0.4, section 2.3.5",
    consequence="Xen takes the numbers of the node above, for the root 2 and 1 by default: on "
    "another tree the same reg is read as another address.",
)
def _cells(subject: Subject, facts: Facts) -> Found:
    del facts
    for one in _starts(subject):
        parents = dict.fromkeys(m.path.rpartition("/")[0] for m in one.modules)
        for parent in parents:
            missing = [
                name
                for name in ("#address-cells", "#size-cells")
                if one.tree.value(parent, name) is None
            ]
            if missing:
                yield Hit(
                    f"{parent} has modules and no {' and no '.join(missing)}",
                    line=one.tree.lines.get(parent) or (one.boot.line if one.boot else None),
                    node=parent,
                    hint="; ".join(f"fdt set {parent} \\{name} <1>" for name in missing),
                )


@rule(
    "modules.reg",
    "error",
    checks="Every module has a reg of one address and one size, as many cells as its parent says.",
    reference=_READER + "process_multiboot_node; " + _BINDING + "reg",
    consequence='Xen panics: "missing `reg\' property" or "`reg` property length is too short"; '
    "or it reads a wrong address from cells that are too many.",
)
def _reg(subject: Subject, facts: Facts) -> Found:
    del facts
    for one in _starts(subject):
        for module in one.modules:
            if module.reg is None:
                if one.tree.value(module.path, "reg") is None:
                    yield _at(module, module.line, "the module has no reg")
                else:
                    yield _at(module, module.reg_line, "reg is not made of whole cells")
                continue
            if module.widths is not None and len(module.reg) != sum(module.widths):
                a, s = module.widths
                yield _at(
                    module,
                    module.reg_line,
                    f"reg has {len(module.reg)} cells; its parent says {a} for the address and "
                    f"{s} for the size",
                    f"<{' '.join(['0x0'] * (a - 1) + ['ADDRESS'] + ['0x0'] * (s - 1) + ['SIZE'])}>",
                )
            elif module.size is not None and module.size.value == 0:
                yield _at(module, module.reg_line, "the size of the module is 0")


def _range(module: Module) -> Range | None:
    if module.address is None or module.address.value is None:
        return None
    if module.size is None or module.size.value is None:
        return None
    return Range.of(module.address.value, module.size.value, module.path)


@rule(
    "modules.overlap",
    "error",
    checks="No module lies over another one.",
    reference=_READER + "add_boot_module",
    consequence="What was loaded later has destroyed a part of the other: a kernel that does not "
    "start, a ramdisk that cannot be unpacked.",
)
def _overlap(subject: Subject, facts: Facts) -> Found:
    del facts
    for one in _starts(subject):
        placed = [(m, r) for m in one.modules if m.is_seen and (r := _range(m))]
        for index, (module, mine) in enumerate(placed):
            for other, theirs in placed[:index]:
                # Domains may share a file: Xen counts the same place only once.
                shared = (mine.start, mine.end) == (theirs.start, theirs.end)
                if mine.overlaps(theirs) and not (shared and module.kind == other.kind):
                    yield _at(module, module.reg_line, f"{mine} lies over {theirs}")
        unsized = [m for m in one.modules if m.address and m.size and m.size.value is None]
        if unsized and one.boot is not None:
            files = ", ".join(
                one.boot.loads[m.size.load].base_name
                for m in unsized
                if m.size and m.size.load is not None
            )
            yield Missing("the sizes of some modules are not known", files or "the files")


@rule(
    "modules.outside-ram",
    "error",
    checks="Every module lies in RAM.",
    reference=_BINDING + "reg",
    consequence="There is nothing at that address, or a device: the load hangs or is lost.",
)
def _outside_ram(subject: Subject, facts: Facts) -> Found:
    tree = subject.tree if isinstance(subject, TreeSubject) else facts.tree
    ram = ram_of(facts, tree)
    starts = _starts(subject)
    if not ram:
        if any(one.modules for one in starts):
            yield Missing(
                "nothing says where RAM is", "--board, or a device tree with a memory node"
            )
        return
    for one in starts:
        for module in one.modules:
            where = _range(module)
            if where is None and module.address and module.address.value is not None:
                where = Range.of(module.address.value, 1, module.path)
            if where and not inside(where, ram):
                spans = ", ".join(map(str, ram))
                yield _at(module, module.reg_line, f"{where} is not in RAM ({spans})")


RULES: tuple[Rule, ...] = (
    _kernel,
    _compatible,
    _kind,
    _legacy_names,
    _cells,
    _reg,
    _overlap,
    _outside_ram,
)
