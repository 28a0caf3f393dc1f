"""The journal on disk: nothing lost, nothing counted twice, one worker at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from harness.errors import FormatError, InfraError, InputError, UsageError
from harness.soak.journal import JOURNAL, Journal, read_journal
from harness.soak.outcome import Outcome
from harness.soak.plan import SoakPlan

MakeOutcome = Callable[..., Outcome]

# Boots that end at once, until it is killed; it says what it has finished after it is on disk.
WORKER = """
import sys
from pathlib import Path
from harness.soak.journal import Journal
from harness.soak.outcome import Outcome
with Journal.resume(Path(sys.argv[1])) as journal:
    for number in journal.was.to_do():
        boot = journal.plan.boot(number)
        journal.start(boot)
        journal.finish(Outcome.of(boot, {"verdict": "PASS", "cause": str(boot.seed)}))
        print(number, flush=True)
"""


def test_a_soak_from_start_to_end(tmp_path: Path, plan: SoakPlan, outcome: MakeOutcome) -> None:
    with Journal.create(tmp_path / "new" / "soak", plan) as journal:
        for number in journal.was.to_do():
            assert journal.start(plan.boot(number)) == 1
            assert journal.finish(outcome(plan.boot(number)))
        journal.end("all boots")
    found = read_journal(tmp_path / "new" / "soak")
    assert sorted(found.outcomes) == list(range(1, 21))
    assert list(found.to_do()) == []
    assert found.ended == "all boots"
    assert found.sessions == 1


def test_resume_does_what_is_left(tmp_path: Path, plan: SoakPlan, outcome: MakeOutcome) -> None:
    with Journal.create(tmp_path, plan) as journal:
        for number in (1, 2, 3):
            journal.start(plan.boot(number))
        journal.finish(outcome(plan.boot(2), "HUNG"))
    with Journal.resume(tmp_path, plan) as journal:
        assert journal.was.unfinished == (1, 3)
        assert list(journal.was.to_do())[:3] == [1, 3, 4]
        assert journal.start(plan.boot(1)) == 2
        with pytest.raises(UsageError, match="has a result"):
            journal.start(plan.boot(2))
    assert read_journal(tmp_path).sessions == 2


def test_a_second_result_is_not_counted(
    tmp_path: Path, plan: SoakPlan, outcome: MakeOutcome
) -> None:
    with Journal.create(tmp_path, plan) as journal:
        journal.start(plan.boot(1))
        assert journal.finish(outcome(plan.boot(1), "HUNG"))
        assert not journal.finish(outcome(plan.boot(1), "PASS"))
        assert journal.repeated == 1
        assert journal.outcomes[1].signature.verdict == "HUNG"
    found = read_journal(tmp_path)
    assert (len(found.outcomes), found.repeated) == (1, 0)


def test_a_torn_line_is_cut_off_before_the_next_one(
    tmp_path: Path, plan: SoakPlan, outcome: MakeOutcome
) -> None:
    with Journal.create(tmp_path, plan) as journal:
        journal.start(plan.boot(1))
        journal.finish(outcome(plan.boot(1)))
    whole = (tmp_path / JOURNAL).read_bytes()
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"finished": {"boot": 2, "se')
    with Journal.resume(tmp_path) as journal:
        assert journal.was.torn == 28
        journal.start(plan.boot(2))
    data = (tmp_path / JOURNAL).read_bytes()
    assert data.startswith(whole)
    found = read_journal(tmp_path)
    assert (list(found.outcomes), found.torn, found.unfinished) == ([1], 0, (2,))


def test_killed_again_and_again(tmp_path: Path) -> None:
    """SIGKILL at any moment: what was said to be finished is there, once, and nothing else."""
    plan = SoakPlan("apu2", boots=400, seed=3)
    Journal.create(tmp_path, plan).close()
    said: list[int] = []
    for _ in range(3):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert worker.stdout is not None
        with worker, worker.stdout as pipe:
            said += [int(pipe.readline()) for _ in range(7)]
            worker.send_signal(signal.SIGKILL)
            said += [int(row) for row in pipe if row.endswith("\n")]
        found = read_journal(tmp_path)
        assert len(set(said)) == len(said)
        assert set(said) <= set(found.outcomes)
        assert len(found.outcomes) - len(said) <= 3  # one per kill: on disk, not said yet
        assert found.repeated == 0
        assert all(one.cause == str(plan.boot(n).seed) for n, one in found.outcomes.items())
        said = sorted(found.outcomes)
    assert said == list(range(1, len(said) + 1))


def test_two_at_a_time_are_refused(tmp_path: Path, plan: SoakPlan) -> None:
    with Journal.create(tmp_path, plan) as journal:
        journal.start(plan.boot(1))
        with pytest.raises(UsageError, match=f"another process .*{os.getpid()}"):
            Journal.resume(tmp_path)
        with pytest.raises(UsageError, match="another process"):
            Journal.create(tmp_path, plan)
        other = subprocess.run(
            [sys.executable, "-c", WORKER, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "another process works on this soak" in other.stderr
        assert other.stdout == ""
        assert read_journal(tmp_path).attempts == {1: 1}  # reading needs no lock
    Journal.resume(tmp_path).close()


def test_resume_with_other_options_is_refused(tmp_path: Path, plan: SoakPlan) -> None:
    Journal.create(tmp_path, plan).close()
    before = (tmp_path / JOURNAL).read_bytes()
    with pytest.raises(UsageError, match="--boots: 20, now 30; --seed: 7, now 8") as bad:
        Journal.resume(tmp_path, replace(plan, boots=30, seed=8))
    assert "new soak in another folder" in str(bad.value)
    with pytest.raises(UsageError, match="binaries: none, now xen abc"):
        Journal.resume(tmp_path, replace(plan, binaries={"xen": "abc"}))
    assert (tmp_path / JOURNAL).read_bytes() == before
    Journal.resume(tmp_path, plan).close()  # and its lock is free


def test_a_soak_is_never_overwritten(tmp_path: Path, plan: SoakPlan) -> None:
    Journal.create(tmp_path, plan).close()
    with pytest.raises(UsageError, match="there is a soak already"):
        Journal.create(tmp_path, plan)


def test_a_boot_of_another_soak(tmp_path: Path, plan: SoakPlan, outcome: MakeOutcome) -> None:
    other = replace(plan, seed=8).boot(1)
    with Journal.create(tmp_path, plan) as journal:
        with pytest.raises(UsageError, match="another soak"):
            journal.start(other)
        with pytest.raises(UsageError, match="another soak"):
            journal.finish(outcome(other))
        with pytest.raises(UsageError, match="no boot 21"):
            journal.start(replace(other, number=21))


def test_a_folder_without_a_soak_gets_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no soak"):
        Journal.resume(tmp_path)
    with pytest.raises(InputError, match="there is no soak"):
        read_journal(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_is_something_else(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text("hello\n")
    with pytest.raises(FormatError, match="not the journal of a soak"):
        Journal.resume(tmp_path)
    (tmp_path / JOURNAL).unlink()
    os.mkfifo(tmp_path / JOURNAL)
    with pytest.raises(InputError, match="no regular file"):
        read_journal(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path, plan: SoakPlan) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot make it"):
        Journal.create(tmp_path / "file" / "soak", plan)


def test_a_full_disk_leaves_no_piece_of_a_line(
    tmp_path: Path, plan: SoakPlan, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, left = os.write, [10]

    def full(handle: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(28, "No space left on device")
        done = write(handle, data[: left[0]])
        left[0] -= done
        return done

    with Journal.create(tmp_path, plan) as journal:
        journal.start(plan.boot(1))
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            with pytest.raises(InfraError, match="No space left"):
                journal.finish(outcome(plan.boot(1)))
        assert journal.outcomes == {}
        assert journal.finish(outcome(plan.boot(1)))
    assert list(read_journal(tmp_path).outcomes) == [1]


def test_nobody_writes_to_a_closed_journal(tmp_path: Path, plan: SoakPlan) -> None:
    journal = Journal.create(tmp_path, plan)
    journal.close()
    journal.close()
    with pytest.raises(InfraError):
        journal.start(plan.boot(1))
    assert read_journal(tmp_path).attempts == {}


def test_many_threads(tmp_path: Path, outcome: MakeOutcome) -> None:
    plan = SoakPlan("apu2", boots=60)
    with Journal.create(tmp_path, plan, clock=count(1000).__next__) as journal:

        def work(number: int) -> bool:
            boot = plan.boot(number)
            if number <= 60:
                journal.start(boot)
            return journal.finish(outcome(boot))

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(1, 61)))
            assert not any(pool.map(journal.finish, journal.outcomes.values()))
        assert journal.repeated == 60
    found = read_journal(tmp_path)
    assert len(found.outcomes) == 60
    assert found.seconds == 120
