"""What the harness adds to the time of a boot: the harness against the bare QEMU command.

Both boot the same files with the same command line, up to the login prompt of dom0, without typing
(`--method multiboot`). Both start QEMU paused and take the time from QMP's `cont` to the chunk of
the serial line that ends with the prompt. The bare reader only looks for the prompt.

They take turns (harness bare, bare harness, ...), so that whatever else the host does meets both.
An emulator with as many threads as the host has CPUs, or more, is slowed down several times over
by a single busy neighbour. So what others use of the CPUs is measured too, and a pair that was
disturbed is measured again, whatever its figures are.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, field, replace
from itertools import count
from pathlib import Path

from benchmarks.figures import EXIT_INTERRUPTED, Bound, Spread, conclude, print_table
from benchmarks.host import cpu_use, wait_for_quiet
from harness.board.load import load
from harness.boot import booted
from harness.build.artifacts import Artifacts
from harness.build.binaries import resolve
from harness.console import Console
from harness.errors import HarnessError, InfraError
from harness.request import BootRequest
from harness.session import Observer, Session, build_for
from harness.sources import Sources
from harness.target import process
from harness.target.base import Channel, ChannelClosed, Target
from harness.target.channels import PipeChannel
from harness.target.qemu import QemuTarget
from harness.target.qemu_command import Wiring, qemu_command

_PROMPT = b"login:"
_LIMIT = 600.0  # seconds for one bare boot, on the slowest host that is worth measuring
_READ = 65536
_QUIET_PATIENCE = 120.0
_PATIENCE = 3  # so many times the pairs that were asked for


@dataclass(frozen=True)
class Boot:
    """One boot.

    Args:
        login: seconds from power-on to the login prompt.
        cpu: seconds of CPU time that our own process used meanwhile.
        around: seconds of the harness outside of the boot, by what it did.
        others: the part of the host's CPUs that other processes used meanwhile, 0 to 1.
    """

    login: float
    cpu: float
    around: dict[str, float] = field(default_factory=dict)
    others: float = 0.0


class _Stopwatch(Observer):
    """Notes when the steps of a boot began, and the CPU time up to the login."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}
        self.argv: list[str] = []
        self.cpu = 0.0
        self._cpu_at_power_on = 0.0
        self._console: Console | None = None
        self.power_on = 0.0

    def step(self, name: str) -> None:
        self.began[name] = time.monotonic()

    def attached(self, console: Console, target: Target) -> None:
        if isinstance(target, QemuTarget):
            self.argv = target.argv
        self._console = console
        self._cpu_at_power_on = time.process_time()
        self.power_on = time.monotonic()

    def tick(self) -> None:
        if not self.cpu and self._console is not None and self._console.parser.stage == "login":
            self.cpu = time.process_time() - self._cpu_at_power_on

    def finished(self, session: Session) -> None:
        del session
        self.began["finished"] = time.monotonic()


def harness_boot(request: BootRequest, bare: BareBoots) -> Boot:
    """One boot by the harness.

    Raises:
        InfraError: it did not reach the login, or was not the same boot as the bare one.
    """
    watch = _Stopwatch()
    with booted(request, watch) as session:
        login = session.result["stages"].get("login")
        if login is None:
            raise InfraError(
                f"the boot did not reach its login: {session.verdict.kind}, {session.verdict.cause}"
            )
        if session.run is not None:
            bare.compare(watch.argv, session.run.work)
    ended = time.monotonic()
    began = watch.began
    around = {
        "sources": began["build"] - began["sources"],
        "build": began["serve"] - began["build"],
        "start of QEMU": watch.power_on - began["serve"],
        "login to verdict": began["finished"] - watch.power_on - login,
        "end of QEMU": ended - began["finished"],
    }
    return Boot(login, watch.cpu, around)


