"""Which boots can be recorded, or repeated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.board import load
from harness.errors import UsageError
from harness.recording.exploring import Schedule, scheduled
from harness.recording.machine import on_cpus, recordable
from harness.request import BootRequest
from harness.target.icount import Icount


def test_the_fast_path_and_one_cpu() -> None:
    asked = recordable(BootRequest(load("apu2")))
    assert asked.how == "multiboot"
    machine = asked.board.targets.qemu
    assert machine
    assert machine.smp == 1
    assert asked.board.hardware_of("qemu").cpu.count == 1  # type: ignore[union-attr]
    assert asked.board.hardware_of("board").cpu.count == 4  # type: ignore[union-attr]
    assert [(one.board, one.here) for one in machine.differs if one.what == "CPUs"] == [("4", "1")]


@pytest.mark.parametrize(
    ("board", "more", "said"),
    [
        ("apu2", {"method": "pxe"}, "method pxe"),
        ("apu2", {"target": "serial:/dev/ttyS0"}, "--target serial"),
        ("apu2", {"root": "9p"}, "--root 9p"),
        ("apu2", {"root": "nfs"}, "--root nfs"),
        ("cubieboard2", {}, "method sdcard"),
        ("orangepi-pc", {}, "from a card"),
    ],
)
def test_what_cannot_be_recorded_says_why(board: str, more: dict[str, Any], said: str) -> None:
    request = BootRequest(load(board), **more)
    with pytest.raises(UsageError, match="cannot be repeated") as caught:
        recordable(request)
    assert said in str(caught.value)


def test_what_qemu_loads_itself_can_be_recorded_on_arm_too() -> None:
    asked = recordable(BootRequest(load("zcu102")))
    assert asked.how == "direct"
    assert scheduled(BootRequest(load("zcu102")), Schedule(3, 4)).how == "direct"


def test_a_card_on_virtio_can_be_recorded() -> None:
    asked = recordable(BootRequest(load("virt-arm64")))
    assert asked.how == "sdcard"
    assert asked.board.hardware_of("qemu").arm.cpus == 1  # type: ignore[union-attr]
    # Without a log, nothing says when what was read has come.
    with pytest.raises(UsageError, match="a schedule with method sdcard"):
        scheduled(BootRequest(load("virt-arm64")), Schedule(3, 2))


def test_several_cpus_are_no_recording() -> None:
    with pytest.raises(UsageError, match="one CPU"):
        BootRequest(load("apu2"), method="multiboot", icount=Icount())


@pytest.mark.parametrize("shift", [-1, 11])
def test_a_shift_that_qemu_does_not_take(shift: int) -> None:
    with pytest.raises(UsageError, match="0 to 10"):
        recordable(BootRequest(load("apu2")), Icount(shift))


@pytest.mark.parametrize("count", [0, 5])
def test_more_cpus_than_the_board_has(count: int) -> None:
    with pytest.raises(UsageError, match="1 to 4"):
        on_cpus(load("apu2"), count)


def test_all_cpus_are_no_difference() -> None:
    board = load("apu2")
    assert on_cpus(board, 4) == board


def test_a_schedule_of_one_cpu_is_recorded_and_of_more_repeated() -> None:
    request = BootRequest(load("apu2"))
    one = scheduled(request, Schedule(3, 1, 7))
    assert one.icount == Icount(3, "record", seed=7)
    assert not one.login
    more = scheduled(request, Schedule(3, 2, 7))
    assert more.icount == Icount(3, "count", seed=7)
    assert not more.login
    assert more.board.targets.qemu
    assert more.board.targets.qemu.smp == 2


def test_a_schedule_of_a_boot_over_a_network() -> None:
    request = replace(BootRequest(load("apu2")), method="pxe")
    with pytest.raises(UsageError, match="a schedule with method pxe"):
        scheduled(request, Schedule(3, 4, 7))
