"""The real nfs-ganesha; where it cannot run, these are reported as not run, with the reason."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import ServerError
from harness.serve import nfs, nfs_probe
from harness.serve.nfs import NfsServer, why_no_nfs
from harness.serve.nfs_probe import probe

REASON = why_no_nfs()
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"NFS not run: {REASON}")

# What nfs-ganesha makes if it is not told otherwise.
ELSEWHERE = ("/run/ganesha", "/var/lib/nfs/ganesha", "/run/blkid/blkid.tab")
_REMOVE = 28
_ROFS = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "a röot"
    (made / "etc").mkdir(parents=True)
    (made / "etc" / "shadow").write_text("secret")
    (made / "etc" / "shadow").chmod(0o600)
    return made


def gone(pid: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_it_exports_its_folder_read_only(folder: Path, tmp_path: Path) -> None:
    before = {name: Path(name).exists() for name in ELSEWHERE}
    with NfsServer(folder, tmp_path / "work folder") as server:
        probe("127.0.0.1", server.port, "/dom0/etc/shadow", 5)
        with pytest.raises(ServerError, match="NFS4ERR_NOENT"):
            probe("127.0.0.1", server.port, "/dom0/etc/passwd", 5)
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
            path = struct.pack(">III", 0, 0, 3) + struct.pack(">I", nfs_probe._PUTROOTFH)
            path += struct.pack(">I", nfs_probe._LOOKUP) + nfs_probe._string(b"dom0")
            path += struct.pack(">I", _REMOVE) + nfs_probe._string(b"etc")
            result = nfs_probe._call(line, nfs_probe._COMPOUND, path, "here")
            assert struct.unpack_from(">I", result) == (_ROFS,)
            assert server.connections() >= 1
        assert server.alive
    assert {name: Path(name).exists() for name in ELSEWHERE} == before
    assert (folder / "etc" / "shadow").exists()


def test_two_at_a_time(folder: Path, tmp_path: Path) -> None:
    with NfsServer(folder, tmp_path / "a") as one, NfsServer(tmp_path, tmp_path / "b") as two:
        assert one.port != two.port
        probe("127.0.0.1", one.port, "/dom0/etc", 5)
        probe("127.0.0.1", two.port, f"/dom0/{folder.name}/etc", 5)


def test_an_address_that_is_not_ours(folder: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ServerError, match="NFS server") as raised,
        NfsServer(folder, tmp_path / "nfs", bind="192.0.2.1", scale=0.2),
    ):
        pass
    assert "192.0.2.1" in str(raised.value) or "bind" in str(raised.value).lower()


def test_one_that_is_killed_says_so(folder: Path, tmp_path: Path) -> None:
    with NfsServer(folder, tmp_path / "nfs", clock=lambda: 3.0) as server:
        assert server._process is not None
        os.kill(server._process.pid, signal.SIGKILL)
        server._process.wait()
        with pytest.raises(ServerError, match=r"killed by SIGKILL at 3\.0 s") as raised:
            server.check()
    assert "NFS SERVER INITIALIZED" in raised.value.message


_HOLD = """\
import sys, time
from pathlib import Path
from harness.serve.nfs import NfsServer
with NfsServer(Path(sys.argv[1]), Path(sys.argv[2])) as server:
    print(server._process.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_us(folder: Path, tmp_path: Path, ending: signal.Signals) -> None:
    argv = [sys.executable, "-c", _HOLD, str(folder), str(tmp_path / "nfs")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        pid = int(holder.stdout.readline())
        assert not gone(pid, 0.1)
        holder.send_signal(ending)
    assert gone(pid)


def test_a_busy_server_dies_with_us(folder: Path, tmp_path: Path) -> None:
    """Its threads take the identity of a client for a while; that may not set it free."""
    argv = [sys.executable, "-c", _HOLD, str(folder), str(tmp_path / "nfs")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        pid = int(holder.stdout.readline())
        port = nfs._listens(pid)
        assert port is not None
        for _ in range(20):
            probe("127.0.0.1", port, "/dom0/etc/shadow", 5)
        holder.kill()
    assert gone(pid)
