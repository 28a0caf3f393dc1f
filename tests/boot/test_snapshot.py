"""dom0 saved at its prompt, and started from there: in hand, and as the plugin's fixture."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.board.load import load
from harness.boot import booted
from harness.errors import TargetError
from harness.report.text import text_report
from harness.request import BootRequest
from harness.session import Session
from harness.snapshot import Snapshot, restored, saved
from harness.target import qemu_state
from harness.target.qemu import QemuTarget
from harness.target.qemu_state import NotSaved
from tests.boot.processes import alive

BOARD = "cubieboard2"
# Guest time that dom0 must live through after it was restored, in seconds.
LIFE = 30.0

# As quick as the board, with a device that QEMU cannot save.
UNSAVED = """\
schema: 1
extends: {board}
name: unsaved
targets: {{qemu: {{devices: ["usb-mtp,rootdir={folder}"]}}}}
"""

SUITE = """\
def test_first(fresh_dom0):
    assert fresh_dom0.run("touch /tmp/mine").status == 0

def test_second(fresh_dom0, fresh_boot):
    assert fresh_dom0.run("test -e /tmp/mine").status == 1
    assert fresh_boot.result["snapshot"] is {snapshot}

def test_shared(dom0):
    assert dom0.run("test -e /tmp/mine").status == 1
