"""`harness bisect`."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from platformdirs import user_state_path

from harness.bisecting.candidates import between, of_profile
from harness.bisecting.events import Event
from harness.bisecting.report import Plan, Report
from harness.bisecting.running import bisect
from harness.bisecting.said import parse_bad_if
from harness.boot import booted
from harness.cli.boots import AUTO, Quiet, boots_option, new_folder, say
from harness.cli.hang import add_hang_options, hang_observer
from harness.cli.options import DEFAULT_BOARD, add_boot_options, out, request_from
from harness.errors import InfraError, InputError, UsageError
from harness.regular import read_regular
from harness.report.progress import Progress
from harness.request import BootRequest
from harness.session import HangContext
from harness.soak import asking
from harness.statistics.binomial import CONFIDENCE

JOURNAL, RESULT = "bisect.jsonl", "bisect.json"
_MOST = 1 << 20  # bytes of a list


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "bisect",
        help="find the first bad version, also of a failure that comes only sometimes",
        description="Boot versions of one binary until the first bad one is known. Every run is "
        "kept. A failure of our own side is never good or bad. Commits instead of versions: "
        "git bisect run harness boot ... --bisect",
    )
    parser.add_argument("board", nargs="?", default=DEFAULT_BOARD, metavar="BOARD")
    which = parser.add_argument_group("which versions")
    which.add_argument("--good", metavar="A", help="a version that works")
    which.add_argument("--bad", metavar="B", help="a version that does not")
    which.add_argument(
        "--role", default="xen", metavar="ROLE", help="what has versions: xen (default), kernel ..."
    )
    lists = which.add_mutually_exclusive_group()
    lists.add_argument(
        "--versions",
        metavar="A,B,...",
        help="these, in order, instead of those that the profile knows",
    )
    lists.add_argument(
        "--files", metavar="LIST", type=Path, help="the files that this file names, one per line"
    )
    sure = parser.add_argument_group("how sure")
    sure.add_argument(
        "--boots-per-step",
        metavar="N",
        default=AUTO,
        help="boots that must pass before a version counts as good; auto (default): as many as "
        "rate and confidence ask for",
    )
    sure.add_argument(
        "--rate",
        metavar="R",
        help="at which a bad version fails: 0.03, 3%%, 1/30; 1 = always (default: measured on "
        "--bad)",
    )
    sure.add_argument(
        "--confidence",
        metavar="C",
        default=str(CONFIDENCE),
        help="that all answers are right (default: 0.95)",
    )
    sure.add_argument(
        "--no-check-ends", action="store_true", help="believe that --good is good and --bad bad"
    )
    sure.add_argument(
        "--bad-if",
        metavar="VERDICT[:TEXT]",
        help="bad only with this verdict, and this text in cause or last line; other failures are "
        "not counted",
    )
    add_boot_options(parser)
    add_hang_options(parser)
    shown = parser.add_argument_group("what is shown and kept")
    shown.add_argument("-v", "--verbose", action="store_true", help="show the console itself")
    shown.add_argument("--json", action="store_true", help="print the answer as JSON")
    shown.add_argument(
        "--out", metavar="DIR", type=Path, help="journal and runs go here; must be new or empty"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Bisect, report, and give the exit code."""
    request = request_from(options)
    on_hang = hang_observer(options)
    versions, uses = _versions(options, request)
    plan = Plan(
        versions,
        asking.share(options.confidence, "--confidence"),
        asking.share(options.rate, "--rate") if options.rate is not None else None,
        boots_option(options.boots_per_step, "--boots-per-step"),
        not options.no_check_ends,
        parse_bad_if(options.bad_if) if options.bad_if is not None else None,
    )
    requests = {
        version: replace(request, uses={**request.uses, options.role: use}, out=None)
        for version, use in uses.items()
    }
    folder = _folder(options.out, request.board.name)
    with _Journal(folder) as journal:
        journal.begin(plan, request.board.name, options.role)
        boot = _boots(requests, plan.versions, folder, on_hang, verbose=options.verbose)
        report = bisect(plan, boot, journal.tell)
        told = {
            **report.to_json(),
            "board": request.board.name,
            "role": options.role,
            "folder": str(folder),
        }
        journal.end(told)
    _write(folder / RESULT, json.dumps(told, indent=2) + "\n")
    out(json.dumps(told, indent=2) if options.json else _text(report, folder))
    return report.exit_code


