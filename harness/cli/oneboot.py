"""One boot of a command: progress while it runs, then its report or its result."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from harness.cli.interactive import interact
from harness.cli.options import out
from harness.errors import InfraError, UsageError
from harness.report.progress import Progress
from harness.report.text import text_report
from harness.request import BootRequest
from harness.result import failure
from harness.session import Session


def add_shown_options(parser: argparse.ArgumentParser, typed: str = "") -> argparse._ArgumentGroup:
    """`--verbose`, `--json`, `--out`, `--interactive`; the group, for more of the kind.

    Args:
        typed: what becomes of what is typed, for the help.
    """
    shown = parser.add_argument_group("what is shown and kept")
    shown.add_argument("-v", "--verbose", action="store_true", help="show the console itself")
    shown.add_argument("--json", action="store_true", help="print result.json, nothing else")
    shown.add_argument(
        "--out", metavar="DIR", type=Path, help="the run folder; must be new or empty"
    )
    shown.add_argument(
        "--interactive",
        action="store_true",
        help=f"after the boot, the console is yours (Ctrl-] ends){typed}",
    )
    return shown


def check_terminal(options: argparse.Namespace) -> None:
    """`--interactive` needs one.

    Raises:
        UsageError: there is none.
    """
    if options.interactive and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("--interactive needs a terminal on stdin and stdout")


def boot_shown(
    options: argparse.Namespace,
    request: BootRequest,
    boot: Callable[[Progress], AbstractContextManager[Session]],
    afterwards: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> Mapping[str, Any]:
    """Boot, show it as `--verbose`, `--json` and `--interactive` ask for; the result.

    Args:
        boot: as `booted`, of `request`.
        afterwards: is called when the machine is off, unless `--json` has the output for itself.

    Raises:
        UserError, InfraError: as `booted`; a result that could not be kept is an InfraError.
    """
    progress = Progress(verbose=options.verbose)
    result: Mapping[str, Any] = {}
    try:
        with boot(progress) as session:
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
    else:
        afterwards(result)
    if result["not_written"]:
        raise InfraError(result["not_written"])
    return result
