"""The verdict on logs that are composed of a boot that went well and something else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.board import load
from harness.replay import ReplayRequest, replayed

ROOT = Path(__file__).resolve().parents[2]
GOOD = (ROOT / "tests/data/logs/qemu-q35-amd-iommu-xen-4.17.7-dom0.log").read_text()
# A boot that went well, up to its kernel, to its userspace, and to its prompt.
KERNEL = GOOD[: GOOD.index("=== dom0 userspace up")]
USERSPACE = GOOD[: GOOD.index("/ # ")]
PROMPT = USERSPACE + "/ # "
XEN = GOOD[GOOD.index("(XEN) Xen version") :]
AT_PROMPT = "root@apu2:~# "

Judge = Callable[..., dict[str, Any]]


@pytest.fixture
def judged(tmp_path: Path) -> Judge:
    def judge(text: str, board: str | None = None) -> dict[str, Any]:
        log = tmp_path / "composed.log"
        log.write_text(text)
        profile = load(board, [ROOT / "boards"]) if board else None
        return replayed(ReplayRequest(log, profile)).result

    return judge


def test_what_the_logs_are_composed_of(judged: Judge) -> None:
    assert [judged(text)["verdict"] for text in (KERNEL, USERSPACE, PROMPT)] == [
        "INCOMPLETE",
        "INCOMPLETE",
        "PASS",
    ]


@pytest.mark.parametrize("second", [GOOD, XEN], ids=["firmware", "xen-first"])
@pytest.mark.parametrize(
    "typed", ["/ # \n", "apu2 login: root\n", "/ # ls\nbin\n", "/ # cat /etc/hosts\nlocalhost\n"]
)
def test_a_second_boot_is_a_reset(judged: Judge, typed: str, second: str) -> None:
    result = judged(USERSPACE + typed + second)
    assert result["verdict"] == "CRASHED"
    assert "nobody asked for" in result["cause"]


@pytest.mark.parametrize(
    "typed", [AT_PROMPT + "xl dmesg", "dom0# xl dmesg", "dom0# { xl dmesg; } >/x", "# xl dmesg"]
)
def test_listing_the_log_of_xen_is_no_reset(judged: Judge, typed: str) -> None:
    assert judged(f"{USERSPACE}{AT_PROMPT}\n{typed}\n{XEN}")["verdict"] == "PASS"


@pytest.mark.parametrize(
    "stamp", ["[    1.234567] ", "[2024-05-01 12:00:01.123] ", "[0000001234abcd] "]
)
def test_a_time_stamp_of_xen_changes_nothing(judged: Judge, stamp: str) -> None:
    stamped = re.sub(r"\(XEN\) (?! \[0)", "(XEN) " + stamp, PROMPT)
    plain, result = judged(PROMPT), judged(stamped)
    for part in ("verdict", "stages", "stage", "panics"):
        assert result[part] == plain[part]
    assert result["xen"] == plain["xen"]
    panic = judged(KERNEL + f"(XEN) {stamp}Panic on CPU 0:\n(XEN) {stamp}FATAL PAGE FAULT\n")
    assert panic["verdict"] == "CRASHED"


@pytest.mark.parametrize(
    "death",
    [
        "Starting foo... [   10.123456] Kernel panic - not syncing: x",
        "Starting foo[   10.123456] BUG: kernel NULL pointer dereference",
        "[   10.123456] [    T1] Kernel panic - not syncing: x",
        "[   10.123456][    T1] Kernel panic - not syncing: x",
        "<0>[   10.123456] Kernel panic - not syncing: x",
        "[   10.123456] divide error: 0000 [#1] PREEMPT SMP NOPTI",
        "[   10.123456] invalid opcode: 0000 [#1] SMP",
        "[   10.123456] stack segment: 0000 [#1] SMP",
        "[   10.123456] general protection fault, probably for address 0x1: 0000 [#1]",
        "[   10.123456] PANIC: double fault, error_code: 0x0",
    ],
)
def test_a_death_of_linux_is_seen(judged: Judge, death: str) -> None:
    assert judged(f"{USERSPACE}{death}\napu2 login: ")["verdict"] == "CRASHED"


@pytest.mark.parametrize(
    ("said", "hang"),
    [
        ("watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [swapper/0:1]", "linux-lockup"),
        ("BUG: workqueue lockup - pool cpus=0", "linux-lockup"),
        ("NMI watchdog: Watchdog detected hard LOCKUP on cpu 1", "linux-lockup"),
        ("rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", "linux-stall"),
        ("rcu: INFO: rcu_sched self-detected stall on CPU", "linux-stall"),
        ("INFO: task init:1 blocked for more than 120 seconds.", "linux-stall"),
    ],
)
def test_a_lockup_of_linux_is_a_hang(judged: Judge, said: str, hang: str) -> None:
    ends = f"{KERNEL}[   40.123456] {said}\n" + "[   40.200000]  trace+0x1/0x2\n" * 20
    result = judged(ends)
    assert (result["verdict"], hang in result["cause"]) == ("HUNG", True)
    assert judged(ends + "[   41.000000] all is well\n" * 300)["verdict"] == "INCOMPLETE"
    assert judged(ends + "/ # ")["verdict"] == "PASS"


@pytest.mark.parametrize("board", [None, "apu2"])
@pytest.mark.parametrize(
    "ending",
    [
        "(initramfs) ",
        "ALERT!  /dev/sda1 does not exist.  Dropping to a shell!\n/ # ",
        "Gave up waiting for root file system device.\n/ # ",
        "You are in emergency mode. After logging in\n(or press Control-D to continue): ",
        "Press Enter for maintenance\n(or press Control-D to continue): \nroot@apu2:~# ",
        "grub rescue> ",
        "grub> ",
    ],
)
def test_a_shell_for_repairs_is_a_failure(judged: Judge, ending: str, board: str | None) -> None:
    result = judged(USERSPACE + ending, board)
    failed = [one["id"] for one in result["expectations"] if one["state"] == "failed"]
    assert (result["verdict"], "rescue-shell" in failed) == ("FAIL", True), result["cause"]


@pytest.mark.parametrize(
    "text",
    [
        "# \n",
        " #\n",
        "/foo #\n",
        "a@b:c$\n",
        "/dev/sda1 # \n",
        "installing $ \n",
        "No login: disabled\n",
        "Please use the login: \n",
        "Last login: today\n",
        "x login: a b c\n",
    ],
)
def test_what_is_no_login(judged: Judge, text: str) -> None:
    assert judged(USERSPACE + text)["verdict"] == "INCOMPLETE"


@pytest.mark.parametrize(
    "text",
    [
        "apu2:~# ",
        "/ # ",
        "~ # ",
        "/etc/xen # ",
        "sh-5.1# ",
        "[root@apu2 ~]# ",
        "dom0# ",
        "# ",
        "root@apu2:/etc# ls\n",
        "apu2 login: ",
        "apu2 login: root\n",
        "apu2 login: (XEN) foo\n",
        "apu2 login: root (automatic login)\n",
    ],
)
def test_what_is_a_login(judged: Judge, text: str) -> None:
    assert judged(USERSPACE + text)["verdict"] == "PASS"


def test_a_bare_prompt_needs_a_userspace(judged: Judge) -> None:
    assert judged(KERNEL + "# ")["verdict"] != "PASS"
    assert judged(KERNEL + "/ # ")["verdict"] == "PASS"


def test_a_login_prompt_before_a_kernel_is_none(judged: Judge) -> None:
    firmware = GOOD[: GOOD.index("(XEN) ")]
    assert "login" not in judged(firmware + "/ # ls\napu2 login: root\n/ # ")["stages"]


DOWN = "[   50.000000] reboot: Restarting system\n(XEN) Hardware Dom0 shutdown: rebooting machine\n"


@pytest.mark.parametrize(
    "asked",
    [
        "/ # reboot",
        AT_PROMPT + "shutdown -r now",
        "dom0# { /sbin/reboot; } >/x",
        "/ # init 6",
        "/ # \nThe system is going down NOW!",
        "/ # \n[  OK  ] Reached target System Reboot.",
    ],
)
def test_a_reset_that_was_asked_for_is_no_crash(judged: Judge, asked: str) -> None:
    result = judged(f"{USERSPACE}{asked}\n{DOWN}{GOOD}")
    assert result["verdict"] == "PASS", result["cause"]
    again = judged(f"{USERSPACE}{asked}\n{DOWN}{GOOD}\n{DOWN}")
    assert again["verdict"] == "CRASHED"


@pytest.mark.parametrize("asked", ["/ # ", "/ # echo reboot", "/ # man reboot.conf"])
def test_a_reset_that_nobody_asked_for_is_a_crash(judged: Judge, asked: str) -> None:
    assert judged(f"{USERSPACE}{asked}\n{DOWN}")["verdict"] == "CRASHED"
    crash = "(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.\n"
    assert judged(f"{USERSPACE}/ # reboot\n{crash}")["verdict"] == "CRASHED"


@pytest.mark.parametrize(
    "column",
    [
        "[2024-05-01 12:00:{:02d}] ",
        "[2024-05-01 12:00:{:02d}.500] ",
        "[2024-05-01T12:00:{:02d}.5] ",
        "2024-05-01T12:00:{:02d}.123456+00:00 ",
        "12:00:{:02d} ",
        "[12:00:{:02d}.123] ",
    ],
)
def test_a_column_of_times_is_read(judged: Judge, column: str) -> None:
    lines = PROMPT.split("\n")
    text = "\n".join(column.format(n * 59 // len(lines)) + line for n, line in enumerate(lines))
    result = judged(text)
    assert result["verdict"] == "PASS", result["cause"]
    times = [
        stage["at"] if isinstance(stage, dict) else stage for stage in result["stages"].values()
    ]
    assert times == sorted(times)
    assert 50 < times[-1] < 60


def test_rules_of_a_profile_see_through_the_time_stamps_of_xen(tmp_path: Path) -> None:
    name = "qemu-q35-xen-4.17.7-ivrs-wrong-base-hang.log"
    text = (ROOT / "tests/data/logs" / name).read_text(errors="replace")
    stamped = tmp_path / "stamped.log"
    stamped.write_text(text.replace("(XEN) AMD", "(XEN) [    1.234567] AMD"))
    result = replayed(ReplayRequest(stamped, load("apu2"))).result
    failed = {o["id"] for o in result["expectations"] if o["state"] == "failed"}
    assert "completion-wait" in failed
