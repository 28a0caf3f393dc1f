"""What the console says, as a verdict. Pure.

Xen: the state as harness.bootlog reads it, the messages by the same rule as those that the
model of Xen predicts. Linux: drivers/iommu/amd/init.c, of 5.10 to 6.12.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.ask.answer import Outcome
from harness.ask.consumer import Kind
from harness.bootlog import BootLog, BootLogParser, Line, Panic
from harness.bootlog.xen import PREFIX
from harness.lint.acpi_model import is_problem

# The IOMMUs are set up by a rootfs_initcall; these come from initcalls after it.
_LINUX_DONE = re.compile(
    r"workingset: timestamp_bits|io scheduler \S+ registered|Freeing unused kernel|"
    r"Initialise system trusted keyrings|Unable to mount root fs"
)
_LINUX_PROBLEM = re.compile(
    r"error|warning|invalid|not found|fail|conflict|duplicate|unknown|broken|not in IVRS|"
    r"\[Firmware|timed? ?out|cannot|can't|disabl|no southbridge|wrong|skip|unable|unusable",
    re.IGNORECASE,
)
_LINUX_IOMMU = re.compile(r"AMD-Vi|\bIVRS\b|\bIVHD\b|\bIVMD\b|AMD IOMMU")
_LINUX_FOUND = "AMD-Vi: Found IOMMU"
_LINUX_TABLE = re.compile(r"ACPI: (?:IVRS 0x|Reserving IVRS)|[Cc]ommand line: ")
_TIME_STAMP = re.compile(r"^\[ *\d+\.\d+\] ")
_XEN_DONE = re.compile(r"^\(XEN\) (?:\[[^]]*\] )?Brought up \d+ CPUs")
_BEGINS = re.compile(r"\bXen version \d|\bLinux version \d")

Ended = Literal["verdict", "silence", "reset"]


@dataclass(frozen=True)
class Reading:
    """Outcome, messages, version, interrupt remapping and panic as in `Answer`."""

    outcome: Outcome
    messages: tuple[str, ...]
    version: str
    interrupt_remapping: bool | None
    panic: tuple[str, ...] = ()


def is_done(kind: Kind, text: str) -> bool:
    """Whether after this line the state of the IOMMU no longer changes.

    "I/O virtualisation enabled" is not it: with a wrong base address Xen says so, and then
    waits for the IOMMU for ever.
    """
    return bool((_XEN_DONE if kind == "xen" else _LINUX_DONE).search(text))


def begins(text: str) -> bool:
    """Whether the consumer speaks; firmware and decompressors say little, and wait long."""
    return bool(_BEGINS.search(text))


def parsed(lines: Iterable[Line]) -> BootLog:
    """The boot log of these lines."""
    parser = BootLogParser("x86")
    for line in lines:
        parser.feed(line)
    return parser.log


def read_verdict(kind: Kind, log: BootLog, texts: Sequence[str], ended: Ended) -> Reading:
    """The verdict at the end of the wait.

    Args:
        ended: with the line that tells all (or a panic), in a silence, or as the machine was
            reset or switched off.
    """
    return _xen(log, texts, ended) if kind == "xen" else _linux(log, texts, ended)


_WITHOUT_VERDICT: dict[Ended, Outcome] = {"silence": "hang", "reset": "panic"}


def _xen(log: BootLog, texts: Sequence[str], ended: Ended) -> Reading:
    state = log.xen.iommu
    said = (text.removeprefix(PREFIX).strip() for text in texts if text.startswith(PREFIX))
    messages = tuple(dict.fromkeys(text for text in said if is_problem(text)))
    outcome: Outcome = _WITHOUT_VERDICT.get(ended) or state.state or "absent"
    if outcome == "absent" and messages:
        outcome = "failed"
    if log.panics:
        outcome = "panic"
    reasons = _reasons(log.panics)
    return Reading(outcome, messages, log.xen.version or "", state.interrupt_remapping, reasons)


def _linux(log: BootLog, texts: Sequence[str], ended: Ended) -> Reading:
    said = [_TIME_STAMP.sub("", text) for text in texts]
    about = [t for t in said if _LINUX_IOMMU.search(t) and not _LINUX_TABLE.match(t)]
    messages = tuple(dict.fromkeys(t for t in about if _LINUX_PROBLEM.search(t)))
    outcome: Outcome = "failed" if about else "absent"
    if any(_LINUX_FOUND in text for text in about):
        outcome = "enabled"
    outcome = _WITHOUT_VERDICT.get(ended, outcome)
    panics = [one for one in log.panics if not any("mount root" in r for r in one.reason)]
    if panics:
        outcome = "panic"
    remapping = True if any("Interrupt remapping enabled" in text for text in about) else None
    return Reading(outcome, messages, log.linux.version or "", remapping, _reasons(panics))


def _reasons(panics: Iterable[Panic]) -> tuple[str, ...]:
    found = (text for one in panics for text in (*one.reason, one.rip or ""))
    return tuple(dict.fromkeys(text for text in found if text))
