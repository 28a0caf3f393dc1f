"""What holds for any Xen boot, whatever the board: the rules for a log without a profile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.bootlog import RESCUE, BootLog, plain_text
from harness.rules import Expectation, Fact, MustNotSay, Scope, version_in


@dataclass(frozen=True)
class KnownHang:
    """How the log of a known hang ends: a pattern for its last whole line.

    Args:
        xen: the versions that it happens with, such as ">=4.16".
        within: in so many last lines it may stand: a trace may follow it.
    """

    id: str
    last_line: re.Pattern[str]
    why: str
    xen: str | None = None
    within: int = 1

    def ends(self, last_line: str, xen: tuple[int, ...], lines: Sequence[str] = ()) -> bool:
        """Whether a log of this version of Xen ends like this hang.

        Args:
            last_line: its last line that is not blank.
            lines: its last lines, for a hang that may stand before the last one.
        """
        ends = (last_line,) if self.within == 1 else (last_line, *lines[-self.within :])
        said = any(self.last_line.search(plain_text(line)) for line in ends)
        return said and version_in(xen, self.xen) is not False


_TRACE = 200  # lines: a trace of each CPU, and what is said between


KNOWN_HANGS = (
    KnownHang(
        "iommu-completion-wait",
        re.compile(r"AMD IOMMU .*: completion wait taking too long"),
        "Xen waits for an IOMMU that does not answer at the base address of the IVRS",
    ),
    KnownHang(
        "ivhd-length-0",
        # xen/drivers/passthrough/amd/iommu_acpi.c, get_supported_ivhd_type: adds the length of
        # each block without a lower bound, since 4.16.
        re.compile(r"AMD-Vi: IVRS Block: Found type 0x[0-9a-f]+ flags 0x[0-9a-f]+ len 0 "),
        "Xen 4.16 and later walk an IVHD block of length 0 for ever (get_supported_ivhd_type)",
        ">=4.16",
    ),
    KnownHang(
        "linux-lockup",
        # kernel/watchdog.c, kernel/workqueue.c
        re.compile(
            r"watchdog: BUG: soft lockup|Watchdog detected hard LOCKUP|BUG: workqueue lockup"
        ),
        "Linux says that a CPU or a work queue is locked up",
        within=_TRACE,
    ),
    KnownHang(
        "linux-stall",
        # kernel/rcu/tree_stall.h, kernel/hung_task.c
        re.compile(
            r"rcu: INFO: rcu_\w+ (?:self-)?detected (?:expedited )?stall"
            r"|INFO: task .* blocked for more than"
        ),
        "Linux says that a CPU or a task does not go on",
        within=_TRACE,
    ),
)


def _skipped(log: BootLog) -> object:
    """The stages that no boot of Xen goes without, and that are not in the log."""
    return tuple(stage for stage in ("xen", "smp", "kernel") if stage not in log.stages)


def _missing_cpus(log: BootLog) -> object:
    allowed, up = log.xen.cpus_allowed, log.xen.cpus_brought_up
    return None if allowed is None or up is None else allowed - up


EXPECTATIONS: tuple[Expectation, ...] = (
    Fact(
        "progress",
        _skipped,
        lambda skipped: skipped == (),
        "Xen, its CPUs and dom0's kernel were seen",
        "a boot is no boot without them",
        Scope("kernel"),
        grows=True,
    ),
    MustNotSay(
        "completion-wait",
        re.compile("completion wait taking too long"),
        "the IOMMU does not answer commands",
    ),
    MustNotSay(
        "rescue-shell",
        re.compile(RESCUE),
        "the boot gave up, and left a shell for repairs",
    ),
    Fact(
        "cpus",
        _missing_cpus,
        lambda missing: missing == 0,
        "as many CPUs brought up as the firmware lists",
        "a CPU that does not start",
        Scope("smp"),
    ),
)
