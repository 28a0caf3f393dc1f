"""Expectations on ARM: hardware facts, and that Xen got what is on the card."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.board import load
from harness.bootlog import parse_recorded
from harness.expectations import Built, expectations, greetings
from harness.rules import Fact, Outcome, Progress, evaluate

LOGS = Path(__file__).parents[1] / "data" / "logs"
DOM0 = LOGS / "qemu-orangepi-pc-xen-4.17.5-armhf-dom0.log"
SIZES = {"kernel": 0x532200, "initrd": 0xD7E8F, "dtb": 1, "xen": 2}


def judged(
    log: Path, sizes: dict[str, int], cmdline: str | None, board: str = "orangepi-pc"
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


def test_cpus_of_a_log_are_those_that_its_own_command_line_allows() -> None:
    """A recorded log, or a card of the user's, was not given the profile's maxcpus=2."""
    assert judged(DOM0, {}, None, "cubieboard2")["hardware.arm.cpus"].state == "met"
    three = DOM0.read_bytes().replace(b"Brought up 4 CPUs", b"Brought up 3 CPUs")
    rules = expectations(load("cubieboard2"), "qemu", None, "login")
    rule = next(r for r in rules if r.id == "hardware.arm.cpus")
    stages = load("cubieboard2").stages
    outcome = evaluate(rule, parse_recorded(three, arch="arm"), [], Progress(stages, 8, True))
    assert outcome.state == "failed"
    assert "it is 3 of 4" in outcome.detail


def test_a_kernel_whose_command_line_is_not_ours_may_be_quiet() -> None:
    said = {None: True, "": False, "loglevel=4": True}
    for cmdline, optional in said.items():
        built = Built(kernel_release="6.1.0-50-armmp", kernel_cmdline=cmdline)
        rules = {r.id: r for r in expectations(load("orangepi-pc"), "qemu", built, "login")}
        release = rules["built.kernel.release"]
        assert isinstance(release, Fact)
        assert release.optional is optional


def test_where_nothing_comes_after_them_domains_must_be_built() -> None:
    board = load("cubieboard2-without-dom0")
    built = Built(xen_cmdline=board.xen.cmdline, sizes={"domU1-kernel": 1})
    rules = {r.id: r for r in expectations(board, "qemu", built, "dom0-build")}
    reached = Progress(board.stages, board.stages.index("dom0-build"), at_goal=True)
    empty = parse_recorded(b"(XEN) Xen version 4.17.5 (x) (y) (gcc) debug=n\n", arch="arm")
    for name in ("domains.domU1.built", "built.modules"):
        assert evaluate(rules[name], empty, [], reached).state == "failed"


@pytest.mark.parametrize(
    ("greeting", "said", "heard"),
    [
        ("hello|hi", "(XEN) DOM1: so hi", True),
        ("hello|hi", "hello", False),
        ("(?i)HELLO", "(d1) say hello", True),
        ("(?i)hello", "(xen) dom1: hello", False),
        ("^hello", "(XEN) DOM1: hello", True),
        ("^hello", "(XEN) DOM1: say hello", False),
    ],
)
def test_a_greeting_is_any_regular_expression(greeting: str, said: str, heard: bool) -> None:
    board = load("virt-arm64")
    (domain,) = board.domains
    domain = domain.model_copy(update={"greeting": greeting})
    pattern = greetings(board.model_copy(update={"domains": (domain,)}))["domU1"]
    assert bool(pattern.search(said)) is heard
