"""Messages of the kernel and of Xen at every place of the dialogue with dom0's shell."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from harness.console import Console
from harness.shell.base import CommandTimeout, Result
from harness.shell.dom0 import Dom0Shell
from tests.unit.shell.peer import KERNEL, XEN, Damage, Dom0

COMMAND = "echo one; echo; echo three; (exit 12)"
WANTED = Result("one\n\nthree", 12)
# One that ends like a prompt, one with a digit where the status stands, one with a mark.
NASTY = (b"42 dom0# \r\n", b"]7 <0123abcd]0 x\r\n")


@pytest.fixture
def shell(peer: Dom0) -> Iterator[Dom0Shell]:
    with closing(Console(peer, raw=None, log=None)) as console:
        found = Dom0Shell(console)
        found.wait_for_prompt(5)
        found.settle()
        found.run("true")
        found.scale = 0.3
        yield found


def at(place: int, message: bytes) -> Damage:
    return lambda answer: answer[:place] + message + answer[place:]


def length_of_answer(shell: Dom0Shell, peer: Dom0) -> int:
    seen: list[int] = []

    def measure(answer: bytes) -> bytes:
        seen.append(len(answer))
        return answer

    peer.damage = itertools.repeat(measure)
    assert shell.run(COMMAND) == WANTED
    return seen[0]


@pytest.mark.parametrize("message", [KERNEL, XEN, *NASTY])
def test_a_message_at_any_place_of_the_answer(message: bytes, shell: Dom0Shell, peer: Dom0) -> None:
    length = length_of_answer(shell, peer)
    for place in range(length + 1):
        peer.damage = itertools.chain([at(place, message)], itertools.repeat(lambda data: data))
        assert shell.run(COMMAND) == WANTED, f"{message!r} at {place}"


@pytest.mark.parametrize("message", [KERNEL, XEN])
def test_a_message_behind_any_key_that_is_echoed(
    message: bytes, shell: Dom0Shell, peer: Dom0
) -> None:
    assert shell.run(COMMAND) == WANTED
    for place in range(len(peer.typed[-1])):
        keys = itertools.count()

        def after_echo(place: int = place, keys: Iterator[int] = keys) -> bytes:
            return message if next(keys) == place else b""

        peer.after_echo = after_echo
        assert shell.run(COMMAND) == WANTED, f"{message!r} behind key {place}"
        assert next(keys) > place


def test_mark_and_prompt_cut_at_once(shell: Dom0Shell, peer: Dom0) -> None:
    def both(answer: bytes) -> bytes:
        cut = re.sub(rb"(<[0-9a-f]{4})", rb"\1" + XEN, answer)
        return cut[:-3] + KERNEL + cut[-3:]

    peer.damage = itertools.chain([both], itertools.repeat(lambda data: data))
    assert shell.run(COMMAND, timeout=2) == WANTED


def test_a_command_that_does_not_end_is_told_apart(shell: Dom0Shell) -> None:
    with pytest.raises(CommandTimeout) as caught:
        shell.run("sleep 1000", timeout=1)
    assert caught.value.command == "sleep 1000"
    assert caught.value.seconds == pytest.approx(0.3)
    assert caught.value.expected == "its end, and the prompt"


def test_functions_that_were_lost_are_defined_again(shell: Dom0Shell) -> None:
    shell.run("unset -f __end __show")
    assert shell.run(COMMAND) == WANTED
