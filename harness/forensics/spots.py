"""Well-known places in which a CPU of Xen or Linux waits, and what for.

From the sources of Xen 4.17 (the files are named) and Linux 6.1; on a real hang were seen:
get_supported_ivhd_type, flush_command_buffer, on_selected_cpus, and CPUs that are idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["wait", "idle", "dead", "helper"]


@dataclass(frozen=True)
class KnownSpot:
    """A place.

    Attributes:
        kind: "wait": for the event that `says` names; "idle": there is nothing to do; "dead": it
            has ended for good; "helper": says nothing by itself, what matters is its caller.
        mask: the symbol of Xen's bitmap of the CPUs that are waited for, and the offset of the
            bitmap in it, in bytes.
    """

    kind: Kind
    says: str
    mask: tuple[str, int] | None = None


def _wait(says: str, mask: tuple[str, int] | None = None) -> KnownSpot:
    return KnownSpot("wait", says, mask)


_IPI = "the other CPUs to run a function that it sent them by IPI"
_LOCK = "a spin lock that somebody else holds"
_AP = "a CPU that it is bringing up"
_IDLE = KnownSpot("idle", "an interrupt: it has nothing to do")
_UART = "the UART to take a character"

SPOTS: Mapping[str, KnownSpot] = {
    # common/smp.c: call_data.selected comes after two pointers and an int, aligned to 8.
    "on_selected_cpus": _wait(_IPI, ("call_data", 24)),
    "smp_call_function": _wait(_IPI, ("call_data", 24)),
    # arch/x86/smp.c
    "flush_area_mask": _wait("the other CPUs to flush their TLBs", ("flush_cpumask", 0)),
    # common/spinlock.c, common/rwlock.c
    "_spin_lock": _wait(_LOCK),
    "_spin_lock_cb": _wait(_LOCK),
    "_spin_lock_irq": _wait(_LOCK),
    "_spin_lock_irqsave": _wait(_LOCK),
    "_spin_lock_recursive": _wait(_LOCK),
    "_spin_barrier": _wait("the holder of a spin lock to release it"),
    "_write_lock": _wait("a read-write lock"),
    "queue_read_lock_slowpath": _wait("the writer that holds a read-write lock"),
    "queue_write_lock_slowpath": _wait("the holders of a read-write lock"),
    # common/stop_machine.c
    "stop_machine_run": _wait("all CPUs to stop together"),
    "stopmachine_action": _wait("all CPUs to stop together"),
    # common/cpu.c, arch/x86/smpboot.c, arch/arm/smpboot.c
    "cpu_up": _wait(_AP),
    "__cpu_up": _wait(_AP),
    "start_secondary": _wait("the boot CPU to go on with bringing it up"),
    "init_secondary": _wait("the boot CPU to go on with bringing it up"),
    "time_calibration_tsc_rendezvous": _wait("all CPUs to meet, to synchronise their TSCs"),
    "time_calibration_std_rendezvous": _wait("all CPUs to meet, to calibrate the time"),
    "tsc_check_writability": _wait("the TSC to tick"),
    # arch/x86/cpu/mtrr/main.c
    "set_mtrr": _wait("all CPUs to meet, to set the same MTRRs", ("call_data", 24)),
    "mtrr_aps_sync_end": _wait("all CPUs to meet, to set the same MTRRs", ("call_data", 24)),
    # arch/x86/nmi.c, arch/x86/alternative.c
    "wait_for_nmis": _wait("NMIs of the watchdog, which it counts"),
    "check_nmi_watchdog": _wait("NMIs of the watchdog, which it counts"),
    "_alternative_instructions": _wait("an NMI that it sent to itself, to patch code"),
    "alternative_instructions": _wait("an NMI that it sent to itself, to patch code"),
    # arch/x86/io_apic.c, arch/x86/apic.c
    "timer_irq_works": _wait("ticks of the timer"),
    "setup_boot_APIC_clock": _wait("the PIT to wrap around, to calibrate the APIC timer"),
    "apic_wait_icr_idle": _wait("the local APIC to send an IPI"),
    # drivers/passthrough/amd/iommu_cmd.c, drivers/passthrough/vtd/qinval.c
    "flush_command_buffer": _wait(
        "the AMD IOMMU to write that it has completed a command (completion wait): it does not "
        "answer at its address"
    ),
    "send_iommu_command": _wait("room in the command buffer of the AMD IOMMU"),
    "queue_invalidate_wait": _wait("the VT-d IOMMU to complete an invalidation"),
    # drivers/passthrough/amd/iommu_acpi.c
    "get_supported_ivhd_type": KnownSpot(
        "wait",
        "the end of the IVRS table: it walks the blocks by their lengths, and a block of length "
        "zero has no next one",
    ),
    # common/rcupdate.c, common/sched/core.c
    "rcu_barrier": _wait("all CPUs to run their RCU callbacks"),
    "vcpu_sleep_sync": _wait("a virtual CPU to leave the CPU that it runs on"),
    # drivers/char
    "__serial_putc": _wait(_UART),
    "serial_putc": _wait(_UART),
    "serial_puts": _wait(_UART),
    "ns16550_putc": _wait(_UART),
    "pl011_putc": _wait(_UART),
    "dbgp_check_for_completion": _wait("the USB debug port"),
    # arch/arm/gic-v3.c, drivers/passthrough/arm
    "gicv3_do_wait_for_rwp": _wait("the GIC to apply a write to its registers"),
    "arm_smmu_tlb_sync": _wait("the SMMU to complete an invalidation"),
    # Idle: arch/x86/domain.c, arch/x86/acpi/cpu_idle.c, arch/x86/cpu/mwait-idle.c, arch/arm
    "idle_loop": _IDLE,
    "default_idle": _IDLE,
    "acpi_processor_idle": _IDLE,
    "acpi_idle_do_entry": _IDLE,
    "mwait_idle": _IDLE,
    "mwait_idle_with_hints": _IDLE,
    "acpi_dead_idle": KnownSpot("dead", "nothing: Xen has switched this CPU off"),
    "default_dead_idle": KnownSpot("dead", "nothing: Xen has switched this CPU off"),
    # The end: arch/x86/shutdown.c, arch/arm/shutdown.c, common/kexec.c
    "machine_halt": KnownSpot("dead", "nothing: Xen has halted the machine"),
    "__machine_halt": KnownSpot("dead", "nothing: Xen has halted the machine"),
    "machine_restart": KnownSpot("dead", "the reset that Xen asked the machine for"),
    "halt_this_cpu": KnownSpot("dead", "nothing: Xen has halted this CPU"),
    "stop_this_cpu": KnownSpot("dead", "nothing: Xen has halted this CPU"),
    "stop_cpu": KnownSpot("dead", "nothing: Xen has switched this CPU off"),
    "play_dead": KnownSpot("dead", "nothing: Xen has switched this CPU off"),
    "panic": KnownSpot("dead", "nothing: Xen has panicked"),
    "fatal_trap": KnownSpot("dead", "nothing: Xen has panicked"),
    # Called from loops that wait.
    "process_pending_softirqs": KnownSpot("helper", ""),
    "do_softirq": KnownSpot("helper", ""),
    "__udelay": KnownSpot("helper", ""),
    "udelay": KnownSpot("helper", ""),
    "__bitmap_empty": KnownSpot("helper", ""),
    "ns16550_tx_ready": KnownSpot("helper", ""),
    "get_s_time": KnownSpot("helper", ""),
    "get_s_time_fixed": KnownSpot("helper", ""),
    # Linux: kernel/smp.c, kernel/sched/idle.c, kernel/locking, kernel/stop_machine.c
    "smp_call_function_many_cond": _wait(_IPI),
    "csd_lock_wait": _wait(_IPI),
    "native_queued_spin_lock_slowpath": _wait(_LOCK),
    "queued_spin_lock_slowpath": _wait(_LOCK),
    "multi_cpu_stop": _wait("all CPUs to stop together"),
    "native_safe_halt": _IDLE,
    "xen_safe_halt": _IDLE,
    "arch_cpu_idle": _IDLE,
    "cpu_do_idle": _IDLE,
    "default_idle_call": _IDLE,
}
"""By the name of the function."""


def known(function: str) -> KnownSpot | None:
    """What is known of a function; suffixes of the compiler (".constprop.0") do not matter."""
    return SPOTS.get(function.partition(".")[0])
