"""The QEMU command line of a question: a pure function, as a person can paste it."""

from __future__ import annotations

from collections.abc import Iterable

from harness.acpi.machine import Machine
from harness.ask.consumer import Consumer
from harness.target.qemu_command import Wiring, escape

MODULE = "module"
"""A file that stands for dom0: Xen wants one, and looks into it only after the verdict."""


def ask_command(
    machine: Machine,
    consumer: Consumer,
    cpus: int,
    tables: Iterable[tuple[str, str]],
    wiring: Wiring,
) -> list[str]:
    """The argv that boots `consumer` with these tables.

    Args:
        tables: name in fw_cfg and file, of each of the three.
        wiring: how the harness holds the machine; without it, the console is the terminal.
    """
    argv = [machine.emulator, "-nodefaults", "-no-user-config"]
    argv += ["-machine", machine.machine, "-accel", "tcg", "-cpu", machine.cpu]
    argv += ["-smp", str(cpus), "-m", f"{consumer.memory_mib}M"]
    argv += ["-display", "none", "-vga", "none", "-net", "none"]
    argv += ["-action", "reboot=shutdown,shutdown=pause"]
    argv += consumer.clock
    for device in machine.devices:
        argv += ["-device", device]
    for name, file in tables:
        argv += ["-fw_cfg", f"name={name},file={escape(file)}"]
    argv += ["-kernel", str(consumer.kernel), "-append", consumer.cmdline]
    if consumer.kind == "xen":
        argv += ["-initrd", MODULE]
    if wiring.serial is None:
        return [*argv, "-serial", "stdio"]
    argv += ["-chardev", f"pipe,id=serial0,path={wiring.serial}", "-serial", "chardev:serial0"]
    if wiring.qmp_fd is not None:
        argv += ["-chardev", f"socket,id=qmp,fd={wiring.qmp_fd}"]
        argv += ["-mon", "chardev=qmp,mode=control"]
    return [*argv, "-S"]
