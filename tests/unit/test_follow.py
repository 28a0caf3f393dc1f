"""The follower on a scripted line: what must have been said before a boot is at its goal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.board.model import Deadlines
from harness.bootlog import STAGES
from harness.console import Console
from harness.deadlines import StageClock
from harness.follow import Follower
from harness.session import PowerOn
from harness.target.simulated import Hear, Say, SimulatedTarget, Step

BOOTED = b"""\
U-Boot 2023.01+dfsg-2 (Jun 22 2026 - 08:38:07 +0000)
(XEN) Xen version 4.17.5 (Debian 4.17.5) (x@y) (arm-linux-gnueabihf-gcc 12) debug=n
(XEN) Brought up 2 CPUs
(XEN) *** LOADING DOMAIN 0 ***
(XEN) Freed 324kB init memory.
[    0.000000] Linux version 6.1.0-50-armmp
Welcome to Debian
board login: """
GREETING = {"domU1": re.compile(r"DOM1: .*hello")}
QUICK = Deadlines(boot=20, silence=0.3, stages=dict.fromkeys(STAGES["arm"], 0.3))

Follow = Callable[..., tuple[Follower, Console]]


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Follow]:
    opened: list[Console] = []

    def make(
        script: Sequence[Step], goal: str = "login", **more: object
    ) -> tuple[Follower, Console]:
        target = SimulatedTarget(script, most=1)
        console = Console(
            target.channel,
            raw=tmp_path / "console.raw",
            log=tmp_path / "console.log",
            arch="arm",
            clock=PowerOn().clock,
        )
        opened.append(console)
        clock = StageClock(QUICK, STAGES["arm"])
        return Follower(console, target, goal=goal, clock=clock, **more), console  # type: ignore[arg-type]  # options of the follower

    yield make
    for console in opened:
        console.close()


def test_a_domain_that_greets_later_is_waited_for(follow: Follow) -> None:
    late = b"\r\n(XEN) DOM1: hello from a guest\r\n"
    follower, console = follow([Say(BOOTED), Say(late, after=0.2)], greetings=GREETING)
    assert follower.follow().kind == "goal"
    assert any("hello" in line.text for line in console.lines)


def test_a_domain_that_greeted_before_the_login_is_not_waited_for_again(follow: Follow) -> None:
    follower, _ = follow([Say(b"(XEN) DOM1: hello\r\n" + BOOTED)], greetings=GREETING)
    assert follower.follow().kind == "goal"


def test_a_domain_that_never_greets_is_named(follow: Follow) -> None:
    follower, _ = follow([Say(BOOTED)], greetings=GREETING)
    ending = follower.follow()
    assert ending.kind == "silence"
    assert "the greeting of domU1 was due within" in ending.detail


def test_the_greeting_of_another_domain_does_not_count(follow: Follow) -> None:
    follower, _ = follow([Say(b"(XEN) DOM2: hello\r\n" + BOOTED)], greetings=GREETING)
    assert follower.follow().kind == "silence"


@pytest.mark.parametrize("at_prompt", [True, False])
def test_the_goal_uboot_is_its_prompt_or_its_banner(follow: Follow, at_prompt: bool) -> None:
    asked: list[str] = []
    banner = b"U-Boot 2023.01 (Jun 22 2026)\r\nHit any key to stop autoboot:  0 "
    script = [Say(banner), Hear(b" ", echo=False), Say(b"\r\n=> ")]

    def drive() -> None:
        console.expect_text("Hit any key", 5)
        if not at_prompt:  # the checks end it: the stage is reached
            console.expect_text("what nobody says", 30)
        console.send(" ")
        console.expect_text("=> ", 5)
        asked.append("stopped")

    follower, console = follow(script, "uboot", drive=drive, at_prompt=at_prompt)
    assert follower.follow().kind == "goal"
    assert asked == (["stopped"] if at_prompt else [])


def test_a_loader_that_falls_silent_before_its_prompt_is_late(follow: Follow) -> None:
    """The goal's stage is its banner: the deadline still holds until the prompt is there."""

    def drive() -> None:
        console.expect_text("=> ", 5)

    script = [Say(b"U-Boot 2023.01 (Jun 22 2026)\r\nDRAM:  1 GiB\r\n")]
    follower, console = follow(script, "uboot", drive=drive, at_prompt=True)
    ending = follower.follow()
    assert ending.kind == "silence"
    assert "its prompt was due within" in ending.detail
