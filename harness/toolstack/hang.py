"""A command in dom0 that does not end: what it waits for, by dom0 and by Xen.

Xen is asked first, while all is as it is. Then Ctrl-Z gets the prompt back: unlike Ctrl-C, it
leaves the command there to be looked at. At last it is killed.

The debug keys: '0' says where dom0's virtual CPUs are, 'q' whether they wait for events, and what
memory they have, 'r' whether they get time on a physical CPU, 'e' which event channels are pending
or masked. Source: Xen's common/keyhandler.c, common/event_channel.c; Linux' proc(5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.bootlog.debug_keys import DomainInfo, parse_domains
from harness.console import ConsoleTimeout
from harness.shell.base import CommandTimeout, ShellError
from harness.shell.dom0 import Dom0Shell
from harness.shell.xen_keys import XenKeys

KEYS: Mapping[str, str] = {
    "0": "the virtual CPUs of dom0",
    "q": "domains, their memory and virtual CPUs",
    "r": "who runs on which physical CPU",
    "e": "event channels",
}
# Seconds of an idle host.
_PATIENCE = 5.0
_CTRL_C, _CTRL_Z = "\x03", "\x1a"
# States of xenstored in which it does not answer.
_DEAF: Mapping[str | None, str] = {
    "": "does not run",
    "T": "is stopped (SIGSTOP)",
    "t": "is stopped by a debugger",
    "D": "waits in the kernel (state D)",
    "Z": "has ended (a zombie)",
}
_DAEMONS = ("xenstored", "oxenstored", "xenconsoled")
# Numbers of the calls that programs wait in (Linux: arch/x86/entry/syscalls/syscall_64.tbl,
# arch/arm/tools/syscall.tbl, include/uapi/asm-generic/unistd.h); with those in "fd", the first
# argument is a file descriptor.
_FD_CALLS = ("read", "write", "ioctl", "recvmsg", "recvfrom", "accept", "sendmsg")
_CALLS: Mapping[str, Mapping[int, str]] = {
    "x86_64": {
        0: "read", 1: "write", 7: "poll", 16: "ioctl", 23: "select", 35: "nanosleep",
        43: "accept", 45: "recvfrom", 46: "sendmsg", 47: "recvmsg", 61: "wait4", 72: "fcntl",
        73: "flock", 202: "futex", 230: "clock_nanosleep", 232: "epoll_wait", 270: "pselect6",
        271: "ppoll",
    },
    "armv7l": {
        3: "read", 4: "write", 54: "ioctl", 114: "wait4", 142: "select", 143: "flock",
        162: "nanosleep", 168: "poll", 240: "futex", 252: "epoll_wait", 265: "clock_nanosleep",
        285: "accept", 292: "recvfrom", 296: "sendmsg", 297: "recvmsg", 335: "pselect6",
        336: "ppoll",
    },
    "aarch64": {
        22: "epoll_pwait", 25: "fcntl", 29: "ioctl", 32: "flock", 63: "read", 64: "write",
        72: "pselect6", 73: "ppoll", 98: "futex", 101: "nanosleep", 115: "clock_nanosleep",
        202: "accept", 207: "recvfrom", 211: "sendmsg", 212: "recvmsg", 260: "wait4",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Waiting:
    """A thread of the command that hangs.

    Attributes:
        name: of the program.
        state: of /proc/PID/stat: "T" for one that Ctrl-Z stopped.
        where: "read(/dev/xen/xenbus)", "futex"; "" = it is not known.
    """

    pid: int
    name: str
    state: str
    where: str


@dataclass(frozen=True)
class HangReport:
    """What was found.

    Attributes:
        prompt: how the prompt came back: "Ctrl-Z", "Ctrl-C"; "" = it did not.
        threads: of the command; empty if it is gone, or if there was no prompt to ask at.
        daemons: state by name ("S": sleeps, "T": stopped, "D": waits in the kernel); "" = it does
            not run; empty if there was no prompt.
        stuck: programs in state D, as "name (pid 123)".
        dom0: by Xen; None: Xen did not say.
        texts: all answers, by their titles.
    """

    prompt: str = ""
    threads: tuple[Waiting, ...] = ()
    daemons: Mapping[str, str] = field(default_factory=dict)
    stuck: tuple[str, ...] = ()
    dom0: DomainInfo | None = None
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def cause(self) -> str:
        """The most probable cause, one sentence without an end mark."""
        store = self.daemons.get("xenstored")
        places = dict.fromkeys(one.where for one in self.threads if one.where)
        if store in _DEAF:
            cause = f"xenstored {_DEAF[store]}: nobody answers the tools"
        elif places:
            cause = f"it waits in {', '.join(places)}"
        elif self.stuck:
            cause = f"dom0's kernel keeps {', '.join(self.stuck)} waiting (state D)"
        elif not self.prompt:
            cause = "it cannot be interrupted: it waits in dom0's kernel, or all of dom0 is stuck"
        else:
            cause = f"it did not wait, but ran: {self.prompt} ended it, and nothing of it is left"
        return cause

    @property
    def by_xen(self) -> str:
        """What Xen says of dom0's virtual CPUs, one sentence without an end mark."""
        if self.dom0 is None or not self.dom0.vcpus:
            return "Xen says nothing of dom0's virtual CPUs"
        busy = [one.vcpu for one in self.dom0.vcpus if one.runs]
        if not busy:
            return f"all virtual CPUs of dom0 ({len(self.dom0.vcpus)}) wait for an event"
        names = ", ".join(f"d0v{number}" for number in busy)
        return f"of {len(self.dom0.vcpus)} virtual CPUs of dom0, these are busy: {names}"


