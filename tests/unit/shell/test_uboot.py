"""U-Boot's prompt, played by a script that is as deaf as the real one. Evidence: simulated."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.console import BoardStopped, Console, ConsoleTimeout
from harness.shell.base import Result, ShellError
from harness.shell.uboot import UbootShell, chosen, environment, stop_autoboot, uboot_shell
from harness.target.base import ChannelClosed
from harness.target.simulated import End, Hear, Say, SimulatedTarget, Step

# Patience is 3 s for an echo, 5 s for a prompt, and what a test gives for a command.
FAST = 0.05
ENVIRONMENT = "bootcmd=run a; run b\nbootdelay=0\nserial#=02c0\ntwo=first\nsecond\nempty=\n"


class Uboot:
    """A channel with hush behind it: it hears nothing while a command runs, but Ctrl-C.

    Args:
        most: characters given at once.
        limit: characters that a line holds.
    """

    def __init__(self, *, most: int = 1, limit: int = 512) -> None:
        self._most = most
        self._limit = limit
        self._line = ""
        self._open = False  # in the middle of a command: hush shows "> "
        self._out = "=> "
        self._hangs = self._closed = self._busy = False
        self._status = 0
        self.lost = ""
        self.typed: list[str] = []
        self.damage: Callable[[str], str] = lambda answer: answer

    def read(self, size: int, timeout: float) -> bytes:
        del timeout
        if self._closed and not self._out:
            raise ChannelClosed
        count = min(size, self._most)
        data, self._out = self._out[:count], self._out[count:]
        if not self._out:
            self._busy = False
        return data.encode()

    def write(self, data: bytes) -> None:
        for key in data.decode():
            if key == "\x03":
                self._line, self._open, self._hangs = "", False, False
                self._out += "<INTERRUPT>\r\n=> "
            elif self._busy or self._hangs:
                self.lost += key
            elif key == "\x15":
                self._out += "\b \b" * len(self._line)
                self._line = ""
            elif key == "\r":
                line, self._line = self._line, ""
                self._enter(line)
            elif len(self._line) < self._limit:
                self._line += key
                self._out += key

    def _enter(self, line: str) -> None:
        self.typed.append(line)
        self._busy = True
        self._out += "\r\n"
        self._open = self._open or line.count("'") % 2 == 1
        if self._open:
            self._out += "> "
            return
        answer = ""
        for command in re.split(r" *; *", line):
            answer += self._run(command)
            if self._hangs or self._closed:
                self._out += answer
                return
        self._out += self.damage(answer) + "=> "

    def _run(self, command: str) -> str:
        name, _, rest = command.partition(" ")
        if name == "echo":
            end = "" if rest.startswith("-n ") else "\r\n"
            text = rest.removeprefix("-n ").replace('"', "").replace("$?", str(self._status))
            self._status = 0
            return text + end
        self._status = 0
        if name == "printenv":
            size = f"\nEnvironment size: {len(ENVIRONMENT)}/65532 bytes\n"
            return (ENVIRONMENT + size).replace("\n", "\r\n")
        if name == "fdt":
            return "chosen {\r\n\tbootargs;\r\n};\r\n"
        if name == "hang":
            self._hangs = True
            return "working"
        if name == "die":
            self._closed = True
            return "half a li"
        self._status = 1
        return "" if name == "false" else f"Unknown command '{name}' - try 'help'\r\n"


@contextmanager
def at_prompt(peer: Uboot, *, line_limit: int = 512, scale: float = 1.0) -> Iterator[UbootShell]:
    with closing(Console(peer, raw=None, log=None)) as console:
        shell = uboot_shell(console, line_limit=line_limit, scale=scale)
        shell.wait_for_prompt(5 / scale)
        yield shell


@pytest.mark.parametrize("most", [1, 7, 1 << 16])
def test_output_and_status(most: int) -> None:
    peer = Uboot(most=most)
    with at_prompt(peer) as shell:
        assert shell.run("echo a  b") == Result("a  b", 0)
        assert shell.run("false") == Result("", 1)
        assert shell.run("nosuch") == Result("Unknown command 'nosuch' - try 'help'", 1)
        assert shell.run("echo -n unended") == Result("unended", 0)
        assert shell.run("echo one; echo two").lines == ["one", "two"]
    assert peer.lost == ""


def test_the_mark_is_not_in_what_is_typed() -> None:
    peer = Uboot()
    with at_prompt(peer) as shell:
        shell.run("echo x")
    (line,) = peer.typed
    mark = re.search(r'<(\w{4})""(\w{4})\]', line)
    assert mark
    assert mark[1] + mark[2] not in line


def test_what_is_pasted_behind_a_command_is_lost() -> None:
    """The simulated U-Boot is as deaf as the real one: or the tests above show nothing."""
    peer = Uboot()
    peer.write(b"echo a\recho b\r")
    assert peer.typed == ["echo a"]
    assert peer.lost == "echo b\r"


def test_messages_of_others_between_the_lines_stay_in_the_output() -> None:
    peer = Uboot()
    peer.damage = lambda answer: "Warning: HDMI PHY init timeout!\r\n" + answer
    with at_prompt(peer) as shell:
        assert shell.run("echo x").lines == ["Warning: HDMI PHY init timeout!", "x"]


def test_a_damaged_mark_is_an_error_and_the_next_command_works() -> None:
    peer = Uboot()
    with at_prompt(peer, scale=FAST) as shell:
        peer.damage = lambda answer: re.sub(r"(<\w\w)", r"\1??", answer)
        with pytest.raises(ShellError, match="no whole output of 'echo x'"):
            shell.run("echo x", timeout=100)
        peer.damage = lambda answer: answer
        assert shell.run("echo y", timeout=100).output == "y"


def test_an_open_quote_is_refused_and_left_behind() -> None:
    peer = Uboot()
    with at_prompt(peer) as shell:
        with pytest.raises(ShellError, match='no whole output of "echo \'x"'):
            shell.run("echo 'x")
        assert shell.run("echo y") == Result("y", 0)


def test_a_command_that_does_not_end_is_interrupted() -> None:
    peer = Uboot()
    with at_prompt(peer) as shell:
        with pytest.raises(ShellError) as caught:
            shell.run("hang", timeout=0.2)
        assert "did not end within 0 s" in caught.value.message
        assert "the console stands at 'working'" in str(caught.value.hint)
        assert shell.run("echo y") == Result("y", 0)


def test_a_board_that_dies_in_the_middle_of_a_line() -> None:
    with at_prompt(Uboot()) as shell:
        with pytest.raises(ChannelClosed):
            shell.run("die")
        assert shell.console.partial == "half a li"


def test_a_panic_interrupts_a_command() -> None:
    peer = Uboot()
    with at_prompt(peer) as shell:
        peer.damage = lambda answer: "(XEN) Panic on CPU 0:\r\n" + answer
        with pytest.raises(BoardStopped):
            shell.run("echo x")


def test_a_line_longer_than_the_buffer_is_not_typed() -> None:
    peer = Uboot(limit=100)
    with at_prompt(peer, line_limit=100) as shell:
        assert shell.run("echo " + "x" * 60).output == "x" * 60
        with pytest.raises(ShellError, match="not a command line that the uboot prompt can take"):
            shell.run("echo " + "x" * 100)
        assert len(peer.typed) == 1
    with at_prompt(Uboot(limit=100), scale=FAST) as shell:  # whose limit we were not told
        with pytest.raises(ShellError, match="does not echo"):
            shell.run("echo " + "x" * 100)
        assert shell.run("echo y", timeout=100).output == "y"


def test_a_prompt_that_was_there_before_does_not_answer_ctrl_c() -> None:
    """Else the one that does would be taken for the end of the next command."""
    late: list[Step] = [Hear(rb"\x03", echo=False), Say(b"<INTERRUPT>\r\n=> ", after=0.2)]
    deaf: list[Step] = [Hear(rb"\x15", echo=False), Say(b"\r\n=> ")] * 3
    target = SimulatedTarget([Say(b"=> "), *deaf, *late, Hear(rb"never")])
    with closing(Console(target.channel, raw=None, log=None)) as console:
        shell = uboot_shell(console, scale=FAST * 2)
        shell.wait_for_prompt(5)
        with pytest.raises(ShellError, match="does not echo"):
            shell.run("echo x")
        assert console.lines[-1].text == "=> <INTERRUPT>"


def test_the_environment() -> None:
    with at_prompt(Uboot()) as shell:
        assert environment(shell) == {
            "bootcmd": "run a; run b",
            "bootdelay": "0",
            "serial#": "02c0",
            "two": "first\nsecond",
            "empty": "",
        }


def test_chosen() -> None:
    with at_prompt(Uboot()) as shell:
        assert chosen(shell) == "chosen {\n\tbootargs;\n};"


class Broken(Uboot):
    def _run(self, command: str) -> str:
        if command.startswith("echo"):
            return super()._run(command)
        self._status = 1
        return "No FDT memory address configured\r\n"


def test_what_u_boot_cannot_show_is_an_error() -> None:
    with at_prompt(Broken()) as shell:
        with pytest.raises(ShellError, match=r"no /chosen to show: No FDT memory address"):
            chosen(shell)
        with pytest.raises(ShellError, match="printenv failed: No FDT"):
            environment(shell)


@given(st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=60))
def test_any_output_of_printenv_is_taken(text: str) -> None:
    class Fixed(UbootShell):
        def __init__(self) -> None:
            pass

        def run(self, command: str, *, timeout: float = 60.0) -> Result:
            del command, timeout
            return Result(text, 0)

    assert all(name and "=" not in name for name in environment(Fixed()))


# --- stopping the count-down -------------------------------------------------------------------

BANNER = b"U-Boot 2023.01 (x)\r\n\r\nDRAM:  1 GiB\r\n"
LOADING = Say(BANNER + b"Loading Environment from FAT... ")
ASKS = Say(b"OK\r\nNet:   none\r\nHit any key to stop autoboot:  0 \r\n")
KEY = Hear(rb" ", echo=False)
CLEARED: list[Step] = [Hear(rb"\x03", echo=False), Say(b"<INTERRUPT>\r\n=> "), Hear(rb"never")]


def stop(*script: Step, most: int = 1 << 16, timeout: float = 20.0) -> Console:
    target = SimulatedTarget(script, most=most)
    zero = time.monotonic()
    console = Console(target.channel, raw=None, log=None, clock=lambda: time.monotonic() - zero)
    stop_autoboot(console, timeout=timeout)
    assert console.partial == "=> "
    return console


@pytest.mark.parametrize("most", [1, 1 << 16])
@pytest.mark.parametrize(
    "script",
    [
        pytest.param([LOADING, KEY, ASKS, Say(b"=> ")], id="a key that is there already"),
        pytest.param(
            [Say(BANNER + b"Hit any key to stop autoboot:  2 "), KEY, Say(b"\b\b\b 0 \r\n=> ")],
            id="no word of the environment",
        ),
        pytest.param(
            [LOADING, KEY, Say(b"OK\r\n"), KEY, KEY, ASKS, Say(b"=>    ")],
            id="keys that somebody eats, and some too many",
        ),
        pytest.param([LOADING, KEY, Say(b"OK\r\n=> ")], id="bootdelay=-1"),
        pytest.param([Say(b"=> ")], id="there already"),
    ],
)
def test_it_is_stopped(script: list[Step], most: int) -> None:
    stop(*script, *CLEARED, most=most)


def test_u_boot_that_does_not_ask_cannot_be_stopped() -> None:
    with pytest.raises(ShellError) as caught:
        stop(LOADING, KEY, Say(b"OK\r\n## Executing script at 43100000\r\n"), Hear(rb"never"))
    assert "boots without asking for a key" in caught.value.message
    assert "bootdelay=-2" in str(caught.value.hint)
    assert "## Executing script" in str(caught.value.hint)


@pytest.mark.parametrize("before", [[LOADING, KEY], []])
def test_u_boot_that_wants_another_key(before: list[Step]) -> None:
    with pytest.raises(ShellError) as caught:
        stop(*before, ASKS, Say(b"Starting kernel ...\r\n", after=0.05), Hear(rb"never"))
    assert "asked for a key and booted on" in caught.value.message
    assert "CONFIG_AUTOBOOT_KEYED" in str(caught.value.hint)


def test_the_prompt_is_the_one_after_the_last_key() -> None:
    """Of two prompts, the first would be taken for the end of the next command."""
    late = Say(b"<INTERRUPT>\r\n=> ", after=0.2)
    ready: list[Step] = [LOADING, KEY, Say(b"OK\r\n=>    ")]
    console = stop(*ready, Hear(rb"\x03", echo=False), late, Hear(rb"never"))
    assert console.lines[-1].text == "=>    <INTERRUPT>"


@pytest.mark.parametrize("said", [Say(BANNER), LOADING])
def test_u_boot_that_says_nothing_more(said: Say) -> None:
    with pytest.raises(ConsoleTimeout):
        stop(said, Hear(rb"never"), timeout=0.3)


def test_u_boot_that_dies() -> None:
    with pytest.raises(ChannelClosed):
        stop(LOADING, KEY, Say(b"OK\r\nHit any"), End())
