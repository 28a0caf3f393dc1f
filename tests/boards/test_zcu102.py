"""What must hold on a board of which the emulator loads Xen itself, with a static device tree.

    pytest --pyargs harness.suites --board zcu102

All but the last test read the boot log, and run on a recorded log too (`--target replay:LOG`).
"""

from __future__ import annotations

import re

import pytest

from harness.board import Board
from harness.bootlog import BootLog
from harness.session import Session
from harness.shell.dom0 import Dom0Shell

pytestmark = pytest.mark.board("zcu102")


@pytest.fixture
def log(boot: Session) -> BootLog:
    return boot.console.parser.log


def test_xen_runs_as_a_64_bit_hypervisor(log: BootLog) -> None:
    assert "64" in log.xen.arm.execution
    assert log.xen.arm.gic == "GICv2"


def test_one_cpu_runs(log: BootLog) -> None:
    assert log.xen.cpus_brought_up == 1
    assert log.xen.cpus_failed == ()


def test_modules_are_where_the_tree_says(board: Board, log: BootLog) -> None:
    assert board.boot.direct is not None
    assert log.xen.dom0.kernel_module == board.boot.direct.kernel
    assert log.xen.dom0.initrd_module == board.boot.direct.ramdisk


def test_dom0_has_the_memory_that_was_asked_for(board: Board, log: BootLog) -> None:
    asked = re.search(r"dom0_mem=(\d+)M", board.xen.cmdline)
    assert asked is not None
    banks = log.xen.dom0.banks
    assert sum(bank.end - bank.start for bank in banks) == int(asked[1]) << 20
    ram = board.hardware_of("qemu").ram or ()
    assert all(
        any(r.start <= bank.start and bank.end <= r.start + r.size for r in ram) for bank in banks
    )


def test_dom0_is_one(dom0: Dom0Shell) -> None:
    assert dom0.run("cat /sys/hypervisor/type").output == "xen"
    assert dom0.run("nproc").output == "1"
