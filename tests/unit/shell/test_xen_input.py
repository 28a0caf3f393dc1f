"""Whose the serial input is, and Xen's debug keys. Xen is played by a script after its source
(drivers/char/console.c), with answers that a real one gave. Evidence: simulated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.console import BoardStopped, Console
from harness.errors import UsageError
from harness.shell.base import Dialect, Shell, ShellError
from harness.shell.dom0 import Dom0Shell
from harness.shell.xen_input import XenInput
from harness.shell.xen_keys import DANGEROUS, XenKeys
from harness.target.base import ChannelClosed

FAST = 0.02
DATA = Path(__file__).resolve().parents[2] / "data/debug_keys"
ANSWERS = {key: (DATA / f"xen-4.17.5-armhf-{key}.txt").read_text() for key in "h0dqr"}


class XenLine:
    """A line that Xen shares out. dom0 echoes what it gets, the other domains do not.

    Args:
        owners: in the order of Xen's round.
        answers: of the debug keys.
        loses: which of the keys that are sent never arrive (1 is the first).
        mute: Xen does not hear Ctrl-A.
    """

    def __init__(
        self,
        *owners: str,
        answers: Mapping[str, str] = ANSWERS,
        loses: tuple[int, ...] = (),
        mute: bool = False,
        most: int = 1 << 16,
    ) -> None:
        self.owners = list(owners or ("Xen", "DOM0"))
        self._answers = answers
        self._loses = loses
        self._mute = mute
        self._most = most
        self._sent = self._pending = 0
        self.owner = "DOM0"
        self.got: dict[str, str] = {}
        self.out = ""
        self.closed = False

    def say_owner(self) -> None:
        self.out += f"(XEN) *** Serial input to {self.owner} (type 'CTRL-a' three times to ...)\r\n"

    def read(self, size: int, timeout: float) -> bytes:
        del timeout
        count = min(size, self._most)
        data, self.out = self.out[:count], self.out[count:]
        if not data and self.closed:
            raise ChannelClosed
        return data.encode()

    def write(self, data: bytes) -> None:
        if self.closed:
            raise ChannelClosed
        for key in data.decode():
            self._sent += 1
            if self._sent in self._loses:
                continue
            if key == "\x01" and not self._mute:
                self._pending += 1
                if self._pending == 3:
                    self._pending = 0
                    self.switch()
                continue
            for _ in range(self._pending):
                self._deliver("\x01")
            self._pending = 0
            self._deliver(key)

    def switch(self) -> None:
        after = self.owners.index(self.owner) + 1 if self.owner in self.owners else 0
        self.owner = self.owners[after % len(self.owners)]
        self.say_owner()

    def _deliver(self, key: str) -> None:
        self.got[self.owner] = self.got.get(self.owner, "") + key
        if self.owner == "DOM0":
            self.out += key.replace("\r", "\r\n")
        elif self.owner == "Xen":
            self.out += self._answers.get(key, "").replace("\n", "\r\n")


def made(peer: XenLine, scale: float = FAST) -> tuple[Console, XenInput]:
    console = Console(peer, raw=None, log=None)
    return console, XenInput(console, scale=scale)


def read(console: Console) -> None:
    while console.pump(0.0):
        pass


@pytest.fixture
def peer() -> Iterator[XenLine]:
    made_up = XenLine("Xen", "DOM0", "DOM1")
    made_up.say_owner()
    yield made_up
    assert "R" not in made_up.got.get("Xen", "")


# --- the owner ---------------------------------------------------------------------------------


def test_the_owner_is_what_xen_said_last(peer: XenLine) -> None:
    console, line = made(peer)
    assert line.owner is None
    read(console)
    assert line.owner == "DOM0"
    peer.switch()  # somebody else
    peer.switch()
    read(console)
    assert line.owner == "Xen"


@pytest.mark.parametrize(
    ("said", "owner"),
    [
        ("(XEN) *** Serial input -> DOM0 (type 'CTRL-a' three times to switch)", "DOM0"),
        ("(XEN) [    2.512345] *** Serial input to Xen (type ...)", "Xen"),
        ("3... 2... 1... (XEN) *** Serial input to DOM12 (type ...)", "DOM12"),
        ("echo '(XEN) *** Serial input to Xen'", None),
        ("*** Serial input to Xen", None),
        ("(XEN) *** Serial input to ", None),
    ],
)
def test_the_words_of_xen(said: str, owner: str | None) -> None:
    peer = XenLine()
    peer.out = said + "\r\n"
    console, line = made(peer)
    read(console)
    assert line.owner == owner


@pytest.mark.parametrize("most", [1, 1 << 16])
@pytest.mark.parametrize("wanted", ["Xen", "DOM0", "DOM1"])
@pytest.mark.parametrize("known", [True, False])
def test_switching(wanted: str, known: bool, most: int) -> None:
    peer = XenLine("Xen", "DOM0", "DOM1", most=most)
    if known:
        peer.say_owner()
    _, line = made(peer, 1.0)
    line.switch_to(wanted)
    assert line.owner == peer.owner == wanted
    assert peer.got == {}
    if known and wanted == "DOM0":
        assert peer._sent == 0


def test_an_owner_that_never_comes(peer: XenLine) -> None:
    _, line = made(peer)
    with pytest.raises(ShellError) as caught:
        line.switch_to("DOM7")
    assert caught.value.message == "the serial input never comes to DOM7"
    assert "DOM0, DOM1, Xen" in str(caught.value.hint)
    assert peer.owner == "DOM0"


def test_a_switch_that_never_comes() -> None:
    peer = XenLine(mute=True)
    peer.say_owner()
    _, line = made(peer)
    with pytest.raises(ShellError) as caught:
        line.switch_to("Xen")
    assert caught.value.message == "Xen does not pass the serial input on to Xen"
    assert "owners seen: DOM0" in str(caught.value.hint)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_key_leaves_nothing_behind(lost: int) -> None:
    peer = XenLine(loses=(lost,))
    peer.say_owner()
    _, line = made(peer)
    line.switch_to("Xen")
    assert peer.owner == "Xen"
    assert peer._pending == 0
    assert peer.got == {}


def test_the_input_goes_back(peer: XenLine) -> None:
    _, line = made(peer)
    with line.owned_by("Xen"):
        assert peer.owner == "Xen"
    assert peer.owner == "DOM0"
    with pytest.raises(ZeroDivisionError), line.owned_by("DOM1"):
        raise ZeroDivisionError
    assert peer.owner == "DOM0"
    line.switch_to("DOM1")
    with line.owned_by("DOM1"):
        pass
    assert peer.owner == "DOM1"


def test_an_unknown_owner_was_dom0() -> None:
    peer = XenLine()
    _, line = made(peer)
    with line.owned_by("Xen"):
        pass
    assert peer.owner == "DOM0"


def test_an_error_inside_is_not_hidden_by_one_of_giving_back(peer: XenLine) -> None:
    _, line = made(peer)

    def fail() -> None:
        peer._mute = True
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), line.owned_by("Xen"):
        fail()
    peer._mute = False
    line.switch_to("DOM0")
    with pytest.raises(ShellError, match="does not pass"), line.owned_by("Xen"):
        peer._mute = True


def test_a_line_that_closes(peer: XenLine) -> None:
    _, line = made(peer)

    def die() -> None:
        peer.closed = True
        line.switch_to("DOM1")

    with pytest.raises(ChannelClosed), line.owned_by("Xen"):
        die()


# --- the guard of a shell ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Plain(Dialect):
    def wrap(self, command: str, mark: str) -> str:
        del mark
        return command

    def unwrap(self, lines: list[str], mark: str, end: str) -> str | None:
        del lines, mark, end
        return None


def shell_on(console: Console) -> Shell:
    return Shell(console, _Plain(name="dom0", prompt="dom0# ", chunk=16), scale=FAST)


def test_nothing_is_typed_into_xen(peer: XenLine) -> None:
    console, line = made(peer)
    shell = shell_on(console)
    shell.before_typing = line.guard("DOM0")
    peer.switch()
    peer.switch()
    assert peer.owner == "Xen"  # and nobody has read it yet
    shell.type_line("Reboot")
    peer.switch()
    peer.switch()
    shell.press("R\r")
    assert peer.got == {"DOM0": "Reboot\rR\r"}


def test_a_login_does_not_go_to_xen() -> None:
    peer = XenLine()
    peer.switch()
    peer.switch()
    peer.switch()
    assert peer.owner == "Xen"
    console, line = made(peer)
    shell = Dom0Shell(console, scale=FAST)
    shell.before_typing = line.guard("DOM0")
    peer.out += "\r\napu2 login: "
    with pytest.raises(ShellError, match="no prompt after logging in as root"):
        shell.login("root", None)
    assert peer.got == {"DOM0": "root\r"}


def test_without_the_guard_it_would_be_typed_into_xen() -> None:
    peer = XenLine()
    peer.owner = "Xen"
    console, _ = made(peer)
    with pytest.raises(ShellError, match="does not echo"):
        shell_on(console).type_line("Reboot")
    assert "Reboot" in peer.got["Xen"]


def test_without_a_word_of_xen_the_guard_does_nothing() -> None:
    peer = XenLine()
    console, line = made(peer)
    shell = shell_on(console)
    shell.before_typing = line.guard("DOM0")
    shell.type_line("ls")
    assert peer.got == {"DOM0": "ls\r"}


# --- debug keys --------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 1 << 16])
def test_answers_are_parsed_and_the_input_is_given_back(most: int) -> None:
    peer = XenLine(most=most)
    peer.say_owner()
    _, line = made(peer, 0.1)
    keys = XenKeys(line)
    assert keys.help()["R"] == "reboot machine"
    assert [state.vcpu for state in keys.dom0_registers()] == ["d0v0"]
    assert [state.cpu for state in keys.registers()] == [0, 1]
    assert [domain.domain for domain in keys.domains()] == [0, 1]
    assert keys.run_queues().online == (0, 1)
    assert peer.got == {"Xen": "h0dqr"}
    assert peer.owner == "DOM0"


def test_press_gives_the_lines_of_xen_alone(peer: XenLine) -> None:
    console, line = made(peer)
    peer._answers = {"t": "(XEN) Synced\n[    9.1] usb 1-1: device\n(XEN) \n(XEN) skew\n"}
    assert XenKeys(line).press("t") == ["(XEN) Synced", "(XEN) ", "(XEN) skew"]
    assert console.partial == ""


class Chatty(XenLine):
    """DOM1 talks whenever the line is read."""

    def read(self, size: int, timeout: float) -> bytes:
        if not self.out and self.got.get("Xen"):
            self.out = "(XEN) DOM1: tick\r\n"
        return super().read(size, timeout)


def test_a_domain_that_talks_on_is_no_answer_and_does_not_prolong_one() -> None:
    peer = Chatty(answers={"t": "(XEN) Synced\n(XEN) skew\n"})
    peer.say_owner()
    _, line = made(peer)
    assert XenKeys(line).press("t") == ["(XEN) Synced", "(XEN) skew"]
    with pytest.raises(ShellError, match="Xen does not answer to debug key 'Z'"):
        XenKeys(line).press("Z")
    assert peer.owner == "DOM0"


@pytest.mark.parametrize("key", sorted(DANGEROUS))
def test_dangerous_keys(key: str) -> None:
    peer = XenLine(answers={key: "(XEN) as you like\n"})
    peer.say_owner()
    _, line = made(peer)
    with pytest.raises(UsageError, match=f"debug key '{key}'"):
        XenKeys(line).press(key)
    assert peer.got == {}
    assert XenKeys(line).press(key, allow=True) == ["(XEN) as you like"]
    assert peer.owner == "Xen"  # nobody may be left to give it back


@pytest.mark.parametrize("key", ["", "qq", "\x01", "\r", " ", "é"])
def test_what_is_no_key(key: str, peer: XenLine) -> None:
    _, line = made(peer)
    with pytest.raises(UsageError, match="is no debug key"):
        XenKeys(line).press(key)
    assert peer._sent == 0


def test_a_key_that_xen_does_not_know(peer: XenLine) -> None:
    _, line = made(peer)
    with pytest.raises(ShellError, match="Xen does not answer to debug key 'Z'"):
        XenKeys(line).press("Z")
    assert peer.owner == "DOM0"


def test_an_answer_that_stops_in_the_middle_of_a_row(peer: XenLine) -> None:
    _, line = made(peer)
    peer._answers = {"q": ANSWERS["q"][:300]}
    with pytest.raises(ShellError) as caught:
        XenKeys(line).press("q")
    assert caught.value.message == "the answer to debug key 'q' does not end"
    assert "stands at '(XEN) " in str(caught.value.hint)


def test_an_answer_that_never_ends_is_cut(peer: XenLine) -> None:
    class Endless(XenLine):
        def read(self, size: int, timeout: float) -> bytes:
            if self.got.get("Xen") and not self.out and "q" in self.got["Xen"]:
                self.out = "(XEN) and on\r\n" * 5
            return super().read(size, timeout)

    endless = Endless()
    endless.say_owner()
    console, line = made(endless)
    start = console.now
    with pytest.raises(ShellError, match="the answer to debug key 'q' does not end"):
        XenKeys(line).press("q", limit=10.0)
    assert console.now - start < 5.0
    assert endless.owner == "DOM0"


def test_a_dump_that_reads_like_a_crash_interrupts_nobody(peer: XenLine) -> None:
    console, line = made(peer)
    XenKeys(line).dom0_registers()
    # Armed again:
    peer.out += "(XEN) Panic on CPU 1:\r\n"
    with pytest.raises(BoardStopped):
        read(console)


def test_xen_that_panics_over_a_key(peer: XenLine) -> None:
    console, line = made(peer)
    peer._answers = {"q": "(XEN) 'q' pressed\n(XEN) Panic on CPU 1:\n(XEN) FATAL TRAP\n"}
    with pytest.raises(BoardStopped) as caught:
        XenKeys(line).press("q")
    assert caught.value.line.text == "(XEN) Panic on CPU 1:"
    assert console.lines[-1].text == "(XEN) FATAL TRAP"
