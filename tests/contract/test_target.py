"""What every target keeps to, whatever stands behind it."""

from __future__ import annotations

import os
import select
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import TargetError, UsageError
from harness.target import channels
from harness.target.base import ChannelClosed, Evidence, Target, TargetEvent
from harness.target.channels import PipeChannel
from harness.target.replay import ReplayTarget
from harness.target.serial import SerialTarget
from harness.target.simulated import End, Hear, Say, SimulatedTarget, Step
from tests.boot.processes import eventually
from tests.contract.machine import EXIT_CODE, machine

# Bounds what would hang for ever.
PATIENCE = 20.0

SAID = b"\x00\xff\x1b[1mfirst\r\n" + bytes(range(256)) + b"\r\nlast\r\n"
ANSWER = b"heard\r\n"


@dataclass
class Case:
    """A target that says `SAID` once it is powered on, and what holds for its kind.

    Args:
        end: ends the line from the other side, for those that do not end by themselves.
        hears: it waits for an Enter before it goes on to answer and to end.
    """

    target: Target
    evidence: Evidence
    ends_with: TargetEvent
    hears: bool
    end: Callable[[], None] = lambda: None


Opened = Callable[..., Case]
KINDS = ("replay", "simulated", "pty", "socket", "qemu")
# A recording has no other side that could be silent, or could hear.
LIVE = KINDS[1:]


