"""What can be said of snapshots without an emulator; tests/boot/test_snapshot.py takes some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness import fixtures
from harness.board import load
from harness.bootlog import Line
from harness.build.artifacts import Artifacts
from harness.build.files import Files
from harness.console import BoardStopped
from harness.errors import InfraError, TargetDied, TargetError
from harness.replay import ReplayRequest, replayed
from harness.report.text import text_report
from harness.run import RunFolder
from harness.session import Session
from harness.shell.dom0 import Dom0Shell
from harness.snapshot import Snapshot, saved
from harness.target.qemu import QemuTarget
from harness.target.qemu_state import NotSaved

LOG = Path(__file__).parents[1] / "data" / "logs" / "qemu-q35-amd-iommu-xen-4.17.7-dom0.log"


def test_only_an_emulator_can_be_saved() -> None:
    session = replayed(ReplayRequest(LOG))
    with pytest.raises(NotSaved, match="target replay cannot be saved"), saved(session):
        pytest.fail("it was saved")


def test_the_report_says_where_a_run_started() -> None:
    result = replayed(ReplayRequest(LOG)).result
    plain, restored = (text_report({**result, "snapshot": on}) for on in (False, True))
    assert "snapshot" not in plain
    assert restored.splitlines()[0].endswith("(replayed, from a snapshot)")


def test_the_work_of_a_run_may_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "run").mkdir()
    run = RunFolder(tmp_path / "run", tmp_path / "base" / "restored-1")
    assert run.work.is_dir()
    assert [p.name for p in run.path.iterdir()] == ["owner.lock"]
    run.close()
    assert run.work.parent.name == "base"


def test_a_dom0_that_is_gone_is_an_error_with_a_name(tmp_path: Path) -> None:
    """Not the exception by which the console says so, which a fixture shows as a traceback."""
    session = replayed(ReplayRequest(LOG))
    session.target = Mock(spec=QemuTarget)
    session.target.poll.return_value = None
    (tmp_path / "run").mkdir()
    session.run = RunFolder(tmp_path / "run")
    session.artifacts = Artifacts(tmp_path, Files(), {}, "", "")
    session.board = load("cubieboard2")
    session.shell = Mock(spec=Dom0Shell)
    session.shell.run.side_effect = BoardStopped(Line("Kernel panic - not syncing", None, 1))
    with pytest.raises(TargetError, match="before it is saved: Kernel panic"), saved(session):
        pytest.fail("it was saved")
    session.run.close()


@pytest.mark.parametrize("bad", [NotSaved("a device"), InfraError("No space left on device")])
def test_a_boot_that_passed_serves_its_tests_though_it_cannot_be_saved(
    bad: InfraError, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def fails(session: Session) -> Iterator[Snapshot]:
        raise bad
        yield

    monkeypatch.setattr(fixtures, "saved", fails)
    session = replayed(ReplayRequest(LOG))
    with ExitStack() as stack:
        assert fixtures._snapshot(stack, session) == bad.message
    bad = TargetDied("QEMU ended", returncode=1)
    with ExitStack() as stack, pytest.raises(TargetDied):
        fixtures._snapshot(stack, session)
