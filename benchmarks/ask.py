"""What it costs to ask the real Xen: against the bare emulator, and several at a time.

One question: `harness.ask.ask`, from the call to its answer (work folder, tables, emulator,
console, verdict, all ended again), against the same QEMU command with the same files, started by
hand, whose console is read until the verdict line and which is then killed. They take turns.

A batch: the same questions one after another and on several CPUs; what is compared is the rate.
Serial and parallel rounds take turns too. Questions that hang are left out: how long a silence is
waited for is a choice, not a cost.

Others that use the CPUs disturb all of this: their part is measured, and shown.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

from benchmarks.figures import EXIT_INTERRUPTED, Bound, Spread, conclude, print_table
from benchmarks.host import cpu_use, wait_for_quiet
from harness.acpi.builder import Spec, build, q35_ivrs
from harness.acpi.mutations import NAMED, apply_to_ivrs
from harness.ask import Q35, Consumer, Question, ask, ask_many, consumers
from harness.ask.command import MODULE, ask_command
from harness.board.load import load
from harness.errors import HarnessError, InfraError
from harness.formats.acpi.fwcfg import loader_blobs
from harness.sources import Sources
from harness.target.qemu_command import Wiring

_END = b"Brought up "
_LIMIT = 60.0
_QUIET = 0.1
_PATIENCE = 60.0
_CPUS = os.cpu_count() or 1
_HANGS = frozenset({"base-wrong", "ivhd-length-zero", "ivhd-length-short", "iommu-twice"})


def bare(folder: Path, argv: Sequence[str]) -> float:
    """Seconds that the emulator alone takes to the verdict line, and to its end."""
    start = time.monotonic()
    with subprocess.Popen(
        argv,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            seen = b""
            while _END not in seen:
                data = os.read(process.stdout.fileno(), 65536) if process.stdout else b""
                if not data or time.monotonic() - start > _LIMIT:
                    raise InfraError(f"the bare emulator came to no verdict: {seen[-200:]!r}")
                seen += data
        finally:
            process.kill()
    return time.monotonic() - start


def asked(question: Question) -> float:
    """Seconds that the harness takes."""
    start = time.monotonic()
    answer = ask(question)
    took = time.monotonic() - start
    if answer.outcome != "enabled":
        raise InfraError(f"the good tables are {answer.outcome}: {answer.messages}")
    return took


def batch(questions: Sequence[Question], jobs: int) -> float:
    """Seconds for all of them."""
    start = time.monotonic()
    for one in ask_many(questions, jobs=jobs):
        if one.error:
            raise one.error
    return time.monotonic() - start


def single_bound(xen: Consumer, folder: Path, rounds: int) -> Bound:
    """One question against the bare emulator."""
    tables = build(Spec(ivrs=q35_ivrs()))
    root, *others = tables.tables
    blobs = loader_blobs(root.data, [one.data for one in others])
    named = []
    for name, data in {**blobs.files, MODULE: b"\0"}.items():
        file = name.replace("/", "_")
        (folder / file).write_bytes(data)
        if name != MODULE:
            named.append((name, file))
    argv = ask_command(Q35, xen, 1, named, Wiring())
    question = Question(tables, xen)
    asked(question)  # what is imported and cached at first use is not the question's
    bare(folder, argv)
    ours, theirs, ratios = [], [], []
    wait_for_quiet(_QUIET, _PATIENCE)
    before = cpu_use()
    for number in range(rounds):
        if number % 2:
            theirs.append(bare(folder, argv))
            ours.append(asked(question))
        else:
            ours.append(asked(question))
            theirs.append(bare(folder, argv))
        ratios.append(ours[-1] / theirs[-1])
    others_use = before.by_others(cpu_use(), _CPUS)
    rows = []
    for name, values in ((f"ask {xen.name}", ours), ("bare QEMU", theirs), ("ratio", ratios)):
        spread = Spread.of(values)
        rows.append([name, *(f"{v:.3f}" for v in (spread.least, spread.median, spread.most))])
    print_table(["seconds", "least", "median", "most"], rows)
    print(f"{rounds} rounds; others used {others_use:.0%} of the CPUs\n")
    return Bound("one question / bare QEMU, median", Spread.of(ratios).median, 1.5)


def batch_bound(xen: Consumer, size: int, jobs: int, rounds: int) -> Bound:
    """A batch on several CPUs against the same one after another."""
    names = list(islice(cycle(name for name in NAMED if name not in _HANGS), size))
    questions = [
        Question(build(Spec(ivrs=apply_to_ivrs(q35_ivrs(), NAMED[name]))), xen, name=name)
        for name in names
    ]
    rows, ratios = [], []
    for _ in range(rounds):
        wait_for_quiet(_QUIET, _PATIENCE)
        before = cpu_use()
        serial, parallel = batch(questions, 1), batch(questions, jobs)
        others = before.by_others(cpu_use(), _CPUS)
        ratios.append(serial / parallel)
        rows.append(
            [
                f"{size} questions",
                f"{serial:.2f}",
                f"{parallel:.2f}",
                f"{size / parallel:.2f}",
                f"{ratios[-1]:.2f}",
                f"{others:.0%}",
            ]
        )
    print_table(["batch", "serial s", f"{jobs} at once s", "per s", "rate", "others"], rows)
    print()
    return Bound(f"rate on {jobs} CPUs / serial, best round", max(ratios), 1.7, at_least=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ask", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="of the single question")
    parser.add_argument("--batch", type=int, default=50, help="questions in a batch")
    parser.add_argument("--batch-rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--xen", default="4.17", metavar="VERSION")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            board, sources = load("apu2"), Sources()
            (xen,) = consumers([f"xen-{options.xen}"], board, sources, folder)
            print(f"load average {os.getloadavg()[0]:.2f} on {_CPUS} CPUs\n")
            bounds = [
                single_bound(xen, folder, options.rounds),
                batch_bound(xen, options.batch, options.jobs, options.batch_rounds),
            ]
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except HarnessError as bad:
        print(bad, file=sys.stderr)
        return bad.exit_code
    return conclude(bounds)


if __name__ == "__main__":
    sys.exit(main())
