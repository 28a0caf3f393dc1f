"""`harness replay`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from harness.board import load
from harness.cli.options import add_board_path, out
from harness.errors import UsageError
from harness.replay import ReplayRequest, replayed
from harness.report.text import text_report
from harness.result import exit_code


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "replay",
        help="judge a recorded console log",
        description="Judge a recorded console log with the code that judges a live boot. A "
        "recorded log has no clock: an early end is INCOMPLETE, unless something proves a hang.",
    )
    parser.add_argument("log", metavar="LOG", type=Path, help="the file; - is the standard input")
    parser.add_argument("--board", metavar="BOARD", help="its board (default: generic rules)")
    add_board_path(parser)
    parser.add_argument(
        "--until", metavar="STAGE", help="the goal (default: the board's, or login)"
    )
    parser.add_argument(
        "--silent-for",
        metavar="SECONDS",
        type=float,
        help="you saw the console silent for so long after the last byte: a proof of a hang",
    )
    parser.add_argument(
        "--truncated",
        action="store_true",
        help="the file was cut: that it ends in the middle of a line proves nothing",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the result as JSON, nothing else"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Judge, report, and give the exit code."""
    if options.silent_for is not None and options.truncated:
        raise UsageError("--silent-for and --truncated contradict each other")
    if options.silent_for is not None and not options.silent_for > 0:
        raise UsageError(f"--silent-for {options.silent_for}", expected="seconds, more than 0")
    board = load(options.board, options.board_path) if options.board else None
    session = replayed(
        ReplayRequest(options.log, board, options.until, options.silent_for, options.truncated)
    )
    out(json.dumps(session.result, indent=2) if options.json else text_report(session.result))
    return exit_code(session.result["verdict"])
