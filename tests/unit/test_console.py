from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bootlog import Line
from harness.console import BoardStopped, Console, ConsoleTimeout
from harness.target.base import ChannelClosed
from harness.target.simulated import End, Hear, Say, SimulatedTarget, Step

# Long enough for what is there to be read, short enough not to wait for what never comes.
NOTHING = 0.05
PLENTY = 5.0

PANIC = b"""\
(XEN) ----[ Xen-4.17.7  x86_64  debug=n  Not tainted ]----
(XEN) CPU:    2
(XEN) Panic on CPU 2:
(XEN) FATAL TRAP: vec 6, #UD[0000]
(XEN) ****************************************
"""


@contextmanager
def console_on(
    *script: Step,
    most: int = 1 << 16,
    raw: Path | None = None,
    log: Path | None = None,
    clock: Callable[[], float] | None = None,
    timed: bool = True,
) -> Iterator[Console]:
    target = SimulatedTarget(script, most=most)
    with closing(
        Console(target.channel, raw=raw, log=log, timed=timed, clock=clock or time.monotonic)
    ) as console:
        yield console


def read_all(console: Console) -> None:
    with console.disarmed(), suppress(ChannelClosed):
        while True:
            console.pump(NOTHING)


def texts(console: Console) -> list[str]:
    return [line.text for line in console.lines]


class Ticker:
    """A clock that moves on by a second each time it is read."""

    def __init__(self) -> None:
        self._seconds = itertools.count(1)

    def __call__(self) -> float:
        return float(next(self._seconds))


# --- bytes to lines ----------------------------------------------------------------------------


class Chunks:
    """A channel that gives its bytes in chunks of these sizes, in turn, and then closes."""

    def __init__(self, data: bytes, sizes: Sequence[int]) -> None:
        self._data = data
        self._sizes = itertools.cycle(sizes)

    def read(self, size: int, timeout: float) -> bytes:
        del timeout
        if not self._data:
            raise ChannelClosed
        size = min(size, next(self._sizes))
        data, self._data = self._data[:size], self._data[size:]
        return data

    def write(self, data: bytes) -> None:
        raise AssertionError(data)


# No prompts: what is one depends on when it is looked at.
PIECES = (
    b"a | |\r|\n|\r\n|\x1b[1m|\x1b[2J|\x1b|\x08|\xc3\xa9|\xff|(XEN) |[    1.000000] |"
    b"SeaBIOS (version 1)"
).split(b"|")
NOISE = st.lists(st.sampled_from([*PIECES, *PANIC.splitlines(keepends=True)]), max_size=25).map(
    b"".join
)


def state_of(console: Console) -> tuple[object, ...]:
    with closing(console):
        read_all(console)
        log = console.parser.log
        return texts(console), console.partial, log.stages, log.panics, log.resets


@settings(max_examples=200)
@given(data=NOISE, sizes=st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_any_chunks_give_the_same_lines_and_facts(data: bytes, sizes: list[int]) -> None:
    whole = Console(Chunks(data, [1 << 20]), raw=None, log=None, timed=False)
    pieces = Console(Chunks(data, sizes), raw=None, log=None, timed=False)
    assert state_of(pieces) == state_of(whole)


@settings(max_examples=100)
@given(
    before=st.binary(max_size=30),
    wanted=st.sampled_from([b"ma\x1b[1mrk", b"mark", b"\x1b[31mm\x1b[0mark"]),
    after=st.binary(max_size=30),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=5),
)
def test_any_chunks_match_the_same(
    before: bytes, wanted: bytes, after: bytes, sizes: list[int]
) -> None:
    # A line of its own, so that nothing before it makes it part of a sequence.
    data = before + b"\x07\n" + wanted + b"\n" + after
    console = Console(Chunks(data, sizes), raw=None, log=None)
    with closing(console), console.disarmed():
        assert console.expect_text("^mark$", PLENTY)[0] == "mark"


# --- what is kept ------------------------------------------------------------------------------

ODD = b"\x00\xff\xfe plain\r\n\x1b[1mbold\x1b[0m\r\r\n\x08\x08half \xc3"


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_the_raw_file_is_what_was_sent(tmp_path: Path, most: int) -> None:
    raw = tmp_path / "console.raw"
    with console_on(Say(ODD), End(), most=most, raw=raw) as console:
        read_all(console)
        assert raw.read_bytes() == ODD
    assert raw.read_bytes() == ODD