@pytest.fixture
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Opens a target of a kind; all are closed after the test."""
    with ExitStack() as stack:

        def open_one(kind: str, said: bytes = SAID, *, hears: bool = False) -> Case:
            if kind == "qemu":
                case = _qemu(tmp_path, request.getfixturevalue("qemu"), said, hears)
            elif kind == "replay":
                case = _replay(tmp_path, said)
            elif kind == "simulated":
                case = _simulated(said, hears)
            else:
                peer = stack.enter_context(closing(Peer(tmp_path, kind, said, hears)))
                case = peer.case()
            stack.enter_context(closing(case.target))
            return case

        yield open_one


def _replay(folder: Path, said: bytes) -> Case:
    (folder / "recorded.log").write_bytes(said)
    end = TargetEvent("end-of-recording", "the recorded log ends here")
    return Case(ReplayTarget(folder / "recorded.log"), "replayed", end, hears=False)


def _simulated(said: bytes, hears: bool) -> Case:
    answer: list[Step] = [Hear(b"\r", echo=False), Say(ANSWER)] if hears else []
    target = SimulatedTarget([Say(said), *answer, End()])
    end = TargetEvent("died", "the simulated line ended")
    return Case(target, "simulated", end, hears=hears)


def _qemu(folder: Path, qemu: str, said: bytes, hears: bool) -> Case:
    target = machine(qemu, folder, said, answer=ANSWER if hears else None)
    end = TargetEvent("died", f"QEMU ended with exit code {EXIT_CODE}", EXIT_CODE)
    return Case(target, "emulated", end, hears=hears)


class Peer:
    """The other side of a serial line: a PTY, or a TCP port. It speaks when it is switched on."""

    def __init__(self, folder: Path, kind: str, said: bytes, hears: bool) -> None:
        self._switch = folder / "power"
        self._said = said
        self._hears = hears
        self._over = threading.Event()
        if kind == "pty":
            self._master, slave = os.openpty()
            self.url = os.ttyname(slave)
            self._slave = slave
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self._listener.settimeout(PATIENCE)
            self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._kind = kind
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def case(self) -> Case:
        target = SerialTarget(
            self.url,
            baud=115200,
            evidence="emulated",
            power_on=shlex.join(["touch", str(self._switch)]),
            power_off=shlex.join(["rm", str(self._switch)]),
        )
        end = TargetEvent("died", f"the serial line {self.url} was closed from the other side")
        return Case(target, "emulated", end, hears=self._hears, end=self._over.set)

    def _run(self) -> None:
        if self._kind == "pty":
            self._speak(self._master)
            # A terminal that hangs up forgets what was not read yet.
            self._over.wait(PATIENCE)
            os.close(self._slave)
            os.close(self._master)
            return
        with self._listener, suppress(OSError), self._listener.accept()[0] as line:
            self._speak(line.fileno())

    def _speak(self, line: int) -> None:
        eventually(lambda: self._switch.exists() or self._over.is_set(), PATIENCE)
        os.write(line, self._said)
        heard = not self._hears
        while not (heard or self._over.is_set()):
            heard = bool(select.select([line], [], [], 0.05)[0]) and os.read(line, 1) == b"\r"
        if self._hears and heard:
            os.write(line, ANSWER)

    def close(self) -> None:
        self._over.set()
        if self._kind == "socket":
            # Somebody who never called keeps nobody waiting.
            with suppress(OSError), socket.create_connection(self._listener.getsockname(), 1):
                pass
        self._thread.join()


def read(target: Target, length: int, size: int = 1 << 16) -> bytes:
    """What it says, up to that many bytes."""
    data, end = b"", time.monotonic() + PATIENCE
    while len(data) < length and time.monotonic() < end:
        data += target.channel.read(min(size, length - len(data)), 0.1)
    return data


def read_to_the_end(target: Target, size: int = 1 << 16) -> bytes:
    data, end = b"", time.monotonic() + PATIENCE
    with suppress(ChannelClosed):
        while time.monotonic() < end:
            data += target.channel.read(size, 0.1)
        pytest.fail("the line does not end")
    return data


# --- the contract ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 1 << 16])
def test_every_byte_arrives_from_the_first_to_the_last(
    kind: str, size: int, opened: Opened
) -> None:
    case = opened(kind)
    case.target.power_on()
    assert read(case.target, len(SAID), size) == SAID
    case.end()
    assert read_to_the_end(case.target, size) == b""


@pytest.mark.parametrize("kind", ["replay", "simulated", "socket", "qemu"])
@pytest.mark.parametrize("said", [SAID, b"!"])
def test_what_was_said_before_the_end_is_read_after_it(
    kind: str, said: bytes, opened: Opened
) -> None:
    case = opened(kind, said)
    case.target.power_on()
    time.sleep(0.3)  # it has most likely ended by now
    assert read_to_the_end(case.target) == said


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_that_has_ended_stays_ended(kind: str, opened: Opened) -> None:
    case = opened(kind)
    case.target.power_on()
    read(case.target, len(SAID))
    case.end()
    read_to_the_end(case.target)
    for _ in range(2):
        with pytest.raises(ChannelClosed):
            case.target.channel.read(100, 0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_hears_what_is_written_to_a_line_that_has_ended(kind: str, opened: Opened) -> None:
    case = opened(kind)
    case.target.power_on()
    read(case.target, len(SAID))
    case.end()
    read_to_the_end(case.target)

    def write() -> None:
        # Over a network the first bytes go nowhere before it shows.
        for _ in range(100):
            case.target.channel.write(b"anybody?")
            time.sleep(0.01)

    with pytest.raises(ChannelClosed):
        write()


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_has_a_reason(kind: str, opened: Opened) -> None:
    case = opened(kind)
    case.target.power_on()
    read(case.target, len(SAID))
    assert case.target.name in {kind, "serial"}
    assert case.target.evidence == case.evidence
    case.end()
    read_to_the_end(case.target)
    assert case.target.wait_for_end() == case.ends_with
    assert case.target.wait_for_end() == case.ends_with


@pytest.mark.parametrize("kind", LIVE)
def test_a_silent_line_gives_nothing_in_time(kind: str, opened: Opened) -> None:
    case = opened(kind, hears=True)
    case.target.power_on()
    assert read(case.target, len(SAID)) == SAID
    for timeout in (0.0, 0.1):
        start = time.monotonic()
        assert case.target.channel.read(100, timeout) == b""
        assert time.monotonic() - start < timeout + 1.0
    assert case.target.poll() is None


@pytest.mark.parametrize("kind", LIVE)
def test_nothing_is_said_before_power_on(kind: str, opened: Opened) -> None:
    case = opened(kind)
    if kind != "simulated":  # its script begins when it is read
        assert case.target.channel.read(100, 0.2) == b""
    assert case.target.poll() is None
    case.target.power_on()
    assert read(case.target, 2) == SAID[:2]


@pytest.mark.parametrize("kind", LIVE)
def test_what_is_written_is_heard(kind: str, opened: Opened) -> None:
    case = opened(kind, hears=True)
    case.target.power_on()
    assert read(case.target, len(SAID)) == SAID
    assert case.target.channel.read(100, 0.05) == b""
    case.target.channel.write(b"some words, and then\r")
    assert read(case.target, len(ANSWER)) == ANSWER


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("powered", [False, True])
def test_closing_twice_is_closing_once(kind: str, powered: bool, opened: Opened) -> None:
    case = opened(kind, hears=kind in LIVE)
    if powered:
        case.target.power_on()
        read(case.target, 2)
    case.target.close()
    case.target.close()
    # Whoever still holds the channel is told, and does not wait.
    start = time.monotonic()
    with suppress(ChannelClosed):
        case.target.channel.read(100, 0.1)
    with suppress(ChannelClosed):
        case.target.channel.write(b"x")
    assert time.monotonic() - start < 2.0


# --- channels ----------------------------------------------------------------------------------


@pytest.fixture
def line(tmp_path: Path) -> Iterator[tuple[PipeChannel, int, int]]:
    """A channel, and the two ends that an emulator has: to read from, and to write to."""
    with closing(PipeChannel(tmp_path, "serial")) as channel:
        # As QEMU opens them (chardev/char-pipe.c).
        into, out = (os.open(tmp_path / f"serial.{way}", os.O_RDWR) for way in ("in", "out"))
        channel.connected()
        yield channel, into, out
        for end in (into, out):
            with suppress(OSError):
                os.close(end)


def test_a_line_that_takes_no_bytes_is_an_error(
    line: tuple[PipeChannel, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, _, out = line
    monkeypatch.setattr(channels, "_WRITE_PATIENCE", 0.2)
    start = time.monotonic()
    with pytest.raises(TargetError, match="took no byte"):
        channel.write(b"x" * (8 << 20))
    assert time.monotonic() - start < 5.0
    # It is the line's defect, not its end: what the other side says is still read.
    os.write(out, b"y")
    assert channel.read(10, 1.0) == b"y"


def test_all_bytes_are_written_to_a_slow_reader(line: tuple[PipeChannel, int, int]) -> None:
    channel, into, _ = line
    data = bytes(range(256)) * 8192
    got: list[bytes] = []

    def slowly() -> None:
        while sum(map(len, got)) < len(data):
            got.append(os.read(into, 1 << 16))

    thread = threading.Thread(target=slowly)
    thread.start()
    channel.write(data)
    thread.join()
    assert b"".join(got) == data


def test_the_end_of_the_emulator_is_the_end_of_the_line(
    line: tuple[PipeChannel, int, int],
) -> None:
    channel, into, out = line
    os.write(out, b"last words")
    for end in (into, out):
        os.close(end)
    assert channel.read(100, 1.0) == b"last words"
    with pytest.raises(ChannelClosed):
        channel.read(100, 1.0)
    with pytest.raises(ChannelClosed):
        channel.write(b"x")


def test_the_names_of_the_pipes_are_gone_once_they_are_open(
    line: tuple[PipeChannel, int, int], tmp_path: Path
) -> None:
    assert list(tmp_path.glob("serial.*")) == []


def test_a_reader_that_pauses_loses_nothing_and_stops_nobody(qemu: str, tmp_path: Path) -> None:
    """With a socket, QEMU 7.2 was silent for ever after some 280 bytes that nobody read."""
    said = bytes(range(32, 127)) * 4
    with closing(machine(qemu, tmp_path, said, answer=b"done", end="exit")) as target:
        target.power_on()
        time.sleep(1.0)
        target.channel.write(b"\r")
        got = b""
        with suppress(ChannelClosed):
            while True:
                got += target.channel.read(4096, 20.0)
    assert got == said + b"done"


# --- serial lines ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("/dev/nowhere", TargetError, "dialout"),
        ("socket://127.0.0.1:1", TargetError, "cannot open the serial line"),
        ("telepathy://x", UsageError, "not a serial line"),
    ],
)
def test_a_line_that_cannot_be_opened(url: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        SerialTarget(url, baud=115200, evidence="hardware")
    assert said in str(caught.value)
    assert url in str(caught.value)


def hooked(folder: Path, on: str | None, off: str | None) -> tuple[SerialTarget, int]:
    master, slave = os.openpty()
    try:
        target = SerialTarget(
            os.ttyname(slave), baud=115200, evidence="hardware", power_on=on, power_off=off
        )
    finally:
        os.close(slave)
    return target, master


def test_power_is_switched_by_commands_and_not_by_a_shell(tmp_path: Path) -> None:
    on, off = tmp_path / "on; rm -rf x", tmp_path / "off"
    target, master = hooked(tmp_path, f"touch {shlex.quote(str(on))}", f"touch {off}")
    assert target.evidence == "hardware"
    target.power_on()
    assert on.exists()
    assert not off.exists()
    target.close()
    assert off.exists()
    off.unlink()
    target.close()
    assert not off.exists()
    os.close(master)


def test_power_that_was_never_on_is_not_switched_off(tmp_path: Path) -> None:
    target, master = hooked(tmp_path, "true", f"touch {tmp_path / 'off'}")
    target.close()
    os.close(master)
    assert not (tmp_path / "off").exists()


def test_a_power_command_that_fails_is_named_and_switched_off_again(tmp_path: Path) -> None:
    target, master = hooked(tmp_path, "ls /nowhere", f"touch {tmp_path / 'off'}")
    with pytest.raises(TargetError) as caught:
        target.power_on()
    assert "the power_on command failed" in caught.value.message
    assert "/nowhere" in caught.value.message
    assert "--power-on" in str(caught.value.hint)
    target.close()
    os.close(master)
    assert (tmp_path / "off").exists()
