from __future__ import annotations

from collections.abc import Callable

from harness.bootlog import parse_recorded
from harness.bootlog.linux import PciFunction

ReadLog = Callable[[str], bytes]


def test_dom0_on_x86(read_log: ReadLog) -> None:
    linux = parse_recorded(read_log("qemu-q35-amd-iommu-xen-4.17.7-dom0.log")).linux
    assert linux.version == "6.1.0-56-amd64"
    assert linux.command_line == "console=hvc0 earlyprintk=xen"
    assert linux.hypervisor == "Xen PV"
    assert (
        linux.machine
        == "QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1 04/01/2014"
    )
    assert linux.xen_version == "4.17.7"
    assert (linux.memory_available_kb, linux.memory_total_kb) == (206948, 2096628)
    assert linux.cpus == 4
    assert linux.init == "/init"
    assert PciFunction("0000:00:03.0", 0x8086, 0x100E, 0, 0x020000) in linux.pci
    assert len(linux.pci) == 7


def test_dom0_on_arm(read_log: ReadLog) -> None:
    linux = parse_recorded(read_log("qemu-zcu102-xen-4.17.5-maxcpus1-dom0.log")).linux
    assert linux.machine == "ZynqMP ZCU102 Rev1.0"
    assert linux.xen_version == "4.17"
    assert linux.cpus == 1


def test_the_first_word_counts_not_a_listing_of_the_log() -> None:
    linux = parse_recorded(
        b"[    0.000000] Linux version 6.1.0 (x@y)\n"
        b"[    0.000000] Kernel command line: console=hvc0\n"
        b"[    6.000000] Run /init as init process\n"
        b"Last login: Mon Jul 16 23:45:56 UTC 2018 on ttyS0\n"
        b"[    0.000000] Kernel command line: quiet\n"
    ).linux
    assert linux.command_line == "console=hvc0"
    assert linux.hostname is None


def test_what_goes_wrong_in_userspace() -> None:
    log = parse_recorded(
        b"[    0.000000] Linux version 6.1.0 (x@y)\n"
        b"[    9.000000] VFS: Unable to mount root fs on unknown-block(0,0)\n"
        b"[   10.000000] systemd[1]: Failed to start xen.service - Xen daemons.\n"
        b"modprobe: FATAL: Module xen_gntdev not found in directory /lib/modules/6.1.0\n"
        b"xencall: error: Could not obtain handle on privileged command interface\n"
        b"Debian GNU/Linux 9 apu2 ttyS0\n"
        b"apu2 login: "
    )
    linux = log.linux
    assert linux.modules_missing == ("xen_gntdev",)
    assert [error.partition(":")[0] for error in linux.errors] == ["VFS", "xencall"]
    assert linux.hostname == "apu2"
    assert [(note.line, note.kind) for note in log.warnings] == [
        (2, "linux"),
        (3, "service"),
        (5, "linux"),
    ]
