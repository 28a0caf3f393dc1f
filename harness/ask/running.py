"""Asks one question: boots the real thing with the tables, and stops it at its verdict."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from harness.acpi.machine import Q35, Machine
from harness.ask.answer import Answer, Question
from harness.ask.command import MODULE, ask_command
from harness.ask.reading import Ended, begins, is_done, parsed, read_verdict
from harness.ask.silence import Silence
from harness.bootlog import Line
from harness.console import BoardStopped, Console
from harness.deadlines import host_slowness
from harness.errors import FormatError, InfraError, TargetDied, UsageError
from harness.formats.acpi import madt
from harness.formats.acpi.fwcfg import Checksums, loader_blobs
from harness.formats.acpi.tableset import TableSet
from harness.session import PowerOn
from harness.target.base import ChannelClosed
from harness.target.qemu import QemuTarget
from harness.target.qemu_command import Wiring, paste
from harness.workfolder import work_folder

TIMEOUT = 60.0

_TICKS = os.sysconf("SC_CLK_TCK")
# The console comes byte by byte: a short pause makes one read of many, and costs the answer
# less than the reads would cost the emulator's CPU.
_PAUSE = 0.004
_TICK = 0.05
_ROOT = "RSD PTR "


def ask(
    question: Question,
    *,
    machine: Machine = Q35,
    checksums: Checksums = "kept",
    timeout: float = TIMEOUT,
    keep: Path | None = None,
    scratch: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Answer:
    """Boot the consumer with the tables, read its verdict, and stop it.

    Args:
        checksums: as of `loader_blobs`.
        timeout: seconds, stretched by the host's load, for a console that never stops talking
            or never begins. A silence is a hang in proportion to the boot so far.
        keep: a folder, which is made: the console, the tables and the command stay there.
        scratch: where the work folder is made otherwise; None = the system's place for those.
        stop: asked several times a second; True ends the wait.

    Raises:
        Stopped: `stop` said so.
        UsageError: the tables are no complete set.
        FormatError: they cannot be handed over.
        TargetDied: QEMU ended by itself. TargetError, ToolMissing: it cannot be driven.
    """
    files = _files(question.tables, checksums)
    cpus = question.cpus or _cpus(question.tables)
    with _folder(keep, scratch) as folder, ExitStack() as stack:
        try:
            for name, data in files.items():
                (folder / name).write_bytes(data)
        except OSError as bad:
            raise InfraError.of(bad, "cannot write", folder) from None

        def command(wiring: Wiring) -> list[str]:
            blobs = [(f"etc/{name.replace('_', '/')}", name) for name in files if name != MODULE]
            return ask_command(machine, question.consumer, cpus, blobs, wiring)

        if keep:
            (folder / "command").write_text(paste(command(Wiring()), folder) + "\n")
        target = stack.enter_context(closing(QemuTarget(command, folder, folder / "qemu.log")))
        power = PowerOn()
        raw = folder / "console.raw" if keep else None
        console = Console(target.channel, raw=raw, log=None, arch="x86", clock=power.clock)
        stack.enter_context(closing(console))
        power.now()
        target.power_on()
        return _Wait(question, target, console, timeout, stop).follow(raw)


class Stopped(Exception):  # noqa: N818 -- what the caller wanted, not a defect
    """The wait was ended from outside; nothing is left of it."""


class _Wait:
    """The wait for a verdict."""

    def __init__(
        self,
        question: Question,
        target: QemuTarget,
        console: Console,
        timeout: float,
        stop: Callable[[], bool],
    ) -> None:
        self.kind = question.consumer.kind
        self.target = target
        self.console = console
        self.timeout = timeout
        self.stop = stop
        self.silence = Silence()
        self.speaks = False
        # How many lines there were with the one that tells all.
        self.verdict: int | None = None
        console.on_line.append(self._line)

    def _line(self, line: Line) -> None:
        self.speaks = self.speaks or begins(line.text)
        if self.verdict is None and is_done(self.kind, line.text):
            self.verdict = len(self.console.lines)

    def follow(self, raw: Path | None) -> Answer:
        ending, ended = self._end()
        seconds = self.console.now
        log = self.console.parser.log
        lines = self.console.lines[: self.verdict]
        if len(lines) < len(self.console.lines):
            # The same read brought more, as the panic of a Xen without a dom0.
            log = parsed(lines)
        texts = tuple(line.text for line in lines)
        read = read_verdict(self.kind, log, texts, ended)
        return Answer(
            read.outcome,
            read.messages,
            ending,
            read.version,
            read.interrupt_remapping,
            seconds,
            texts,
            raw,
            read.panic,
        )

    def _end(self) -> tuple[str, Ended]:
        """What ended the wait, in words and as a kind."""
        console = self.console
        while True:
            if self.stop():
                raise Stopped
            try:
                came = console.pump(_TICK)
            except BoardStopped as stopped:
                if self.verdict is None:
                    console.drain(0.05, 2.0)
                    return stopped.line.text, "verdict"
                came = True
            except ChannelClosed:
                raise self._died() from None
            if self.verdict is not None:
                return console.lines[self.verdict - 1].text, "verdict"
            cpu = cpu_seconds(self.target.process.pid)
            if came:
                if self.speaks:
                    self.silence.output(console.now, cpu)
                time.sleep(_PAUSE)
                continue
            event = self.target.poll()
            if event and event.kind == "died":
                raise self._died()
            if event:
                return event.detail, "reset"
            if self.silence.is_hang(console.now, cpu):
                waited = f"{console.silent_for:.1f} s after {console.last_output:.1f} s"
                return f"silent for {waited}", "silence"
            if console.now > self.timeout * host_slowness():
                return f"no verdict within {console.now:.0f} s", "silence"

    def _died(self) -> TargetDied:
        return self.target.death() or TargetDied("QEMU closed its serial line")


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, from /proc/PID/stat (proc_pid_stat(5)); 0 if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0.0
    # The name of the program, in brackets, may hold anything.
    user, system = stat[stat.rindex(b")") + 2 :].split()[11:13]
    return (int(user) + int(system)) / _TICKS


def _files(tables: TableSet, checksums: Checksums) -> dict[str, bytes]:
    """What QEMU reads, by the name of the file: the slashes of fw_cfg are underscores."""
    root = tables.find(_ROOT)
    if root is None or tables.find("FACP") is None:
        raise UsageError(
            "these tables are no complete set",
            expected="one with a root pointer and a FADT",
            hint="rebase() makes one",
        )
    others = [table for table in tables.tables if table.signature != _ROOT]
    # What a table that is too long is read into is then the same for everybody: zeros.
    others.sort(key=lambda table: table.signature == "IVRS")
    blobs = loader_blobs(root.data, [table.data for table in others], checksums=checksums)
    names = {
        name.removeprefix("etc/").replace("/", "_"): data for name, data in blobs.files.items()
    }
    return {**names, MODULE: b"\0"}


def _cpus(tables: TableSet) -> int:
    """As many CPUs as the MADT lists: for each that is missing, Xen waits for seconds."""
    table = tables.find("APIC")
    try:
        return max(1, len(madt.parse(table.data).processors)) if table else 1
    except FormatError:
        return 1


@contextmanager
def _folder(keep: Path | None, scratch: Path | None) -> Iterator[Path]:
    if keep is not None:
        try:
            keep.mkdir(parents=True, exist_ok=True)
        except OSError as bad:
            raise InfraError.of(bad, "cannot make", keep) from None
        yield keep.resolve()
        return
    where = scratch or Path(tempfile.gettempdir())
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(work_folder(where, "harness-ask-"))
        except OSError as bad:
            raise InfraError.of(bad, "cannot make a folder in", where) from None
        yield folder
