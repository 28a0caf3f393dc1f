"""What only a QEMU does: its death, and what its guest does to the machine."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from harness import process
from harness.errors import TargetDied, TargetError, ToolMissing, UsageError
from harness.target.base import ChannelClosed, TargetEvent
from harness.target.channels import PipeChannel
from harness.target.qemu import QemuTarget
from harness.target.qemu_command import Wiring
from tests.boot.processes import alive, eventually
from tests.contract.machine import EXIT_CODE, End, machine

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0

HOLD = """
import sys
from pathlib import Path
from tests.contract.machine import machine
target = machine(sys.argv[1], Path(sys.argv[2]), b"running", end="halt")
target.power_on()
assert target.channel.read(1, 20.0) == b"r"
print(target.process.pid, flush=True)
sys.stdin.read()
"""


def read(target: QemuTarget, length: int) -> bytes:
    data, end = b"", time.monotonic() + PATIENCE
    while len(data) < length and time.monotonic() < end:
        data += target.channel.read(length - len(data), 0.1)
    return data


def status(target: QemuTarget) -> str:
    answer = target.qmp("query-status")
    assert isinstance(answer, dict)
    return str(answer["status"])


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def first_event(target: QemuTarget) -> TargetEvent | None:
    eventually(target.poll, PATIENCE)
    return target.poll()


@pytest.mark.parametrize(
    ("end", "kind", "said"),
    [
        ("reset", "guest-reset", "the guest reset the machine"),
        ("triple-fault", "guest-reset", "the guest reset the machine"),
        ("shutdown", "guest-shutdown", "the guest switched the machine off"),
    ],
)
def test_what_the_guest_does_is_an_event_and_the_emulator_lives(
    end: End, kind: str, said: str, qemu: str, tmp_path: Path
) -> None:
    with closing(machine(qemu, tmp_path, b"bye", end=end)) as target:
        target.power_on()
        event = first_event(target)
        assert event is not None
        assert (event.kind, event.returncode) == (kind, None)
        assert said in event.detail
        assert target.process.poll() is None
        # The line is still there, and what was said before it too.
        assert read(target, 3) == b"bye"
        assert target.channel.read(1, 0.05) == b""
        assert target.poll() == event


def test_a_guest_that_halts_is_no_event(qemu: str, tmp_path: Path) -> None:
    with closing(machine(qemu, tmp_path, b"quiet", end="halt")) as target:
        target.power_on()
        assert read(target, 5) == b"quiet"
        time.sleep(0.1)
        assert target.poll() is None


def test_a_reset_that_we_ask_for_is_not_the_guests(qemu: str, tmp_path: Path) -> None:
    with closing(machine(qemu, tmp_path, b"quiet", end="halt")) as target:
        target.power_on()
        assert read(target, 5) == b"quiet"
        target.qmp("system_reset")
        assert eventually(lambda: status(target) != "running", PATIENCE)
        assert target.poll() is None


def test_a_killed_emulator_has_died_and_by_which_signal(qemu: str, tmp_path: Path) -> None:
    with closing(machine(qemu, tmp_path, b"last words", end="halt")) as target:
        target.power_on()
        assert read(target, 10) == b"last words"
        os.kill(target.process.pid, signal.SIGKILL)
        with pytest.raises(ChannelClosed):
            read(target, 1)
        event = target.wait_for_end()
        assert event == TargetEvent("died", "QEMU was killed by SIGKILL", -signal.SIGKILL)
        assert target.poll() == event
        with pytest.raises(TargetError):
            target.qmp("query-status")


def test_an_emulator_that_ends_by_itself_has_died_with_its_code(qemu: str, tmp_path: Path) -> None:
    with closing(machine(qemu, tmp_path, b"x", end="exit")) as target:
        target.power_on()
        event = first_event(target)
        assert event == TargetEvent("died", f"QEMU ended with exit code {EXIT_CODE}", EXIT_CODE)


def test_a_guests_reset_is_the_cause_also_if_the_emulator_dies_after_it(
    qemu: str, tmp_path: Path
) -> None:
    with closing(machine(qemu, tmp_path, b"x", end="reset")) as target:
        target.power_on()
        event = first_event(target)
        target.process.kill()
        target.process.wait()
        assert event is not None
        assert event.kind == "guest-reset"
        assert target.wait_for_end() == event


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-nosuchoption",), "-nosuchoption: invalid option"),
        (("-device", "no-such-device"), "'no-such-device' is not a valid device model name"),
        (("-bios", "missing.bin"), "could not load PC BIOS 'missing.bin'"),
    ],
)
def test_a_wrong_option_has_the_words_of_the_emulator(
    options: tuple[str, ...], said: str, qemu: str, tmp_path: Path
) -> None:
    before = open_files()
    with pytest.raises(TargetDied) as caught:
        machine(qemu, tmp_path, options=options)
    assert said in caught.value.message
    assert "QEMU ended with exit code 1" in caught.value.message
    assert caught.value.returncode == 1
    assert caught.value.log == tmp_path / "qemu.log"
    assert open_files() == before


def test_an_emulator_that_is_not_installed(tmp_path: Path) -> None:
    before = open_files()
    with pytest.raises(ToolMissing, match="qemu-system-none is not installed"):
        machine("qemu-system-none", tmp_path)
    assert open_files() == before


def test_a_command_that_the_emulator_refuses(qemu: str, tmp_path: Path) -> None:
    with closing(machine(qemu, tmp_path, end="halt")) as target:
        assert status(target) == "prelaunch"
        with pytest.raises(TargetError, match="no-such-command"):
            target.qmp("no-such-command")
        assert target.poll() is None


def test_closing_ends_the_emulator(qemu: str, tmp_path: Path) -> None:
    target = machine(qemu, tmp_path, end="halt")
    target.power_on()
    assert alive(target.process.pid)
    target.close()
    assert not alive(target.process.pid)


def test_what_the_emulator_says_is_kept(qemu: str, tmp_path: Path) -> None:
    (tmp_path / "qemu.log").write_text("of an earlier run\n")
    with closing(machine(qemu, tmp_path, end="halt")):
        pass
    log = (tmp_path / "qemu.log").read_text()
    assert log.startswith("of an earlier run\n")
    assert "terminating on signal 15" in log


# --- nothing survives, and nothing dies too early ----------------------------------------------


def test_a_harness_that_is_killed_leaves_no_emulator(qemu: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, qemu, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as holder:
        try:
            assert holder.stdout is not None
            pid = int(holder.stdout.readline())
            assert alive(pid)
        finally:
            holder.kill()
        assert holder.wait(PATIENCE) == -signal.SIGKILL
    assert eventually(lambda: not alive(pid), PATIENCE)


def test_an_emulator_outlives_the_thread_that_asked_for_it(qemu: str, tmp_path: Path) -> None:
    found: list[QemuTarget] = []
    thread = threading.Thread(
        target=lambda: found.append(machine(qemu, tmp_path, b"alive", end="halt"))
    )
    thread.start()
    thread.join()
    (target,) = found
    with closing(target):
        time.sleep(0.2)
        assert target.poll() is None
        target.power_on()
        assert read(target, 5) == b"alive"


def test_two_machines_do_not_disturb_each_other(qemu: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with (
        closing(machine(qemu, tmp_path / "one", b"one", end="halt")) as one,
        closing(machine(qemu, tmp_path / "two", b"two", end="reset")) as two,
    ):
        two.power_on()
        one.power_on()
        assert (read(one, 3), read(two, 3)) == (b"one", b"two")
        assert first_event(two) is not None
        two.close()
        assert one.poll() is None
        assert status(one) == "running"


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    with (tmp_path / "log").open("ab") as output:
        child = process.start(["sh", "-c", script], cwd=tmp_path, output=output)
    assert eventually(lambda: (tmp_path / "log").read_text() == "ready\n", PATIENCE)
    assert process.stop(child, patience=0.1) == -signal.SIGKILL
    assert process.stop(child) == -signal.SIGKILL


def test_the_command_is_what_was_asked_for(qemu: str, tmp_path: Path) -> None:
    with closing(machine(qemu, tmp_path, end="halt")) as target:
        assert target.argv[0] == qemu
        assert "-S" in target.argv
        argv = Path(f"/proc/{target.process.pid}/cmdline").read_bytes().split(b"\0")[:-1]
        assert [word.decode() for word in argv[1:]] == target.argv[1:]


def test_a_command_that_cannot_be_made_leaves_nothing_open(tmp_path: Path) -> None:
    def refuse(wiring: Wiring) -> list[str]:
        raise UsageError("no such machine")

    before = open_files()
    for log in (tmp_path / "qemu.log", tmp_path / "nowhere" / "qemu.log"):
        with pytest.raises((UsageError, OSError)):
            QemuTarget(refuse, tmp_path, log)
    assert open_files() == before
    assert {path.name for path in tmp_path.iterdir()} <= {"qemu.log"}


def test_a_full_line_is_waited_for_at_any_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suite with many files open has descriptors that select() cannot take."""
    monkeypatch.setattr("harness.target.channels._WRITE_PATIENCE", 0.2)
    channel = PipeChannel(tmp_path, "full")
    high = fcntl.fcntl(channel._in, fcntl.F_DUPFD_CLOEXEC, 1024) if many_files() else -1
    if high < 0:
        channel.close()
        pytest.skip("no descriptor above 1023 is to be had here")
    os.close(channel._in)
    channel._in = high
    with closing(channel), pytest.raises(TargetError, match="took no byte"):
        channel.write(bytes(1 << 20))


def many_files() -> bool:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft <= 1100 < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
        soft = 2048
    return soft > 1100
