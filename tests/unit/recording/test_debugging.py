"""Where a replay stops for gdb, and what gdb is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError, ToolMissing, UsageError
from harness.recording import debugging
from harness.recording.debugging import Stop, commands, stop_of
from harness.recording.model import Description, Recording


def recording(**fields: Any) -> Recording:
    told = {
        "schema": "harness-recording/1",
        "harness": "1",
        "state": "complete",
        "board": "apu2",
        "verdict": "HUNG",
        "machine": ("qemu-system-x86_64",),
        "shift": 5,
        "emulator": {"path": "q", "version": "7", "sha256": None},
        "files": {},
        "instructions": {"quiet": 100, "verdict": 200, "end": 300},
        **fields,
    }
    return Recording(Path("/runs/one"), Description.model_validate(told))


def test_a_hang_is_where_it_fell_silent() -> None:
    assert stop_of(recording(), None) == Stop(100, "", "in the hang, at instruction 100")
    only = recording(instructions={"verdict": 200})
    assert stop_of(only, "hang").instruction == 200


def test_what_passed_starts_at_its_begin() -> None:
    passed = recording(verdict="PASS")
    assert stop_of(passed, None).instruction == 0
    with pytest.raises(UsageError, match="did not hang"):
        stop_of(passed, "hang")


def test_an_instruction_or_a_symbol() -> None:
    assert stop_of(recording(), "300").instruction == 300
    assert stop_of(recording(), "do_softirq").symbol == "do_softirq"
    with pytest.raises(UsageError, match="ends before"):
        stop_of(recording(), "301")


@pytest.mark.parametrize("at", ["-1", "a b", "x;shell id", "1e9", "x\nshell id"])
def test_what_is_no_place(at: str) -> None:
    with pytest.raises(UsageError):
        stop_of(recording(), at)


def test_a_hang_without_its_place() -> None:
    with pytest.raises(InputError, match="where it hung"):
        stop_of(recording(instructions={}), None)


def test_what_gdb_executes() -> None:
    symbols = [Path("/a b/xen-syms"), Path("/vmlinux")]
    rows = commands(recording(), Stop(0, "idle_loop", "there"), "/run/s", symbols).splitlines()
    assert "set architecture i386:x86-64" in rows
    assert 'symbol-file "/a b/xen-syms"' in rows
    assert 'add-symbol-file "/vmlinux"' in rows
    at = rows.index("target remote /run/s")
    assert rows[at + 1 : at + 3] == ["thbreak idle_loop", "continue"]
    plain = commands(recording(), Stop(5, "", "there"), ":1", []).splitlines()
    assert "continue" not in plain


@pytest.mark.parametrize(
    ("listen", "where"), [("1234", "127.0.0.1:1234"), ("/run/a.sock", "/run/a.sock")]
)
def test_a_port_or_a_path(listen: str, where: str) -> None:
    found, server = debugging._listening(listen)
    assert found == where
    assert where in server


@pytest.mark.parametrize("listen", ["0", "65536", "/run/" + "x" * 110, "/run/a,b", "/run/a b"])
def test_what_gdb_cannot_connect_to(listen: str) -> None:
    with pytest.raises(UsageError, match="--gdb"):
        debugging._listening(listen)


def test_what_is_there_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        debugging._listening(str(tmp_path / "file"))


def test_without_gdb_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="gdb is not installed") as caught:
        debugging.gdb()
    assert "apt-get install --no-install-recommends gdb-multiarch" in str(caught.value)
    assert debugging.gdb_or_its_name() == "gdb-multiarch"


def test_a_xen_of_ones_own_needs_its_symbols(tmp_path: Path) -> None:
    notes: list[str] = []
    found = debugging._of_xen(Recording(tmp_path, recording().description), notes, offline=True)
    assert found == []
    assert "--symbols" in notes[0]
