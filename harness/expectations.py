"""Expectations of a boot: the profile's own, and those derived from its facts and our artifacts.

Derived ones beat hand-written ones: a profile says that it has four CPUs once, and the line that
Xen must print follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from harness.board import Board
from harness.board.hardware import Hardware
from harness.board.model import Expect
from harness.bootlog import BootLog
from harness.rules import Expectation, Fact, InOrder, MustNotSay, MustSay, Scope


@dataclass(frozen=True)
class Built:
    """What we know of a boot because we made it; None where a role was not ours to make.

    Args:
        xen_version: of the Debian package; Xen prints it in its banner.
        kernel_release: what `uname -r` says.
        hostname: what the login prompt says.
    """

    xen_version: str | None = None
    xen_cmdline: str | None = None
    kernel_release: str | None = None
    kernel_cmdline: str | None = None
    hostname: str | None = None


def expectations(board: Board, target: str, built: Built | None, goal: str) -> list[Expectation]:
    """All expectations for a boot of `board` on `target` up to stage `goal`."""
    derived = _from_hardware(board, board.hardware_of(target))
    derived += _from_artifacts(built, _after_banner(board)) if built else []
    own = [_from_profile(e) for e in board.expectations]
    own += [
        MustSay(f"domains.{name}.greeting", said, f"{name} says so when it is up")
        for name, said in greetings(board).items()
    ]
    return [e for e in (*own, *derived) if isinstance(e, MustNotSay) or _reachable(e, board, goal)]


def greetings(board: Board) -> dict[str, re.Pattern[str]]:
    """What each domain says when it is up, as it stands on Xen's console: name -> pattern.

    Xen numbers them from 1, and names them DOM1 (vpl011) or d1 (console_io).
    """
    return {
        domain.name: re.compile(rf"\((?:XEN\) DOM{number}:|d{number}\)) .*?(?:{domain.greeting})")
        for number, domain in enumerate(board.domains, 1)
        if domain.greeting
    }


def without_xen(built: Built) -> list[Expectation]:
    """What Linux alone must show: a menu entry that boots the kernel without Xen."""
    return _of_linux(built)


def _reachable(expectation: Expectation, board: Board, goal: str) -> bool:
    """A boot that is stopped at an early stage on purpose cannot meet what comes later."""
    # Without a stage of its own, it speaks about the goal of the board.
    position, end = board.stages.index(goal), board.stages.index(board.boot.goal)
    stage = expectation.scope.stage
    return position >= end if stage is None else board.stages.index(stage) <= position


def _from_profile(expect: Expect) -> Expectation:
    scope = Scope(expect.stage, expect.xen)
    if expect.must:
        return MustSay(expect.id, re.compile(expect.must), expect.why, scope)
    if expect.must_not:
        return MustNotSay(expect.id, re.compile(expect.must_not), expect.why, scope)
    return InOrder(expect.id, tuple(re.compile(p) for p in expect.order or ()), expect.why, scope)


def _fact(
    name: str,
    stage: str,
    fact: Callable[[BootLog], object],
    want: object,
    why: str,
    *,
    optional: bool = False,
    grows: bool = False,
) -> Fact:
    scope = Scope(stage)
    return Fact(name, fact, lambda have: have == want, str(want), why, scope, optional, grows)


def _from_hardware(board: Board, hardware: Hardware) -> list[Expectation]:
    why = f"hardware facts of board {board.name}"
    found: list[Expectation] = []
    if (cpu := hardware.cpu) is not None:
        signature = (cpu.vendor, cpu.family, cpu.model, cpu.stepping)
        found += [
            _fact("hardware.cpu", "acpi", _cpu_signature, signature, why),
            _fact("hardware.cpu.count", "smp", lambda log: log.xen.cpus_brought_up, cpu.count, why),
        ]
    if hardware.memory_mib is not None:
        least = hardware.memory_mib * 1024 * 97 // 100
        found.append(
            Fact(
                "hardware.memory_mib",
                _memory_kb,
                lambda have: isinstance(have, int) and have >= least,
                f"at least {least} kB (firmware keeps some of {hardware.memory_mib} MiB)",
                why,
                Scope(_after_banner(board)),
            )
        )
    if hardware.ioapics is not None:
        apics = tuple((apic.id, apic.address) for apic in hardware.ioapics)
        found.append(_fact("hardware.ioapics", "smp", _ioapics, apics, why, grows=True))
    if (hpet := hardware.hpet) is not None:
        found.append(_fact("hardware.hpet", "smp", _hpet, (hpet.id, hpet.address), why))
    if (iommu := hardware.iommu) is not None:
        found.append(
            _fact(
                "hardware.iommu.state", "iommu", lambda log: log.xen.iommu.state, iommu.state, why
            )
        )
        if iommu.interrupt_remapping is not None and iommu.state == "enabled":
            found.append(
                _fact(
                    "hardware.iommu.interrupt_remapping",
                    "smp",
                    _remapping,
                    iommu.interrupt_remapping,
                    why,
                    optional=True,
                    grows=True,
                )
            )
    if hardware.pci is not None:
        found.append(_pci(hardware.pci, why))
    prefix = board.identity.nic_mac_prefix
    if prefix is not None:
        found.append(_mac(prefix, why))
    return found


def _after_banner(board: Board) -> str:
    """The stage in which Xen has said what it found at its start: its command line, memory."""
    return board.stages[board.stages.index("xen") + 1]


_UNITS = {"KiB": 1, "MiB": 1024, "GiB": 1024 * 1024}


def _memory_kb(log: BootLog) -> object:
    """Xen's "System RAM"; on ARM it does not say, and U-Boot does: "DRAM:  1 GiB"."""
    said = re.match(r"([\d.]+) ([KMG]iB)", log.uboot.dram or "")
    dram = int(float(said[1]) * _UNITS[said[2]]) if said else None
    return log.xen.system_ram_kb or dram


