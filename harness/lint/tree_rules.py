"""Rules for what Xen needs of a board's device tree: PSCI, interrupt controller, timer, memory."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.devicetree.tree import Node, Tree, reg
from harness.errors import FormatError
from harness.lint.facts import Facts
from harness.lint.rule import Found, Hit, Missing, Rule, rule
from harness.lint.subjects import TreeSubject

_PSCI = ("arm,psci", "arm,psci-0.2", "arm,psci-1.0")
_GIC_V2 = ("arm,cortex-a15-gic", "arm,cortex-a7-gic", "arm,gic-400")
_GIC_V3 = ("arm,gic-v3",)
_NO_VIRTUALISATION = ("arm,cortex-a9-gic", "arm,cortex-a5-gic", "arm,pl390", "arm,arm11mp-gic")
_TIMER = ("arm,armv7-timer", "arm,armv8-timer")
_TIMER_NAMES = ("sec-phys", "phys", "virt", "hyp-phys")
# The SoCs of which U-Boot brings PSCI itself: arch/arm/mach-sunxi/Kconfig, ARCH_SUPPORT_PSCI.
_U_BOOT_HAS_PSCI = re.compile(r"^allwinner,sun(6i|7i|8i)-")

_PARTIAL = Missing("this is a part of a tree, for a guest", "the tree of a board")


def is_partial(tree: Tree) -> bool:
    """Whether this is a guest's part of a tree: devices for a domain, no board."""
    return tree.find("/passthrough") is not None and tree.find("/cpus") is None


def _nodes(tree: Tree, names: tuple[str, ...]) -> Iterator[tuple[str, Node]]:
    for path, node in tree.walk():
        if any(name in node.compatible for name in names):
            yield path, node


def _cpus(tree: Tree) -> list[tuple[str, Node]]:
    cpus = tree.find("/cpus")
    if cpus is None:
        return []
    found = []
    for node in cpus.children:
        if node.text("device_type") == "cpu":
            found.append((f"/cpus/{node.name}", node))
    return found


def cpu_count(tree: Tree) -> int | None:
    """How many CPUs a tree has; None if it does not say."""
    return len(_cpus(tree)) or None


@rule(
    "tree.dtc",
    "error",
    checks="dtc can compile the source of a tree.",
    reference="Devicetree Specification 0.4, chapter 6; dtc's own checks",
    consequence="There is no tree.",
)
def compiles(subject: TreeSubject, facts: Facts) -> Found:
    """The errors of dtc."""
    del facts
    yield from subject.errors


@rule(
    "tree.psci",
    "error",
    checks="There is a PSCI node, its method is smc, and one of version 0.1 says cpu_on.",
    reference="Xen xen/arch/arm/psci.c, psci_init; Linux "
    "Documentation/devicetree/bindings/arm/psci.yaml",
    consequence="Xen cannot start the other CPUs: it goes on with one.",
)
def _psci(subject: TreeSubject, facts: Facts) -> Found:
    del facts
    tree = subject.tree
    if is_partial(tree):
        yield _PARTIAL
        return
    found = list(_nodes(tree, _PSCI))
    if not found and len(_cpus(tree)) > 1:
        if any(_U_BOOT_HAS_PSCI.match(name) for name in tree.root.compatible):
            yield Hit(
                "there is no PSCI node: U-Boot has PSCI for this SoC, and adds the node when it "
                "starts Xen (boot/image-fdt.c, image_setup_libfdt; arch/arm/lib/psci-dt.c)",
                node="/",
                severity="note",
                consequence="Started by another loader, Xen has one CPU.",
            )
        elif not any(node.text("enable-method") == "spin-table" for _, node in _cpus(tree)):
            yield Hit(
                f"there is no PSCI node for {len(_cpus(tree))} CPUs",
                node="/",
                severity="warning",
                hint="a firmware that has PSCI adds it, or the tree says it: "
                'psci { compatible = "arm,psci-1.0"; method = "smc"; };',
            )
    for path, node in found:
        method = node.text("method")
        if method != "smc":
            said = "is missing" if method is None else f'is "{method}"'
            why = "Xen runs above the guest that hvc is for; QEMU: -M virt,virtualization=on"
            yield Hit(f"method {said}, Xen takes smc only", node=path, hint=why)
        newer = any(name in node.compatible for name in _PSCI[1:])
        if not newer and len(node.cells("cpu_on") or ()) != 1:
            yield Hit("PSCI 0.1 without cpu_on", node=path, hint="cpu_on = <NUMBER>;")