class CommandHung(ShellError):  # noqa: N818 -- as CommandTimeout
    """A command in dom0 did not end.

    Attributes:
        command: as it was asked for.
        seconds: how long was waited, by our clock.
        report: what it waits for.
    """

    def __init__(
        self, command: str, seconds: float, scale: float, report: HangReport, log: Path | None
    ) -> None:
        idle = f" ({seconds / scale:.0f} s of an idle host)" if scale != 1 else ""
        back = {
            "Ctrl-Z": "dom0's prompt is back: the command was stopped and killed",
            "Ctrl-C": "dom0's prompt is back: Ctrl-C ended the command",
        }.get(report.prompt, "dom0's prompt did not come back: this dom0 takes no more commands")
        super().__init__(
            f"{command!r} hangs: it did not end within {seconds:.0f} s{idle}\n"
            f"  dom0: {report.cause}\n  Xen: {report.by_xen}\n  {back}",
            where="dom0 shell",
            log=log,
        )
        self.command = command
        self.seconds = seconds
        self.report = report


def investigate(
    shell: Dom0Shell,
    bad: CommandTimeout,
    keys: XenKeys | None,
    keep: Callable[[str], Path] | None,
) -> CommandHung:
    """Find out what a command waits for, and get dom0's prompt back.

    Args:
        shell: where it hangs.
        keys: Xen's; None: there is no Xen to ask.
        keep: keeps the text of what was found.

    Raises:
        BoardStopped, ChannelClosed: the board ended meanwhile.
    """
    texts: dict[str, str] = {}
    dom0 = _ask_xen(keys, texts) if keys else None
    prompt = _get_prompt(shell)
    threads: tuple[Waiting, ...] = ()
    daemons: dict[str, str] = {}
    stuck: tuple[str, ...] = ()
    if prompt:
        try:
            threads = _look_at_jobs(shell, texts)
            daemons, stuck = _look_around(shell, texts)
        except ShellError as failed:
            texts["dom0 was asked in vain"] = str(failed)
    report = HangReport(prompt, threads, daemons, stuck, dom0, texts)
    hung = CommandHung(bad.command, bad.seconds, shell.scale, report, None)
    if keep:
        rows = [f"== {title}\n{text}\n" for title, text in texts.items()]
        hung.log = keep(f"{hung.message}\n\n" + "\n".join(rows))
    return hung


def _ask_xen(keys: XenKeys, texts: dict[str, str]) -> DomainInfo | None:
    dom0 = None
    for key, what in KEYS.items():
        title = f"Xen's debug key '{key}': {what}"
        try:
            lines = keys.press(key)
        except ShellError as bad:
            texts[title] = str(bad)
            break
        texts[title] = "\n".join(lines)
        if key == "q":
            dom0 = next((one for one in parse_domains(lines) if one.domain == 0), None)
    return dom0


