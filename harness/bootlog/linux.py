"""What dom0's Linux says, with or without time stamps, and what its userspace says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.bootlog.draft import Draft, Rules, adds, apply, first_word, rule, sets
from harness.bootlog.lines import Line
from harness.bootlog.notes import Note, notes


@dataclass(frozen=True, slots=True)
class PciFunction:
    """A PCI function as Linux found it; type is the header type, class_code has 24 bits."""

    sbdf: str
    vendor: int
    device: int
    type: int
    class_code: int


@dataclass(frozen=True, slots=True)
class LinuxFacts:
    """hypervisor: what Linux detected ("Xen PV"); machine: DMI or device tree model;
    xen_version: as Linux reports it; hostname: from the login prompt.
    """

    version: str | None = None
    banner: str | None = None
    command_line: str | None = None
    hypervisor: str | None = None
    machine: str | None = None
    xen_version: str | None = None
    memory_available_kb: int | None = None
    memory_total_kb: int | None = None
    cpus: int | None = None
    pci: tuple[PciFunction, ...] = ()
    init: str | None = None
    hostname: str | None = None
    errors: tuple[str, ...] = ()
    modules_missing: tuple[str, ...] = ()


def _version(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("version", m[1])
    draft.set("banner", m.string.strip())


def _memory(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("memory_available_kb", int(m[1]))
    draft.set("memory_total_kb", int(m[2]))


def _pci(draft: Draft, m: re.Match[str], _line: Line) -> None:
    function = PciFunction(m[1], int(m[2], 16), int(m[3], 16), int(m[4], 16), int(m[5], 16))
    if function not in draft.many.get("pci", ()):
        draft.add("pci", function)


def _error(draft: Draft, m: re.Match[str], line: Line) -> None:
    text = m.string.strip()
    draft.add("errors", text)
    draft.add("notes", Note(line.number, line.at, "linux", text))


_H = "[0-9a-f]"
_KERNEL: Rules = {
    "Linux": [rule(r"Linux version (\S+)", _version)],
    "Command": [rule(r"Command line: (.*?) *$", sets("command_line"))],
    "Kernel": [rule(r"Kernel command line: (.*?) *$", sets("command_line"))],
    "Hypervisor": [rule(r"Hypervisor detected: (.*?) *$", sets("hypervisor"))],
    "DMI:": [rule(r"DMI: (.*?) *$", sets("machine"))],
    "Machine": [rule(r"Machine model: (.*?) *$", sets("machine"))],
    "OF:": [rule(r"OF: fdt: Machine model: (.*?) *$", sets("machine"))],
    "Xen": [
        rule(r"Xen version: (\S+)", sets("xen_version")),
        rule(r"Xen (\d+\.\d+) support found", sets("xen_version")),
    ],
    "Memory:": [rule(r"Memory: (\d+)K/(\d+)K available", _memory)],
    "smp:": [rule(r"smp: Brought up \d+ nodes?, (\d+) CPUs?", sets("cpus", int))],
    "pci": [
        rule(
            rf"pci ({_H}{{4}}:{_H}{{2}}:{_H}{{2}}\.[0-7]): \[({_H}{{4}}):({_H}{{4}})\] "
            rf"type ({_H}{{2}}) class 0x({_H}{{6}})",
            _pci,
        )
    ],
    "Run": [rule(r"Run (\S+) as init process", sets("init"))],
    "VFS:": [rule(r"VFS: (?:Unable to mount|Cannot open) root", _error)],
    "Failed": [rule(r"Failed to execute ", _error)],
    "WARNING:": [rule(r"WARNING: CPU: ", notes("linux"))],
    "watchdog:": [rule(r"watchdog: BUG: ", _error)],
    "INFO:": [rule(r"INFO: task .* blocked for more than", _error)],
    "systemd[1]:": [rule(r"systemd\[1\]: Failed to ", notes("service"))],
}
_USERSPACE: Rules = {
    "modprobe:": [
        rule(
            r"modprobe: (?:FATAL: Module|module|can't load module) '?([\w-]+)'?",
            adds("modules_missing"),
        )
    ],
    "insmod:": [rule(r"insmod: can't insert '?([^':]+)", adds("modules_missing"))],
    "mount:": [rule(r"mount: ", _error)],
    "xencall:": [rule(r"xencall: error", _error)],
    "libxl:": [rule(r"libxl: error", _error)],
    "Hypervisor": _KERNEL["Hypervisor"],
    "Linux": _KERNEL["Linux"],
}
_HOSTNAME = re.compile(r"(?!Last )(\S+) login:")


class LinuxParser:
    """Takes the lines of the kernel and, once it runs, those of its userspace."""

    def __init__(self) -> None:
        self._draft = Draft()

    @property
    def changes(self) -> int:
        return self._draft.changes

    @property
    def notes(self) -> tuple[Note, ...]:
        return tuple(self._draft.many.get("notes", ()))

    def kernel(self, word: str, text: str, line: Line) -> None:
        """A line of the kernel, without its time stamp, and its first word."""
        rules = _KERNEL.get(word)
        if rules:
            apply(rules, self._draft, text, line)

    def userspace(self, text: str, line: Line) -> None:
        rules = _USERSPACE.get(first_word(text))
        if rules:
            apply(rules, self._draft, text, line)
        elif " login:" in text:
            self.prompt(text)

    def prompt(self, text: str) -> None:
        """A login prompt, finished or not."""
        match = _HOSTNAME.match(text)
        if match:
            self._draft.set("hostname", match[1])

    def facts(self) -> LinuxFacts:
        fields = self._draft.fields()
        fields.pop("notes", None)
        return LinuxFacts(**fields)
