"""Boots to the login prompt that are timed: what all benchmarks of boots share.

The bare reader only looks for the prompt. QEMU is started paused, and the time is taken from QMP's
`cont` to the chunk of the serial line that ends with the prompt, by the harness as by the bare
reader.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.figures import EXIT_INTERRUPTED, Bound, Spread, conclude, print_table
from benchmarks.host import cpu_use, wait_for_quiet
from harness import process
from harness.board import Board
from harness.board.load import load
from harness.boot import booted
from harness.console import Console
from harness.errors import HarnessError, InfraError
from harness.request import BootRequest
from harness.session import Observer, Session
from harness.target.base import Channel, ChannelClosed, Target
from harness.target.channels import PipeChannel
from harness.target.qemu import QemuTarget
from harness.target.qemu_command import Wiring

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


class Stopwatch(Observer):
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


def harness_boot(
    request: BootRequest, then: Callable[[Session, Stopwatch], Mapping[str, float]]
) -> Boot:
    """One boot by the harness.

    Args:
        then: is called while the board is up; gives more seconds "around" the boot, by name.

    Raises:
        InfraError: it did not reach the login.
    """
    watch = Stopwatch()
    with booted(request, watch) as session:
        login = session.result["stages"].get("login")
        if login is None:
            raise InfraError(
                f"the boot did not reach its login: {session.verdict.kind}, {session.verdict.cause}"
            )
        more = then(session, watch)
        leaving = time.monotonic()
    ended = time.monotonic()
    began = watch.began
    around = {
        "sources": began["build"] - began["sources"],
        "build": began["serve"] - began["build"],
        "start of QEMU": watch.power_on - began["serve"],
        "login to verdict": began["finished"] - watch.power_on - login,
        **more,
        "end of QEMU": ended - leaving,
    }
    return Boot(login, watch.cpu, around)


def bare_boot(command: Callable[[Wiring], list[str]], folder: Path) -> Boot:
    """One boot by QEMU alone, in `folder`, with a reader that does nothing but wait.

    Raises:
        InfraError: no login prompt came.
    """
    qmp, qmp_end = socket.socketpair()
    log = folder / "qemu.log"
    with closing(PipeChannel(folder, "serial")) as serial, qmp:
        with qmp_end, log.open("ab") as output:
            end = qmp_end.fileno()
            argv = command(Wiring("serial", end))
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


def _watched(boot: Callable[[], Boot]) -> Boot:
    before = cpu_use()
    made = boot()
    return replace(made, others=before.by_others(cpu_use(), os.cpu_count() or 1))


def in_turn(
    ours: Callable[[], Boot], bare: Callable[[], Boot], *, bare_first: bool, others: float
) -> tuple[Boot, Boot]:
    """A pair on a quiet host: by the harness, and bare.

    Args:
        others: a while is waited until others use no more than this part of the CPUs.

    Raises:
        HarnessError: one of them did not reach its login.
    """
    wait_for_quiet(others, _QUIET_PATIENCE)
    if bare_first:
        first = _watched(bare)
        return _watched(ours), first
    return _watched(ours), _watched(bare)


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


def run(
    module: str,
    what: str,
    pair: Callable[[Board, Path, argparse.Namespace], Callable[..., tuple[Boot, Boot]]],
    argv: Sequence[str] | None,
    *,
    board: str,
    pairs: int,
    bound: float,
) -> int:
    """The command line of a benchmark: measure and report; the exit code.

    Args:
        what: is measured, for --help.
        pair: prepares, in an empty folder, what makes a pair (`measure`).
        board, pairs, bound: what --board, --pairs and --bound are by default.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=what)
    parser.add_argument("--board", default=board, help="its profile (default: %(default)s)")
    parser.add_argument(
        "--pairs", type=int, default=pairs, help="boots of each (default: %(default)s)"
    )
    parser.add_argument(
        "--bound",
        type=float,
        default=bound,
        help="the highest ratio allowed (default: %(default)s)",
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
        profile = load(options.board)
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            made = measure(pair(profile, Path(folder), options), options.pairs, options.others)
    except HarnessError as bad:
        print(bad, file=sys.stderr)
        return bad.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return report(made, options.bound)
