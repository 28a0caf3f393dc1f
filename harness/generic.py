"""What holds for any Xen boot, whatever the board: the rules for a log without a profile."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.bootlog import BootLog
from harness.rules import Expectation, Fact, InOrder, MustNotSay, Scope


@dataclass(frozen=True)
class KnownHang:
    """How the log of a known hang ends: a pattern for its last whole line."""

    id: str
    last_line: re.Pattern[str]
    why: str


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
    ),
)


def _missing_cpus(log: BootLog) -> object:
    allowed, up = log.xen.cpus_allowed, log.xen.cpus_brought_up
    return None if allowed is None or up is None else allowed - up


EXPECTATIONS: tuple[Expectation, ...] = (
    InOrder(
        "progress",
        (
            re.compile(r"Xen version "),
            re.compile(r"Brought up \d+ CPUs"),
            re.compile("Linux version "),
        ),
        "a boot is Xen, its CPUs, and a dom0 kernel",
    ),
    MustNotSay(
        "completion-wait",
        re.compile("completion wait taking too long"),
        "the IOMMU does not answer commands",
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
