"""A machine is saved, goes on, and starts again from what was saved."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from harness.errors import TargetDied, TargetError
from harness.target import qemu_state
from harness.target.qemu import QemuTarget
from harness.target.qemu_command import Wiring
from harness.target.qemu_state import NotSaved
from tests.contract.machine import boot_sector, command

PATIENCE = 20.0
ANSWER = b"and more"


def argv(qemu: str, *options: str) -> Callable[[Wiring], list[str]]:
    plain = command(qemu, options)

    def made(wiring: Wiring) -> list[str]:
        return [*plain(wiring), *(("-incoming", "defer") if wiring.incoming else ())]

    return made


def start(
    qemu: str, folder: Path, *options: str, incoming: bool = False, said: bytes = b"up"
) -> QemuTarget:
    """A machine that says `said`, and ANSWER after an Enter."""
    folder.mkdir(exist_ok=True)
    (folder / "boot.img").write_bytes(boot_sector(said, ANSWER, "halt"))
    return QemuTarget(argv(qemu, *options), folder, folder / "qemu.log", incoming=incoming)


def read(target: QemuTarget, length: int) -> bytes:
    data, end = b"", time.monotonic() + PATIENCE
    while len(data) < length and time.monotonic() < end:
        data += target.channel.read(length - len(data), 0.1)
    return data


@pytest.fixture
def state(qemu: str, tmp_path: Path) -> tuple[Path, str]:
    """What was saved behind "up", and by which version. The machine went on, and was ended."""
    path = tmp_path / "it's a state"
    with closing(start(qemu, tmp_path / "first")) as target:
        target.power_on()
        assert read(target, 2) == b"up"
        with qemu_state.saved(target, path):
            assert target.poll() is None
        target.channel.write(b"\r")
        assert read(target, len(ANSWER)) == ANSWER
        return path, qemu_state.version(target)


def test_a_saved_machine_goes_on_where_it_was_as_often_as_wanted(
    qemu: str, tmp_path: Path, state: tuple[Path, str]
) -> None:
    for number in range(2):
        with closing(start(qemu, tmp_path / f"again-{number}", incoming=True)) as target:
            qemu_state.load(target, *state)
            assert target.channel.read(1, 0.2) == b"", "it runs before it was told to"
            target.power_on()
            target.channel.write(b"\r")
            assert read(target, len(ANSWER)) == ANSWER
            assert target.poll() is None


def test_nothing_but_the_state_is_left(state: tuple[Path, str]) -> None:
    path, version = state
    assert path.stat().st_size > 100_000
    assert [p.name for p in path.parent.iterdir() if "part" in p.name] == []
    assert version[0].isdigit()


def test_a_device_that_cannot_be_saved_refuses_and_the_machine_goes_on(
    qemu: str, tmp_path: Path
) -> None:
    options = ("-drive", "driver=null-co,if=none,id=null", "-device", "nvme,serial=1,drive=null")
    with closing(start(qemu, tmp_path / "first", *options)) as target:
        target.power_on()
        assert read(target, 2) == b"up"
        with (
            pytest.raises(NotSaved, match=r"non-migratable device .*nvme"),
            qemu_state.saved(target, tmp_path / "state"),
        ):
            pytest.fail("it was not saved")
        target.channel.write(b"\r")
        assert read(target, len(ANSWER)) == ANSWER
    assert not (tmp_path / "state").exists()


def test_a_machine_that_does_not_run_is_not_saved(qemu: str, tmp_path: Path) -> None:
    with (
        closing(start(qemu, tmp_path / "first")) as target,
        pytest.raises(NotSaved, match="'prelaunch'"),
        qemu_state.saved(target, tmp_path / "state"),
    ):
        pytest.fail("it was not saved")


def test_a_state_that_cannot_be_written_is_an_error_and_the_machine_goes_on(
    qemu: str, tmp_path: Path
) -> None:
    with closing(start(qemu, tmp_path / "first")) as target:
        target.power_on()
        assert read(target, 2) == b"up"
        (tmp_path / ".state.part").symlink_to("/dev/full")
        with (
            pytest.raises(TargetError, match="could not write its state") as caught,
            qemu_state.saved(target, tmp_path / "state"),
        ):
            pytest.fail("it was not saved")
        assert not isinstance(caught.value, NotSaved)
        target.channel.write(b"\r")
        assert read(target, len(ANSWER)) == ANSWER
    assert not (tmp_path / "state").exists()


def test_an_emulator_that_dies_before_it_is_saved_has_died(qemu: str, tmp_path: Path) -> None:
    with closing(start(qemu, tmp_path / "first")) as target:
        target.power_on()
        os.kill(target.process.pid, signal.SIGKILL)
        with (
            pytest.raises(TargetDied, match="killed by SIGKILL"),
            qemu_state.saved(target, tmp_path / "state"),
        ):
            pytest.fail("it was not saved")


def test_an_emulator_that_dies_while_it_is_saved_has_died(qemu: str, tmp_path: Path) -> None:
    with closing(start(qemu, tmp_path / "first")) as target:
        target.power_on()
        with (
            pytest.raises(TargetDied, match="killed by SIGKILL"),
            qemu_state.saved(target, tmp_path / "state"),
        ):
            os.kill(target.process.pid, signal.SIGKILL)


def test_a_state_of_another_version_is_refused_before_it_is_read(
    qemu: str, tmp_path: Path, state: tuple[Path, str]
) -> None:
    with closing(start(qemu, tmp_path / "again", incoming=True)) as target:
        with pytest.raises(TargetError, match=r"saved by QEMU 2\.0\.0, and this is QEMU"):
            qemu_state.load(target, state[0], "2.0.0")
        assert target.process.poll() is None


def test_a_state_that_is_gone_is_not_waited_for(
    qemu: str, tmp_path: Path, state: tuple[Path, str]
) -> None:
    path, version = state
    path.unlink()
    with (
        closing(start(qemu, tmp_path / "again", incoming=True)) as target,
        pytest.raises(TargetError, match="there is no saved state"),
    ):
        qemu_state.load(target, path, version)


@pytest.mark.parametrize("damage", ["cut", "other bytes"])
def test_a_damaged_state_ends_the_emulator_with_its_words(
    damage: str, qemu: str, tmp_path: Path, state: tuple[Path, str]
) -> None:
    path, version = state
    if damage == "cut":
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.write_bytes(b"no state of a machine" * 1000)
    with (
        closing(start(qemu, tmp_path / "again", incoming=True)) as target,
        pytest.raises(TargetDied, match="QEMU ended with exit code 1: "),
    ):
        qemu_state.load(target, path, version)


def test_a_state_of_another_machine_is_refused(
    qemu: str, tmp_path: Path, state: tuple[Path, str]
) -> None:
    with (
        closing(start(qemu, tmp_path / "again", "-m", "64M", incoming=True)) as target,
        pytest.raises(TargetDied, match="QEMU ended with exit code 1: "),
    ):
        qemu_state.load(target, *state)
