"""Finds out what a hung machine does, before anything is torn down. Never fails: it notes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError
from harness.forensics.diagnosis import Names, diagnose, progress, waits_on
from harness.forensics.finding import Found, find
from harness.forensics.machine import Machine
from harness.forensics.memory import code_of, in_xen, with_holes
from harness.forensics.model import CpuDiagnosis, Forensics
from harness.forensics.samples import Sample, take
from harness.forensics.telling import summary, text, with_sentences
from harness.forensics.xen import clock, cpus_by_keys, dom0_state, fatal_nmi, press_keys
from harness.run import RESULT
from harness.session import HangContext, Session
from harness.target.qemu import QemuTarget

FILE, TEXT = "forensics.json", "forensics.txt"
_XEN_DATA = ("__2M_text_end", "_etext"), "_end"
_MOST_DATA = 64 << 20
_CPU_MASK = 32  # bytes: as many CPUs as Debian's Xen has (256)
# Of the CPUs' wishes to run, the host refused so much: then it is the host that is slow.
_BUSY_HOST = 0.5


@dataclass(frozen=True)
class Options:
    """What to collect.

    Args:
        symbols: the user's files (xen-syms, its map, vmlinux, System.map).
        samples: how often to look at the CPUs; fewer than 5 are no evidence.
        keys: Xen's debug keys to press.
        nmi: have Xen print its state with an NMI, after which it is dead; None: where its
            command line has `nmi=fatal`.
        dump: "xen": its data; "full": all memory, as an ELF core; "none".
        limit: seconds for all of it; what is under way is finished.
    """

    symbols: tuple[Path, ...] = ()
    samples: int = 6
    keys: str = "d0qrt*"
    nmi: bool | None = None
    dump: Literal["none", "xen", "full"] = "xen"
    limit: float = 120.0


def on_hang(options: Options = Options()) -> Callable[[HangContext], None]:
    """For `booted(on_hang=...)`."""

    def hung(context: HangContext) -> None:
        collect(context, options)

    return hung


def collect(context: HangContext, options: Options = Options()) -> Forensics:
    """The diagnosis of a hang; forensics.json, forensics.txt and raw material in the run folder.

    The result of the session (and result.json) gets `forensics`: summary, signature, progress.
    What fails is a note in the diagnosis; nothing is raised but an interruption by the user,
    after what is known has been written.
    """
    session = context.session
    told = Forensics(silent_since=round(session.console.last_output, 3))
    begun = time.monotonic()
    try:
        _Collector(session, options, told).run()
    finally:
        told.cpus = with_sentences(told.cpus)
        told.summary = summary(told)
        told.seconds = round(time.monotonic() - begun, 3)
        _keep(session, told)
    return told


class _Collector:
    def __init__(self, session: Session, options: Options, told: Forensics) -> None:
        self._session = session
        self._options = options
        self._told = told
        self._out_of_time = clock(options.limit)
        self._samples: tuple[Sample, ...] = ()
        self._found = Found()

    @contextmanager
    def _part(self, name: str) -> Iterator[None]:
        """A part whose failure is a note: the diagnosis of a hang must not be its end."""
        try:
            yield
        except HarnessError as bad:
            self._told.notes.append(f"{name}: {bad.message}")
        except Exception as bad:  # noqa: BLE001 -- as said; the verdict is there already
            self._told.notes.append(f"{name}: {type(bad).__name__}: {bad}")

    def run(self) -> None:
        """From what disturbs least to what ends the machine."""
        session, options, told = self._session, self._options, self._told
        folder = session.run.path if session.run else None
        if folder is None:
            told.notes.append("there is no machine: this is a recorded log")
            return
        target = session.target
        # What is left behind there if we are killed is swept.
        scratch = session.run.work if session.run else folder
        machine = Machine(target, scratch) if isinstance(target, QemuTarget) else None
        if machine is None:
            told.notes.append(f"{target.name}: its CPUs cannot be seen, only Xen can be asked")
        else:
            with self._part("registers"):
                status, count = machine.status(), options.samples
                if status != "running":
                    told.notes.append(f"the machine does not run: QEMU says {status!r}")
                    count = 1
                self._samples = take(machine, lambda: session.console.now, count, folder)
            self._see(machine)
        with self._part("servers"):
            told.requests = [
                f"{one.method} {one.path} ({one.bytes_sent} bytes sent)"
                for one in session.requests
                if not one.complete and one.status < 400
            ]
        with self._part("debug keys"):
            self._ask_xen(folder)
        if machine is not None:
            with self._part("memory dump"):
                self._dump(machine, folder)
            with self._part("NMI"):
                self._nmi(machine, folder)

    def _see(self, machine: Machine) -> None:
        """The CPUs, from the samples."""
        told, samples, options = self._told, self._samples, self._options
        if not samples:
            return
        told.samples = len(samples)
        told.looked_at = (round(samples[0].at, 3), round(samples[-1].at, 3))
        counts = [one.instructions for one in (samples[0], samples[-1])]
        if counts[0] is not None and counts[1] is not None:
            told.instructions = counts[1] - counts[0]
        told.files += [f"registers-{number}.txt" for number in range(len(samples))]
        told.files += [f"stack-cpu{cpu}.bin" for cpu in samples[-1].stacks]
        told.cpus = diagnose(samples)  # if nothing else works
        with self._part("symbols"):
            request = self._session.request
            self._found = find(
                options.symbols,
                self._session.binaries.get("xen"),
                told.notes.append,
                offline=request is not None and request.offline,
            )
            told.symbols = self._found.origin
        with self._part("callers"):
            xen = self._found.xen
            names = Names(xen, self._found.kernel)
            if xen is not None:
                names = replace(names, code=code_of(machine, xen, samples[-1], names))
                if not names.code:
                    told.notes.append("callers: none of Xen's code could be read")
            told.cpus = diagnose(samples, names)
        with self._part("progress"):
            told.progress = progress(told.cpus)
            told.host = _host(samples) if told.progress != "none" else ""
        with self._part("CPUs that are waited for"):
            told.cpus = tuple(self._with_answers(machine, one) for one in told.cpus)

    def _with_answers(self, machine: Machine, cpu: CpuDiagnosis) -> CpuDiagnosis:
        xen = self._found.xen
        for name, offset in waits_on(cpu).items():
            symbol = xen.find(name) if xen else None
            wide = self._samples[-1].registers[0].arch != "arm"
            if symbol is None or not wide:
                continue
            data = machine.memory(cpu.cpu, symbol.address + offset, _CPU_MASK)
            mask = int.from_bytes(data, "little")
            known = {one.cpu for one in self._samples[-1].registers}
            answers = tuple(number for number in sorted(known) if mask >> number & 1)
            if answers:
                return replace(cpu, answers=answers)
        return cpu

    def _ask_xen(self, folder: Path) -> None:
        session, told = self._session, self._told
        if "xen" not in session.console.parser.log.stages or not self._options.keys:
            return
        if self._out_of_time():
            told.notes.append("debug keys: no time was left")
            return
        said = press_keys(session, self._options.keys, folder, told, self._out_of_time)
        if not told.xen_alive:
            told.notes.append("debug keys: Xen does not answer on the serial line")
            return
        told.dom0 = dom0_state(said)
        if not told.cpus:
            told.cpus = cpus_by_keys(said)

    def _dump(self, machine: Machine, folder: Path) -> None:
        told, kind = self._told, self._options.dump
        if kind == "full":
            machine.dump(folder / "dump.elf", max(10.0, self._options.limit))
            told.files.append("dump.elf")
        xen = self._found.xen
        if kind == "none" or xen is None or not self._samples:
            return
        starts, last = _XEN_DATA
        first = next((one for name in starts if (one := xen.find(name))), None)
        end = xen.find(last)
        if first is None or end is None or not 0 < end.address - first.address < _MOST_DATA:
            return
        cpu = in_xen(self._samples[-1], Names(xen))
        data = with_holes(machine, cpu, first.address, end.address)
        name = f"xen-data-{first.address:x}.bin"
        (folder / name).write_bytes(data)
        told.files.append(name)

    def _nmi(self, machine: Machine, folder: Path) -> None:
        wanted = self._options.nmi
        if wanted is None:
            request = self._session.request
            line = request.xen_cmdline if request and request.gives_cmdlines else ""
            wanted = "nmi=fatal" in line.split()
        if wanted:
            fatal_nmi(self._session.console, machine.nmi, folder, self._told)


def _host(samples: tuple[Sample, ...]) -> str:
    """How the host treated the machine, where that matters."""
    if len(samples) < 2:
        return ""
    ran = waited = 0.0
    for cpu, (first_ran, first_waited) in samples[0].times.items():
        last = samples[-1].times.get(cpu)
        if last is not None:
            ran += last[0] - first_ran
            waited += last[1] - first_waited
    took = samples[-1].at - samples[0].at
    if waited > _BUSY_HOST * (ran + waited) and waited > 0.2 * took:
        return (
            f"the host is busy: the CPUs ran for {ran:.1f} s and waited for the host for "
            f"{waited:.1f} s; --deadline-scale gives them more time"
        )
    return ""


def _keep(session: Session, told: Forensics) -> None:
    """Write it, and put the short of it into the result; a full disk takes nothing else away."""
    session.result["forensics"] = {
        "summary": list(told.summary),
        "signature": told.signature,
        "progress": told.progress,
        "file": TEXT,
    }
    if session.run is None:
        return
    try:
        session.run.write_json(FILE, told.to_json())
        (session.run.path / TEXT).write_text(text(told), encoding="utf-8")
        session.run.write_json(RESULT, session.result)
    except (HarnessError, OSError) as bad:
        told.notes.append(f"not written: {bad}")