def _remapping(log: BootLog) -> object:
    """Whether Xen remaps interrupts; without an IOMMU there is nothing to ask."""
    iommu = log.xen.iommu
    return iommu.interrupt_remapping is True if iommu.state == "enabled" else None


def _cpu_signature(log: BootLog) -> object:
    cpu = log.xen.cpu
    return None if cpu is None else (cpu.vendor, cpu.family, cpu.model, cpu.stepping)


def _ioapics(log: BootLog) -> object:
    return tuple((apic.id, apic.address) for apic in log.xen.ioapics) or None


def _hpet(log: BootLog) -> object:
    return None if log.xen.hpet is None else (log.xen.hpet.id, log.xen.hpet.base)


def _pci(wanted: tuple[str, ...], why: str) -> Fact:
    def present(log: BootLog) -> object:
        return tuple(sbdf.removeprefix("0000:") for sbdf in log.xen.pci_added) or None

    def missing(have: object) -> bool:
        return isinstance(have, tuple) and not set(wanted) - set(have)

    return Fact(
        "hardware.pci", present, missing, " ".join(wanted), why, Scope("userspace"), grows=True
    )


def _mac(prefix: str, why: str) -> Fact:
    def macs(log: BootLog) -> object:
        found = [nic.mac for nic in log.ipxe.nics] + [c.mac for c in log.ipxe.configurations]
        return tuple(dict.fromkeys(found)) or None

    def ours(have: object) -> bool:
        return isinstance(have, tuple) and all(str(mac).startswith(prefix) for mac in have)

    return Fact(
        "identity.nic_mac_prefix",
        macs,
        ours,
        f"MAC addresses that begin with {prefix}",
        why,
        Scope("loader"),
        optional=True,
        grows=True,
    )


def _from_artifacts(built: Built, early: str) -> list[Expectation]:
    why = "this is what we gave it to boot"
    found: list[Expectation] = []
    if built.xen_version:
        version = built.xen_version
        found.append(
            Fact(
                "built.xen.version",
                _xen_package_version,
                lambda have: str(have) == version,
                version,
                why,
                Scope("xen"),
            )
        )
    if built.xen_cmdline is not None:
        found.append(
            _fact(
                "built.xen.cmdline",
                early,
                lambda log: _words(log.xen.command_line),
                _words(built.xen_cmdline),
                why,
                # On ARM Xen reads it from the device tree, before it has a console.
                optional=early != "acpi",
            )
        )
    return found + _of_linux(built)


# KERN_NOTICE is 5: its banner and command line stay out of a log with a lower level.
_QUIET = re.compile(r"(?:^| )(?:quiet|loglevel=[0-5])(?: |$)")


def _of_linux(built: Built) -> list[Expectation]:
    why = "this is what we gave it to boot"
    quiet = _QUIET.search(built.kernel_cmdline or "") is not None
    found: list[Expectation] = []
    if built.hostname:
        found.append(
            _fact("built.hostname", "login", lambda log: log.linux.hostname, built.hostname, why)
        )
    if built.kernel_release:
        found.append(
            _fact(
                "built.kernel.release",
                "kernel",
                lambda log: log.linux.version,
                built.kernel_release,
                why,
                optional=quiet,
            )
        )
    if built.kernel_cmdline is not None:
        found.append(
            _fact(
                "built.kernel.cmdline",
                "userspace",
                lambda log: _words(log.linux.command_line),
                _words(built.kernel_cmdline),
                why,
                optional=quiet,
            )
        )
    return found


def _xen_package_version(log: BootLog) -> object:
    """Debian's version of Xen, which its banner has in brackets: (Debian 4.17.7+13-...)."""
    full = log.xen.distribution_version
    return full.split()[-1] if full else log.xen.version


def _words(text: str | None) -> str | None:
    """Loaders add and drop blanks around a command line; the words are what was asked for."""
    return None if text is None else " ".join(text.split())
