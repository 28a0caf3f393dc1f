"""The NFS server without nfs-ganesha: what refuses to start, and a program in its place."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.build.render import render
from harness.errors import ServerError, ToolMissing, UsageError
from harness.serve import nfs
from harness.serve.nfs import EXPORT, NfsServer, why_no_nfs
from harness.serve.nfs_probe import probe

# Answers calls until it is ended: the status of each COMPOUND is its argument.
FAKE = """\
#!{python}
import signal, socket, struct, sys
signal.signal(signal.SIGTERM, signal.SIG_DFL)
log = open(sys.argv[sys.argv.index("-L") + 1], "a")
print("21/11/2026 11:54:34 : epoch 6b : host : ganesha.nfsd-1[main] f :NFS :EVENT :up",
      file=log, flush=True)
{body}
"""
SERVE = """\
line = socket.create_server(("127.0.0.1", 0))
while True:
    client, _ = line.accept()
    while head := client.recv(4):
        call = client.recv(struct.unpack(">I", head)[0] & 0x7fffffff)
        answer = call[:4] + struct.pack(">IIIII", 1, 0, 0, 0, 0) + struct.pack(">I", {status})
        client.sendall(struct.pack(">I", 0x80000000 | len(answer)) + answer)
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a program in the place of nfs-ganesha, and lets anyone run it."""

    def put(body: str, *, exportable: bool = True) -> None:
        program = tmp_path / "bin" / nfs.PROGRAM
        program.parent.mkdir()
        program.write_text(FAKE.format(python=sys.executable, body=body))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(nfs, "_capabilities", lambda: 1 << 2)
        if exportable:
            monkeypatch.setattr(nfs, "_check_exportable", lambda _: None)

    return put


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


# --- where it cannot run -----------------------------------------------------------------------


def test_not_installed(monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert why_no_nfs() == "ganesha.nfsd is not installed"
    with pytest.raises(ToolMissing) as raised, NfsServer(folder, tmp_path / "nfs"):
        pass
    assert raised.value.hint is not None
    assert raised.value.hint.endswith("nfs-ganesha nfs-ganesha-vfs")


def test_not_root(
    install: Install, monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    install("")
    assert why_no_nfs() is None
    monkeypatch.setattr(nfs, "_capabilities", lambda: 0)
    assert "CAP_DAC_READ_SEARCH" in str(why_no_nfs())
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="only root can run") as raised:
        NfsServer(folder, tmp_path / "nfs").__enter__()
    assert "--root 9p or --root initramfs" in str(raised.value.hint)


def test_a_file_system_that_it_would_not_find(
    install: Install, monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    install("", exportable=False)
    table = tmp_path / "mtab"
    monkeypatch.setattr(nfs, "_MTAB", table)
    assert "which is not there" in str(why_no_nfs(folder))
    table.write_text("proc /proc proc rw 0 0\n")
    assert "its file system is not in /etc/mtab" in str(why_no_nfs(folder))
    mount = next(at for at in (folder, *folder.parents) if at.is_mount())
    table.write_text(f"none {mount} overlay rw 0 0\n")
    assert "an overlay gives no file handles" in str(why_no_nfs(folder))
    with pytest.raises(UsageError, match="an overlay"):
        NfsServer(folder, tmp_path / "nfs").__enter__()
    table.write_text(f"/dev/vda {mount} ext4 rw 0 0\n")
    assert why_no_nfs(folder) is None


def test_no_folder_to_export(install: Install, tmp_path: Path) -> None:
    install("")
    with pytest.raises(ServerError, match="no such folder"):
        NfsServer(tmp_path / "nowhere", tmp_path / "nfs").__enter__()


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb"])
def test_a_path_that_its_configuration_cannot_express(
    install: Install, tmp_path: Path, name: str
) -> None:
    install("")
    (tmp_path / name).mkdir()
    with pytest.raises(ServerError, match="cannot be told this path"):
        NfsServer(tmp_path / name, tmp_path / "nfs").__enter__()


# --- a program in its place --------------------------------------------------------------------


def test_it_is_up_and_ends_with_us(install: Install, folder: Path, tmp_path: Path) -> None:
    install(SERVE.format(status=0))
    said: list[str] = []
    with NfsServer(folder, tmp_path / "a b" / "nfs", progress=said.append) as server:
        assert server.alive
        server.check()
        assert server.death() is None
        assert server.url("192.168.42.1") == f"192.168.42.1:{server.port}:/dom0"
        assert said == [f"NFS server on 127.0.0.1:{server.port}, exports {folder}"]
    assert not server.alive
    assert server.death() is None  # it was us
    with pytest.raises(ServerError, match="has stopped"):
        server.check()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port))


def test_its_death_is_told_with_the_end_of_its_log(
    install: Install, folder: Path, tmp_path: Path
) -> None:
    install(SERVE.format(status=0))
    with NfsServer(folder, tmp_path / "nfs", clock=lambda: 12.34) as server:
        assert server._process is not None
        os.kill(server._process.pid, signal.SIGKILL)
        server._process.wait()
        assert not server.alive
        assert server.death() == "the NFS server was killed by SIGKILL at 12.3 s"
        with pytest.raises(
            ServerError, match=r"SIGKILL at 12\.3 s; its log ends with:\n    NFS"
        ) as e:
            server.check()
        assert e.value.log == server.log
    assert server.death() == "the NFS server was killed by SIGKILL at 12.3 s"


def test_one_that_ends_at_once(install: Install, folder: Path, tmp_path: Path) -> None:
    install('print("no such option", file=sys.stderr); sys.exit(3)')
    server = NfsServer(folder, tmp_path / "nfs")
    with pytest.raises(ServerError, match="ended with exit code 3 before it was up") as raised:
        server.__enter__()
    assert "    NFS :EVENT :up\n    no such option" in raised.value.message
    assert "initramfs" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("import time; time.sleep(60)", "it does not listen"),
        (SERVE.format(status=2), "there is no such name"),
    ],
)
def test_one_that_does_not_come_up_is_ended(
    install: Install, folder: Path, tmp_path: Path, body: str, why: str
) -> None:
    install(body)
    server = NfsServer(folder, tmp_path / "nfs", scale=0.1)
    with pytest.raises(ServerError, match=f"not up after 2 s: .*{why}"):
        server.__enter__()
    assert server._process is not None
    assert server._process.poll() is not None


def test_one_that_was_not_started(folder: Path, tmp_path: Path) -> None:
    server = NfsServer(folder, tmp_path / "nfs")
    assert not server.alive
    with pytest.raises(ServerError, match="was not started"):
        server.check()


def test_the_configuration_is_read_only_and_stays_in_its_folder() -> None:
    text = render(
        "ganesha.conf.j2", bind="127.0.0.1", folder="/r oot", export=EXPORT, work="/w ork"
    )
    for row in ("Access_Type = RO;", 'Path = "/r oot";', 'Pseudo = "/dom0";', "Protocols = 4;"):
        assert row in text
    assert 'RecoveryRoot = "/w ork/state";' in text
    assert 'CCacheDir = "/w ork/credentials";' in text
    assert "Bind_addr = 127.0.0.1;" in text


# --- the probe ---------------------------------------------------------------------------------


class Answers:
    """A server that answers each call with the next of these, whatever was asked."""

    def __init__(self, *answers: bytes) -> None:
        self._line = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._line.getsockname()[1]
        self._answers = answers
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        client, _ = self._line.accept()
        with client, self._line:
            for answer in self._answers:
                (head,) = struct.unpack(">I", client.recv(4))
                call = client.recv(head & 0x7FFFFFFF)
                client.sendall(answer.replace(b"XID!", call[:4]))


@pytest.fixture
def answers() -> Iterator[Callable[..., int]]:
    made: list[Answers] = []

    def make(*given: bytes) -> int:
        made.append(Answers(*given))
        return made[-1].port

    yield make
    for server in made:
        server.thread.join(5)
        assert not server.thread.is_alive()


def record(body: bytes, last: bool = True) -> bytes:
    return struct.pack(">I", (0x80000000 if last else 0) | len(body)) + body


OK = b"XID!" + struct.pack(">IIIII", 1, 0, 0, 0, 0)


def test_a_probe_that_finds_the_export(answers: Callable[..., int]) -> None:
    # The second answer comes in two fragments.
    second = record(OK, last=False) + record(struct.pack(">I", 0))
    probe("127.0.0.1", answers(record(OK), second), "/dom0", 5)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([record(OK), record(OK + struct.pack(">I", 2))], "NFS4ERR_NOENT"),
        ([record(OK), record(OK + struct.pack(">I", 77))], "NFSv4 status 77"),
        ([record(OK), record(OK)], "before its status"),
        ([record(b"XID!" + struct.pack(">IIIII", 1, 1, 0, 0, 0))], "refuses NFSv4"),
        ([record(b"XID?" + struct.pack(">IIIII", 1, 0, 0, 0, 0))], "answers something else"),
        ([record(b"XID!")], "too short"),
        ([b"SSH-2.0-OpenSSH\r\n"], "answers something else"),
        ([b"\x80\0\0\x10abc"], "closed the connection"),
        ([b""], "closed the connection"),
    ],
)
def test_a_probe_that_does_not(given: list[bytes], why: str, answers: Callable[..., int]) -> None:
    with pytest.raises(ServerError, match=why):
        probe("127.0.0.1", answers(*given), "/dom0", 5)


def test_a_probe_of_a_silent_server_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            probe("127.0.0.1", silent.getsockname()[1], "/dom0", 0.1)
        assert time.monotonic() - begin < 60
