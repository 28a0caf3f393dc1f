"""`harness boot`."""

from __future__ import annotations

import argparse
from typing import Any

from harness.boot import booted, prepared
from harness.cli.gitbisect import add_git_options, git_from, judge_commit
from harness.cli.hang import add_hang_options, hang_observer
from harness.cli.oneboot import add_shown_options, boot_shown, check_terminal
from harness.cli.options import DEFAULT_BOARD, add_boot_options, out, request_from
from harness.cli.record import boot_recorded
from harness.errors import EXIT_PASS, UsageError
from harness.report.progress import Progress
from harness.result import exit_code


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "boot",
        help="boot a board and judge what it did",
        description="Boot a board through its real chain, watch the console, and judge.",
    )
    parser.add_argument("board", nargs="?", default=DEFAULT_BOARD, metavar="BOARD")
    add_boot_options(parser)
    add_hang_options(parser)
    shown = add_shown_options(parser)
    shown.add_argument(
        "--print-command",
        action="store_true",
        help="prepare everything, print the QEMU command, ready to paste, and do not run it",
    )
    shown.add_argument(
        "--record",
        action="store_true",
        help="record it, so that harness rerun executes it again: on one CPU, on the fast path",
    )
    add_git_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Boot, report, and give the exit code."""
    for_git = git_from(options)
    if options.record:
        return boot_recorded(options)
    request = request_from(options)
    on_hang = hang_observer(options)
    if options.print_command:
        if options.json:
            raise UsageError("--print-command boots nothing, so that --json has no result to print")
        with prepared(request, Progress()) as command:
            out(command)
        return EXIT_PASS
    check_terminal(options)
    if for_git and for_git.boots > 1:
        return judge_commit(
            request, for_git, on_hang, verbose=options.verbose, as_json=options.json
        )
    result = boot_shown(options, request, lambda progress: booted(request, progress, on_hang))
    return for_git.code_of(result) if for_git else exit_code(result["verdict"])
