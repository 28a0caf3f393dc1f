"""A child that dies with us."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import process


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def started(log: Path, *argv: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return process.start(argv, cwd=log.parent, output=output)


def test_arguments_arrive_as_they_are(log: Path) -> None:
    words = ["a b", "", "$HOME", "'", '"', "-c", "--", "\\"]
    child = started(log, sys.executable, "-c", "import sys; print(sys.argv[1:])", *words)
    assert child.wait(20) == 0
    assert log.read_text().strip() == str(words)


def test_its_exit_code_and_its_signal_are_seen(log: Path) -> None:
    assert started(log, "/bin/sh", "-c", "exit 7").wait(20) == 7
    child = started(log, "sleep", "60")
    assert process.stop(child) == -15


def test_one_whose_parent_is_gone_already_does_not_start(log: Path, tmp_path: Path) -> None:
    """Killed between fork and prctl: the child's parent is not the one that wanted it."""
    script = process._UNLESS_ORPHAN
    mark = tmp_path / "mark"
    for parent, code in ((os.getpid(), 0), (os.getpid() + 1, 1)):
        argv = ["/bin/sh", "-c", script, "sh", str(parent), "/bin/sh", "-c", f"echo x >>{mark}"]
        assert subprocess.run(argv, check=False).returncode == code
    assert mark.read_text() == "x\n"


def test_it_dies_with_us(log: Path, tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from harness import process\n"
        "child = process.start(['sleep', '60'], cwd=Path('/'), output=open(sys.argv[1], 'wb'))\n"
        "print(child.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(log)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )
    pid = int(done.stdout)
    for _ in range(200):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"the child {pid} lives on")
