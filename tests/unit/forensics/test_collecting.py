"""Collecting on what is no QEMU, and what fails while it is collected. Evidence: simulated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from harness.console import Console
from harness.errors import SourceError, TargetError
from harness.forensics import Options, collect, on_hang
from harness.forensics.finding import find
from harness.forensics.model import Forensics
from harness.forensics.xen import Said, cpus_by_keys, dom0_state, fatal_nmi
from harness.run import RunFolder
from harness.session import HangContext, Session
from harness.sources import Binary, Sources
from harness.target.base import Channel
from harness.target.simulated import Say, SimulatedTarget
from harness.verdict import Ending

DATA = Path(__file__).resolve().parents[2] / "data/debug_keys"
XEN = b"(XEN) Xen version 4.17.7 (Debian)\r\n(XEN) Brought up 4 CPUs\r\n"
HUNG = Ending("silence", "silent for 20 s")


def answers(which: str) -> Said:
    return Said({key: (DATA / f"{which}-{key}.txt").read_text().splitlines() for key in "d0q"})


class Line:
    """A serial line on which a Xen was, which hears nothing any more."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def read(self, size: int, timeout: float) -> bytes:
        del timeout
        data, self._said = self._said[:size], self._said[size:]
        return data

    def write(self, data: bytes) -> None:
        if data == b"fail":
            raise TargetError("the other side takes no bytes")


class Clock:
    """Time that passes by being asked for."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.05
        return self.now


@pytest.fixture
def context(tmp_path: Path) -> Iterator[HangContext]:
    run = RunFolder.create("x", tmp_path / "run")
    channel = cast(Channel, Line(XEN))
    console = Console(channel, raw=None, log=None, clock=Clock())
    console.pump(0.0)
    session = Session(None, SimulatedTarget([Say(b"")]), console, HUNG, run=run)
    yield HangContext(session, HUNG)
    run.close()


def test_a_board_on_a_line_can_only_be_asked(context: HangContext) -> None:
    found = collect(context)
    assert found.xen_alive is False
    assert found.cpus == ()
    assert found.progress == "unknown"
    assert any("its CPUs cannot be seen" in note for note in found.notes)
    assert any("Xen does not answer" in note for note in found.notes)
    run = context.session.run
    assert run is not None
    kept = json.loads((run.path / "forensics.json").read_text())
    assert (kept["schema"], kept["xen_alive"]) == ("harness-forensics/1", False)
    assert "nothing could be found out" in (run.path / "forensics.txt").read_text()
    result = json.loads((run.path / "result.json").read_text())
    assert result["forensics"]["progress"] == "unknown"


def test_what_fails_is_a_note(context: HangContext, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Said:
        raise ZeroDivisionError("a defect of ours")

    monkeypatch.setattr("harness.forensics.collecting.press_keys", broken)
    on_hang()(context)
    run = context.session.run
    assert run is not None
    notes = json.loads((run.path / "forensics.json").read_text())["notes"]
    assert "debug keys: ZeroDivisionError: a defect of ours" in notes


def test_an_interruption_ends_it_and_keeps_what_is_known(
    context: HangContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Said:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.forensics.collecting.press_keys", interrupted)
    with pytest.raises(KeyboardInterrupt):
        collect(context)
    run = context.session.run
    assert run is not None
    assert (run.path / "forensics.json").exists()


def test_without_keys_nothing_is_typed(context: HangContext) -> None:
    assert collect(context, Options(keys="")).xen_alive is None


def test_a_folder_that_is_gone_is_a_note(context: HangContext) -> None:
    run = context.session.run
    assert run is not None
    for path in run.path.rglob("*"):
        if path.is_file():
            path.unlink()
    (run.path / "work").rmdir()
    run.path.rmdir()
    assert any(note.startswith("not written") for note in collect(context).notes)


def test_a_recorded_log_has_no_machine() -> None:
    console = Console(cast(Channel, Line(XEN)), raw=None, log=None, clock=Clock())
    session = Session(None, SimulatedTarget([Say(b"")]), console, HUNG)
    assert "recorded log" in collect(HangContext(session, HUNG)).notes[0]


def test_xens_own_registers_tell_where_its_cpus_are() -> None:
    cpus = cpus_by_keys(answers("xen-4.17.7-amd64"))
    assert [one.cpu for one in cpus] == [0, 1]
    # The CPU that answers is in the handler of the key; the others idle.
    assert {one.activity for one in cpus[1:]} == {"asleep"}
    assert all(one.where and "/" not in one.where and "#" not in one.where for one in cpus)
    assert cpus_by_keys(Said({})) == ()


def test_dom0s_state_in_words() -> None:
    said = dom0_state(answers("xen-4.17.7-amd64"))
    assert said.startswith("dom0 ")
    assert "d0v0" in said
    assert dom0_state(Said({})) == ""
    assert dom0_state(Said({"q": ["(XEN) nothing"]})) == "there is no dom0"


def test_an_nmi_that_xen_says_nothing_to_is_a_note(tmp_path: Path) -> None:
    console = Console(cast(Channel, Line(b"")), raw=None, log=None, clock=Clock())
    told = Forensics()
    assert fatal_nmi(console, lambda: None, tmp_path, told) == ()
    assert "nmi=fatal" in told.notes[0]
    assert not (tmp_path / "nmi.txt").exists()


def binary(path: Path, origin: str) -> Binary:
    detail = {"package": "xen-hypervisor-4.17-amd64", "suite": "bookworm", "arch": "amd64"}
    return Binary("xen", path, "4.17.7", "0" * 64, origin, detail)


def test_symbols_are_the_users_or_beside_his_xen(tmp_path: Path) -> None:
    rows = b"0xffff82d040200000 T _stext\n0xffff82d0402fa7b0 T startup_cpu_idle_loop\n"
    (tmp_path / "given.map").write_bytes(rows)
    notes: list[str] = []
    found = find([tmp_path / "given.map"], None, notes.append, offline=True)
    assert found.xen is not None
    assert found.origin.endswith("given.map")
    own = binary(tmp_path / "xen.gz", "file")
    assert find([], own, notes.append, offline=True).xen is None
    assert "--symbols FILE" in notes[-1]
    (tmp_path / "xen-syms.map").write_bytes(rows)
    found = find([], own, notes.append, offline=True)
    assert found.xen is not None
    assert "beside the Xen under test" in found.origin


def test_bad_symbols_are_notes(tmp_path: Path) -> None:
    (tmp_path / "bad.map").write_text("no symbols")
    notes: list[str] = []
    given = [tmp_path / "bad.map", tmp_path / "missing", tmp_path]
    assert find(given, None, notes.append, offline=True).xen is None
    assert len(notes) == 4
    assert "which Xen this is" in notes[-1]


def test_a_package_that_cannot_be_had_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise SourceError("the mirror does not answer")

    monkeypatch.setattr(Sources, "tree", refused)
    notes: list[str] = []
    own = binary(Path("boot/xen.gz"), "debian")
    assert find([], own, notes.append, offline=True).xen is None
    assert "xen-hypervisor-4.17-amd64-dbg 4.17.7: the mirror does not answer" in notes[0]
    assert "--offline" in notes[0]
