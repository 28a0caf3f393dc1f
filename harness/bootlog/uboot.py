"""What SPL and U-Boot say: versions, board, memory, environment, what they load and start.

Formats: common/spl/spl.c, common/board_f.c, env/env.c, fs/fs.c, cmd/source.c,
include/config_distro_bootcmd.h, boot/image-{board,fdt}.c, arch/arm/lib/{bootm,zimage}.c and
cmd/booti.c of U-Boot 2023.01.
"""

from __future__ import annotations

import re
from dataclasses import replace

from harness.bootlog.diagnoses import Diagnoses, diagnose
from harness.bootlog.draft import Draft, Rules, apply, first_word, hexadecimal, rule, sets
from harness.bootlog.lines import Line
from harness.bootlog.uboot_facts import (
    EnvironmentLoad,
    KernelImage,
    Load,
    MovedImage,
    Place,
    UbootFacts,
)
from harness.bootlog.uboot_modules import PrintedTree, overlaps
from harness.bootlog.uboot_problems import UBOOT_PROBLEMS


def _spl(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("spl_version", m[1])
    if m[2]:
        draft.set("spl_build", _build(m[2]))


def _version(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("version", m[1])
    if m[2]:
        draft.set("build", _build(m[2]))


def _build(text: str) -> str:
    return text.replace(")", "", 1).strip()


def _dram(draft: Draft, m: re.Match[str], _line: Line) -> None:
    if "version" in draft.one:
        draft.set("dram", m[1])
        return
    mib = re.match(r"(\d+) MiB", m[1])  # SPL's own, before U-Boot's
    if mib:
        draft.set("spl_dram_mib", int(mib[1]))


def _environment(draft: Draft, m: re.Match[str], line: Line) -> None:
    result = m[2].strip()
    ok = None if not result else result == "OK"
    draft.add("environment", EnvironmentLoad(m[1], ok, result, line.number))


def _load(draft: Draft, m: re.Match[str], line: Line) -> None:
    draft.add("loads", Load(int(m[1]), int(m[2]), m[3], line.number))


def _kernel_image(draft: Draft, m: re.Match[str], _line: Line) -> None:
    address, start, end = (int(text, 16) for text in m.groups())
    draft.update("kernel_image", KernelImage(address, start, end))


def _moved_image(draft: Draft, m: re.Match[str], _line: Line) -> None:
    source, start, end = (int(text, 16) for text in m.groups())
    draft.update("moved_image", MovedImage(source, start, end))


def _place(draft: Draft, m: re.Match[str], _line: Line) -> None:
    place = Place(int(m[3], 16), int(m[4], 16), in_place=m[1] == "Using")
    draft.update("ramdisk_place" if m[2] == "Ramdisk" else "fdt_place", place)


_H = r"(?:0x)?([0-9a-f]{1,16})"
_RULES: Rules = {
    "U-Boot": [
        rule(r"U-Boot SPL (\d\S*)(?: \((.*))?", _spl),
        rule(r"U-Boot (\d\S*)(?: \((.*))?", _version),
    ],
    "Trying": [rule(r"Trying to boot from (\S+)", sets("boot_device"))],
    "CPU:": [rule(r"CPU: +(\S.*?) *$", sets("cpu"))],
    "Model:": [rule(r"Model: +(\S.*?) *$", sets("model"))],
    "DRAM:": [rule(r"DRAM: +(\S.*?) *$", _dram)],
    "Loading": [
        rule(r"Loading Environment from (\S+?)\.\.\. ?(.*)", _environment),
        rule(rf"(Loading) (Device Tree|Ramdisk) to {_H}, end {_H}", _place),
    ],
    "Using": [rule(rf"(Using) (Device Tree) in place at {_H}, end {_H}", _place)],
    "Found": [rule(r"Found U-Boot script (\S+)", sets("script"))],
    "##": [
        rule(rf"## Executing script at {_H}", sets("script_address", hexadecimal)),
        rule(
            rf"## Flattened Device Tree blob at {_H}",
            lambda draft, m, _line: draft.update("fdt_address", int(m[1], 16)),
        ),
    ],
    "Kernel": [rule(rf"Kernel image @ {_H} \[ {_H} - {_H} \]", _kernel_image)],
    "Moving": [rule(rf"Moving Image from {_H} to {_H}, end={_H}", _moved_image)],
    "Starting": [
        rule(r"Starting kernel \.\.\.", lambda d, _m, _line: d.set("starting_kernel", value=True))
    ],
}
_LOAD = rule(r"(\d{1,15}) bytes read in (\d{1,10}) ms(?: \((.*)\))?", _load)
_ENVIRONMENT = "Loading Environment from "
_BANNER = re.compile(r"U-Boot (?:SPL )?\d")


class UbootParser:
    """Takes the lines between power-on and Xen; others do no harm.

    Args:
        problems: collects what goes wrong; it may hold that of an earlier start in the same log.
    """

    def __init__(self, problems: Diagnoses) -> None:
        self._draft = Draft()
        self._tree = PrintedTree()
        self._problems = problems
        self._spoken = False
        self._kept: tuple[int, UbootFacts] = (-1, UbootFacts())

    @property
    def changes(self) -> int:
        return self._draft.changes

    @property
    def spoken(self) -> bool:
        """Whether SPL or U-Boot has said its name."""
        return self._spoken

    def feed(self, line: Line) -> None:
        text = line.text
        if not self._spoken:
            self._spoken = _BANNER.match(text) is not None
            if not self._spoken:
                return
        if self._tree.feed(text, line):
            self._draft.changes += 1
            return
        text = text.strip()
        word = first_word(text)
        rules = _RULES.get(word)
        if rules:
            apply(rules, self._draft, text, line)
        elif word.isdecimal():
            apply((_LOAD,), self._draft, text, line)
        if text.startswith(_ENVIRONMENT):
            text = text.partition("... ")[2]  # its result stands in the same line
            word = first_word(text)
        if self._problems.add(diagnose(UBOOT_PROBLEMS, word, text, line)):
            self._draft.changes += 1

    def facts(self) -> UbootFacts:
        # Kept until they change: a console asks for them after every chunk.
        if self._kept[0] != self.changes:
            facts = UbootFacts(
                **self._draft.fields(),
                modules=self._tree.modules,
                xen_bootargs=self._tree.xen_bootargs,
            )
            errors = sorted((*self._problems.found, *overlaps(facts)), key=lambda one: one.line)
            self._kept = (self.changes, replace(facts, errors=tuple(errors)))
        return self._kept[1]
