"""Expectations of a boot on ARM: its hardware, and that what is on the card is what Xen got."""

from __future__ import annotations

import re

from harness.board import Board
from harness.board.domains import Domain
from harness.board.hardware import Arm
from harness.bootlog import BootLog
from harness.expectations.artifacts import Built
from harness.expectations.facts import fact
from harness.rules import Expectation

_CARD = "this is what we put on the card, and where boot.cmd loads it"
_UNITS = {"K": 1 / 1024, "M": 1, "G": 1024, "": 1 / 1024}


def from_arm(arm: Arm | None, given: str | None, usual: str) -> list[Expectation]:
    """What Xen must find on this hardware.

    Args:
        given: Xen's command line: `maxcpus=` in it keeps CPUs from being started. None = it was
            not ours to give; then the log says it,
        usual: or it may be the profile's.
    """
    if arm is None:
        return []
    why = "hardware facts of the profile"
    found: list[Expectation] = []
    if arm.midr is not None:
        midr = f"{arm.midr:#x}"
        found.append(fact("hardware.arm.midr", "smp", _midr, midr, why))
    if arm.gic is not None:
        gic = f"GIC{arm.gic}"
        found.append(fact("hardware.arm.gic", "smp", lambda log: log.xen.arm.gic, gic, why))
    if arm.psci is not None:
        psci = arm.psci
        found.append(fact("hardware.arm.psci", "smp", lambda log: log.xen.arm.psci, psci, why))
    if arm.timer_khz is not None:
        khz = arm.timer_khz
        found.append(
            fact("hardware.arm.timer_khz", "smp", lambda log: log.xen.arm.timer_khz, khz, why)
        )
    if arm.cpus is not None:
        found.append(_cpus(arm.cpus, given, usual, why))
    return found


def _cpus(there: int, given: str | None, usual: str, why: str) -> Expectation:
    def allowed(cmdline: str) -> int:
        limit = _number(cmdline, "maxcpus")
        return there if limit is None else min(there, limit)

    if given is not None:
        count = allowed(given)
        return fact("hardware.arm.cpus", "smp", lambda log: log.xen.cpus_brought_up, count, why)

    def missing(log: BootLog) -> object:
        booted, said = log.xen.cpus_brought_up, log.xen.command_line or log.uboot.xen_bootargs
        good = {there, allowed(usual)} if said is None else {allowed(said)}
        return None if booted is None else "all" if booted in good else f"{booted} of {max(good)}"

    return fact("hardware.arm.cpus", "smp", missing, "all", f"{why}, and maxcpus=")


def from_card(board: Board, built: Built) -> list[Expectation]:
    """That Xen's modules are our files, and domains are as asked for."""
    uboot = board.boot.uboot
    if uboot is None:
        return []
    sizes = built.sizes
    wanted = {
        _shown(load.address, sizes[load.role])
        for domain in board.domains
        for _, load in domain.loads
        if load.role in sizes
    }
    found: list[Expectation] = []
    if board.dom0.present:
        places = {"kernel": uboot.addresses.kernel, "initrd": uboot.addresses.ramdisk}
        wanted |= {_shown(at, sizes[role]) for role, at in places.items() if role in sizes}
        found += _dom0(built, uboot.addresses.kernel)
    found.append(fact("built.modules", "uboot", _modules, " ".join(sorted(wanted)), _CARD))
    # Where the goal is that all are built, what is not said then is missing.
    stages = board.stages
    last = stages.index(board.boot.goal) <= stages.index("dom0-build")
    for number, domain in enumerate(board.domains, 1):
        found.append(_domain(number, domain, None if last else "dom0-build"))
    return found


def _dom0(built: Built, kernel: int) -> list[Expectation]:
    found: list[Expectation] = [
        fact(
            "built.dom0.kernel.place",
            "dom0-build",
            lambda log: _hex(log.xen.dom0.kernel_module),
            _hex(kernel),
            _CARD,
        )
    ]
    if "initrd" in built.sizes:
        size = built.sizes["initrd"]
        found.append(fact("built.dom0.initrd.size", "dom0-build", _initrd_size, size, _CARD))
    megabytes = _megabytes(built.xen_cmdline or "", "dom0_mem")
    if megabytes is not None:
        why = "dom0_mem on Xen's command line"
        found.append(fact("built.dom0.memory_mib", "dom0-build", _dom0_mib, megabytes, why))
    return found


def _domain(number: int, domain: Domain, stage: str | None) -> Expectation:
    why = f"the node {domain.name} of the device tree"
    wanted = (
        f"{domain.cpus} CPUs, {domain.memory_mib * 1024} kB, kernel at {domain.kernel.address:#x}"
    )

    def built(log: BootLog) -> object:
        facts = log.xen.domains.get(number)
        if facts is None or facts.cpus is None:
            return None
        kernel = _hex(facts.kernel_module)
        return f"{facts.cpus} CPUs, {facts.memory_kb} kB, kernel at {kernel}"

    return fact(f"domains.{domain.name}.built", stage, built, wanted, why)


def _modules(log: BootLog) -> object:
    """Address and size of every module in the tree that U-Boot printed."""
    return " ".join(sorted(_shown(m.start, m.end - m.start) for m in log.uboot.modules)) or None


def _shown(address: int, size: int) -> str:
    return f"{address:#x}+{size:#x}"


def _hex(value: int | None) -> str | None:
    return None if value is None else f"{value:#x}"


def _midr(log: BootLog) -> object:
    return _hex(log.xen.arm.midr)


def _initrd_size(log: BootLog) -> object:
    initrd = log.xen.dom0.initrd
    return None if initrd is None else initrd.end - initrd.start


def _dom0_mib(log: BootLog) -> object:
    banks = log.xen.dom0.banks
    return sum(bank.end - bank.start for bank in banks) >> 20 if banks else None


def _number(cmdline: str, name: str) -> int | None:
    found = re.search(rf"(?:^| ){name}=(\d+)(?: |$)", cmdline)
    return int(found[1]) if found else None


def _megabytes(cmdline: str, name: str) -> int | None:
    """`dom0_mem=256M`, in MiB; without a unit it is KiB (xen-command-line, <size>)."""
    found = re.search(rf"(?:^| ){name}=(\d+)([KMG]?)(?: |$)", cmdline, re.IGNORECASE)
    return int(int(found[1]) * _UNITS[found[2].upper()]) if found else None