class BareBoots:
    """The bare QEMU command, with a reader that does nothing but wait for the prompt.

    Args:
        artifacts: its files; QEMU runs in their folder.
    """

    def __init__(self, request: BootRequest, artifacts: Artifacts) -> None:
        self._request = request
        self._artifacts = artifacts

    def argv(self, wiring: Wiring) -> list[str]:
        """The command line, by the function that the harness uses."""
        return qemu_command(
            self._request.board,
            self._request.how,
            self._artifacts.files,
            xen_cmdline=self._artifacts.xen_cmdline,
            kernel_cmdline=self._artifacts.kernel_cmdline,
            wiring=wiring,
        )

    def compare(self, argv: Sequence[str], folder: Path) -> None:
        """See that the harness boots what we boot.

        Raises:
            InfraError: another command line, or other files.
        """
        ours = self.argv(Wiring("serial", 0))
        if [re.sub(r"\bfd=\d+", "fd=0", word) for word in argv] != ours:
            raise InfraError("the harness and the bare command have different command lines")
        files = self._artifacts.files
        for name in filter(None, astuple(files)):
            mine, other = self._artifacts.folder / name, folder / name
            if mine.is_file() and not filecmp.cmp(mine, other, shallow=False):
                raise InfraError(f"the harness and the bare command boot different files: {name}")

    def boot(self) -> Boot:
        """One boot by the bare command.

        Raises:
            InfraError: no login prompt came.
        """
        qmp, qmp_end = socket.socketpair()
        folder = self._artifacts.folder
        log = folder / "qemu.log"
        with closing(PipeChannel(folder, "serial")) as serial, qmp:
            with qmp_end, log.open("ab") as output:
                end = qmp_end.fileno()
                argv = self.argv(Wiring("serial", end))
                qemu = process.start(argv, cwd=folder, output=output, pass_fds=(end,))
            try:
                with qmp.makefile("rwb", buffering=0) as control:
                    control.readline()
                    _execute(control, "qmp_capabilities")
                    serial.connected()
                    cpu, began = time.process_time(), time.monotonic()
                    _execute(control, "cont")
                    wait_for_prompt(serial)
                    return Boot(time.monotonic() - began, time.process_time() - cpu)
            finally:
                process.stop(qemu)


def _execute(control: socket.SocketIO, command: str) -> None:
    control.write(json.dumps({"execute": command}).encode() + b"\n")
    while answer := control.readline():
        said = json.loads(answer)
        if "error" in said:
            break
        if "return" in said:
            return
    raise InfraError(f"QMP: {command} failed: {answer.decode(errors='replace')}")


def wait_for_prompt(serial: Channel) -> None:
    """Read until the login prompt.

    Raises:
        InfraError: the line ended, or was silent for too long, before it came.
    """
    tail = b""
    while _PROMPT not in tail:
        try:
            data = serial.read(_READ, _LIMIT)
        except ChannelClosed:
            data = b""
        if not data:
            raise InfraError("the bare boot did not reach its login")
        tail = tail[-len(_PROMPT) :] + data


class Pairs:
    """Boots in pairs.

    Args:
        folder: an empty folder for the artifacts and the run folders.
        others: a pair waits a while for others to use no more than this part of the CPUs.

    Raises:
        HarnessError: the artifacts cannot be had.
    """

    def __init__(self, request: BootRequest, folder: Path, others: float) -> None:
        work = folder / "bare"
        work.mkdir()
        sources = Sources(offline=request.offline)
        binaries = resolve(request.board, request.roles(), request.uses, sources)
        artifacts = build_for(request, binaries, work)
        self._bare = BareBoots(request, artifacts)
        self._request = request
        self._others = others
        self._outs = (folder / str(number) for number in count())

    def _by_harness(self) -> Boot:
        return harness_boot(replace(self._request, out=next(self._outs)), self._bare)

    def __call__(self, *, bare_first: bool) -> tuple[Boot, Boot]:
        """A pair: by the harness, and bare.

        Raises:
            HarnessError: one of them did not reach its login.
        """
        wait_for_quiet(self._others, _QUIET_PATIENCE)
        if bare_first:
            bare = _watched(self._bare.boot)
            return _watched(self._by_harness), bare
        return _watched(self._by_harness), _watched(self._bare.boot)


def _watched(boot: Callable[[], Boot]) -> Boot:
    before = cpu_use()
    made = boot()
    return replace(made, others=before.by_others(cpu_use(), os.cpu_count() or 1))


