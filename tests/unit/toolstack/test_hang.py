from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bootlog import Line
from harness.bootlog.debug_keys import DomainInfo, VcpuInfo
from harness.errors import HarnessError
from harness.shell.base import CommandTimeout, Result, ShellError
from harness.shell.dom0 import Dom0Shell
from harness.shell.xen_keys import XenKeys
from harness.toolstack.dom0 import Dom0
from harness.toolstack.hang import (
    KEYS,
    CommandHung,
    HangReport,
    Waiting,
    _look_at_jobs,
    investigate,
    read_states,
    read_threads,
)
from tests.unit.toolstack.conftest import any_shell

# As Linux 6.1 on Xen says it, of an xl that waits for xenstored, stopped with Ctrl-Z.
XL = """\
@ 713 (xl) T 139 713 139 58368 713 1077936128 500 0 0 0 3 9 0 0 20 0 1 0
wchan: do_signal_stop
syscall: 0 0x7 0x5567 0x10 0x0 0x0 0x0 0x7ffd 0x7f37
stack: [<0>] do_signal_stop+0xe4/0x2a0
@ 713 (xl) T 139 713 139 58368 713 1077936128 500 0 0 0 3 9 0 0 20 0 1 0
wchan: futex_wait_queue
syscall: 202 0x7ffd 0x80 0x0 0x0 0x0 0x0 0x7ffd 0x7f37
total 0
lrwx------ 1 root root 64 Nov 21 13:20 7 -> /dev/xen/xenbus
"""


def test_threads_of_a_command_that_hangs() -> None:
    assert read_threads(XL, "x86_64") == (
        Waiting(713, "xl", "T", "read(/dev/xen/xenbus)"),
        Waiting(713, "xl", "T", "futex"),
    )
    # Elsewhere, the numbers stand for other calls.
    places = [one.where for one in read_threads(XL, "armv7l")]
    assert places == ["system call 0", "system call 202"]


def test_threads_without_a_system_call() -> None:
    said = "@ 5 (a b) D 1 5\nwchan: gntdev_ioctl\nsyscall: running\n@ nonsense\n@ 6 (c) S 1 6\n"
    assert read_threads(said, "x86_64") == (
        Waiting(5, "a b", "D", "gntdev_ioctl"),
        Waiting(6, "c", "S", ""),
    )


def test_states() -> None:
    rows = ["121 (oxenstored) T 1 121", "9 (kworker/0:1) D 2 0", "x", "130 (xenconsoled) S 1 130"]
    assert read_states(rows) == (
        {"xenstored": "T", "xenconsoled": "S"},
        ("kworker/0:1 (pid 9)",),
    )
    assert read_states([])[0] == {"xenstored": "", "xenconsoled": ""}


@given(st.text(max_size=300))
def test_any_answer(said: str) -> None:
    read_threads(said, "x86_64")
    read_threads("@ 713 (xl) T 1 2\n" + said, "armv7l")
    read_states(said.split("\n"))


STOPPED = "@ 168 (xl) T 151 168 148\nwchan: do_signal_stop\nsyscall: -1 0xff 0xff\n"
WAITS = """\
@ 168 (xl) S 151 168 148
wchan: wait_woken
syscall: 63 0xb 0xaaaa 0x10 0x0 0x0 0x0 0xfff 0xfff
lrwx------ 1 root root 64 Nov 21 15:18 11 -> socket:[9593]
"""


def test_a_stopped_command_that_has_forgotten_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """On AArch64 a signal erases the number of the system call: it is let go on, and looked at."""
    looks, ran = [STOPPED, WAITS], []

    def run(shell: object, command: str, timeout: float = 0) -> Result:
        ran.append(command)
        if command == "jobs -p":
            return Result("168", 0)
        if command == "uname -m":
            return Result("aarch64", 0)
        return Result(looks.pop(0), 0) if "/proc/[0-9]*" in command else Result("", 0)

    monkeypatch.setattr(Dom0Shell, "run", run)
    texts: dict[str, str] = {}
    (found,) = _look_at_jobs(object.__new__(Dom0Shell), texts)
    assert found == Waiting(168, "xl", "S", "read(socket:[9593])")
    assert texts == {"the command: process group 168": WAITS}
    assert [line for line in ran if line.startswith("kill")] == [
        "kill -CONT -- -168; sleep 1",
        "kill -KILL -- -168; wait 168",
    ]


