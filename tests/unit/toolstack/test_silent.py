"""A guest that xl took and that says nothing; Xen's answers are recorded (4.17.5, armhf)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.bootlog.debug_keys import CpuState, parse_registers
from harness.errors import FormatError
from harness.formats.zimage import build
from harness.shell.xen_keys import XenKeys
from harness.toolstack.silent import ask_why_silent, guest_state, why_silent, without_vectors

DATA = Path(__file__).resolve().parents[2] / "data/debug_keys"
OLD, GOOD = build(bytes(64), start=0x80008000), build(bytes(64), start=0x40008000)


def registers(name: str) -> tuple[CpuState, ...]:
    return parse_registers((DATA / f"xen-4.17.5-armhf-d-{name}.txt").read_text().splitlines())


@pytest.fixture
def spinning() -> CpuState:
    """The CPU of domain 6, linked to 0x80008000, with 512 MiB."""
    state = guest_state(registers("old-guest"), 6)
    assert state is not None
    return state


class Keys(XenKeys):
    """Answers of Xen, one after the other."""

    def __init__(self, *answers: tuple[CpuState, ...]) -> None:
        self.answers = list(answers)

    def registers(self) -> tuple[CpuState, ...]:
        return self.answers.pop(0)


def test_the_old_address_is_said_with_what_the_cpu_does(spinning: CpuState) -> None:
    silence = why_silent(OLD, 512, spinning)
    assert silence is not None
    assert silence.cause == (
        "the image is linked to 0x80008000, where this guest has no memory: it has 512 MiB from"
        " 0x40000000 on"
    )
    assert "at 0x0000000c, the vector of prefetch aborts" in silence.seen
    assert "up to Xen 4.4" in silence.hint
    assert "link it to 0x40008000" in silence.hint
    assert str(silence).splitlines() == [silence.cause, silence.seen, silence.hint]


def test_the_header_alone_tells_too() -> None:
    silence = why_silent(OLD, 512)
    assert silence is not None
    assert silence.seen == ""
    assert len(str(silence).splitlines()) == 2


@pytest.mark.parametrize(
    ("start", "memory", "cause", "old"),
    [
        (0x40010000, 512, "xl loaded it to 0x40008000: the CPU began at 0x40010000", False),
        (0x80008000, 1100, "xl loaded it to 0x40008000: the CPU began at 0x80008000", True),
        (0x60000000, 512, "no memory: it has 512 MiB", False),
        (0x00008000, 512, "no memory: it has 512 MiB", False),
        (0xFFFF0000, 9000, "xl loaded it to 0x40008000", True),
    ],
)
def test_where_it_is_linked(start: int, memory: int, cause: str, old: bool) -> None:
    silence = why_silent(build(bytes(64), start=start), memory)
    assert silence is not None
    assert cause in silence.cause
    assert ("Xen 4.4" in silence.hint) is old


def test_a_right_header_and_no_vectors(spinning: CpuState) -> None:
    silence = why_silent(GOOD, 512, spinning)
    assert silence is not None
    assert "before it had vectors" in silence.cause


@pytest.mark.parametrize("start", [0, 0x40008000])
def test_a_good_header_says_nothing_alone(start: int) -> None:
    assert why_silent(build(bytes(64), start=start), 512) is None


def test_a_cpu_that_runs_is_not_explained(spinning: CpuState) -> None:
    assert why_silent(OLD, 512, replace(spinning, pc=0x40008100)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"pc": 0x10},
        {"pc": None},
        {"context": "32-bit Guest SVC"},
        {"registers": {}},
        {"registers": {"IFAR": 0x10}},
    ],
)
def test_what_is_no_abort_at_the_vector(spinning: CpuState, change: dict[str, object]) -> None:
    assert without_vectors(spinning)
    assert not without_vectors(replace(spinning, **change))  # type: ignore[arg-type]  # fields


def test_high_vectors(spinning: CpuState) -> None:
    assert without_vectors(replace(spinning, pc=0xFFFF000C, registers={"IFAR": 0xFFFF000C}))


def test_a_guest_that_sleeps_has_no_state() -> None:
    assert guest_state(registers("idle-guest"), 7) is None
    assert guest_state(registers("old-guest"), 7) is None


def test_what_is_no_zimage() -> None:
    with pytest.raises(FormatError):
        why_silent(b"\x7fELF" + bytes(64), 512)


def test_xen_is_asked_until_it_shows_the_guest() -> None:
    keys = Keys(registers("idle-guest"), registers("old-guest"))
    silence = ask_why_silent(keys, 6, OLD, 512)
    assert silence is not None
    assert silence.seen


def test_and_not_for_ever() -> None:
    keys = Keys(*[registers("idle-guest")] * 5)
    assert ask_why_silent(keys, 6, OLD, 512) is None
    assert len(keys.answers) == 2
