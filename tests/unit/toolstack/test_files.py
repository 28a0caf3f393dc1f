from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from harness.errors import InfraError, UsageError
from harness.serve.http import HttpServer
from harness.toolstack import transfers
from harness.toolstack.dom0 import Dom0, TransferError, Transfers
from tests.unit.toolstack.conftest import Program, any_shell

RANDOM = os.urandom(30_000)


@any_shell
@pytest.mark.parametrize(
    "data",
    [b"", b"one line\n", b"\0\xff\r\n.\n", RANDOM[:3000]],
    ids=["none", "line", "odd", "more"],
)
def test_a_file_goes_in_and_out_over_the_console(dom0: Dom0, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a 'file' $x"
    dom0.put(str(path), data, 0o750)
    assert path.read_bytes() == data
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert dom0.get(str(path)) == data
    assert {one.name for one in tmp_path.iterdir()} == {path.name, "kept", "kept.out"}


def test_a_file_of_the_host(dom0: Dom0, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(b"content")
    dom0.put(str(tmp_path / "there"), tmp_path / "here")
    assert (tmp_path / "there").read_bytes() == b"content"
    with pytest.raises(InfraError, match=r"cannot read .*nothing"):
        dom0.put(str(tmp_path / "there"), tmp_path / "nothing")


def test_a_large_file_is_printed_in_pieces(dom0: Dom0, tmp_path: Path) -> None:
    data = RANDOM * 3
    (tmp_path / "large").write_bytes(data)
    assert dom0.get(str(tmp_path / "large")) == data


def test_a_large_file_goes_over_http(dom0: Dom0, tmp_path: Path) -> None:
    with HttpServer({}) as server:
        dom0.transfers = Transfers(server, server.url("127.0.0.1") + "/")
        dom0.put(str(tmp_path / "large"), RANDOM)
        assert (tmp_path / "large").read_bytes() == RANDOM
        assert dom0.get(str(tmp_path / "large")) == RANDOM
        made = [(one.method, one.status) for one in server.requests]
    assert made == [("GET", 200), ("POST", 200)]


def test_a_small_file_asks_no_server(dom0: Dom0, tmp_path: Path) -> None:
    with HttpServer({}) as server:
        dom0.transfers = Transfers(server, server.url("127.0.0.1"))
        dom0.put(str(tmp_path / "small"), b"x")
        assert dom0.get(str(tmp_path / "small")) == b"x"
        assert server.requests == []


def test_without_a_way_to_the_server_the_console_does_it(dom0: Dom0, tmp_path: Path) -> None:
    told: list[str] = []
    dom0.tell = told.append
    with HttpServer({}) as server:
        # Nobody listens on port 1.
        dom0.transfers = Transfers(server, "http://127.0.0.1:1")
        dom0.put(str(tmp_path / "large"), RANDOM[:4000])
        assert dom0.get(str(tmp_path / "large")) == RANDOM[:4000]
    assert (tmp_path / "large").read_bytes() == RANDOM[:4000]
    assert len(told) == 1
    assert "dom0 does not reach http://127.0.0.1:1 (" in told[0]
    assert told[0].endswith("files go over the console")


def test_what_takes_long_is_said(
    dom0: Dom0, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "_LONG", 0.0)
    told: list[str] = []
    dom0.tell = told.append
    dom0.put(str(tmp_path / "x"), b"x")
    assert told == [f"{tmp_path / 'x'} goes to dom0 over the console: about 0 s"]


def test_what_is_too_large_for_the_console(
    dom0: Dom0, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "_MOST_TYPED", 100)
    monkeypatch.setattr(transfers, "_MOST_PRINTED", 100)
    with pytest.raises(TransferError, match="too large to be typed") as caught:
        dom0.put(str(tmp_path / "x"), RANDOM[:500])
    assert "Dom0.transfers" in str(caught.value.hint)
    assert not (tmp_path / "x").exists()
    (tmp_path / "y").write_bytes(RANDOM[:500])
    with pytest.raises(TransferError, match="too large to be printed"):
        dom0.get(str(tmp_path / "y"))


def test_a_limit(dom0: Dom0, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert dom0.get(str(tmp_path / "x"), limit=5) == b"12345"
    with pytest.raises(TransferError, match="has 5 bytes"):
        dom0.get(str(tmp_path / "x"), limit=4)


@pytest.mark.parametrize(
    ("path", "why"),
    [("/proc", "it is a folder"), ("/nowhere/x", "there is no folder for it")],
)
def test_where_nothing_can_be_put(dom0: Dom0, path: str, why: str) -> None:
    with pytest.raises(TransferError, match=f"cannot write {path} in dom0: {why}"):
        dom0.put(path, b"x")


def test_a_sealed_folder(dom0: Dom0) -> None:
    with pytest.raises(TransferError, match="cannot write /proc/x in dom0: "):
        dom0.put("/proc/x", b"x")


@pytest.mark.parametrize(
    ("path", "why"),
    [("/nowhere", "No such file"), ("/proc", "no regular"), ("/dev/zero", "no regular")],
)
def test_what_cannot_be_got(dom0: Dom0, path: str, why: str) -> None:
    with pytest.raises(TransferError, match=f"cannot read {path} in dom0: .*{why}"):
        dom0.get(path)


def test_a_name_that_cannot_be_typed(dom0: Dom0) -> None:
    with pytest.raises(UsageError, match="cannot be typed"):
        dom0.put("/run/a\nb", b"x")


def test_no_space_is_seen_before_it_is_written(
    dom0: Dom0, program: Program, tmp_path: Path
) -> None:
    rows = "Filesystem 1024-blocks Used Available Capacity Mounted on\ntmp 64 63 1 99% /tmp\n"
    program("df", rows)
    with pytest.raises(TransferError, match="no space for 2000 bytes; there are 1024"):
        dom0.put(str(tmp_path / "x"), b"x" * 2000)


def test_an_initramfs_has_no_size(dom0: Dom0, program: Program, tmp_path: Path) -> None:
    rows = "Filesystem 1024-blocks Used Available Capacity Mounted on\nrootfs 0 0 0 0% /\n"
    program("df", rows)
    dom0.put(str(tmp_path / "x"), b"x")
    assert (tmp_path / "x").read_bytes() == b"x"


def test_a_damaged_file_is_typed_again_and_then_refused(
    dom0: Dom0, program: Program, tmp_path: Path
) -> None:
    calls = program("sha256sum", "0000  -\n")
    with pytest.raises(TransferError, match="arrives damaged on dom0's console, 3 times"):
        dom0.put(str(tmp_path / "x"), b"x")
    assert len(calls.read_text().split("\n")) == 4
    assert not (tmp_path / "x").exists()


def test_damage_on_the_way_out(dom0: Dom0, program: Program, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    program("sha256sum", "0" * 64 + "  -\n")
    with pytest.raises(TransferError, match="arrived damaged from dom0"):
        dom0.get(str(tmp_path / "x"))


def test_nothing_half_is_left_when_it_cannot_be_moved(
    dom0: Dom0, program: Program, tmp_path: Path
) -> None:
    program("mv", "mv: No space left on device\n", 1)
    with pytest.raises(TransferError, match="no space for 1 bytes"):
        dom0.put(str(tmp_path / "x"), b"x")
    assert not list(tmp_path.glob("*.new"))
