from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from harness.errors import InfraError, SourceError, UsageError
from harness.run import RESULT, RunFolder, prune, root, run_folder, runs, sweep

REPOSITORY = Path(__file__).parents[2]
BY_FOUR = 4
EACH = 15

HOLD = """
import sys
from harness.run import RunFolder
run = RunFolder.create("held")
(run.work / "big.img").write_text("x")
print(run.path, flush=True)
sys.stdin.read()
"""
# Makes runs and ends them, and sweeps like every harness that starts; prints what it made.
BUSY = f"""
from harness.run import RunFolder, prune, sweep
for number in range({EACH}):
    run = RunFolder.create("busy")
    sweep()
    prune(keep=1000)
    assert run.work.is_dir(), "swept while it was running"
    print(run.path, flush=True)
    run.close()
    sweep()
    assert run.work.is_dir(), "swept although it ended well"
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "harness" / "runs"


def python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


@contextmanager
def held_by_another() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A run folder of another process that lives."""
    with python(HOLD) as child:
        assert child.stdout is not None
        path = Path(child.stdout.readline().strip())
        try:
            yield child, path
        finally:
            child.kill()


def finished(name: str = "apu2", verdict: str = "PASS") -> Path:
    with run_folder(name) as run:
        run.write_json(RESULT, {"verdict": verdict})
    return run.path


def older(number: int) -> Path:
    """A run that ended in the past; a higher number is newer."""
    path = root() / f"2000010{number}-000000-apu2"
    path.mkdir(parents=True)
    (path / RESULT).write_text('{"verdict": "PASS"}')
    return path


# --- making them -------------------------------------------------------------------------------


def test_a_run_has_a_folder_of_its_own(state: Path) -> None:
    assert root() == state
    first, second = RunFolder.create("apu2"), RunFolder.create("apu2")
    assert first.path != second.path
    for run in (first, second):
        assert re.fullmatch(r"\d{8}-\d{6}-apu2(-\d+)?", run.path.name)
        assert run.path.parent == state
        assert run.work.is_dir()
        run.close()


