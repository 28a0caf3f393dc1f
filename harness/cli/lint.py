"""`harness lint`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from harness.board import Board, load
from harness.cli.options import add_board_path, out
from harness.errors import EXIT_BOARD_FAILED, EXIT_PASS
from harness.lint.engine import lint
from harness.lint.facts import Facts, Range
from harness.lint.report import as_json, as_text, fails


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "lint",
        help="check boot scripts, device trees, domain configurations and images",
        description="Check the files that a board boots from, without booting it: boot.cmd, "
        "boot.scr, .dtb, .dts, xl's domain configurations, kernel and guest images. Files that "
        "are given together know of each other.",
    )
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+")
    parser.add_argument("--board", metavar="BOARD", help="where its RAM and registers are")
    add_board_path(parser)
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="of the report (default: text)"
    )
    parser.add_argument(
        "--fail-on",
        choices=("error", "warning"),
        default="error",
        help="from which severity on the exit code is 1 (default: error)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Lint, report, and give the exit code."""
    board = load(options.board, options.board_path) if options.board else None
    linted = lint(options.files, _facts(board) if board else None)
    text = json.dumps(as_json(linted), indent=2) if options.format == "json" else as_text(linted)
    out(text)
    return EXIT_BOARD_FAILED if fails(linted, options.fail_on) else EXIT_PASS


def _facts(board: Board) -> Facts:
    hardware = board.hardware
    cpus = hardware.arm.cpus if hardware.arm else None
    return Facts(
        ram=tuple(Range.of(one.start, one.size, "RAM") for one in hardware.ram or ()),
        io=tuple(Range.of(one.start, one.size) for one in hardware.io or ()),
        cpus=cpus or (hardware.cpu.count if hardware.cpu else None),
    )
