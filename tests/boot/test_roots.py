"""What dom0 lives in, booted: each kind of root, and an NFS server that is killed under one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from harness.board import load
from harness.boot import booted
from harness.bootlog import Line
from harness.console import Console
from harness.request import BootRequest
from harness.serve.nfs import why_no_nfs
from harness.session import Observer
from harness.target.base import Target
from harness.verdict import Kind

NFS = pytest.mark.skipif(why_no_nfs() is not None, reason=f"NFS not run: {why_no_nfs()}")


def request(board: str, out: Path, **more: object) -> BootRequest:
    return BootRequest(load(board), out=out, **more)  # type: ignore[arg-type]  # of the caller


@NFS
def test_linux_alone_boots_from_the_same_root(tmp_path: Path) -> None:
    asked = request("apu2", tmp_path / "run", root="nfs", entry="netboot")
    with booted(asked) as session:
        assert session.verdict.kind is Kind.PASS, session.verdict.cause
        assert session.result["root"]["kind"] == "nfs"
        assert session.console.parser.log.xen.version is None
        dom0 = session.dom0
        # Below a bare Linux there is no Xen, and who asks is told so.
        assert dom0.run("cat /sys/hypervisor/type").status != 0
        assert dom0.run("hostname").output == "apu2"
        assert dom0.run("grep -c ' / overlay ' /proc/mounts").output == "1"
        dom0.run("rm -rf /etc/xen && touch /etc/written")
        root = session.artifacts.root if session.artifacts else None
        assert root is not None
        assert (root.root.folder / "etc/xen").is_dir()
        assert not (root.root.folder / "etc/written").exists()


class Killer(Observer):
    """Kills the NFS server of the run below a folder when dom0's kernel starts /init."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.killed: int | None = None

    def attached(self, console: Console, target: Target) -> None:
        del target
        console.on_line.append(self.heard)

    def heard(self, line: Line) -> None:
        if "Run /init" not in line.text or self.killed is not None:
            return
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                argv = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if argv[0].endswith(b"ganesha.nfsd") and str(self.folder).encode() in b" ".join(argv):
                self.killed = int(entry.name)
                os.kill(self.killed, signal.SIGKILL)


@NFS
def test_an_nfs_server_that_is_killed_is_our_failure_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    killer = Killer(folder)
    asked = request("apu2", folder, root="nfs", method="multiboot")
    with booted(asked, killer) as session:
        assert killer.killed is not None
        assert session.verdict.kind is Kind.INFRA
        assert "NFS server" in session.verdict.cause
        assert "SIGKILL" in session.verdict.cause
    assert not Path(f"/proc/{killer.killed}/cwd").exists()


@pytest.mark.parametrize(
    ("board", "root", "method"),
    [
        ("apu2", "9p", "multiboot"),
        ("cubieboard2", "ext4", None),
        ("virt-arm64", "initramfs", None),
    ],
)
def test_xl_answers_in_every_kind_of_root(
    tmp_path: Path, board: str, root: str, method: str | None
) -> None:
    with booted(request(board, tmp_path / "run", root=root, method=method)) as session:
        assert session.verdict.kind is Kind.PASS, session.verdict.cause
        [domain] = [row for row in session.dom0.xl.list() if row.id == 0]
        assert domain.name == "Domain-0"
        assert session.dom0.xenstore.read("/local/domain/0/name") == "Domain-0"
        assert session.result["root"]["kind"] == root
