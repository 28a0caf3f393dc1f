"""Lint of one machine's tables in this process, beside `iasl -d`.

    python -m benchmarks.lint_tables [--corpus DIR]

iasl only decodes: the figure says what a CI job pays for the rules and three predictions.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from harness.acpi.builder import Spec, build, coreboot_ivrs
from harness.lint.engine import lint


def own_tables(folder: Path) -> list[Path]:
    """An apu2's tables as files, in a folder of their own."""
    made = folder / "apu2"
    made.mkdir()
    for table in build(Spec(ivrs=coreboot_ivrs(base=0xFED80000))).tables:
        if table.signature in ("IVRS", "APIC", "HPET", "MCFG"):
            (made / f"{table.signature}.bin").write_bytes(table.data)
    return [made]


def milliseconds(times: Sequence[float]) -> str:
    """Median and spread, for people."""
    return f"{median(times) * 1000:7.1f} ms ({min(times) * 1000:.1f} to {max(times) * 1000:.1f})"


def by_lint(machines: Sequence[Path]) -> list[float]:
    """Seconds for each machine; the first is lint's own start, and is left out."""
    lint([machines[0]])
    times = []
    for machine in machines:
        began = time.perf_counter()
        lint([machine])
        times.append(time.perf_counter() - began)
    return times


def by_iasl(iasl: str, machines: Sequence[Path], folder: Path) -> list[float]:
    """Seconds of `iasl -d` for the IVRS of each machine."""
    times = []
    for machine in machines:
        table = folder / "IVRS.bin"
        shutil.copyfile(machine / "IVRS.bin", table)
        began = time.perf_counter()
        subprocess.run([iasl, "-d", str(table)], capture_output=True, check=False)
        times.append(time.perf_counter() - began)
    return times


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="a folder for each machine")
    options = parser.parse_args(argv)
    iasl = shutil.which("iasl")
    if iasl is None:
        print("lint_tables: iasl is not installed: apt-get install acpica-tools", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="harness-lint-") as made:
        folder = Path(made)
        found = sorted(options.corpus.glob("*/IVRS.bin")) if options.corpus else []
        machines = [file.parent for file in found] or own_tables(folder)
        rounds = max(1, 20 // len(machines))
        ours = [one for _ in range(rounds) for one in by_lint(machines)]
        theirs = [one for _ in range(rounds) for one in by_iasl(iasl, machines, folder)]
    print(f"{len(machines)} machines, {rounds} rounds")
    print(f"lint, with three predictions  {milliseconds(ours)}")
    print(f"iasl -d of the IVRS           {milliseconds(theirs)}")
    print(
        "fwts                          " + ("not measured" if shutil.which("fwts") else "not here")
    )
    ratio = median(ours) / median(theirs)
    print(f"ratio to iasl {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
