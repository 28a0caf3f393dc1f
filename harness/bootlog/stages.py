"""The stages of a boot, as data per architecture.

A stage is *reached* when a line was seen that only a boot in this stage, or beyond it, prints:
its marker, or a line that proves that it has been passed (a log may be cut at its start). That
a later stage was reached does not mark the earlier ones: what nobody saw stays unmarked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from harness.bootlog.lines import Line
from harness.bootlog.prompts import bare, is_prompt, prompt_in_line

Arch = Literal["x86", "arm"]

STAGES: Mapping[Arch, tuple[str, ...]] = MappingProxyType(
    {
        "x86": (
            "firmware",
            "loader",
            "xen",
            "acpi",
            "iommu",
            "smp",
            "dom0-build",
            "kernel",
            "userspace",
            "login",
        ),
        "arm": (
            "spl",
            "uboot",
            "xen",
            "smp",
            "iommu",
            "dom0-build",
            "kernel",
            "userspace",
            "login",
        ),
    }
)
"""Stage ids in the order of a boot. Xen sets up the IOMMU before the other CPUs on x86, after
them on ARM.
"""

Markers = Mapping[str, Sequence[tuple[re.Pattern[str], str]]]


def _markers(*rows: tuple[str, str, str]) -> Markers:
    table: dict[str, list[tuple[re.Pattern[str], str]]] = {}
    for word, pattern, stage in rows:
        table.setdefault(word, []).append((re.compile(pattern), stage))
    return table


# By the first word of a line behind "(XEN) ".
XEN_MARKERS = _markers(
    ("Xen", r"Xen version \d", "xen"),
    ("ACPI:", r"ACPI: ", "acpi"),
    ("I/O", r"I/O virtualisation (?:en|dis)abled", "iommu"),
    ("Brought", r"Brought up \d+ CPUs", "smp"),
    ("***", r"\*\*\* (?:Building a \w+ Dom\d|LOADING DOMAIN 0 )", "dom0-build"),
    ("----[", r"----\[ Xen-\d", "xen"),
    # Proofs that the IOMMU has been dealt with: on x86 by the order of __start_xen(), which
    # calls iommu_setup() before these; on ARM by setup_virt_paging(), which comes after it.
    ("HVM:", r"HVM: (?:ASIDs|SVM|VMX|Hardware Assisted|HAP|PVH)", "iommu"),
    ("nr_sockets:", r"nr_sockets: ", "iommu"),
    ("ENABLING", r"ENABLING IO-APIC IRQs", "iommu"),
    ("P2M:", r"P2M: ", "iommu"),
    # A hypercall of dom0's kernel: it runs, even where its own console is not in the log.
    ("PCI", r"PCI add device ", "kernel"),
    # Proofs that dom0 has been built, or all domains where there is none.
    ("Freed", r"Freed \d+kB init memory", "dom0-build"),
    ("PHYSICAL", r"PHYSICAL MEMORY ARRANGEMENT", "dom0-build"),
    ("VIRTUAL", r"VIRTUAL MEMORY ARRANGEMENT", "dom0-build"),
)
# By the first word of a line of Linux, behind its time stamp.
KERNEL_MARKERS = _markers(
    ("Run", r"Run \S+ as init process", "userspace"),
    ("systemd[1]:", r"systemd\[1\]: ", "userspace"),
    ("init:", r"init: ", "userspace"),
)
# By the first word of any other line.
OTHER_MARKERS = _markers(
    ("SeaBIOS", r"SeaBIOS \(version ", "firmware"),
    ("coreboot", r"coreboot build ", "firmware"),
    ("Press", r"Press F\d+ key now for boot menu", "firmware"),
    ("PC", r"PC Engines ", "firmware"),
    ("Booting", r"Booting from ", "loader"),
    ("Booting", r"Booting Linux on physical CPU", "kernel"),
    ("iPXE", r"iPXE (?:initialising devices|\(PCI \S+ starting execution|\d)", "loader"),
    ("iPXE>", r"iPXE> ", "loader"),
    ("GRUB", r"GRUB ", "loader"),
    ("GNU", r"GNU GRUB", "loader"),
    ("Welcome", r"Welcome to GRUB", "loader"),
    ("Welcome", r"Welcome to \S", "userspace"),
    # Xen's early printk (xen/arch/arm/arm*/head.S), long before it has a console.
    ("-", r"- (?:UART enabled|Boot CPU booting|Zero BSS|Turning on paging|Xen must be) ?", "xen"),
    ("U-Boot", r"U-Boot SPL \d", "spl"),
    ("U-Boot", r"U-Boot \d", "uboot"),
    ("Linux", r"Linux version \d", "kernel"),
    ("Run", r"Run \S+ as init process", "userspace"),
    ("BusyBox", r"BusyBox v\d", "userspace"),
    ("Done", r"Done setting up Dom0", "userspace"),
    ("INIT:", r"INIT: ", "userspace"),
    ("init:", r"init: ", "userspace"),
    ("systemd[1]:", r"systemd\[1\]: ", "userspace"),
    ("Loading,", r"Loading, please wait", "userspace"),
    ("Begin:", r"Begin: ", "userspace"),
    ("sh:", r"sh: can't access tty", "userspace"),
    ("/bin/sh:", r"/bin/sh: can't access tty", "userspace"),
)
_AT_PROMPT = {"login": "login", "shell": "login", "ipxe": "loader", "uboot": "uboot"}
# Before one of these there is nobody to print a prompt. A dom0 whose kernel is quiet shows only
# that it was built.
_BEFORE_LOGIN = frozenset(["dom0-build", "kernel", "userspace", "login"])

_XEN_ARCH: Mapping[str, Arch] = {
    "Processor:": "arm",
    "GICv2": "arm",
    "GICv2:": "arm",
    "GICv3:": "arm",
    "ACPI:": "x86",
    "Xen-e820": "x86",
    "HVM:": "x86",
    "ENABLING": "x86",
}
_OTHER_ARCH: Mapping[str, Arch] = {
    "U-Boot": "arm",
    "SeaBIOS": "x86",
    "iPXE": "x86",
    "qemu-system-arm:": "arm",
    "qemu-system-aarch64:": "arm",
    "qemu-system-x86_64:": "x86",
    "qemu-system-i386:": "x86",
}
_BANNER_ARCH = re.compile(r"\((?:(?P<arm>arm|aarch64)|x86_64)\S*gcc")
_DUMP_ARCH = re.compile(r"----\[ Xen-\S+ +(?:(?P<arm>arm)|x86)")


class StageTracker:
    """Marks stages as lines come.

    Attributes:
        reached: the line that marked each stage, in the order of the log.
        detected: the architecture, as soon as a line betrays it.
    """

    def __init__(self, arch: Arch | None = None) -> None:
        self.reached: dict[str, Line] = {}
        self.detected: Arch | None = arch
        self._spoken = False  # by neither Xen nor a kernel, since there is a kernel

    @property
    def arch(self) -> Arch:
        """The architecture; x86 until something tells."""
        return self.detected or "x86"

    @property
    def last(self) -> str | None:
        """The stage that is furthest in the design's order; None before the first."""
        for stage in reversed(STAGES[self.arch]):
            if stage in self.reached:
                return stage
        return None

    def ordered(self) -> dict[str, Line]:
        return {s: self.reached[s] for s in STAGES[self.arch] if s in self.reached}

    def mark(self, stage: str, line: Line) -> None:
        self.reached.setdefault(stage, line)

    def xen_line(self, word: str, text: str, line: Line) -> None:
        """A line of Xen without its prefix, and its first word."""
        self._try(XEN_MARKERS, word, text, line)
        if self.detected is None:
            match = _BANNER_ARCH.search(text) if word == "Xen" else _DUMP_ARCH.match(text)
            if match:
                self.detected = "arm" if match["arm"] else "x86"
            else:
                self.detected = _XEN_ARCH.get(word)

    def kernel_line(self, word: str, text: str, line: Line) -> None:
        """A line with a kernel's time stamp, without it: whatever it says, the kernel runs."""
        self.reached.setdefault("kernel", line)
        if word in KERNEL_MARKERS:
            self._try(KERNEL_MARKERS, word, text, line)

    def other_line(self, word: str, text: str, line: Line) -> None:
        self._try(OTHER_MARKERS, word, text, line)
        if not self._spoken and "userspace" in self.reached and not text.isspace():
            self._spoken = True
        if self.detected is None:
            self.detected = _OTHER_ARCH.get(word)
        if "login" not in self.reached and self._may_log_in() and prompt_in_line(text):
            self.reached["login"] = line

    def partial_line(self, line: Line) -> str | None:
        """An unfinished line; returns the name of the prompt that it is, if it is one."""
        prompt = is_prompt(line.text)
        stage = _AT_PROMPT.get(prompt or "")
        if stage == "login" and not self._may_log_in(anonymous=bare(line.text)):
            return prompt
        if stage:
            self.mark(stage, line)
        return prompt

    def _may_log_in(self, *, anonymous: bool = False) -> bool:
        """Whether a prompt can be that of the booted system.

        A log without any stage may begin late, at the prompt. A bare "# " may be the beginning
        of anything, until userspace has said something else.
        """
        if anonymous:
            return self._spoken or "login" in self.reached
        return not self.reached or not _BEFORE_LOGIN.isdisjoint(self.reached)

    def _try(self, table: Markers, word: str, text: str, line: Line) -> None:
        for pattern, stage in table.get(word, ()):
            if pattern.match(text):
                self.mark(stage, line)
                return
