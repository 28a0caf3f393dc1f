"""dom0 as Xen's control domain: xl, XenStore, files, and why they fail. On x86 and on ARM.

`pytest tests/boards --board apu2 -m xl`, `--board cubieboard2`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.board import Board
from harness.bootlog.debug_keys import parse_domains
from harness.session import Session
from harness.shell.xen_keys import XenKeys
from harness.toolstack.dom0 import Dom0, TransferError
from harness.toolstack.hang import CommandHung
from harness.toolstack.xenstore import XenStoreError
from harness.toolstack.xl import XlError

pytestmark = [pytest.mark.xl, pytest.mark.live]

# Seconds of an idle host, in which `xl list` ends if it ends at all.
HANGS = 5.0


@contextmanager
def undone(dom0: Dom0, done: str, undo: str) -> Iterator[None]:
    """Inside, dom0 is damaged."""
    assert dom0.run(done).status == 0
    try:
        yield
    finally:
        assert dom0.run(undo).status == 0


class TestXl:
    def test_the_control_domain_is_listed(self, dom0: Dom0) -> None:
        first = dom0.xl.list()[0]
        assert (first.name, first.id) == ("Domain-0", 0)
        assert "crashed" not in first.states

    def test_the_host_is_the_one_that_booted(self, boot: Session, dom0: Dom0) -> None:
        info, log = dom0.xl.info(), boot.console.parser.log.xen
        assert info.xen_version == log.version
        assert info.nr_cpus == log.cpus_brought_up
        assert info.host == dom0.run("hostname").output
        assert info.total_memory is not None
        assert info.free_memory is not None
        assert 0 < info.free_memory < info.total_memory

    def test_every_virtual_cpu_is_listed(self, dom0: Dom0) -> None:
        vcpus = dom0.xl.vcpu_list("Domain-0")
        assert [one.vcpu for one in vcpus] == list(range(len(vcpus)))
        assert sum(one.cpu is not None for one in vcpus) == dom0.xl.list()[0].vcpus

    def test_the_log_of_xen_is_that_of_the_console(self, boot: Session, dom0: Dom0) -> None:
        log = dom0.xl.dmesg()
        own = [line for line in log.lines if line.startswith("(XEN) ")]
        seen = "\n".join(line.text for line in boot.console.lines)
        # The ring of Xen forgets its oldest lines: where a suite has pressed many debug keys, or
        # a guest has written there, its banner is gone. Before the banner there is no console.
        banner = next((at for at, line in enumerate(own) if "Xen version" in line), None)
        printed = own[banner:]
        assert printed
        assert [line for line in printed if line.strip() not in seen] == []
        if banner is not None:
            assert log.log.xen.version == boot.console.parser.log.xen.version
            # What begins in the middle may begin in the registers that a debug key had printed.
            assert not log.log.panics

    def test_debug_keys_from_dom0_and_from_the_console_agree(
        self, dom0: Dom0, xen_keys: XenKeys
    ) -> None:
        ours = next(one for one in parse_domains(dom0.xl.debug_keys("q")) if one.domain == 0)
        theirs = next(one for one in xen_keys.domains() if one.domain == 0)
        assert (ours.domain, ours.pages, len(ours.vcpus)) == (
            0,
            theirs.pages,
            len(theirs.vcpus),
        )

    def test_an_error_is_explained(self, dom0: Dom0) -> None:
        with pytest.raises(XlError, match="there is no such domain") as caught:
            dom0.xl.destroy("nobody")
        assert caught.value.problem is not None
        assert caught.value.problem.id == "xl-no-domain"

    def test_a_kernel_that_is_not_there(self, dom0: Dom0) -> None:
        cfg = 'name = "none"\ntype = "pvh"\nkernel = "/boot/nothing"\nmemory = 32\n'
        with pytest.raises(XlError, match="/boot/nothing of the domain cannot be read"):
            dom0.xl.create(cfg)
        assert dom0.xl.domain("none") is None

    def test_memory_beyond_the_machine(self, dom0: Dom0) -> None:
        total = dom0.xl.info().total_memory
        assert total is not None
        # Any kernel: memory is asked for first, or the file is found to be none.
        cfg = f'name = "big"\ntype = "pvh"\nkernel = "/run/kernel"\nmemory = {2 * total}\n'
        kernel = dom0.run("ls /boot/vmlinuz* | head -n 1").output
        if not kernel:
            pytest.skip("this dom0 has no kernel for guests")
        dom0.run(f"ln -sf {kernel} /run/kernel")
        with pytest.raises(XlError, match="MiB are free") as caught:
            dom0.xl.create(cfg)
        assert caught.value.problem is not None
        assert caught.value.problem.id == "xl-no-memory"
        assert dom0.xl.domain("big") is None


class TestXenStore:
    def test_values_come_back_as_they_were(self, dom0: Dom0) -> None:
        store, odd = dom0.xenstore, 'it\'s "odd" \\ \n\té $x'
        store.write("/harness/a/b", odd)
        try:
            assert store.read("/harness/a/b") == odd
            node = store.ls("/harness").find("a/b")
            assert node is not None
            assert node.value == odd
            store.chmod("/harness/a", "n0", "b7", recursive=True)
            changed = store.ls("/harness").find("a/b")
            assert changed is not None
            assert changed.permissions == ("n0", "b7")
            assert store.names("/harness") == ("a",)
        finally:
            store.rm("/harness")
        assert not store.exists("/harness")

    def test_what_is_not_there(self, dom0: Dom0) -> None:
        with pytest.raises(XenStoreError) as caught:
            dom0.xenstore.read("/nowhere")
        assert caught.value.missing

    def test_dom0_has_its_name(self, dom0: Dom0) -> None:
        assert dom0.xenstore.read("/local/domain/0/name") == "Domain-0"


class TestFiles:
    @pytest.mark.parametrize("size", [0, 500, 20_000])
    def test_a_file_goes_in_and_out(self, dom0: Dom0, size: int) -> None:
        data = os.urandom(size)
        dom0.put("/run/a file", data, 0o600)
        assert dom0.run("ls -l '/run/a file'").output.startswith("-rw------- ")
        assert dom0.get("/run/a file") == data
        dom0.run("rm '/run/a file'")

    def test_a_large_file_goes_over_the_network(self, dom0: Dom0) -> None:
        via = dom0.transfers
        if via is None:
            pytest.skip("this dom0 has no network to the harness: files go over the console")
        data, before = os.urandom(200_000), len(via.server.requests)
        dom0.put("/run/large", data)
        assert dom0.get("/run/large") == data
        dom0.run("rm /run/large")
        asked = [(one.method, one.status) for one in via.server.requests[before:]]
        assert asked == [("GET", 200), ("POST", 200)]

    def test_what_does_not_fit(self, dom0: Dom0) -> None:
        small = "mkdir -p /run/small && mount -t tmpfs -o size=64k none /run/small"
        with undone(dom0, small, "umount /run/small"):
            with pytest.raises(TransferError, match="no space for 100000 bytes"):
                dom0.put("/run/small/x", bytes(100_000))
            assert dom0.run("ls -A /run/small").output == ""

    def test_what_is_not_there(self, dom0: Dom0) -> None:
        with pytest.raises(TransferError, match="No such file"):
            dom0.get("/nowhere")


class TestWhatGoesWrong:
    def test_a_command_that_hangs_is_diagnosed(self, board: Board, dom0: Dom0) -> None:
        """As `xl pci-assignable` did in the original report: nobody answers it."""
        pid = "$(cat /run/xenstored.pid /run/xen/xenstored.pid 2>/dev/null | head -n 1)"
        stopped = undone(dom0, f"kill -STOP {pid}", f"kill -CONT {pid}")
        with stopped, pytest.raises(CommandHung) as caught:
            dom0.xl.run("list", timeout=HANGS)
        hung = caught.value
        assert hung.report.prompt, f"{board.name}: {hung}"
        assert hung.report.cause == "xenstored is stopped (SIGSTOP): nobody answers the tools"
        assert any(one.name == "xl" and one.where for one in hung.report.threads), hung
        assert hung.report.dom0 is not None, "Xen was not asked, or did not answer"
        assert hung.log is not None
        assert dom0.xl.list()[0].name == "Domain-0"

    def test_no_way_to_xen_is_diagnosed(self, dom0: Dom0) -> None:
        """The words of the original report, and what is behind them."""
        assert dom0.diagnose_privcmd() is None
        away = "mv /dev/xen/privcmd /dev/xen/away && mount -t tmpfs none /proc/xen"
        back = "mv /dev/xen/away /dev/xen/privcmd && umount /proc/xen"
        with undone(dom0, away, back), pytest.raises(XlError) as caught:
            dom0.xl.list()
        bad = caught.value
        assert "Could not obtain handle on privileged command interface" in bad.said
        assert bad.diagnosis is not None
        assert bad.diagnosis.id == "privcmd-no-node"
        assert dom0.diagnose_privcmd() is None
        assert dom0.xl.list()