# --- what it means -----------------------------------------------------------------------------

FINE = {"xenstored": "S", "xenconsoled": "S"}
READS = (Waiting(7, "xl", "T", "read(/dev/xen/xenbus)"),)


@pytest.mark.parametrize(
    ("report", "cause"),
    [
        (HangReport("Ctrl-Z", READS, FINE), "it waits in read(/dev/xen/xenbus)"),
        (
            HangReport("Ctrl-Z", READS, {"xenstored": ""}),
            "xenstored does not run: nobody answers the tools",
        ),
        (
            HangReport("Ctrl-Z", READS, {"xenstored": "T"}),
            "xenstored is stopped (SIGSTOP): nobody answers the tools",
        ),
        (
            HangReport("Ctrl-C", (), FINE, ("x (pid 9)",)),
            "dom0's kernel keeps x (pid 9) waiting (state D)",
        ),
        (
            HangReport(),
            "it cannot be interrupted: it waits in dom0's kernel, or all of dom0 is stuck",
        ),
        (
            HangReport("Ctrl-C", (), FINE),
            "it did not wait, but ran: Ctrl-C ended it, and nothing of it is left",
        ),
    ],
)
def test_the_cause(report: HangReport, cause: str) -> None:
    assert report.cause == cause


def test_what_xen_says() -> None:
    assert HangReport().by_xen == "Xen says nothing of dom0's virtual CPUs"
    idle = (VcpuInfo(0, 1, runs=False), VcpuInfo(1, 2, runs=False))
    report = HangReport(dom0=DomainInfo(0, vcpus=idle))
    assert report.by_xen == "all virtual CPUs of dom0 (2) wait for an event"
    busy = (idle[0], replace(idle[1], runs=True))
    report = HangReport(dom0=DomainInfo(0, vcpus=busy))
    assert report.by_xen == "of 2 virtual CPUs of dom0, these are busy: d0v1"


# --- on a real shell ---------------------------------------------------------------------------


def kept_in(folder: Path) -> Callable[[str, str], Path]:
    def keep(name: str, text: str) -> Path:
        (folder / name).write_text(text)
        return folder / name

    return keep


@any_shell
def test_a_command_that_waits(dom0: Dom0, tmp_path: Path) -> None:
    dom0.run("true")
    dom0.keep = kept_in(tmp_path)
    dom0.scale = 0.5
    with pytest.raises(CommandHung) as caught:
        dom0.run("sleep 1000", timeout=2)
    hung = caught.value
    assert (hung.command, hung.seconds, hung.exit_code) == ("sleep 1000", 1.0, 1)
    assert hung.report.prompt == "Ctrl-Z"
    assert [one.name for one in hung.report.threads] == ["sleep"]
    assert hung.message.startswith(
        "'sleep 1000' hangs: it did not end within 1 s (2 s of an idle host)\n  dom0: "
    )
    assert "dom0's prompt is back: the command was stopped and killed" in hung.message
    assert isinstance(hung, ShellError)
    # The text of it all is kept.
    assert hung.log == tmp_path / "hang-1.txt"
    text = (tmp_path / "hang-1.txt").read_text()
    assert hung.message in text
    assert "== the command: process group" in text
    assert "== the end of dom0's kernel log" in text
    # And the shell works on, without a job.
    assert dom0.run("jobs; echo alive").lines[-1] == "alive"


