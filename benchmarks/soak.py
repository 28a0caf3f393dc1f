"""What a soak costs, and that it counts right.

Speed: a soak with one job, and the bare QEMU command in a loop, boot by boot in turn on the same
host, up to the login prompt of dom0 (`--method multiboot`). The soak's time is all that passes from
one bare boot to the next: journal, worker, boot, verdict, teardown, compression. The bare loop
starts QEMU, waits for the prompt, and ends it. The first pair warms up, and is left out. A pair
during which other processes used the CPUs is left out too.

Counts: a soak with seeded injected failures, killed with SIGKILL in the middle and resumed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.boot_overhead import BareBoots
from benchmarks.figures import EXIT_INTERRUPTED, Bound, Spread, conclude, print_table
from benchmarks.host import CpuUse, cpu_use, wait_for_quiet
from harness.board.load import load
from harness.build.binaries import resolve
from harness.errors import HarnessError, InfraError
from harness.request import BootRequest
from harness.session import build_for
from harness.soak.executors.local import LocalExecutor
from harness.soak.journal import JOURNAL, Journal, read_journal
from harness.soak.plan import Injection, SoakPlan
from harness.soak.running import Soak, Tasks
from harness.sources import Sources

_QUIET_PATIENCE = 120.0
_SHARE = 0.2
_RECIPES = ("no-iommu", "low-memory", "monitor-left-on", "ivhd-length-zero")


class TakingTurns:
    """A local executor that has the bare command boot after each boot of the soak."""

    jobs, local = 1, True

    def __init__(self, bare: Callable[[], object], others: float) -> None:
        self._inner = LocalExecutor(1)
        self._bare = bare
        self._others = others
        self.pairs: list[tuple[float, float, float]] = []
        """Seconds of the soak and of the bare loop, and the part of the CPUs that others used."""
        self._began = _use()

    def submit(self, task: Mapping[str, Any]) -> None:
        self._inner.submit(task)

    def completed(self, timeout: float) -> list[dict[str, Any]]:
        answers = self._inner.completed(timeout)
        if answers:
            between = _use()
            self._bare()
            after = _use()
            cpus = os.cpu_count() or 1
            others = max(self._began.by_others(between, cpus), between.by_others(after, cpus))
            self.pairs.append((_took(self._began, between), _took(between, after), others))
            ours, bare = self.pairs[-1][:2]
            print(
                f"pair {len(self.pairs) - 1}: soak {ours:.2f} s, bare {bare:.2f} s, others used "
                f"{others:.0%} of the CPUs",
                file=sys.stderr,
            )
            wait_for_quiet(self._others, _QUIET_PATIENCE)
            self._began = _use()
        return answers

    def close(self) -> None:
        self._inner.close()


def _use() -> CpuUse:
    """What was used up to now; what our child processes used, and theirs, is our own."""
    used = cpu_use()
    ticks = os.sysconf("SC_CLK_TCK")
    for one in Path("/proc/self/task").glob("*/children"):
        for child in one.read_text(encoding="ascii").split():
            stat = Path(f"/proc/{child}/stat")
            with contextlib.suppress(OSError):
                # utime, stime, and those of its children that have ended (proc_pid_stat(5)).
                fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
                used = replace(used, own=used.own + sum(map(int, fields[11:15])) / ticks)
    return used


def _took(since: CpuUse, until: CpuUse) -> float:
    return until.at - since.at


def measure(options: argparse.Namespace, folder: Path) -> list[Bound]:
    """Soak and bare loop in turn.

    Raises:
        HarnessError: a boot did not reach its login, or no pair was undisturbed.
    """
    board = load(options.board)
    # Nothing is typed, by the harness as by the bare reader.
    request = BootRequest(board=board, method="multiboot", offline=options.offline, login=False)
    work = folder / "bare"
    work.mkdir()
    sources = Sources(offline=request.offline)
    artifacts = build_for(request, resolve(board, request.roles(), {}, sources), work)
    executor = TakingTurns(BareBoots(request, artifacts).boot, options.others)
    soak = folder / "soak"
    with Journal.create(soak, SoakPlan(board.name, boots=options.pairs + 1)) as journal:
        Soak(journal, executor, Tasks(request, soak)).run()
    if any(one.signature.failed for one in read_journal(soak).outcomes.values()):
        raise InfraError("a boot of the soak failed")
    good = [pair for pair in executor.pairs[1:] if pair[2] <= options.others]
    if not good:
        raise InfraError(
            "every pair was disturbed by others", hint="a quiet host, or take any: --others 1"
        )
    rows = []
    for name, index in (("soak", 0), ("bare loop", 1)):
        spread = Spread.of([pair[index] for pair in good])
        per_hour = 3600 * len(good) / sum(pair[index] for pair in good)
        figures = (spread.median, spread.least, spread.most)
        rows.append([name, *(f"{x:.2f}" for x in figures), f"{per_hour:.0f}"])
    print(f"seconds from boot to boot, up to the login prompt, {len(good)} pairs")
    print_table(["", "median", "min", "max", "boots per hour"], rows)
    ratio = sum(pair[1] for pair in good) / sum(pair[0] for pair in good)
    return [Bound("boots per hour, soak to bare loop", ratio, options.bound, at_least=True)]


def count(options: argparse.Namespace, folder: Path) -> list[Bound]:
    """A soak with injected failures that is killed and resumed.

    Raises:
        HarnessError: it did not come to its end.
    """
    soak = folder / "counted"
    inject = f"{_SHARE:g}:{','.join(_RECIPES)}"
    words = ["run", options.board, "--method", "multiboot", "--boots", str(options.boots)]
    words += ["--seed", str(options.seed), "--inject", inject, "--out", str(soak)]
    words += ["--deadline-scale", str(options.deadline_scale), "--jobs", str(options.jobs)]
    words += ["--offline"] if options.offline else []
    first = _harness(words)
    try:
        _wait_for(first, soak, options.boots // 2)
        first.send_signal(signal.SIGKILL)
        first.wait()
    finally:
        first.kill()
        first.wait()
    before = read_journal(soak)
    print(
        f"killed with SIGKILL after {len(before.outcomes)} boots, {len(before.unfinished)} running",
        file=sys.stderr,
    )
    again = _harness(["resume", str(soak), "--json"])
    said = json.loads(again.communicate()[0])
    found = read_journal(soak)
    plan = SoakPlan(
        options.board,
        boots=options.boots,
        seed=options.seed,
        injection=Injection(_SHARE, _RECIPES),
    )
    everyone = range(1, options.boots + 1)
    lost = len(set(everyone) - set(found.outcomes))
    changed = sum(found.outcomes[n] != one for n, one in before.outcomes.items())
    others = sum(one.boot != plan.boot(n) for n, one in found.outcomes.items())
    made = [one for one in found.outcomes.values() if one.boot.injected]
    print(f"\n{len(found.outcomes)} boots, {len(made)} of them made to fail (injected)")
    for row in said["unexpected"]:
        print(f"  {row}")
    ours = len(said["summary"]["ours"])
    return [
        Bound("boots lost", lost, 0),
        Bound("boots counted twice", found.repeated, 0),
        Bound("outcomes that changed after SIGKILL", changed, 0),
        Bound("boots with another seed or recipe than planned", others, 0),
        Bound("outcomes that are not the injected one", len(said["unexpected"]), 0),
        Bound("boots that our side failed", ours, 0),
    ]


def _harness(words: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "soak", *words], stdout=subprocess.PIPE, text=True
    )


def _wait_for(soak: subprocess.Popen[str], folder: Path, boots: int) -> None:
    while not (folder / JOURNAL).exists() or len(read_journal(folder).outcomes) < boots:
        if soak.poll() is not None:
            raise InfraError(f"the soak ended with exit code {soak.returncode}")
        time.sleep(0.5)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description="What a soak costs, and that it counts right."
    )
    parser.add_argument("--board", default="apu2", help="its profile (default: %(default)s)")
    parser.add_argument(
        "--pairs", type=int, default=7, help="boots of soak and bare loop; 0: none (default: 7)"
    )
    parser.add_argument(
        "--boots", type=int, default=60, help="of the soak that is killed; 0: none (default: 60)"
    )
    parser.add_argument("--seed", type=int, default=2018, help="of it (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="of it (default: %(default)s)")
    parser.add_argument(
        "--deadline-scale", type=float, default=1.0, help="of it (default: %(default)s)"
    )
    parser.add_argument(
        "--bound", type=float, default=0.9, help="the lowest ratio allowed (default: %(default)s)"
    )
    parser.add_argument(
        "--others",
        type=float,
        default=0.1,
        metavar="PART",
        help="a pair during which other processes use more than this part of the CPUs is left out "
        "(default: %(default)s)",
    )
    parser.add_argument("--offline", action="store_true", help="fetch nothing")
    options = parser.parse_args(argv)
    bounds: list[Bound] = []
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
            if options.pairs > 0:
                bounds += measure(options, Path(name))
            if options.boots > 0:
                bounds += count(options, Path(name))
    except HarnessError as bad:
        print(bad, file=sys.stderr)
        return bad.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return conclude(bounds)


if __name__ == "__main__":
    raise SystemExit(main())
