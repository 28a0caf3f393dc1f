"""What must hold on an apu2 that boots Xen: `pytest --pyargs harness.suites --board apu2`.

The first tests read the boot log, and run on a recorded log too (`--target replay:LOG`). The others
ask the dom0 that was booted. Each test says what broke for a user when it fails.
"""

from __future__ import annotations

import re

import pytest

from harness.board import Board
from harness.console import Console
from harness.formats.acpi import ivrs, madt
from harness.formats.acpi.ivrs.device_entry import RANGE_END
from harness.formats.acpi.tableset import TableSet
from harness.session import Session
from harness.shell.dom0 import Dom0Shell

pytestmark = pytest.mark.board("apu2")


def facts_of(boot: Session) -> str:
    """Whose hardware facts hold: the board's own, or the emulated machine's."""
    return boot.rules.facts_of


def tables_of(boot: Session) -> TableSet | None:
    """The ACPI tables that the boot was given."""
    given = boot.request.tables if boot.request else None
    return given.tables if given else None


def blocks_of(boot: Session) -> tuple[ivrs.Ivhd, ...]:
    """The IVHD blocks of the table that the boot was given."""
    given = tables_of(boot)
    table = given.find("IVRS") if given else None
    if table is None:
        pytest.skip("the boot was given no IVRS (--ivrs FILE)")
    return ivrs.parse(table.data).ivhds


class TestFirmware:
    def test_the_nics_have_addresses_of_the_vendor(self, board: Board, boot: Session) -> None:
        prefix = board.identity.nic_mac_prefix
        assert prefix is not None
        ipxe = boot.console.parser.log.ipxe
        seen = {nic.mac for nic in ipxe.nics} | {tried.mac for tried in ipxe.configurations}
        if not seen:
            pytest.skip("iPXE showed no NIC: it did not run, or the log begins later")
        assert [mac for mac in seen if not mac.startswith(prefix)] == []

    def test_the_cpu_is_the_one_of_the_board(self, board: Board, boot: Session) -> None:
        cpu, want = boot.console.parser.log.xen.cpu, board.hardware.cpu
        assert cpu is not None
        assert want is not None
        assert (cpu.vendor, cpu.family, cpu.model) == (want.vendor, want.family, want.model)

    def test_acpi_has_the_tables_that_xen_needs(self, boot: Session) -> None:
        signatures = {table.signature for table in boot.console.parser.log.xen.acpi_tables}
        assert {"FACP", "DSDT", "APIC", "HPET"} <= signatures

    def test_acpi_describes_the_iommu(self, boot: Session) -> None:
        signatures = {table.signature for table in boot.console.parser.log.xen.acpi_tables}
        assert "IVRS" in signatures, "no IVRS table: no PCI passthrough for anybody"

    def test_the_ioapics_are_those_of_the_profile(self, board: Board, boot: Session) -> None:
        given = tables_of(boot)
        table = given.find("APIC") if given else None
        want = (
            madt.parse(table.data).ioapics if table else board.hardware_of(facts_of(boot)).ioapics
        )
        assert want is not None
        have = {(apic.id, apic.address) for apic in boot.console.parser.log.xen.ioapics}
        assert have == {(apic.id, apic.address) for apic in want}

    def test_every_ioapic_has_an_interrupt_remapping_entry(self, boot: Session) -> None:
        xen = boot.console.parser.log.xen
        specials = {
            entry.special.handle
            for block in xen.ivrs_blocks
            for entry in block.entries
            if entry.special is not None and entry.special.variety == 1
        }
        assert {apic.id for apic in xen.ioapics} <= specials


class TestTables:
    """With `--ivrs` or `--acpi`: Xen read what the table says."""

    def test_xen_prints_each_ivhd_block_of_the_type_that_it_uses(self, boot: Session) -> None:
        used = boot.console.parser.log.xen.ivhd_type_used
        want = [(b.type, b.flags, b.length, b.device_id) for b in blocks_of(boot)]
        have = [(b.type, b.flags, b.length, b.id) for b in boot.console.parser.log.xen.ivrs_blocks]
        assert have == [block for block in want if used in (None, block[0])]

    def test_xen_prints_each_device_entry(self, boot: Session) -> None:
        xen = boot.console.parser.log.xen
        want = [b for b in blocks_of(boot) if xen.ivhd_type_used in (None, b.type)]
        for block, printed in zip(want, xen.ivrs_blocks, strict=True):
            # The end of a range is printed with its start.
            entries = [entry for entry in block.entries if entry.type != RANGE_END]
            have = [(entry.type, entry.id, entry.flags) for entry in printed.entries]
            assert have == [(entry.type, entry.device_id, entry.data) for entry in entries]

    def test_xen_knows_each_special_device(self, boot: Session) -> None:
        xen = boot.console.parser.log.xen
        want = [
            (entry.variety, entry.handle)
            for block in blocks_of(boot)
            if xen.ivhd_type_used in (None, block.type)
            for entry in block.entries
            if entry.variety is not None
        ]
        found = [entry.special for block in xen.ivrs_blocks for entry in block.entries]
        assert [(one.variety, one.handle) for one in found if one] == want