def _get_prompt(shell: Dom0Shell) -> str:
    for name, key in (("Ctrl-Z", _CTRL_Z), ("Ctrl-C", _CTRL_C)):
        shell.press(key)
        try:
            shell.wait_for_prompt(_PATIENCE)
        except ConsoleTimeout:
            continue
        # A list of commands goes on with the next when one is stopped: its prompt may come twice.
        shell.console.drain(0.5 * shell.scale, _PATIENCE * shell.scale)
        return name
    return ""


def _look_at_jobs(shell: Dom0Shell, texts: dict[str, str]) -> tuple[Waiting, ...]:
    # Not in a subshell: it has no jobs.
    jobs = [line for line in Dom0Shell.run(shell, "jobs -p").lines if line.strip().isdigit()]
    machine = Dom0Shell.run(shell, "uname -m").output.strip()
    found: list[Waiting] = []
    for job in jobs:
        group = job.strip()
        said = Dom0Shell.run(shell, _LOOK.format(group=group)).output
        threads = read_threads(said, machine)
        if threads and not any(one.where for one in threads):
            # AArch64 forgets the number of a system call that a signal stopped: let it wait again.
            Dom0Shell.run(shell, f"kill -CONT -- -{group}; sleep 1")
            said = Dom0Shell.run(shell, _LOOK.format(group=group)).output
            threads = read_threads(said, machine)
        texts[f"the command: process group {group}"] = said
        found += threads
        Dom0Shell.run(shell, f"kill -KILL -- -{group}; wait {group}")
    return tuple(found)


# Threads of all processes of a group (field 3 behind the name in /proc/PID/stat), and their files.
_LOOK = (
    "for d in /proc/[0-9]*; do read -r l <$d/stat || continue; "
    'case "${{l##*) }}" in ?\\ *\\ {group}\\ *) ;; *) continue;; esac; '
    'for t in $d/task/*; do echo "@ $(cat $t/stat)"; '
    'for f in wchan syscall stack; do echo "$f: $(cat $t/$f)"; done; done; '
    "ls -l $d/fd; done 2>/dev/null"
)


def read_threads(said: str, machine: str) -> tuple[Waiting, ...]:
    """The threads in what dom0 says of a process group.

    Args:
        machine: of `uname -m`: the numbers of system calls depend on it.
    """
    files = dict(re.findall(r" (\d{1,9}) -> (\S+)", said))
    found = []
    for part in said.split("@ ")[1:]:
        head = re.match(r"(\d{1,9}) \((.*)\) (\S) ", part)
        if head is None:
            continue
        call = re.search(r"^syscall: (\d{1,4}) 0x([0-9a-f]{1,16}) ", part, re.MULTILINE)
        channel = re.search(r"^wchan: ([A-Za-z_]\w*)$", part, re.MULTILINE)
        where = channel[1] if channel and channel[1] != "do_signal_stop" else ""
        if call:
            name = _CALLS.get(machine, {}).get(int(call[1]), f"system call {call[1]}")
            where = name
            if name in _FD_CALLS:
                number = str(int(call[2], 16))
                where = f"{name}({files.get(number, f'file descriptor {number}')})"
        found.append(Waiting(int(head[1]), head[2], head[3], where))
    return tuple(found)


_AROUND = (
    'for s in /proc/[0-9]*/stat; do read -r l <$s && case "$l" in '
    + "".join(f'*"({name})"*|' for name in _DAEMONS)
    + '*") D "*|*") T "*) echo "$l";; esac; done 2>/dev/null'
)


def _look_around(shell: Dom0Shell, texts: dict[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    said = Dom0Shell.run(shell, _AROUND).lines
    texts["daemons, and what waits in the kernel or is stopped"] = "\n".join(said)
    texts["the end of dom0's kernel log"] = Dom0Shell.run(shell, "dmesg | tail -n 30").output
    return read_states(said)


def read_states(lines: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The daemons' states by name, and what is in state D; of rows of /proc/PID/stat."""
    daemons = {"xenstored": "", "xenconsoled": ""}
    stuck = []
    for line in lines:
        match = re.match(r"(\d{1,9}) \((.*)\) (\S) ", line)
        if match is None:
            continue
        name = "xenstored" if match[2] == "oxenstored" else match[2]
        if name in daemons:
            daemons[name] = match[3]
        if match[3] == "D":
            stuck.append(f"{match[2]} (pid {match[1]})")
    return daemons, tuple(stuck)
