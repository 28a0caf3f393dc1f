"""What can be said of snapshots without an emulator; tests/boot/test_snapshot.py takes some."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.replay import ReplayRequest, replayed
from harness.report.text import text_report
from harness.run import RunFolder
from harness.snapshot import saved
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