class TestXen:
    def test_the_iommu_is_enabled(self, boot: Session) -> None:
        iommu = boot.console.parser.log.xen.iommu
        assert iommu.state == "enabled", iommu.messages

    def test_interrupts_are_remapped(self, boot: Session) -> None:
        assert boot.console.parser.log.xen.iommu.interrupt_remapping is True

    def test_all_cpus_come_up(self, board: Board, boot: Session) -> None:
        assert board.hardware.cpu is not None
        assert boot.console.parser.log.xen.cpus_brought_up == board.hardware.cpu.count

    def test_hardware_virtualisation_is_on(self, boot: Session) -> None:
        said = [line.text for line in boot.console.lines]
        assert any("HVM: SVM enabled" in line for line in said)

    def test_the_nics_are_where_the_board_has_them(self, boot: Session) -> None:
        devices = set(boot.console.parser.log.xen.pci_added)
        assert {"0000:01:00.0", "0000:02:00.0", "0000:03:00.0"} <= devices

    def test_nothing_panicked_or_reset(self, boot: Session) -> None:
        log = boot.console.parser.log
        assert not log.panics
        assert not log.resets


class TestDom0:
    def test_it_is_the_control_domain(self, dom0: Dom0Shell) -> None:
        answer = dom0.run("cat /sys/hypervisor/type /sys/hypervisor/guest_type")
        assert answer.status == 0
        assert answer.lines == ["xen", "PV"]

    def test_it_knows_the_xen_that_was_booted(self, boot: Session, dom0: Dom0Shell) -> None:
        major_minor = dom0.run(
            "cat /sys/hypervisor/version/major /sys/hypervisor/version/minor"
        ).output.replace("\n", ".")
        version = boot.console.parser.log.xen.version
        assert version is not None
        assert version.startswith(f"{major_minor}.")

    def test_it_sees_the_pci_devices_that_xen_sees(self, boot: Session, dom0: Dom0Shell) -> None:
        seen = set(dom0.run("ls /sys/bus/pci/devices").output.split())
        assert seen == set(boot.console.parser.log.xen.pci_added)

    def test_the_kernel_reports_no_machine_check(self, dom0: Dom0Shell) -> None:
        assert dom0.run("dmesg | grep -ci 'machine check.*error'").output == "0"

    def test_all_its_cpus_are_online(self, board: Board, boot: Session, dom0: Dom0Shell) -> None:
        assert board.hardware.cpu is not None
        asked = re.search(r"dom0_max_vcpus=(\d+)", boot.console.parser.log.xen.command_line or "")
        count = int(asked[1]) if asked else board.hardware.cpu.count
        assert dom0.run("grep -c ^processor /proc/cpuinfo").output == str(count)

    def test_its_host_name_is_the_board(self, board: Board, dom0: Dom0Shell) -> None:
        assert dom0.run("hostname").output == board.dom0.hostname

    def test_a_failing_command_gives_its_status(self, dom0: Dom0Shell) -> None:
        answer = dom0.run("echo before; ls /nowhere; (exit 7)")
        assert answer.status == 7
        assert answer.lines[0] == "before"
        assert "/nowhere" in answer.lines[1]

    def test_output_survives_kernel_messages_in_between(self, dom0: Dom0Shell) -> None:
        noisy = "for i in 1 2 3 4 5; do echo line $i; echo noise $i > /dev/kmsg; done"
        assert dom0.run(noisy).lines == [f"line {i}" for i in range(1, 6)]

    def test_long_and_odd_output_arrives_whole(self, dom0: Dom0Shell) -> None:
        numbers = dom0.run("seq 1 2000", timeout=120)
        assert numbers.lines == [str(i) for i in range(1, 2001)]
        assert dom0.run(r"printf '\033[1mbold\r\n'").output == "\x1b[1mbold\r"

    def test_output_that_reads_like_a_panic_is_only_output(
        self, boot: Session, dom0: Dom0Shell
    ) -> None:
        text = "(XEN) Panic on CPU 0:"
        assert dom0.run("printf '(%s) Panic on CPU 0:' XEN").output == text
        assert not boot.console.parser.log.panics

    def test_the_console_log_has_it_all(self, console: Console, dom0: Dom0Shell) -> None:
        dom0.run("echo a-word-that-only-I-say")
        assert any(re.search("a-word-that-only-I-say", line.text) for line in console.lines)
