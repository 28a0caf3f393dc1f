"""What must hold on an ARM board whose U-Boot starts Xen from a card.

    pytest --pyargs harness.suites --board cubieboard2

The first tests read the boot log, and run on a recorded log too (`--target replay:LOG`). The others
talk to U-Boot, Xen and dom0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from harness.board import Board
from harness.bootlog import BootLog
from harness.build.statictree import chosen_of
from harness.devicetree import uboot_print
from harness.devicetree.compare import differences
from harness.devicetree.tree import Node, Tree
from harness.devicetree.xen import read_chosen
from harness.session import Session
from harness.shell.dom0 import Dom0Shell
from harness.shell.uboot import UbootShell, environment
from harness.shell.xen_input import XenInput
from harness.shell.xen_keys import XenKeys

pytestmark = pytest.mark.board("cubieboard2", "orangepi-pc", "virt-arm64")


@pytest.fixture
def log(boot: Session) -> BootLog:
    return boot.console.parser.log


@pytest.fixture
def xen_cmdline(board: Board, boot: Session) -> str:
    """What Xen was booted with; of a recorded log, what the profile says."""
    return boot.request.xen_cmdline if boot.request else board.xen.cmdline


def by_role(board: Board, sizes: Mapping[int, int]) -> dict[str, int]:
    """Sizes of the files, which the log has by address."""
    assert board.boot.uboot is not None
    addresses = board.boot.uboot.addresses
    places = {"kernel": addresses.kernel, "initrd": addresses.ramdisk}
    places |= {load.role: load.address for d in board.domains for _, load in d.loads}
    return {role: sizes[at] for role, at in places.items()}


class TestLoader:
    def test_uboot_found_the_script_by_itself(self, log: BootLog) -> None:
        assert log.uboot.script == "/boot.scr"

    def test_uboot_had_nothing_to_complain_of(self, log: BootLog) -> None:
        assert [e for e in log.uboot.errors if e.severity in {"fatal", "error"}] == []

    def test_the_tree_that_it_made_is_the_one_that_we_would_make(
        self, board: Board, boot: Session, xen_cmdline: str
    ) -> None:
        rows = [line.text for line in boot.console.lines]
        first = next(i for i, row in enumerate(rows) if row.startswith("chosen {"))
        last = next(i for i, row in enumerate(rows) if i > first and row.startswith("};"))
        printed = uboot_print.parse("\n".join(rows[first : last + 1]))
        made = read_chosen(Tree(Node("/", {}, (printed,)), ()))
        log = boot.console.parser.log
        # With the word that says where dom0's root is.
        dom0 = boot.artifacts.kernel_cmdline if boot.artifacts else board.dom0.cmdline
        sizes = {module.start: module.end - module.start for module in log.uboot.modules}
        want = chosen_of(board, by_role(board, sizes), xen_cmdline, dom0)
        assert differences(made, want, called=("U-Boot's", "the static one")) == ()


class TestXen:
    def test_the_hypervisor_runs_where_it_must(self, log: BootLog) -> None:
        assert set(log.xen.arm.execution) & {"32", "64"}
        assert log.xen.arm.gic is not None

    def test_cpus_come_up_through_psci(self, log: BootLog) -> None:
        assert log.xen.arm.psci is not None
        assert log.xen.cpus_failed == ()
        booted = log.xen.cpus_brought_up
        assert booted is not None
        assert len(log.xen.arm.cpus_booted) == booted - 1

    def test_modules_are_the_files_of_the_card(self, board: Board, boot: Session) -> None:
        uboot = board.boot.uboot
        assert uboot is not None
        dom0 = boot.console.parser.log.xen.dom0
        assert dom0.kernel_module == uboot.addresses.kernel
        assert dom0.initrd_module == uboot.addresses.ramdisk
        if boot.artifacts is not None and boot.artifacts.sizes:  # we made the card
            assert {e.id: e.state for e in boot.verdict.outcomes}["built.modules"] == "met"

    def test_dom0_has_the_memory_that_was_asked_for(self, xen_cmdline: str, log: BootLog) -> None:
        asked = re.search(r"dom0_mem=(\d+)M", xen_cmdline)
        assert asked is not None
        assert sum(bank.end - bank.start for bank in log.xen.dom0.banks) == int(asked[1]) << 20

    def test_banks_of_dom0_are_in_ram(self, board: Board, log: BootLog) -> None:
        ram = board.hardware.ram or ()
        for bank in log.xen.dom0.banks:
            assert any(r.start <= bank.start and bank.end <= r.start + r.size for r in ram)


class TestUbootShell:
    def test_a_command_has_output_and_status(self, uboot: UbootShell) -> None:
        assert uboot.run("echo hello").output == "hello"
        assert uboot.run("false").status == 1

    def test_the_environment_is_that_of_the_card(self, board: Board, uboot: UbootShell) -> None:
        assert board.boot.uboot is not None
        made = board.boot.uboot.environment
        have = environment(uboot)
        assert "bootcmd" in have
        for name, value in (made.set if made else {}).items():
            # U-Boot writes some of its own back, as "serial,vidconsole".
            assert have.get(name, "") == value, name

    def test_the_files_are_on_the_card(self, board: Board, uboot: UbootShell) -> None:
        assert board.boot.uboot is not None
        device = board.boot.uboot.device
        listed = uboot.run(f"ls {device}:2 /")
        assert listed.status == 0
        assert {"xen", "zImage", "initrd"} <= set(listed.output.split())


class TestConsole:
    def test_the_input_goes_to_xen_and_back(self, xen_input: XenInput, dom0: Dom0Shell) -> None:
        with xen_input.owned_by("Xen"):
            assert xen_input.owner == "Xen"
        assert xen_input.owner == "DOM0"
        assert dom0.run("echo still here").output == "still here"

    def test_dom0_is_not_typed_to_while_xen_listens(
        self, xen_input: XenInput, dom0: Dom0Shell
    ) -> None:
        xen_input.switch_to("Xen")
        assert dom0.run("echo R").output == "R"  # Xen would have rebooted

    def test_help_lists_the_keys(self, xen_keys: XenKeys) -> None:
        keys = xen_keys.help()
        assert {"0", "d", "h", "q", "r"} <= set(keys)

    def test_domains_are_those_that_were_built(self, xen_keys: XenKeys, board: Board) -> None:
        ids = {domain.domain for domain in xen_keys.domains()}
        assert ids == set(range(len(board.domains) + 1))

    def test_run_queues_name_the_cpus(self, xen_keys: XenKeys, log: BootLog) -> None:
        queues = xen_keys.run_queues()
        assert len(queues.online) == log.xen.cpus_brought_up

    def test_registers_of_dom0(self, xen_keys: XenKeys) -> None:
        states = xen_keys.dom0_registers()
        assert states
        assert all(state.registers for state in states)

    def test_registers_of_all_cpus(self, xen_keys: XenKeys, log: BootLog) -> None:
        cpus = {state.cpu for state in xen_keys.registers()}
        assert len(cpus) == log.xen.cpus_brought_up


class TestDom0:
    def test_it_is_a_dom0(self, dom0: Dom0Shell) -> None:
        assert dom0.run("cat /sys/hypervisor/type").output == "xen"

    def test_it_has_the_cpus_that_were_asked_for(self, xen_cmdline: str, dom0: Dom0Shell) -> None:
        asked = re.search(r"dom0_max_vcpus=(\d+)", xen_cmdline)
        assert asked is not None
        assert dom0.run("nproc").output == asked[1]
