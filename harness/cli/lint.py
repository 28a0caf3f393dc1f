"""`harness lint`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from harness.board import load
from harness.cli.options import add_board_path, add_report_options, out
from harness.errors import EXIT_BOARD_FAILED, EXIT_PASS
from harness.lint.engine import lint
from harness.lint.of_board import facts_of
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
    add_report_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Lint, report, and give the exit code."""
    board = load(options.board, options.board_path) if options.board else None
    linted = lint(options.files, facts_of(board) if board else None)
    text = json.dumps(as_json(linted), indent=2) if options.format == "json" else as_text(linted)
    out(text)
    return EXIT_BOARD_FAILED if fails(linted, options.fail_on) else EXIT_PASS