def test_raw_bytes_are_on_disk_before_anything_reads_them(tmp_path: Path) -> None:
    raw = tmp_path / "console.raw"
    seen: list[bytes] = []

    def listen(data: bytes) -> None:
        assert raw.read_bytes().endswith(data)
        seen.append(data)

    def fail(line: Line) -> None:
        raise ZeroDivisionError(line.text)

    with console_on(Say(b"one\ntwo\n"), Say(b"three\n"), raw=raw) as console:
        console.on_bytes.append(listen)
        console.pump(PLENTY)
        console.parser.feed = fail  # type: ignore[method-assign]
        with pytest.raises(ZeroDivisionError):
            console.pump(PLENTY)
        assert raw.read_bytes() == b"one\ntwo\nthree\n"
        assert seen == [b"one\ntwo\n", b"three\n"]
        del console.parser.feed


def test_the_raw_file_is_never_cut(tmp_path: Path) -> None:
    raw = tmp_path / "console.raw"
    raw.write_bytes(b"before ")
    with console_on(Say(b"after"), End(), raw=raw) as console:
        read_all(console)
    assert raw.read_bytes() == b"before after"


def test_lines_are_stamped_with_the_time_of_their_first_character(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    ticker = Ticker()
    with console_on(
        Say(b"first\nsec"), Say(b"ond\n"), Say(b"third"), End(), log=log, clock=ticker
    ) as console:
        for _ in range(3):
            console.pump(PLENTY)
        assert console.partial == "third"
        assert console.last_output == 3.0
        assert [(line.text, line.at) for line in console.lines] == [("first", 1.0), ("second", 1.0)]
        # A whole line is in the file as soon as it is whole.
        assert log.read_text() == "    1.000 first\n    1.000 second\n"
    assert log.read_text() == "    1.000 first\n    1.000 second\n    3.000 third\n"


def test_a_recording_without_times_has_none(tmp_path: Path) -> None:
    with console_on(Say(b"a\n"), End(), timed=False, log=tmp_path / "l") as console:
        read_all(console)
        assert [line.at for line in console.lines] == [None]


def test_listeners_get_every_line_and_every_byte() -> None:
    lines: list[str] = []
    heard: list[bytes] = []
    with console_on(Say(b"a\n\x1b[1mb\nc"), End(), most=2) as console:
        console.on_line.append(lambda line: lines.append(line.text))
        console.on_bytes.append(heard.append)
        read_all(console)
        assert lines == ["a", "b"]
        assert b"".join(heard) == b"a\n\x1b[1mb\nc"
    assert lines == ["a", "b", "c"]


def test_silence_is_measured_from_the_last_byte() -> None:
    times = [0.0]
    with console_on(Say(b"a"), clock=lambda: times[0]) as console:
        times[0] = 5.0
        console.pump(PLENTY)
        times[0] = 8.0
        assert console.pump(NOTHING) is False
        assert (console.now, console.silent_for) == (8.0, 3.0)


# --- panics and resets -------------------------------------------------------------------------


def wait(console: Console, how: str) -> None:
    if how == "expect":
        console.expect_text("never said", PLENTY)
    while how == "pump":
        console.pump(PLENTY)


@pytest.mark.parametrize("most", [1, 10, 1 << 16])
@pytest.mark.parametrize("how", ["pump", "expect"])
def test_a_panic_interrupts_whoever_waits(most: int, how: str) -> None:
    with console_on(Say(b"all is well\n" + PANIC + b"after\n"), most=most) as console:
        with pytest.raises(BoardStopped) as caught:
            wait(console, how)
        assert caught.value.line.number == 2
        assert "----[ Xen-4.17.7" in str(caught.value)


def test_one_alarm_interrupts_once() -> None:
    with console_on(Say(PANIC), Say(b"after\n")) as console:
        with pytest.raises(BoardStopped):
            console.pump(PLENTY)
        assert console.pump(PLENTY) is True
        assert console.pump(NOTHING) is False
        assert len(console.parser.log.panics) == 1


def test_a_second_panic_interrupts_again() -> None:
    with console_on(Say(PANIC), Say(PANIC.replace(b"CPU 2", b"CPU 3"))) as console:
        for number in (1, 6):
            with pytest.raises(BoardStopped) as caught:
                console.pump(PLENTY)
            assert caught.value.line.number == number


def test_a_reset_interrupts() -> None:
    start = b"SeaBIOS (version 1)\niPXE initialising devices...ok\n"
    with console_on(Say(start), Say(start)) as console:
        console.pump(PLENTY)
        with pytest.raises(BoardStopped, match="SeaBIOS"):
            console.pump(PLENTY)


def test_disarmed_nobody_is_interrupted_and_all_is_recorded() -> None:
    with console_on(Say(PANIC), Say(b"calm\n"), Say(PANIC)) as console:
        with console.disarmed():
            assert console.pump(PLENTY) is True
        assert len(console.parser.log.panics) == 1
        console.pump(PLENTY)  # what was said before does not count when armed again
        with pytest.raises(BoardStopped):
            console.pump(PLENTY)


def test_disarming_nests_and_ends_also_with_an_error() -> None:
    with console_on(Say(PANIC), Say(PANIC)) as console:
        with suppress(ZeroDivisionError), console.disarmed():
            with console.disarmed():
                pass
            console.pump(PLENTY)
            raise ZeroDivisionError
        with pytest.raises(BoardStopped):
            console.pump(PLENTY)


def test_what_came_with_an_alarm_can_still_be_expected() -> None:
    with console_on(Say(PANIC + b"Reboot in five seconds...\n")) as console:
        with pytest.raises(BoardStopped):
            console.expect_text("never said", PLENTY)
        with console.disarmed():
            assert console.expect_text(r"Reboot in (\w+)", PLENTY)[1] == "five"


def test_drain_reads_to_the_end_and_raises_nothing() -> None:
    with console_on(Say(PANIC), Say(b"one\n"), Say(b"two\n", after=0.05), Say(PANIC), End()) as c:
        c.drain(0.5, PLENTY)
        assert len(c.parser.log.panics) == 2
        assert "two" in texts(c)


def test_drain_waits_for_quiet_and_not_longer() -> None:
    with console_on(Say(b"a"), Say(b"late", after=60.0)) as console:
        console.drain(0.1, PLENTY)
        assert console.partial == "a"


def test_drain_is_not_satisfied_by_the_silence_before_it() -> None:
    with console_on(
        Say(b"prompt# "), Hear(b"\x15", echo=False), Say(b"\r\nfresh# ", after=0.02)
    ) as c:
        c.pump(PLENTY)
        c.expect_text("prompt", PLENTY)
        with pytest.raises(ConsoleTimeout):
            c.expect_text("echo", 0.15)
        c.send("\x15")
        c.drain(0.1, PLENTY)
        assert c.partial == "fresh# "


def test_drain_has_a_limit_when_the_board_never_stops() -> None:
    chatter = [Say(b"x", after=0.01)] * 10_000
    with console_on(*chatter) as console:
        start = console.now
        console.drain(1.0, 0.2)
        assert 0.2 <= console.now - start < 2.0


# --- expect ------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 5, 1000])
def test_expect_sees_text_over_chunk_borders_and_without_ansi(most: int) -> None:
    said = b"noise\r\nPress \x1b[1mCtrl\x1b[0m-B\x1b[0K for the\r\ncommand line..."
    with console_on(Say(said), most=most) as console:
        found = console.expect_text(r"Press\s+Ctrl-B\s+for\s+the\s+(\w+) line", PLENTY)
        assert found[1] == "command"


def test_what_came_during_a_pump_is_still_expected() -> None:
    with console_on(Say(b"one two "), Say(b"three")) as console:
        console.pump(PLENTY)
        console.expect_text("two", PLENTY)
        console.pump(PLENTY)
        console.expect_text("thr", PLENTY)
        console.expect_text("ee", PLENTY)


@pytest.mark.parametrize("pumped", [False, True])
def test_what_was_consumed_is_not_matched_twice(pumped: bool) -> None:
    with console_on(Say(b"prompt# "), Hear(b"x", echo=False), Say(b"prompt# ")) as console:
        if pumped:
            console.pump(PLENTY)
        console.expect_text("prompt# ", PLENTY)
        if pumped:
            console.pump(NOTHING)
        with pytest.raises(ConsoleTimeout):
            console.expect_text("prompt# ", NOTHING)
        console.send("x")
        console.expect_text("prompt# ", PLENTY)


def test_what_did_not_match_is_still_there_for_the_next() -> None:
    with console_on(Say(b"some words")) as console:
        with pytest.raises(ConsoleTimeout, match="'other' did not come within 0 s"):
            console.expect_text("other", NOTHING)
        assert console.expect_text("some (words)", NOTHING)[1] == "words"


def test_a_match_anywhere_in_a_long_read_is_found() -> None:
    with console_on(Say(b"mark\n" + b"x" * 60_000 + b"\nend# ")) as console:
        console.expect_text("^mark$", PLENTY)
        console.expect_text(r"end# \Z", PLENTY)


def test_expect_gives_up_in_time_on_a_board_that_never_stops() -> None:
    chatter = [Say(b"x\n", after=0.005)] * 100_000
    with console_on(*chatter) as console:
        start = console.now
        with pytest.raises(ConsoleTimeout):
            console.expect_text("never", 0.2)
        assert console.now - start < 2.0


def test_deadlines_are_on_the_clock_of_the_console() -> None:
    """The wall clock may jump; a console whose clock stands still waits for ever."""
    with console_on(Say(b"x\n", after=0.2), clock=lambda: 1.0) as console:
        console.expect_text("x", 0.01)


def test_whoever_watches_the_boot_can_end_the_wait() -> None:
    def stop() -> None:
        raise ZeroDivisionError

    with console_on(Say(b"some words")) as console:
        console.checks.append(stop)
        with pytest.raises(ZeroDivisionError):
            console.expect_text("other", PLENTY)
        with pytest.raises(ZeroDivisionError):
            console.pump_checked(NOTHING)
        console.checks.remove(stop)
        console.expect_text("words", NOTHING)


# --- typing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 4, 100])
@pytest.mark.parametrize("most", [1, 1000])
def test_what_is_echoed_was_typed(chunk: int, most: int) -> None:
    text = "echo  'a  b' > /dev/null"
    with console_on(Hear(b"null"), Say(b"!"), most=most) as console:
        assert console.type_text(text, chunk=chunk, patience=PLENTY) is True
        console.expect_text("!", PLENTY)
        assert console.partial == text + "!"


class Typist:
    """A channel that echoes as `echo` says."""

    def __init__(self, echo: Callable[[bytes], bytes]) -> None:
        self._echo = echo
        self._out = b""

    def read(self, size: int, timeout: float) -> bytes:
        del timeout
        data, self._out = self._out[:size], self._out[size:]
        return data

    def write(self, data: bytes) -> None:
        self._out += self._echo(data)


def typed(echo: Callable[[bytes], bytes], text: str = "chain http://x") -> bool:
    with closing(Console(Typist(echo), raw=None, log=None)) as console:
        return console.type_text(text, chunk=4, patience=NOTHING)


def test_a_lost_character_is_noticed() -> None:
    assert typed(lambda data: data) is True
    assert typed(lambda data: data.replace(b"p", b"")) is False
    assert typed(lambda _: b"") is False
    assert typed(lambda data: data[::-1]) is False


def test_a_kernel_that_talks_in_the_middle_of_the_echo_does_no_harm() -> None:
    noise = b"\r\n[    9.1] usb 1-1: device\r\n"
    assert typed(lambda data: data[:2] + noise + data[2:]) is True
    assert typed(lambda data: data[:2] + b" \r" + data[2:]) is True  # a line that wraps


def test_a_half_echo_of_an_earlier_attempt_is_not_the_echo_of_the_next() -> None:
    attempts = iter([b"cai", b"hain"])
    with closing(Console(Typist(lambda _: next(attempts)), raw=None, log=None)) as console:
        assert console.type_text("chai", chunk=4, patience=NOTHING) is False
        # Only the "c" of the first attempt would make this whole.
        assert console.type_text("chai", chunk=4, patience=NOTHING) is False


def test_blanks_need_no_echo() -> None:
    assert typed(lambda data: data.strip(), "    ") is True


# --- the end of the line -----------------------------------------------------------------------


def test_a_closed_line() -> None:
    with console_on(Say(b"last words"), End()) as console:
        assert console.closed_by_board is False
        with pytest.raises(ChannelClosed):
            console.expect_text("more", PLENTY)
        assert console.closed_by_board is True
        assert console.partial == "last words"
        for use in (
            lambda: console.pump(NOTHING),
            lambda: console.expect_text("x", PLENTY),
            lambda: console.send("x"),
            lambda: console.type_text("x", chunk=1, patience=PLENTY),
        ):
            with pytest.raises(ChannelClosed):
                use()
        console.drain(0.1, PLENTY)


def test_the_unfinished_line_becomes_a_line_when_the_console_is_closed(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    with console_on(Say(b"whole\nhalf"), End(), log=log) as console:
        read_all(console)
        assert texts(console) == ["whole"]
    console.close()
    assert texts(console) == ["whole", "half"]
    assert [row[10:] for row in log.read_text().splitlines()] == ["whole", "half"]
