"""A login while the kernel talks: what hides a prompt must not fail a boot. Evidence: simulated."""

from __future__ import annotations

import time

import pytest

from harness.console import Console
from harness.shell.base import ShellError
from harness.shell.dom0 import Dom0Shell
from harness.target.simulated import End, Hear, Say, SimulatedTarget, Step

NOISE = b"[   12.345678] random: crng init done\r\n"
SETTLED: list[Step] = [
    Hear(rb"export .*\r", echo=False),
    Say(b"export ...\r\ndom0# "),
    Hear(rb"never"),
]
ASKED: list[Step] = [Say(b"apu2 login: "), Hear(rb"root\r"), Say(b"Password: ")]
ANSWERED: list[Step] = [*ASKED, Hear(rb"debian\r", echo=False)]


def log_in(*script: Step, most: int = 1 << 16) -> None:
    target = SimulatedTarget(script, most=most)
    zero = time.monotonic()
    console = Console(target.channel, raw=None, log=None, clock=lambda: time.monotonic() - zero)
    console.expect_text("login: ", 10)
    Dom0Shell(console, scale=0.1).login("root", "debian")


@pytest.mark.parametrize("most", [1 << 16, 1])
@pytest.mark.parametrize(
    "script",
    [
        pytest.param([*ANSWERED, Say(b"\r\nroot@apu2:~# ")], id="quiet"),
        pytest.param(
            [*ASKED, Say(NOISE), Hear(rb"debian\r", echo=False), Say(b"\r\n~ # ")],
            id="behind Password",
        ),
        pytest.param(
            [*ANSWERED, Say(b"\r\nhere nobody sees Login incorrect or password: \r\n~ # ")],
            id="motd with the words",
        ),
    ],
)
def test_a_login_works(script: list[Step], most: int) -> None:
    log_in(*script, *SETTLED, most=most)


def test_a_prompt_behind_which_the_kernel_talks_is_asked_for_again() -> None:
    hidden = Say(b"\r\n~ # " + NOISE)
    log_in(*ANSWERED, hidden, Hear(rb"^\r", echo=False), Say(b"\r\n~ # "), *SETTLED)


def test_a_prompt_that_the_kernel_broke_is_asked_for_again() -> None:
    broken = Say(b"export ...\r\ndom" + NOISE + b"0# ")
    log_in(
        *ANSWERED,
        Say(b"\r\n~ # "),
        Hear(rb"export .*\r", echo=False),
        broken,
        Hear(rb"^\r", echo=False),
        Say(b"\r\ndom0# "),
        Hear(rb"never"),
    )


def test_a_refused_password_is_told_from_silence() -> None:
    refused = Say(b"\r\nLogin incorrect\r\napu2 login: ")
    with pytest.raises(ShellError, match="dom0 refuses user 'root'"):
        log_in(*ANSWERED, refused, Hear(rb"never"))
    with pytest.raises(ShellError, match="no prompt after logging in as root"):
        log_in(*ANSWERED, Hear(rb"never"), End())
