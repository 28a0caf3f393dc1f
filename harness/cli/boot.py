"""`harness boot`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.boot import booted, prepared
from harness.cli.hang import add_hang_options, hang_observer
from harness.cli.interactive import interact
from harness.cli.options import DEFAULT_BOARD, add_boot_options, out, request_from
from harness.errors import EXIT_PASS, InfraError, UsageError
from harness.report.progress import Progress
from harness.report.text import text_report
from harness.result import exit_code, failure
from harness.verdict import Kind

_BAD, _SKIP = 1, 125  # git bisect run


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
    shown = parser.add_argument_group("what is shown and kept")
    shown.add_argument("-v", "--verbose", action="store_true", help="show the console itself")
    shown.add_argument("--json", action="store_true", help="print result.json, nothing else")
    shown.add_argument(
        "--out", metavar="DIR", type=Path, help="the run folder; must be new or empty"
    )
    shown.add_argument(
        "--print-command",
        action="store_true",
        help="prepare everything, print the QEMU command, ready to paste, and do not run it",
    )
    shown.add_argument(
        "--interactive",
        action="store_true",
        help="after the boot, the console is yours (Ctrl-] ends)",
    )
    bisect = parser.add_argument_group("for git bisect run")
    bisect.add_argument(
        "--bisect",
        action="store_true",
        help="exit 0 good, 1 bad, 125 cannot be judged (our side failed, wrong usage)",
    )
    bisect.add_argument(
        "--bad-if",
        metavar="VERDICT[:TEXT]",
        help="with --bisect: bad only with this verdict, and this text in cause or last line; "
        "other failures are 125",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Boot, report, and give the exit code."""
    bad_if = _bad_if(options)
    request = request_from(options)
    on_hang = hang_observer(options)
    if options.print_command:
        if options.json:
            raise UsageError("--print-command boots nothing, so that --json has no result to print")
        with prepared(request, Progress()) as command:
            out(command)
        return EXIT_PASS
    if options.interactive and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("--interactive needs a terminal on stdin and stdout")
    progress = Progress(verbose=options.verbose)
    result: Mapping[str, Any] = {}
    try:
        with booted(request, progress, on_hang) as session:
            result = session.result
            if not options.json:
                out(text_report(result))
            if options.interactive:
                interact(session)
    except InfraError as bad:
        progress.close()
        if options.json:
            result = result or bad.result or failure(request, bad, None)
            out(json.dumps(result, indent=2))
        raise
    finally:
        progress.close()
    if options.json:
        out(json.dumps(result, indent=2))
    if result["not_written"]:
        raise InfraError(result["not_written"])
    return _bisect_code(result, bad_if) if options.bisect else exit_code(result["verdict"])


def _bad_if(options: argparse.Namespace) -> tuple[str, str] | None:
    if options.bad_if is None:
        return None
    if not options.bisect:
        raise UsageError("--bad-if goes with --bisect")
    kind, _, text = options.bad_if.partition(":")
    failures = [k.value for k in Kind if k is not Kind.PASS]
    if kind.upper() not in failures:
        raise UsageError(f"--bad-if {options.bad_if}", expected=f"one of {', '.join(failures)}")
    return kind.upper(), text


def _bisect_code(result: Mapping[str, Any], bad_if: tuple[str, str] | None) -> int:
    """git bisect run: 0 good, 1 bad, 125 skip. A failure of our side is never good or bad."""
    code = exit_code(result["verdict"])
    if code == EXIT_PASS:
        return EXIT_PASS
    if bad_if is None:
        return _BAD if code == _BAD else _SKIP
    kind, text = bad_if
    said = f"{result['cause']}\n{result['last_line']}\n{result['partial_line']}"
    return _BAD if result["verdict"] == kind and text in said else _SKIP