@rule(
    "tree.gic",
    "error",
    checks="The interrupt controller is a GICv2 with virtualisation (4 ranges in reg) or a GICv3, "
    "and has its maintenance interrupt.",
    reference="Xen xen/arch/arm/gic-v2.c, gicv2_dt_init; gic-v3.c; Linux "
    "Documentation/devicetree/bindings/interrupt-controller/arm,gic.yaml",
    consequence='Xen panics: "Unable to find compatible GIC in the device tree", or "GICv2: Cannot '
    'find a valid address for the hypervisor".',
)
def _gic(subject: TreeSubject, facts: Facts) -> Found:
    del facts
    tree = subject.tree
    if is_partial(tree):
        yield _PARTIAL
        return
    found = list(_nodes(tree, (*_GIC_V2, *_GIC_V3)))
    if not found:
        old = [path for path, _ in _nodes(tree, _NO_VIRTUALISATION)]
        what = "is one without virtualisation" if old else "is missing"
        message = f"the interrupt controller {what}; Xen knows {', '.join((*_GIC_V2, *_GIC_V3))}"
        yield Hit(message, node=old[0] if old else "/")
    parents = {id(child): node for _, node in tree.walk() for child in node.children}
    for path, node in found:
        try:
            ranges = reg(node, parents.get(id(node), tree.root))
        except FormatError as bad:
            yield Hit(bad.message, node=path)
            continue
        if any(name in _GIC_V2 for name in node.compatible):
            if len(ranges) < 4:
                names = ("distributor", "CPU", "hypervisor", "virtual CPU")
                message = f"reg has {len(ranges)} ranges; {names[len(ranges)]} interface is missing"
                yield Hit(message, node=path, hint=f"4: {', '.join(names)}")
            elif max(ranges[1][1], 0x2000) != ranges[3][1]:
                message = f"the CPU interface has {ranges[1][1]:#x} bytes, the virtual one "
                yield Hit(f"{message}{ranges[3][1]:#x}", node=path, hint="0x2000 each")
        elif len(ranges) < 2:
            yield Hit(f"reg has {len(ranges)} ranges, a GICv3 has 2 or more", node=path)
        if not (node.properties.get("interrupts") or node.properties.get("interrupts-extended")):
            yield Hit(
                "the maintenance interrupt is missing", node=path, hint="interrupts = <1 9 …>"
            )


@rule(
    "tree.timer",
    "error",
    checks="There is an architected timer, with four interrupts; the fourth is that of HYP mode.",
    reference="Xen xen/arch/arm/time.c, init_dt_xen_time; Linux "
    "Documentation/devicetree/bindings/timer/arm,arch_timer.yaml",
    consequence='Xen panics: "Unable to find a compatible timer in the device tree", or "Timer: '
    'Unable to retrieve IRQ 3 from the device tree".',
)
def _timer(subject: TreeSubject, facts: Facts) -> Found:
    del facts
    tree = subject.tree
    if is_partial(tree):
        yield _PARTIAL
        return
    found = list(_nodes(tree, _TIMER))
    if not found:
        yield Hit(f"there is no timer that Xen knows: {' or '.join(_TIMER)}", node="/")
    gic = next((node for _, node in _nodes(tree, (*_GIC_V2, *_GIC_V3))), None)
    width = (gic.cells("#interrupt-cells") if gic else None) or (3,)
    for path, node in found[:1]:
        names = node.strings("interrupt-names")
        if names is not None:
            missing = [name for name in _TIMER_NAMES if name not in names]
            if missing:
                yield Hit(f"interrupt-names has no {', '.join(missing)}", node=path)
            continue
        plain = node.cells("interrupts")
        extended = node.cells("interrupts-extended")
        cells, step = (plain, width[0]) if plain is not None else (extended or (), width[0] + 1)
        count = len(cells) // max(step, 1)
        if count < 4:
            message = f"{count} interrupts; the fourth, of HYP mode, is missing"
            yield Hit(
                message, node=path, hint="PPI 13, 14, 11 and 10: secure, normal, virtual, HYP"
            )


@rule(
    "tree.memory",
    "note",
    checks="There is a memory node.",
    reference="Devicetree Specification 0.4, section 3.4; Xen "
    "xen/common/device-tree/bootinfo-fdt.c, device_tree_is_memory_node",
    consequence="U-Boot writes it when it starts Xen (boot/fdt_support.c, fdt_fixup_memory). A "
    "loader that does not leaves Xen without RAM: it panics.",
)
def _memory(subject: TreeSubject, facts: Facts) -> Found:
    del facts
    tree = subject.tree
    if is_partial(tree):
        return
    nodes = [node for node in tree.root.children if node.name.partition("@")[0] == "memory"]
    if not any("reg" in node.properties for node in nodes):
        yield Hit("the tree has no memory node with a reg", node="/")
    for node in nodes:
        if "reg" in node.properties and node.text("device_type") != "memory":
            yield Hit(
                'device_type is not "memory"',
                node=f"/{node.name}",
                severity="error",
                consequence="Xen passes over the node, and has no RAM.",
            )


RULES: tuple[Rule, ...] = (compiles, _psci, _gic, _timer, _memory)
