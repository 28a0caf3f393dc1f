"""Expectations from the hardware facts of a profile."""

from __future__ import annotations

import re

from harness.board import Board
from harness.board.hardware import Hardware
from harness.bootlog import BootLog
from harness.expectations.facts import after_banner, fact
from harness.rules import Expectation, Fact, Scope


def from_hardware(board: Board, hardware: Hardware) -> list[Expectation]:
    """What the log must show of the hardware."""
    why = f"hardware facts of board {board.name}"
    found: list[Expectation] = []
    if (cpu := hardware.cpu) is not None:
        signature = (cpu.vendor, cpu.family, cpu.model, cpu.stepping)
        found += [
            fact("hardware.cpu", "acpi", _cpu_signature, signature, why),
            fact("hardware.cpu.count", "smp", lambda log: log.xen.cpus_brought_up, cpu.count, why),
        ]
    if hardware.memory_mib is not None:
        by_uboot = "uboot" in board.stages
        least = hardware.memory_mib * 1024 * 97 // 100
        found.append(
            Fact(
                "hardware.memory_mib",
                _memory_kb,
                lambda have: isinstance(have, int) and have >= least,
                f"at least {least} kB (firmware keeps some of {hardware.memory_mib} MiB)",
                why,
                Scope("uboot" if by_uboot else after_banner(board)),
                optional=by_uboot,  # a log that begins with Xen
            )
        )
    if hardware.ioapics is not None:
        apics = tuple((apic.id, apic.address) for apic in hardware.ioapics)
        found.append(fact("hardware.ioapics", "smp", _ioapics, apics, why, grows=True))
    if (hpet := hardware.hpet) is not None:
        found.append(fact("hardware.hpet", "smp", _hpet, (hpet.id, hpet.address), why))
    if (iommu := hardware.iommu) is not None:
        found.append(
            Fact(
                "hardware.iommu.state",
                _iommu,
                lambda have: str(have).partition(":")[0] == iommu.state,
                iommu.state,
                why,
                Scope("iommu"),
            )
        )
        if iommu.interrupt_remapping is not None and iommu.state == "enabled":
            found.append(
                fact(
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


_UNITS = {"KiB": 1, "MiB": 1024, "GiB": 1024 * 1024}


def _memory_kb(log: BootLog) -> object:
    """Xen's "System RAM"; on ARM it does not say, and U-Boot does: "DRAM:  1 GiB"."""
    said = re.match(r"([\d.]+) ([KMG]iB)", log.uboot.dram or "")
    dram = int(float(said[1]) * _UNITS[said[2]]) if said else None
    return log.xen.system_ram_kb or dram


def _iommu(log: BootLog) -> object:
    """The state, and what Xen complained of if it is off."""
    iommu = log.xen.iommu
    if iommu.state is None or iommu.state == "enabled" or not iommu.messages:
        return iommu.state
    return f"{iommu.state}: {'; '.join(iommu.messages[:3])}"


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