def test_a_second_hang_keeps_the_text_of_the_first(dom0: Dom0, tmp_path: Path) -> None:
    dom0.run("true")
    dom0.keep = kept_in(tmp_path)
    dom0.scale = 0.5
    for number in (1, 2):
        with pytest.raises(CommandHung) as caught:
            dom0.run("sleep 1000", timeout=1)
        assert caught.value.log == tmp_path / f"hang-{number}.txt"


def test_a_command_that_runs_for_ever(dom0: Dom0) -> None:
    dom0.run("true")
    dom0.scale = 0.2
    with pytest.raises(CommandHung) as caught:
        dom0.run("while :; do :; done", timeout=2)
    assert caught.value.report.prompt == "Ctrl-C"
    assert caught.value.report.threads == ()
    assert caught.value.log is None
    assert dom0.run("echo alive", timeout=100).output == "alive"


def test_a_command_that_cannot_be_interrupted(dom0: Dom0) -> None:
    dom0.run("true")
    dom0.scale = 0.1
    with pytest.raises(CommandHung) as caught:
        dom0.run("sh -c 'trap \"\" INT TSTP; sleep 1000; sleep 1000'", timeout=2)
    assert caught.value.report.prompt == ""
    assert "this dom0 takes no more commands" in caught.value.message


# --- what Xen is asked -------------------------------------------------------------------------


class Keys(XenKeys):
    """Answers as Xen, or not at all."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers = answers
        self.pressed = ""

    def press(self, key: str, *, allow: bool = False, limit: float = 0.0) -> list[str]:
        del allow, limit
        self.pressed += key
        if key not in self.answers:
            raise ShellError(f"no answer to {key}")
        return self.answers[key]


Q = [
    "(XEN) 'q' pressed -> dumping domain info (now = 1)",
    "(XEN) General information for domain 0:",
    "(XEN)     refcnt=3 dying=0 pause_count=0",
    "(XEN)     VCPU0: CPU0 [has=T] poll=0 upcall_pend=00 upcall_mask=00 ",
]


def test_xen_is_asked(dom0: Dom0) -> None:
    dom0.run("true")
    dom0.scale = 0.2
    keys = Keys({key: ["(XEN) x"] for key in KEYS} | {"q": Q})
    dom0.press("sleep 1000\r")
    hung = investigate(dom0, CommandTimeout("sleep 1000", 1.0, "dom0", ""), keys, None)
    assert keys.pressed == "".join(KEYS)
    assert "Xen: of 1 virtual CPUs of dom0, these are busy: d0v0" in hung.message
    assert hung.report.texts["Xen's debug key 'q': domains, their memory and virtual CPUs"]


def test_a_xen_that_is_silent_is_not_asked_on(dom0: Dom0) -> None:
    dom0.run("true")
    dom0.scale = 0.2
    keys = Keys({})
    dom0.press("sleep 1000\r")
    hung = investigate(dom0, CommandTimeout("sleep 1000", 1.0, "dom0", ""), keys, None)
    assert keys.pressed == next(iter(KEYS))
    assert "Xen says nothing" in hung.message
    assert any("no answer to" in text for text in hung.report.texts.values())


def test_without_xen_nobody_is_asked(dom0: Dom0, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_: object) -> list[str]:
        raise HarnessError("there is no Xen")

    monkeypatch.setattr(XenKeys, "press", press)
    dom0.run("true")
    dom0.scale = 0.2
    with pytest.raises(CommandHung):
        dom0.run("sleep 1000", timeout=2)


def test_xen_below_is_asked(dom0: Dom0, monkeypatch: pytest.MonkeyPatch) -> None:
    pressed: list[str] = []

    def press(_: XenKeys, key: str) -> list[str]:
        pressed.append(key)
        return Q

    monkeypatch.setattr(XenKeys, "press", press)
    dom0.run("true")
    dom0.console.parser.feed(Line("(XEN) Xen version 4.17.7 (x@y) (gcc) debug=n", None, 1))
    dom0.scale = 0.2
    with pytest.raises(CommandHung, match="these are busy: d0v0"):
        dom0.run("sleep 1000", timeout=2)
    assert pressed == list(KEYS)
