from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.console import BoardStopped, Console
from harness.shell.base import Result, Shell, ShellError
from harness.shell.dom0 import Dom0Shell
from harness.shell.ipxe import ipxe_shell
from harness.target.base import ChannelClosed
from tests.unit.shell.peer import KERNEL, XEN, Damage, Dom0

# Patience is 3 s for an echo, 10 s for a prompt, and what a test gives for a command.
FAST = 0.1


@pytest.fixture
def shell(peer: Dom0) -> Iterator[Dom0Shell]:
    with closing(Console(peer, raw=None, log=None)) as console:
        found = Dom0Shell(console)
        found.wait_for_prompt(5)
        found.settle()
        found.run("true")  # now the shell has the functions that print the output
        yield found


# --- output and status -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "output", "status"),
    [
        ("echo hello", "hello", 0),
        ("true", "", 0),
        ("false", "", 1),
        ("(exit 42)", "", 42),
        ("echo out; echo err >&2; (exit 3)", "out\nerr", 3),
        ("printf 'no newline'", "no newline", 0),
        ("printf 'two\\n\\n'", "two", 0),
        ("printf '\\n\\nlate'", "\n\nlate", 0),
        ("printf '  blanks  \\n\\ttab \\n'", "  blanks  \n\ttab ", 0),
        ("nosuchcommand 2>/dev/null", "", 127),
        ("printf '\\033[1mbold\\033[0m\\r\\n'", "\x1b[1mbold\x1b[0m\r", 0),
        ("printf 'a\\rb\\bc\\007\\n'", "a\rb\bc\x07", 0),
        ("printf '\\303\\251 \\377\\n'", "é \N{REPLACEMENT CHARACTER}", 0),
        ("printf 'dom0# \\nlogin: '", "dom0# \nlogin: ", 0),
        ("cat", "", 0),  # its standard input is empty, not the console
        ("echo '<12345678]0 x'; echo '<12345678]0 x'", "<12345678]0 x\n<12345678]0 x", 0),
        ("seq 1 2000", "\n".join(str(i) for i in range(1, 2001)), 0),
        ("printf '%70000s' x", " " * 69_999 + "x", 0),
        ("yes 'twelve chars' | head -n 20000", "\n".join(["twelve chars"] * 20_000), 0),
    ],
)
def test_output_and_status_are_exact(
    command: str, output: str, status: int, shell: Dom0Shell
) -> None:
    assert shell.run(command) == Result(output, status)


def test_a_result_has_lines() -> None:
    assert Result("a\nb", 0).lines == ["a", "b"]
    assert Result("", 0).lines == []


