"""Rules for where a script loads things: not over each other, in RAM, not over U-Boot."""

from __future__ import annotations

from harness.lint.facts import Facts, Range, inside
from harness.lint.modules import modules_of
from harness.lint.rule import Found, Hit, Missing, Rule, rule
from harness.lint.script_trace import Boot, Load, Trace, compatible
from harness.lint.subjects import arguments, fdt_range, is_sunxi, load_of, memory_of, ram_of


@rule(
    "script.overlap",
    "error",
    checks="No load lies over what Xen needs: Xen itself with its zeroed data, the tree with its "
    "room, the modules.",
    reference="U-Boot boot/image-fdt.c (CONFIG_SYS_FDT_PAD); Linux arch/arm/boot/zImage header",
    consequence="The later one has destroyed a part of the earlier: a wrong magic, a damaged tree, "
    "a kernel that stops in the middle.",
)
def _overlap(trace: Trace, facts: Facts) -> Found:
    unsized: set[str] = set()
    for boot in trace.boots:
        needed = _needed(boot)
        placed: list[tuple[Load, Range]] = []
        for load in boot.loads:
            if not compatible(load.branch, boot.branch) or load.address.value is None:
                continue
            size = memory_of(load, facts.files.get(load.base_name))
            is_tree = boot.fdt is not None and boot.fdt.load == load.number
            tree = fdt_range(boot.fdt, facts, load) if is_tree else None
            if load.number in needed and size is None and tree is None:
                unsized.add(load.base_name)
            where = tree or Range.of(load.address.value, size or 1, load.base_name)
            for other, theirs in placed:
                if not where.overlaps(theirs) or not compatible(load.branch, other.branch):
                    continue
                if other.number in needed and (load.file != other.file or load.number in needed):
                    yield Hit(
                        f"{where} lies over {theirs}, loaded in line {other.line}",
                        load.line,
                        hint=f"{load.base_name} to {_behind(placed):#x}, or elsewhere",
                    )
            placed.append((load, where))
    if unsized:
        yield Missing("the sizes of some files are not known", ", ".join(sorted(unsized)))


def _needed(boot: Boot) -> set[int]:
    """The loads that must be whole when Xen starts."""
    found: set[int] = set()
    places = arguments(boot)[:1]
    places += [boot.fdt.address] if boot.fdt else []
    for module in modules_of(boot.tree):
        if module.size is not None and module.size.load is not None:
            found.add(module.size.load)
        elif module.address is not None:
            places.append(module.address)
    found |= {load.number for p in places if (load := load_of(boot, p.value)) is not None}
    if boot.fdt is not None and boot.fdt.load is not None:
        found.add(boot.fdt.load)
    return found


def _behind(placed: list[tuple[Load, Range]]) -> int:
    return (max(where.end for _, where in placed) + 0x1FFFFF) // 0x200000 * 0x200000


@rule(
    "script.outside-ram",
    "error",
    checks="Every load ends inside RAM.",
    reference="U-Boot fs/fs.c, fs_read_lmb_check",
    consequence='U-Boot refuses the load ("Reading file would overwrite reserved memory"), or '
    "stops with a data abort.",
)
def _outside_ram(trace: Trace, facts: Facts) -> Found:
    ram = ram_of(facts, facts.tree)
    if not ram:
        if trace.loads:
            needs = "--board, or a device tree with a memory node"
            yield Missing("nothing says where RAM is", needs)
        return
    for load in trace.loads:
        if load.address.value is None:
            continue
        where = Range.of(load.address.value, load.size or 1, load.base_name)
        if not inside(where, ram):
            yield Hit(f"{where} is not in RAM ({', '.join(map(str, ram))})", load.line)


@rule(
    "script.over-uboot",
    "error",
    checks="No load lies at the end of RAM, where U-Boot itself is while the script runs.",
    reference="U-Boot lib/lmb.c, lmb_reserve_uboot_region; Kconfig, SYS_MALLOC_LEN (64 MiB on "
    "Allwinner boards, 16 MiB on others) and STACK_SIZE",
    consequence='U-Boot refuses the load: "** Reading file would overwrite reserved memory **". '
    "An older U-Boot kept less for itself, and did not look.",
)
def _over_uboot(trace: Trace, facts: Facts) -> Found:
    ram = ram_of(facts, facts.tree)
    if not ram:
        if trace.loads:
            needs = "--board, or a device tree with a memory node"
            yield Missing("nothing says where RAM ends", needs)
        return
    # U-Boot moves to the end of RAM below 4 GiB.
    top = max(min(one.end, 1 << 32) for one in ram)
    seen: set[int] = set()
    for boot in trace.boots:
        size = facts.loader_top if is_sunxi(boot, facts) else min(facts.loader_top, 0x1000000)
        own = Range(top - size, top, "U-Boot with its heap")
        for load in boot.loads:
            if load.address.value is None or load.number in seen:
                continue
            seen.add(load.number)
            where = Range.of(load.address.value, load.size or 1, load.base_name)
            if where.overlaps(own):
                yield Hit(
                    f"{where}: RAM ends at {top:#x}, and U-Boot keeps at least {size >> 20} MiB "
                    "below it",
                    load.line,
                    hint=f"an address well below {own.start:#x}: Xen 0x50000000, kernel "
                    "0x46000000 on a board with RAM from 0x40000000"
                    if is_sunxi(boot, facts)
                    else f"an address well below {own.start:#x}",
                )


RULES: tuple[Rule, ...] = (_overlap, _outside_ram, _over_uboot)
