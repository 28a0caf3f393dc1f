"""`harness runs`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from harness.cli.options import out
from harness.errors import EXIT_PASS, UsageError
from harness.run import prune, root, runs


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "runs",
        help="list and prune the folders of past runs",
        description="List past runs, oldest first. A run whose harness was killed is ABANDONED.",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run_list)
    what = parser.add_subparsers(metavar="WHAT")
    gone = what.add_parser("prune", help="remove old runs")
    gone.add_argument("--keep", metavar="N", type=int, required=True, help="keep the newest N")
    gone.set_defaults(run=run_prune)


def run_list(options: argparse.Namespace) -> int:
    """One line a run."""
    found = runs()
    if options.json:
        keys = ("board", "target", "evidence", "verdict", "stage", "seconds")
        rows = [
            {**{k: r.result.get(k) for k in keys}, "verdict": r.verdict, "run_folder": str(r.path)}
            for r in found
        ]
        out(json.dumps(rows, indent=2))
        return EXIT_PASS
    for run in found:
        stage = run.result.get("stage") or "-"
        seconds = run.result.get("seconds")
        took = f"{seconds:.1f} s" if isinstance(seconds, int | float) else "-"
        out(f"{run.verdict:11} {stage:11} {took:>8}  {run.path}")
    if not found:
        out(f"no runs in {root()}")
    return EXIT_PASS


def run_prune(options: argparse.Namespace) -> int:
    """Remove all but the newest."""
    if options.json:
        raise UsageError("runs prune has no --json")
    if options.keep < 0:
        raise UsageError(f"--keep {options.keep}", expected="0 or more")
    gone = prune(keep=options.keep)
    for path in gone:
        out(f"removed {path}")
    out(f"{len(gone)} removed")
    return EXIT_PASS
