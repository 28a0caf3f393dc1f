"""A machine is recorded, and executed again: what QEMU and the file system do to that."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError, TargetDied, TargetError
from harness.recording import Recording, load, rerun
from harness.recording.debugging import held, stop_of
from harness.recording.model import FILE, kept, read_description
from harness.target.icount import FOLDER, LOG
from tests.boot.processes import eventually
from tests.contract.recordable import read_until, recorded_machine

ROOT = Path(__file__).parents[2]
SAID = b"(XEN) hello\r\n" * 20 + b"(XEN) the last line\r\n"
TYPED = "what is longer than a FIFO holds"

# As the command line does, it ends after a SIGTERM as after Ctrl-C.
HOLD = """
import signal, sys
from pathlib import Path
# A job in the background was told to ignore SIGINT.
for name in (signal.SIGINT, signal.SIGTERM):
    signal.signal(name, signal.default_int_handler)
from tests.contract.recordable import read_until, recorded_machine
with recorded_machine(Path(sys.argv[1]), b"running\\n") as (target, console, _):
    read_until(console, b"\\n")
    print(target.process.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("recorded") / "run"
    with recorded_machine(run, SAID) as (_, console, recorder):
        assert read_until(console, SAID[-5:]) == SAID
        recorder.tick()
    return run


@pytest.fixture
def recording(made: Path, tmp_path: Path) -> Path:
    """A copy, at another place."""
    return Path(shutil.copytree(made, tmp_path / "moved", symlinks=True))


def change(run: Path, **fields: Any) -> None:
    told = json.loads((run / FILE).read_text())
    (run / FILE).write_text(json.dumps({**told, **fields}))


def test_it_comes_out_the_same_twice_and_wherever_it_is(recording: Path) -> None:
    shutil.rmtree(recording / "work")  # what is swept of a run
    whole = load(recording)
    for done in (rerun(whole), rerun(whole)):
        assert done.identical
        assert (done.recorded, done.replayed) == (len(SAID), len(SAID))
        assert done.instructions == whole.description.instructions.end
        assert done.notes == ()


def test_what_was_typed_comes_from_the_recording(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with recorded_machine(run, b"login: ", echo=True) as (_, console, _recorder):
        read_until(console, b"login: ")
        console.send(f"{TYPED}\r")
        assert read_until(console, b"\r") == f"{TYPED}\r".encode()
    done = rerun(load(run))
    assert done.identical
    assert done.console == f"login: {TYPED}\r".encode()


def test_the_first_byte_that_differs_is_shown(recording: Path) -> None:
    raw = recording / "console.raw"
    data = bytearray(raw.read_bytes())
    data[100] ^= 1
    raw.write_bytes(data)
    change(recording, console=kept(raw).model_dump())
    done = rerun(load(recording))
    assert not done.identical
    assert done.difference
    assert done.difference.offset == 100
    assert done.difference.before == SAID[40:100]
    assert done.difference.recorded == bytes(data[100:160])
    assert done.difference.replayed == SAID[100:160]


@pytest.mark.parametrize("more", [b"(XEN) never said\r\n", None])
def test_a_recorded_console_that_is_longer_or_shorter(recording: Path, more: bytes | None) -> None:
    raw = recording / "console.raw"
    raw.write_bytes(SAID + more if more else SAID[:-7])
    change(recording, console=kept(raw).model_dump())
    found = rerun(load(recording)).difference
    assert found
    assert found.offset == min(len(SAID), raw.stat().st_size)
    assert (found.recorded, found.replayed) == ((more, b"") if more else (b"", SAID[-7:]))


def test_an_emulator_of_another_version_is_named(recording: Path) -> None:
    told = read_description(recording).emulator.model_dump()
    change(recording, emulator={**told, "version": "6.0.0", "sha256": "0" * 64})
    done = rerun(load(recording))
    assert any("recorded with QEMU 6.0.0" in note for note in done.notes)


def test_a_log_of_another_version_is_refused_by_qemu(recording: Path) -> None:
    log = recording / FOLDER / LOG
    data = bytearray(log.read_bytes())
    data[0] ^= 1
    log.write_bytes(data)
    told = read_description(recording).emulator.model_dump()
    change(recording, log=kept(log).model_dump(), emulator={**told, "sha256": "0" * 64})
    with pytest.raises(TargetDied, match="not the build of QEMU") as caught:
        rerun(load(recording))
    assert "version" in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_half_a_log_is_refused(recording: Path, share: float) -> None:
    log = recording / FOLDER / LOG
    os.truncate(log, int(log.stat().st_size * share))
    with pytest.raises(InputError, match="truncated"):
        load(recording)


def test_a_killed_emulator_leaves_no_recording(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with recorded_machine(run, SAID) as (target, console, _):
        read_until(console, SAID[-5:])
        target.process.kill()
        target.process.wait()
    assert read_description(run).state == "broken"
    with pytest.raises(InputError, match="killed by signal 9"):
        load(run)


def hold(run: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline().strip().isdigit()
    return holder


def test_a_killed_harness_leaves_one_that_says_so(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with hold(run) as holder:
        holder.kill()
    with pytest.raises(InputError, match="never ended") as caught:
        load(run)
    assert "SIGKILL" in str(caught.value)


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_a_harness_that_is_asked_to_end_leaves_a_whole_one(
    tmp_path: Path, asked: signal.Signals
) -> None:
    run = tmp_path / "run"
    with hold(run) as holder:
        holder.send_signal(asked)
        try:
            holder.wait(120)
        finally:
            holder.kill()
    assert rerun(load(run)).replayed >= len("running\n")


def test_the_harness_killed_during_a_replay_leaves_nothing(recording: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from harness.recording import load\n"
        "from harness.recording.replaying import replaying\n"
        "with replaying(load(Path(sys.argv[1]))) as replay:\n"
        "    print(replay.target.process.pid, flush=True); time.sleep(60)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(recording)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as holder:
        assert holder.stdout
        pid = int(holder.stdout.readline())
        holder.kill()
    assert eventually(lambda: not Path(f"/proc/{pid}/stat").exists(), 20.0)


def test_a_replay_stops_before_the_instruction_that_is_asked_for(recording: Path) -> None:
    whole = load(recording)
    counts = []
    for _ in range(2):
        with held(whole, stop_of(whole, "5000"), offline=True) as ready:
            assert ready.replay.status() == "paused"
            counts.append(ready.replay.instructions())
            assert f"target remote {ready.where}" in ready.commands.read_text()
            assert Path(ready.where).is_socket()
    assert counts == [5000, 5000]


def test_a_stop_behind_the_end_is_no_endless_wait(recording: Path) -> None:
    end = load(recording).description.instructions.end
    assert end
    told = read_description(recording).instructions.model_dump()
    change(recording, instructions={**told, "end": None})
    whole: Recording = load(recording)
    with (
        pytest.raises(TargetError, match="does not get to instruction"),
        held(whole, stop_of(whole, str(end + 10**9)), offline=True),
    ):
        pass