def test_out_may_be_new_or_empty(tmp_path: Path) -> None:
    for out in (tmp_path / "a" / "b", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with run_folder("apu2", out) as run:
            assert run.path == out
            assert run.work == out / "work"


def test_a_relative_out_is_not_lost_when_the_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with run_folder("apu2", Path("out")) as run:
        assert run.path == tmp_path / "out"


def test_a_run_never_overwrites_another(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(UsageError) as caught:
        RunFolder.create("apu2", tmp_path)
    assert caught.value.where == str(tmp_path)
    assert "does not exist yet" in str(caught.value.hint)
    assert (tmp_path / "note.txt").read_text() == "mine"
    done = tmp_path / "done"
    with run_folder("apu2", done) as run:
        run.write_json(RESULT, {})
    with pytest.raises(UsageError, match="never overwrites another"), run_folder("apu2", done):
        pass


@pytest.mark.parametrize("given_out", [True, False])
def test_a_folder_that_cannot_be_made(
    given_out: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(file))
    with pytest.raises(UsageError, match="cannot make the run folder: Not a directory"):
        RunFolder.create("apu2", file / "out" if given_out else None)


def test_many_at_once_never_share_a_folder_and_never_sweep_each_other() -> None:
    children = [python(BUSY) for _ in range(BY_FOUR)]
    made: list[str] = []
    for child in children:
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
        made += out.split()
    assert len(made) == BY_FOUR * EACH
    assert len(set(made)) == len(made)
    assert {str(run.path) for run in runs()} == set(made)


# --- what they hold ----------------------------------------------------------------------------


def test_json_is_written_whole_or_not_at_all() -> None:
    with run_folder("apu2") as run:
        run.write_json(RESULT, {"verdict": "PASS"})
        with pytest.raises(TypeError):
            run.write_json(RESULT, {"verdict": object()})
        assert (run.path / RESULT).read_text() == '{\n  "verdict": "PASS"\n}\n'


def test_work_and_result_stay_and_the_lock_goes() -> None:
    path = finished()
    assert sorted(p.name for p in path.iterdir()) == [RESULT, "work"]


def test_an_error_of_the_user_leaves_no_trace(state: Path, tmp_path: Path) -> None:
    for out in (None, tmp_path / "out"):
        with suppress(UsageError), run_folder("apu2", out) as run:
            (run.work / "half").write_text("")
            raise UsageError("no such thing")
        assert not run.path.exists()
    assert list(state.iterdir()) == []
    assert not (tmp_path / "out").exists()


def test_an_error_of_ours_leaves_a_result() -> None:
    with pytest.raises(InfraError), run_folder("apu2") as run:
        raise SourceError("the mirror is gone")
    (only,) = runs()
    assert only.path == run.path
    assert only.verdict == "INFRA"
    assert "the mirror is gone" in only.result["cause"]


# --- listing them ------------------------------------------------------------------------------


def test_runs_are_listed_oldest_first_with_what_became_of_them() -> None:
    old = older(1)
    (old / RESULT).write_text('{"verdict": "HUNG"}')
    no_result = older(2)
    (no_result / RESULT).rename(no_result / "console.raw")
    broken = older(3)
    (broken / RESULT).write_text("[1")
    odd = older(4)
    (odd / RESULT).write_text("[1]")
    with run_folder("apu2") as run:
        assert [(r.path, r.verdict) for r in runs()] == [
            (old, "HUNG"),
            (no_result, "ABANDONED"),
            (broken, "ABANDONED"),
            (odd, "ABANDONED"),
            (run.path, "running"),
        ]


def test_without_runs_there_is_nothing_to_do() -> None:
    assert (runs(), sweep(), prune(keep=0)) == ([], [], [])


# --- what a dead owner leaves ------------------------------------------------------------------


def test_the_work_files_of_a_killed_run_are_swept_and_its_logs_stay() -> None:
    with held_by_another() as (child, path):
        (path / "console.raw").write_bytes(b"what it said")
        assert sweep() == []
        assert runs()[0].alive
        child.send_signal(signal.SIGKILL)
        assert child.wait(10) == -signal.SIGKILL
        assert not runs()[0].alive
        assert runs()[0].verdict == "ABANDONED"
        assert sweep() == [path]
        assert sorted(p.name for p in path.iterdir()) == ["console.raw"]
        assert sweep() == []


def test_a_run_that_starts_sweeps() -> None:
    with held_by_another() as (child, path):
        child.kill()
        child.wait(10)
        with run_folder("apu2"):
            assert not (path / "work").exists()


def test_a_folder_without_an_owner_is_not_swept() -> None:
    path = finished()
    assert sweep() == []
    assert (path / "work").is_dir()


# --- pruning -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "left"), [(0, []), (1, [3]), (2, [2, 3]), (3, [1, 2, 3]), (9, [1, 2, 3])]
)
def test_the_newest_are_kept(keep: int, left: list[int]) -> None:
    made = {number: older(number) for number in (1, 2, 3)}
    gone = prune(keep=keep)
    assert [r.path for r in runs()] == [made[n] for n in left]
    assert gone == [path for number, path in made.items() if number not in left]


def test_runs_that_are_still_going_stay() -> None:
    done = older(1)
    with held_by_another() as (_, path):
        assert prune(keep=0) == [done]
        assert path.is_dir()
        assert runs()[0].alive


def test_what_is_not_a_run_is_neither_listed_nor_removed(state: Path, tmp_path: Path) -> None:
    mine = older(1)
    (state / "notes").mkdir()
    (state / "notes" / "work").mkdir()
    (state / "20000101-000000-empty").mkdir()
    (state / "file").write_text("")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / RESULT).write_text("{}")
    (state / "20000101-000000-link").symlink_to(elsewhere)
    before = {path for path in state.iterdir() if path != mine}
    assert [run.path for run in runs()] == [mine]
    assert prune(keep=0) == [mine]
    assert set(state.iterdir()) == before
    assert (elsewhere / RESULT).exists()
