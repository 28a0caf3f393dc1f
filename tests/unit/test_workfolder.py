from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.workfolder import work_folder

HOLD = (
    "import sys, time; from pathlib import Path; from harness.workfolder import work_folder\n"
    "with work_folder(Path(sys.argv[1]), 'x-') as f:\n"
    "    (f / 'big').write_bytes(b'x'); print(f, flush=True); time.sleep(60)"
)


def hold(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process that has a work folder."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], env=env, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    return child, Path(child.stdout.readline().strip())


def test_it_goes_with_the_with(tmp_path: Path) -> None:
    with work_folder(tmp_path, "x-") as folder:
        (folder / "file").touch()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), work_folder(tmp_path, "x-"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_that_of_a_killed_one_is_swept_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    child, theirs = hold(tmp_path)
    try:
        with work_folder(tmp_path, "x-") as ours:
            assert theirs.is_dir()
            assert ours != theirs
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert (theirs / "big").exists()
    with work_folder(tmp_path, "x-"):
        assert not theirs.exists()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "x-of-the-user.part").mkdir()
    (tmp_path / "x-file.part").touch()
    with work_folder(tmp_path, "x-"):
        pass
    assert len(list(tmp_path.iterdir())) == 2