def test_the_state_of_the_shell_lives_on(shell: Dom0Shell, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    shell.run("cd below; word=kept")
    assert shell.run("pwd; echo $word").lines == [str(tmp_path / "below"), "kept"]


def test_a_command_runs_once_however_often_its_output_is_printed(
    shell: Dom0Shell, peer: Dom0, tmp_path: Path
) -> None:
    peer.damage = iter([spoilt, spoilt, whole])
    assert shell.run("echo x | tee -a ran; (exit 5)") == Result("x", 5)
    assert (tmp_path / "ran").read_text() == "x\n"


def test_the_log_of_xen_can_be_read_in_dom0(shell: Dom0Shell, tmp_path: Path) -> None:
    text = "(XEN) Xen version 4.17.7 (x)\n(XEN) Brought up 4 CPUs"
    (tmp_path / "log").write_text(text)
    assert shell.run("cat log").output == text


TEXTS = st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=40)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_any_output_is_exact(text: str, shell: Dom0Shell, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(text.encode())
    assert shell.run("cat text").output == text.rstrip("\n")


# --- others on the same line -------------------------------------------------------------------


def whole(answer: bytes) -> bytes:
    return answer


def spoilt(answer: bytes) -> bytes:
    """Every line is cut in its middle by a message of the kernel, but for the last."""
    rows = answer.split(b"\r\n")
    cut = [row[: len(row) // 2] + KERNEL + row[len(row) // 2 :] for row in rows[:-2]]
    return b"\r\n".join([*cut, *rows[-2:]])


def between(answer: bytes) -> bytes:
    return answer.replace(b"\r\n", b"\r\n" + KERNEL + XEN)


def glued(answer: bytes) -> bytes:
    return answer.replace(b"line 3", b"li" + XEN + b"ne 3")


def end_spoilt(answer: bytes) -> bytes:
    return re.sub(rb"(<[0-9a-f]{8}\]\d+ [0-9a-f]{9})", rb"\1" + KERNEL, answer)


def mark_spoilt(answer: bytes) -> bytes:
    return re.sub(rb"(<[0-9a-f]{4})", rb"\1" + XEN, answer)


def behind(answer: bytes) -> bytes:
    return answer + KERNEL


LINES = "for i in 1 2 3 4 5; do echo line $i; done; (exit 9)"
FIVE = Result("\n".join(f"line {i}" for i in range(1, 6)), 9)


@pytest.mark.parametrize("damage", [between, behind])
def test_messages_between_the_lines_do_no_harm(
    damage: Damage, shell: Dom0Shell, peer: Dom0
) -> None:
    peer.damage = itertools.repeat(damage)
    before = len(peer.typed)
    assert shell.run(LINES) == FIVE
    assert len(peer.typed) == before + 1


@pytest.mark.parametrize("damage", [spoilt, glued, end_spoilt, mark_spoilt])
def test_output_that_was_damaged_is_printed_again(
    damage: Damage, shell: Dom0Shell, peer: Dom0
) -> None:
    peer.damage = itertools.chain([damage], itertools.repeat(between))
    before = len(peer.typed)
    assert shell.run(LINES) == FIVE
    assert len(peer.typed) == before + 2
    assert "base64" in peer.typed[-1]
    # And the next command is not confused by it.
    assert shell.run("echo next") == Result("next", 0)


def test_output_that_never_arrives_whole_is_an_error(shell: Dom0Shell, peer: Dom0) -> None:
    peer.damage = itertools.repeat(spoilt)
    with pytest.raises(ShellError) as caught:
        shell.run(LINES)
    assert "no whole output of 'for i in 1 2 3" in caught.value.message
    assert "dmesg -n 1" in str(caught.value.hint)


@pytest.mark.parametrize("command", ["echo 'unfinished", "if", "echo x )", "fi"])
def test_a_line_that_the_shell_refuses_is_not_answered_with_what_came_before(
    command: str, shell: Dom0Shell
) -> None:
    assert shell.run("echo before").output == "before"
    with pytest.raises(ShellError) as caught:
        shell.run(command)
    assert "the shell refused it" in caught.value.message
    assert shell.run("echo after").output == "after"


# --- what cannot be typed, and what never ends -------------------------------------------------


@pytest.mark.parametrize(
    "command", ["echo a\necho b", "a\x03", "\x1b[A", "a\tb", "echo " + "x" * 2000]
)
def test_what_is_no_line_is_not_typed(command: str, shell: Dom0Shell, peer: Dom0) -> None:
    before = list(peer.typed)
    with pytest.raises(ShellError, match="not a command line that the dom0 prompt can take"):
        shell.run(command)
    assert peer.typed == before


def test_a_command_that_never_ends(shell: Dom0Shell) -> None:
    shell.scale = FAST
    with pytest.raises(ShellError) as caught:
        shell.run("echo before; sleep 1000", timeout=2)
    assert caught.value.message == "'echo before; sleep 1000' did not end within 0 s"
    assert caught.value.where == "dom0 shell"
    assert "the console stands at ''" in str(caught.value.hint)


def test_a_panic_interrupts_a_command(shell: Dom0Shell, peer: Dom0) -> None:
    peer.damage = iter([lambda data: b"(XEN) Panic on CPU 2:\r\n" + data])
    with pytest.raises(BoardStopped):
        shell.run("true")


def test_a_line_that_closes_under_a_command(shell: Dom0Shell) -> None:
    with pytest.raises(ChannelClosed):
        shell.run("kill -9 $$")


def test_lost_characters_are_typed_again(tmp_path: Path) -> None:
    keys = itertools.count(1)
    with (
        closing(Dom0(tmp_path, echo=lambda key: b"" if next(keys) == 120 else key)) as peer,
        closing(Console(peer, raw=None, log=None)) as console,
    ):
        shell = Dom0Shell(console, scale=FAST)
        shell.wait_for_prompt(50)
        shell.settle()
        settled = next(keys)
        assert settled < 120
        assert shell.run("echo 'a  long enough line'", timeout=50).output == "a  long enough line"
        assert next(keys) > settled + len(peer.typed[-1])


def test_a_prompt_that_echoes_nothing(tmp_path: Path) -> None:
    with (
        closing(Dom0(tmp_path, echo=lambda _: b"")) as peer,
        closing(Console(peer, raw=None, log=None)) as console,
    ):
        shell = Dom0Shell(console, scale=0.02)
        with pytest.raises(ShellError) as caught:
            shell.type_line("echo x")
        assert caught.value.message == "the dom0 prompt does not echo what is typed: 'echo x'"
        assert "~ # " in str(caught.value.hint)


# --- logging in --------------------------------------------------------------------------------


def log_in(peer: Dom0, password: str | None, timeout: float = 50.0) -> Result:
    with closing(peer), closing(Console(peer, raw=None, log=None)) as console:
        console.expect_text("login: ", 5)
        shell = Dom0Shell(console, scale=FAST)
        shell.login("root", password, timeout=timeout)
        return shell.run("echo $PS1 $TERM", timeout=50)


@pytest.mark.parametrize("prompt", ["~ # ", "root@apu2:~# ", "$ ", "/ #", "[root@apu2 ~]# "])
@pytest.mark.parametrize("password", ["debian", None])
def test_a_login(tmp_path: Path, prompt: str, password: str | None) -> None:
    peer = Dom0(tmp_path, password=password, logged_in=False, prompt=prompt)
    assert log_in(peer, password) == Result("dom0# dumb", 0)


@pytest.mark.parametrize("password", ["wrong", None])
def test_a_password_that_is_refused(tmp_path: Path, password: str | None) -> None:
    peer = Dom0(tmp_path, password="debian", logged_in=False)  # noqa: S106 -- of a test
    with pytest.raises(ShellError) as caught:
        log_in(peer, password)
    assert caught.value.message == "dom0 refuses user 'root' with the password of the profile"
    assert "dom0.password" in str(caught.value.hint)


def test_a_login_without_a_prompt(tmp_path: Path) -> None:
    peer = Dom0(tmp_path, logged_in=False, prompt="what? ")
    with pytest.raises(ShellError) as caught:
        log_in(peer, None, timeout=3)
    assert caught.value.message == "no prompt after logging in as root"
    assert "what? " in str(caught.value.hint)


# --- iPXE --------------------------------------------------------------------------------------


class Ipxe:
    """A channel with something like iPXE's prompt: `echo`, `dhcp`, `&&` and `||`."""

    def __init__(self, *, burst: int = 1000, works: bool = True) -> None:
        self._works = works
        self.answer: bytes | None = None
        self._burst = burst
        self._line = ""
        self._out = b"iPXE> "
        self.typed: list[str] = []

    def read(self, size: int, timeout: float) -> bytes:
        del timeout
        data, self._out = self._out[:size], self._out[size:]
        return data

    def write(self, data: bytes) -> None:
        for key in data.decode()[: self._burst]:  # the FIFO holds no more
            if key == "\x15":
                self._out += b"\b \b" * len(self._line)
                self._line = ""
            elif key != "\r":
                self._line += key
                self._out += key.encode()
            else:
                self.typed.append(self._line)
                answer = self._run(self._line).encode() + b"iPXE> "
                self._out += b"\r\n" + (answer if self.answer is None else self.answer)
                self._line = ""

    def _run(self, line: str) -> str:
        out, works = "", True
        for operator, command in re.findall(r"(^|&& |\|\| )((?:(?!&& |\|\| ).)*)", line):
            if operator and works != (operator == "&& "):
                continue
            name, _, rest = command.strip().partition(" ")
            works = name == "echo" or (name == "dhcp" and self._works)
            if name == "echo":
                out += rest.replace("${x}", "") + "\r\n"
            elif name == "dhcp":
                dots = "...... " + (
                    "ok" if works else "Connection timed out (http://ipxe.org/4c106092)"
                )
                out += f"Configuring (net0 00:0d:b9:43:3f:bc){dots}   \r\n"
            else:
                out += f"{name}: command not found\r\n"
        return out


def ipxe(peer: Ipxe, burst: int = 8) -> Shell:
    console = Console(peer, raw=None, log=None)
    found = ipxe_shell(console, burst=burst, scale=0.02)
    found.wait_for_prompt(50)
    return found


def test_ipxe_gives_output_and_status() -> None:
    shell = ipxe(Ipxe())
    assert shell.run("dhcp net0") == Result("Configuring (net0 00:0d:b9:43:3f:bc)...... ok", 0)
    assert shell.run("echo a  b").output == "a  b"
    assert shell.run("nosuch thing") == Result("nosuch: command not found", 1)
    failed = ipxe(Ipxe(works=False)).run("dhcp net0")
    assert failed.status == 1
    assert "ipxe.org/4c106092" in failed.output


def test_ipxe_takes_no_more_than_its_fifo_holds() -> None:
    peer = Ipxe(burst=8)
    assert ipxe(peer, burst=8).run("dhcp net0").status == 0
    assert len(peer.typed) == 1
    with pytest.raises(ShellError, match="does not echo what is typed"):
        ipxe(Ipxe(burst=8), burst=16).run("dhcp net0")


def test_ipxe_has_one_attempt_and_says_what_it_said() -> None:
    peer = Ipxe()
    shell = ipxe(peer)
    peer.answer = b"Ctrl-C\r\niPXE> "
    with pytest.raises(ShellError) as caught:
        shell.run("dhcp net0")
    assert "Ctrl-C" in str(caught.value.hint)
    assert caught.value.where == "ipxe shell"
    assert len(peer.typed) == 1


def test_a_command_of_ipxe_that_never_ends() -> None:
    peer = Ipxe()
    shell = ipxe(peer)
    peer.answer = b"Configuring...."
    with pytest.raises(ShellError, match="'dhcp net0' did not end"):
        shell.run("dhcp net0", timeout=5)