def measure(
    pair: Callable[..., tuple[Boot, Boot]], pairs: int, others: float
) -> list[tuple[Boot, Boot]]:
    """Boot until there are that many undisturbed pairs.

    Args:
        pair: makes a pair; is told `bare_first`.
        others: the part of the host's CPUs that others may use in an undisturbed boot.

    Raises:
        HarnessError: a boot did not reach its login.
        InfraError: the host was too busy, in three times as many pairs.
    """
    good: list[tuple[Boot, Boot]] = []
    for _ in range(_PATIENCE * pairs):
        ours, bare = pair(bare_first=bool(len(good) % 2))
        busiest = max(ours.others, bare.others)
        if busiest <= others:
            good.append((ours, bare))
        said = f"pair {len(good)} of {pairs}" if busiest <= others else "disturbed, done again"
        print(
            f"{said}: harness {ours.login:.2f} s, bare {bare.login:.2f} s, "
            f"others used {busiest:.0%} of the CPUs",
            file=sys.stderr,
        )
        if len(good) == pairs:
            return good
    raise InfraError(
        f"the host is too busy to measure: {len(good)} of {pairs} pairs were undisturbed",
        hint="measure on a quiet host, or take any pair: --others 1",
    )


def report(pairs: Sequence[tuple[Boot, Boot]], bound: float) -> int:
    """Print the table and give the exit code: 1 if the ratio of the medians is over `bound`."""
    by_harness, bare = [ours for ours, _ in pairs], [other for _, other in pairs]
    rows: list[list[str]] = []
    medians: dict[str, float] = {}
    for name, boots in (("harness", by_harness), ("bare QEMU", bare)):
        login = Spread.of([boot.login for boot in boots])
        cpu = Spread.of([boot.cpu for boot in boots])
        medians[name] = login.median
        figures = (login.median, login.least, login.most, login.iqr)
        rows.append([name, *(f"{x:.2f}" for x in figures), f"{cpu.median:.3f}"])
    print("seconds from power-on to the login prompt; CPU seconds of the reader meanwhile")
    print_table(["", "median", "min", "max", "IQR", "CPU"], rows)
    print("\nseconds of the harness outside of the boot (medians, warm cache)")
    parts = {
        part: Spread.of([boot.around[part] for boot in by_harness]).median
        for part in by_harness[0].around
    }
    print_table(["", "median"], [[part, f"{seconds:.2f}"] for part, seconds in parts.items()])
    paired = Spread.of([ours.login / other.login for ours, other in pairs])
    print(
        f"\nratio within a pair: median {paired.median:.3f}, "
        f"min {paired.least:.3f}, max {paired.most:.3f}"
    )
    busiest = max(boot.others for boot in (*by_harness, *bare))
    print(f"others used at most {busiest:.0%} of the {os.cpu_count()} CPUs in any boot")
    ratio = medians["harness"] / medians["bare QEMU"]
    return conclude([Bound("ratio of the medians, harness to bare QEMU", ratio, bound)])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.boot_overhead",
        description="Time from power-on to the login prompt: the harness against bare QEMU.",
    )
    parser.add_argument("--board", default="apu2", help="its profile (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=7, help="boots of each (default: %(default)s)")
    parser.add_argument(
        "--bound", type=float, default=1.05, help="the highest ratio allowed (default: %(default)s)"
    )
    parser.add_argument(
        "--others",
        type=float,
        default=0.05,
        metavar="PART",
        help="a boot during which other processes use more than this part of the CPUs is "
        "disturbed, and its pair is done again (default: %(default)s)",
    )
    parser.add_argument("--offline", action="store_true", help="fetch nothing")
    options = parser.parse_args(argv)
    if options.pairs < 1:
        parser.error("--pairs: at least 1")
    try:
        request = BootRequest(
            board=load(options.board), method="multiboot", offline=options.offline, login=False
        )
        with tempfile.TemporaryDirectory(prefix="boot-overhead-") as folder:
            pairs = measure(
                Pairs(request, Path(folder), options.others), options.pairs, options.others
            )
    except HarnessError as bad:
        print(bad, file=sys.stderr)
        return bad.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return report(pairs, options.bound)


if __name__ == "__main__":
    raise SystemExit(main())
