"""Expectations on ARM: hardware facts, and that Xen got what is on the card."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.board import load
from harness.bootlog import parse_recorded
from harness.expectations import Built, expectations
from harness.rules import Fact, Outcome, Progress, evaluate

LOGS = Path(__file__).parents[1] / "data" / "logs"
DOM0 = LOGS / "qemu-orangepi-pc-xen-4.17.5-armhf-dom0.log"
SIZES = {"kernel": 0x532200, "initrd": 0xD7E8F, "dtb": 1, "xen": 2}


def judged(
    log: Path, sizes: dict[str, int], cmdline: str, board: str = "orangepi-pc"
) -> dict[str, Outcome]:
    profile = load(board)
    built = Built(xen_cmdline=cmdline, sizes=sizes)
    rules = expectations(profile, "qemu", built, "login")
    parsed = parse_recorded(log.read_bytes(), arch="arm")
    progress = Progress(profile.stages, len(profile.stages) - 1, at_goal=True)
    return {r.id: evaluate(r, parsed, [], progress) for r in rules if isinstance(r, Fact)}


@pytest.fixture(scope="module")
def good() -> dict[str, Outcome]:
    return judged(DOM0, SIZES, "dom0_mem=256M")


@pytest.mark.parametrize(
    "name",
    [
        "hardware.arm.midr",
        "hardware.arm.gic",
        "hardware.arm.timer_khz",
        "hardware.arm.cpus",
        "hardware.memory_mib",
        "built.dom0.kernel.place",
        "built.dom0.initrd.size",
        "built.dom0.memory_mib",
        "built.modules",
    ],
)
def test_a_real_log_meets_them(good: dict[str, Outcome], name: str) -> None:
    assert good[name].state == "met", good[name].detail


@pytest.mark.parametrize(
    ("name", "sizes", "cmdline"),
    [
        ("built.modules", {**SIZES, "kernel": 0x532201}, "dom0_mem=256M"),
        ("built.dom0.initrd.size", {**SIZES, "initrd": 1}, "dom0_mem=256M"),
        ("built.dom0.memory_mib", SIZES, "dom0_mem=512M"),
        ("hardware.arm.cpus", SIZES, "dom0_mem=256M maxcpus=2"),
    ],
)
def test_a_log_of_something_else_fails_them(name: str, sizes: dict[str, int], cmdline: str) -> None:
    assert judged(DOM0, sizes, cmdline)[name].state == "failed"


def test_numbers_are_shown_as_engineers_read_them(good: dict[str, Outcome]) -> None:
    assert good["hardware.arm.midr"].detail == "0x410fc075"
    assert good["built.modules"].detail == "0x46000000+0x532200 0x4a000000+0xd7e8f"


@pytest.mark.parametrize(
    ("text", "mib"), [("256M", 256), ("1G", 1024), ("262144K", 256), ("262144", 256), ("256m", 256)]
)
def test_sizes_of_a_command_line(text: str, mib: int) -> None:
    assert judged(DOM0, SIZES, f"x dom0_mem={text} y")["built.dom0.memory_mib"].state == (
        "met" if mib == 256 else "failed"
    )


def test_without_a_card_of_ours_nothing_is_asked_of_modules() -> None:
    names = judged(DOM0, {}, "dom0_mem=256M")
    assert "built.modules" not in names
    assert "hardware.arm.midr" in names
