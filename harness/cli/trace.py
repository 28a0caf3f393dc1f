"""`harness trace`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.boot import booted
from harness.cli.options import DEFAULT_BOARD, add_boot_options, out, request_from
from harness.errors import EXIT_PASS, InfraError, InputError, UsageError
from harness.forensics import on_hang
from harness.formats.xenalyze import parse
from harness.regular import read_regular
from harness.report.progress import Progress
from harness.report.text import text_report
from harness.report.trace import summary_report, trace_report
from harness.request import BootRequest
from harness.result import exit_code
from harness.session import Session
from harness.shell.base import ShellError
from harness.tracing import BUFFER_PAGES, Trace, trace
from harness.tracing.taking import check
from harness.verdict import Kind

# A summary of a hundred vCPUs has 200 kB.
_MOST = 8 << 20
_SECONDS = 5


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "trace",
        help="boot, and trace what Xen does: who runs, hypercalls, exits",
        description="Boot a board, trace Xen with xentrace in dom0, and show xenalyze's figures: "
        "who ran where and for how long, hypercalls, exit reasons. dom0 must have Xen's tools "
        "(--root nfs, 9p or initramfs). The figures stay in the run folder.",
    )
    parser.add_argument("board", nargs="?", default=DEFAULT_BOARD, metavar="BOARD")
    traced = parser.add_argument_group("what is traced")
    traced.add_argument(
        "--seconds", metavar="T", type=int, default=_SECONDS, help="how long (default: 5)"
    )
    traced.add_argument(
        "--guest",
        metavar="CFG",
        type=Path,
        help="create this domain (a file for xl create), and trace it from its first instruction",
    )
    traced.add_argument(
        "--run", metavar="CMD", dest="command", help="run this in dom0 while it is traced"
    )
    traced.add_argument(
        "--events",
        metavar="MASK",
        default="all",
        help="all (default), gen, sched, dom0op, hvm, or a number as for xentrace -e",
    )
    traced.add_argument(
        "--buffer-pages",
        metavar="N",
        type=int,
        default=BUFFER_PAGES,
        help=f"size of the trace buffer of each CPU (default: {BUFFER_PAGES})",
    )
    traced.add_argument("--raw", action="store_true", help="keep the trace itself too")
    traced.add_argument(
        "--read", metavar="FILE", type=Path, help="boot nothing: show this output of xenalyze"
    )
    add_boot_options(parser)
    shown = parser.add_argument_group("what is shown and kept")
    shown.add_argument("-v", "--verbose", action="store_true", help="show the console itself")
    shown.add_argument("--json", action="store_true", help="print trace.json, nothing else")
    shown.add_argument(
        "--out", metavar="DIR", type=Path, help="the run folder; must be new or empty"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Trace, report, and give the exit code."""
    if options.read is not None:
        return _read(options)
    check(options.seconds, options.events, options.buffer_pages)
    guest = _guest(options)
    request = request_from(options)
    if request.until is not None and request.until != request.board.boot.goal:
        raise UsageError(f"--until {request.until}: a trace needs a dom0 that is logged in")
    return _boot(options, request, guest)


def _boot(options: argparse.Namespace, request: BootRequest, guest: str | None) -> int:
    progress = Progress(verbose=options.verbose)
    taken: Trace | None = None
    result: Mapping[str, Any] = {}
    try:
        with booted(request, progress, on_hang()) as session:
            result = session.result
            progress.close()
            if session.verdict.kind is Kind.PASS:
                taken = _traced(session, options, guest)
            elif not options.json:
                out(text_report(result))
    finally:
        progress.close()
    if taken is not None:
        out(json.dumps(taken.to_json(), indent=2) if options.json else trace_report(taken))
    elif options.json:
        out(json.dumps(result, indent=2))
    if result["not_written"]:
        raise InfraError(result["not_written"])
    return exit_code(result["verdict"])


def _traced(session: Session, options: argparse.Namespace, guest: str | None) -> Trace:
    """The trace; of a guest too, that is gone afterwards."""
    dom0 = session.dom0
    command: str | None = options.command
    name = None
    if guest is not None:
        name = dom0.xl.create(guest, paused=True).name
        command = f"xl unpause {name}"
    try:
        return trace(
            dom0,
            options.seconds,
            keep=session.run.path if session.run else None,
            mask=options.events,
            buffer_pages=options.buffer_pages,
            command=command,
            raw=options.raw,
            evidence=session.target.evidence,
        )
    finally:
        if name is not None:
            _destroy(session, name)


def _destroy(session: Session, name: str) -> None:
    # The machine goes too: that a guest cannot be destroyed must not hide what came before.
    try:
        session.dom0.xl.destroy(name)
    except ShellError as bad:
        print(f"harness: {bad.message}", file=sys.stderr)  # noqa: T201 -- a command line


def _guest(options: argparse.Namespace) -> str | None:
    if options.guest is None:
        return None
    if options.command is not None:
        raise UsageError("--guest and --run: one of them is what is traced")
    return _text(options.guest, "domain configuration")


def _read(options: argparse.Namespace) -> int:
    for name, value in (("--guest", options.guest), ("--run", options.command)):
        if value is not None:
            raise UsageError(f"--read boots nothing, so that {name} has no dom0")
    summary = parse(_text(options.read, "output of xenalyze"))
    if not summary.domains and summary.seconds is None:
        raise InputError(
            "there is no summary of xenalyze in it",
            where=str(options.read),
            expected="the output of `xenalyze --summary FILE`; or a trace.txt of a run folder",
        )
    out(json.dumps(asdict(summary), indent=2) if options.json else summary_report(summary))
    return EXIT_PASS


def _text(path: Path, what: str) -> str:
    """A file of the user's.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return read_regular(path, _MOST, what).decode(errors="replace")
    except (OSError, ValueError) as bad:
        reason = getattr(bad, "strerror", None) or str(bad)
        raise InputError(f"cannot be read: {reason}", where=str(path)) from None
