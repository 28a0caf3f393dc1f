"""Rules for domain configurations that ask for parts of the board: CPUs, device registers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.lint.cfg_rules import Domain
from harness.lint.facts import Facts, Range, inside
from harness.lint.rule import Found, Hit, Missing, Rule, rule
from harness.lint.subjects import device_ranges, ram_of
from harness.lint.xlcfg import Setting, Value

PAGE = 0x1000
_MAN = "Xen docs/man/xl.cfg.5.pod.in, "
_PARSER = "Xen tools/xl/xl_parse.c, "
_IOMEM = re.compile(r"\s*([0-9a-f]+)\s*,\s*([0-9a-f]+)(?:@\s*([0-9a-f]+))?", re.IGNORECASE)


def _items(value: Value) -> Iterator[str]:
    """The texts of a list, or of a text that may stand for one."""
    if isinstance(value, str):
        yield value
        return
    for each in value:
        if isinstance(each, str):
            yield each


@rule(
    "cfg.cpus",
    "error",
    checks="cpus names CPUs that the board has, in xl's syntax: 1, 0-3, ^1, all.",
    reference=_MAN + "cpus; " + _PARSER + "update_cpumap_range",
    consequence='xl says "Invalid pcpu range", or cannot pin: the domain is not started.',
)
def _cpus(domain: Domain, facts: Facts) -> Found:
    for key in ("cpus", "cpus_soft"):
        setting = domain.config.get(key)
        if setting is None:
            continue
        for text in _items(setting.value):
            for part in text.replace(" ", "").split(","):
                yield from _one_cpu(key, part, setting.line, facts)


def _one_cpu(key: str, part: str, line: int, facts: Facts) -> Iterator[Hit | Missing]:
    body = part.removeprefix("^")
    if body.startswith(("node:", "nodes:")) or part == "all":
        return
    first, dash, last = body.partition("-")
    if not first.isdigit() or (dash and not last.isdigit()):
        yield Hit(f"{key}: {part or 'nothing'} is no CPU and no range of them", line)
        return
    high = int(last or first)
    if dash and high < int(first):
        yield Hit(f"{key}: {part} ends before it begins", line)
    elif facts.cpus is None:
        yield Missing("nothing says how many CPUs there are", "--board, or the .dtb")
    elif high >= facts.cpus:
        hint = f"0 to {facts.cpus - 1}"
        yield Hit(f"{key}: {part}, and the board has {facts.cpus} CPUs", line, hint=hint)


def _pages(domain: Domain) -> Iterator[tuple[Setting, str, Range | None]]:
    setting = domain.config.get("iomem")
    if setting is None:
        return
    for text in _items(setting.value):
        match = _IOMEM.fullmatch(text)
        start, count = (int(match[1], 16), int(match[2], 16)) if match else (0, 0)
        where = Range.of(start * PAGE, count * PAGE, f'"{text}"') if count else None
        yield setting, text, where


@rule(
    "cfg.iomem",
    "error",
    checks='iomem is a list of "START,PAGES" or "START,PAGES@GFN": page numbers in hex, without '
    "0x or with it.",
    reference=_PARSER + 'parse_config_data ("iomem")',
    consequence='xl says "Invalid argument parsing iomem" and creates nothing.',
)
def _iomem(domain: Domain, facts: Facts) -> Found:
    del facts
    setting = domain.config.get("iomem")
    if setting is not None and isinstance(setting.value, str):
        hint = f'iomem = ["{setting.value}"]'
        yield Hit("iomem is no list", setting.line, hint=hint)
        return
    for found, text, where in _pages(domain):
        if where is None:
            yield Hit(f'"{text}"', found.line, hint='iomem = ["1c20,2"]: 2 pages from 0x1c20000')


@rule(
    "cfg.iomem-range",
    "error",
    checks="The pages of iomem are device registers, and no RAM.",
    reference=_MAN + "iomem; Xen xen/common/domctl.c, XEN_DOMCTL_iomem_permission",
    consequence="The guest gets pages where nothing answers, or another's memory; or Xen refuses, "
    "because dom0 itself may not touch them.",
)
def _iomem_range(domain: Domain, facts: Facts) -> Found:
    ram = ram_of(facts, facts.tree)
    io = facts.io or (device_ranges(facts.tree) if facts.tree else ())
    for setting, text, where in _pages(domain):
        if where is None:
            continue
        if any(where.overlaps(one) for one in ram):
            yield Hit(f"{where} is RAM", setting.line, hint=_iomem_hint(text, io))
            continue
        if not io:
            yield Missing("nothing says where device registers are", "--board, or the .dtb")
            continue
        fits = inside(where, facts.io) if facts.io else any(where.overlaps(one) for one in io)
        if not fits:
            message = f"{where}: no device of the board is there"
            yield Hit(message, setting.line, hint=_iomem_hint(text, io))


def _iomem_hint(text: str, io: tuple[Range, ...]) -> str:
    """An address that was written where the number of its page belongs."""
    match = _IOMEM.fullmatch(text)
    address = int(match[1], 16) if match else 0
    if match and any(one.start <= address < one.end for one in io):
        return f'"{address // PAGE:x},{match[2]}": a page number, not an address'
    return "page numbers: an address without its last three hex digits"


RULES: tuple[Rule, ...] = (_cpus, _iomem, _iomem_range)