"""


@pytest.fixture(scope="module")
def boot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    out = tmp_path_factory.mktemp("snapshot") / "run"
    with booted(BootRequest(load(BOARD), out=out)) as session:
        assert session.shell is not None, session.verdict.cause
        yield session


@pytest.fixture(scope="module")
def snapshot(boot: Session) -> Iterator[Snapshot]:
    boot.dom0.run("echo saved >/tmp/before")
    with saved(boot) as kept:
        yield kept


def _pid(session: Session) -> int:
    assert isinstance(session.target, QemuTarget)
    return session.target.process.pid


def uptime(session: Session) -> float:
    return float(session.dom0.run("cat /proc/uptime").output.split()[0])


def test_what_was_there_is_there_again(snapshot: Snapshot) -> None:
    with restored(snapshot) as again:
        assert again.dom0.run("cat /tmp/before").output == "saved"
        assert again.dom0.run("uname -r").output == snapshot.of.dom0.run("uname -r").output


def test_starts_do_not_see_each_other_and_the_boot_sees_none(
    boot: Session, snapshot: Snapshot
) -> None:
    with restored(snapshot) as one, restored(snapshot) as two:
        for session, name in ((boot, "boot"), (one, "one"), (two, "two")):
            assert session.dom0.run(f"touch of-{name}").status == 0
        for session, name in ((boot, "boot"), (one, "one"), (two, "two")):
            assert session.dom0.run("ls of-*").output == f"of-{name}"


def test_the_card_is_each_ones_own_and_as_it_was(boot: Session, snapshot: Snapshot) -> None:
    assert boot.run is not None
    kept = (snapshot.folder / "sd.img").read_bytes()
    assert kept == (boot.run.work / "sd.img").read_bytes()
    for _ in range(2):  # what one start wrote, the next must not find
        with restored(snapshot) as again:
            assert again.run is not None
            card = again.run.work / "sd.img"
            drives = Path(f"/proc/{_pid(again)}/fd").iterdir()
            assert str(card) in [str(drive.readlink()) for drive in drives]
            assert card.read_bytes() == kept
            with card.open("r+b") as written:
                written.write(b"of this start")


def test_dom0_lives_on(snapshot: Snapshot) -> None:
    with restored(snapshot) as again:
        began = uptime(again)
        assert again.dom0.run("sleep 1; echo slept").output == "slept"
        while uptime(again) < began + LIFE:
            time.sleep(0.5)
        assert again.dom0.run("sleep 1; echo slept").output == "slept"
        assert again.target.poll() is None


def test_xen_lives_on_too(snapshot: Snapshot) -> None:
    with restored(snapshot) as again:
        [domain] = again.xen_keys.domains()
        assert domain.domain == 0
        # The input is dom0's again.
        assert again.dom0.run("echo here").output == "here"


def test_the_result_says_where_it_started(boot: Session, snapshot: Snapshot) -> None:
    with restored(snapshot) as again:
        assert again.run is not None
        result = json.loads((again.run.path / "result.json").read_text())
        assert (result["snapshot"], result["evidence"]) == (True, "emulated")
        assert result["verdict"] == "PASS"
        assert (again.run.path / "console.raw").read_bytes()
        first = text_report(result).splitlines()[0]
        assert first.startswith(f"PASS  {BOARD} on qemu (emulated, from a snapshot)")
    assert boot.result["snapshot"] is False
    assert "snapshot" not in text_report(boot.result).splitlines()[0]


def test_nothing_big_is_left(boot: Session) -> None:
    assert boot.run is not None
    with saved(boot) as kept, restored(kept) as again:
        assert again.run is not None
        folder, work = kept.folder, again.run.work
        assert {"state", "sd.img"} == {p.name for p in folder.iterdir()}
        assert boot.run.work in folder.parents
        assert boot.run.work in work.parents
        assert (work / "sd.img").exists()
        target = again.target
    assert isinstance(target, QemuTarget)
    assert not alive(target.process.pid)
    assert not folder.exists()
    assert not (work / "sd.img").exists()


def test_a_damaged_snapshot_says_what_is_wrong(boot: Session) -> None:
    with saved(boot) as kept:
        os.truncate(kept.folder / "state", 1 << 20)
        with pytest.raises(TargetError, match="QEMU ended with exit code 1"), restored(kept):
            pytest.fail("it was started")


def test_an_emulator_that_dies_at_its_start_says_so(snapshot: Snapshot) -> None:
    with restored(snapshot) as again:
        assert isinstance(again.target, QemuTarget)
        os.kill(again.target.process.pid, signal.SIGKILL)
        event = again.target.wait_for_end()
        assert event is not None
        assert "SIGKILL" in event.detail


def test_a_boot_without_dom0_is_not_saved(tmp_path: Path) -> None:
    request = BootRequest(load(BOARD), until="spl", out=tmp_path / "run")
    with (
        booted(request) as session,
        pytest.raises(NotSaved, match="dom0's prompt"),
        saved(session),
    ):
        pytest.fail("it was saved")


# --- the fixture ---------------------------------------------------------------------------------


def run_suite(
    pytester: pytest.Pytester, board: str, snapshot: bool, *options: str
) -> dict[str, dict[str | None, str | None]]:
    """Properties of each test, by its name."""
    pytester.makepyfile(SUITE.format(snapshot=snapshot))
    result = pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "--board", board, "--junit-xml=out.xml", *options)
    )
    result.assert_outcomes(passed=3)
    tree = ET.parse(pytester.path / "out.xml")  # noqa: S314 -- pytest wrote it
    return {
        str(case.get("name")): {p.get("name"): p.get("value") for p in case.iter("property")}
        for case in tree.iter("testcase")
    }


def test_each_test_gets_its_own_dom0_from_a_snapshot(pytester: pytest.Pytester) -> None:
    said = run_suite(pytester, BOARD, True)
    for name in ("test_first", "test_second"):
        properties = said[f"{name}[{BOARD}]"]
        assert (properties["snapshot"], properties["evidence"]) == ("true", "emulated")
        assert "no_snapshot" not in properties
    assert said[f"test_shared[{BOARD}]"]["snapshot"] == "false"
    logs = {properties["console_log"] for properties in said.values()}
    assert len(logs) == 3


def test_a_machine_that_cannot_be_saved_is_booted_and_says_why(pytester: pytest.Pytester) -> None:
    (pytester.path / "boards").mkdir()
    profile = UNSAVED.format(board=BOARD, folder=pytester.path / "boards")
    (pytester.path / "boards" / "unsaved.yaml").write_text(profile)
    said = run_suite(pytester, "unsaved", False)
    for name in ("test_first", "test_second"):
        properties = said[f"{name}[unsaved]"]
        assert (properties["snapshot"], properties["evidence"]) == ("false", "emulated")
        assert "non-migratable device" in str(properties["no_snapshot"])
    assert "no_snapshot" not in said["test_shared[unsaved]"]


def test_qemu_has_no_state_of_an_amd_iommu(tmp_path: Path) -> None:
    request = BootRequest(load("apu2"), method="multiboot", until="firmware", out=tmp_path / "run")
    with booted(request) as session:
        assert isinstance(session.target, QemuTarget)
        with (
            pytest.raises(NotSaved, match="non-migratable device 'amd-iommu'"),
            qemu_state.saved(session.target, tmp_path / "state"),
        ):
            pytest.fail("it was saved: fresh_dom0 has snapshots of this board now")