def _versions(
    options: argparse.Namespace, request: BootRequest
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The versions from the good end to the bad one, and what `--use ROLE=` is for each."""
    role, known = options.role, request.known()
    if role not in known:
        raise UsageError(
            f"--role {role}: board {request.board.name} has no {role}",
            expected=f"one of: {', '.join(known)}",
        )
    if role in request.uses:
        raise UsageError(f"--use {role}={request.uses[role]}: {role} is what is bisected")
    if role not in request.roles():
        raise UsageError(f"--role {role}: this boot does not use it")
    if options.files is not None:
        versions = between(_listed(options.files), options.good, options.bad)
        return versions, {name: str(Path(name).absolute()) for name in versions}
    if options.versions is not None:
        names = [name.strip() for name in options.versions.split(",")]
        versions = between([name for name in names if name], options.good, options.bad)
    else:
        versions = of_profile(known[role].versions, role, options.good, options.bad)
    return versions, {name: name for name in versions}


def _listed(path: Path) -> list[str]:
    """The files that a file names; empty lines and those with # are left out."""
    try:
        text = read_regular(path, _MOST, "list of files").decode()
    except (OSError, ValueError) as bad:
        reason = getattr(bad, "strerror", None) or str(bad)
        raise InputError(f"cannot be read: {reason}", where=str(path)) from None
    rows = [row.strip() for row in text.splitlines()]
    return [row for row in rows if row and not row.startswith("#")]


def _folder(asked: Path | None, board: str) -> Path:
    stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{board}"
    return new_folder(asked or user_state_path("harness") / "bisects" / stamp, "a bisection")


def _boots(
    requests: Mapping[str, BootRequest],
    versions: tuple[str, ...],
    folder: Path,
    on_hang: Callable[[HangContext], None] | None,
    *,
    verbose: bool,
) -> Callable[[str, int], Mapping[str, Any]]:
    """Boots a version, and keeps the run."""

    def boot(version: str, number: int) -> Mapping[str, Any]:
        short = re.sub(r"[^\w.+~-]+", "_", Path(version).name)[:60]
        name = f"{versions.index(version) + 1:03d}-{short}"
        request = replace(requests[version], out=folder / "runs" / name / f"{number:04d}")
        watch = Progress(verbose=True) if verbose else Quiet()
        try:
            with booted(request, watch, on_hang) as session:
                result = session.result
        finally:
            if isinstance(watch, Progress):
                watch.close()
        if result["not_written"]:
            raise InfraError(result["not_written"])
        return result

    return boot


class _Journal:
    """What happens, in a file and on the terminal."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        try:
            self._file: TextIO = self._path.open("x", encoding="utf-8")
        except OSError as bad:
            raise InfraError.of(bad, "cannot write", self._path) from None

    def begin(self, plan: Plan, board: str, role: str) -> None:
        """The first line: what is asked."""
        self._line("begin", {"board": board, "role": role, **plan.to_json()})

    def tell(self, event: Event) -> None:
        """One event."""
        self._line(event.kind, event.to_json())
        say(event.text())

    def end(self, answer: Mapping[str, Any]) -> None:
        """The last line: the answer."""
        self._line("end", answer)

    def _line(self, kind: str, value: Mapping[str, Any]) -> None:
        row = {"kind": kind, "at": round(time.time(), 3), **value}
        try:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        except OSError as bad:
            raise InfraError.of(bad, "cannot write", self._path) from None

    def __enter__(self) -> _Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as bad:
        raise InfraError.of(bad, "cannot write", path) from None


def _text(report: Report, folder: Path) -> str:
    return f"{report.text()}\n  runs in {folder}"
