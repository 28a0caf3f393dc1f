"""`harness record`, and `harness boot --record`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.cli.hang import add_hang_options, hang_observer
from harness.cli.oneboot import add_shown_options, boot_shown, check_terminal
from harness.cli.options import DEFAULT_BOARD, add_boot_options, out, request_from
from harness.errors import EXIT_BOARD_FAILED, EXIT_PASS, UsageError
from harness.recording.exploring import (
    Schedule,
    Tried,
    booted_so,
    cpu_counts,
    excluded,
    explore,
    parse_schedule,
    scheduled,
    schedules,
)
from harness.recording.machine import recordable
from harness.recording.telling import kept_as, recipe, tried_line, tried_summary
from harness.report.progress import Progress
from harness.request import BootRequest
from harness.result import exit_code
from harness.session import HangContext

_MOST = 10_000
OnHang = Callable[[HangContext], None] | None


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "record",
        help="boot a board, recorded so that it can be executed again",
        description="Boot a board on the fast path, with one CPU, and record what comes from "
        "outside, so that harness rerun executes it again, instruction by instruction. Ctrl-C "
        "and SIGTERM end a recording well; SIGKILL does not.",
    )
    parser.add_argument("board", nargs="?", default=DEFAULT_BOARD, metavar="BOARD")
    how = parser.add_argument_group("the schedule of the CPUs")
    how.add_argument(
        "--schedule",
        metavar="S",
        help="shift=N,cpus=N,seed=N: an instruction takes 2^shift ns (0 to 10), so many CPUs, this "
        "seed of the machine's random numbers (default: shift=5,cpus=1). With more than one CPU "
        "it is not recorded, but comes out the same each time",
    )
    how.add_argument(
        "--explore", metavar="N", type=int, help="boot with up to N schedules, until one fails"
    )
    how.add_argument(
        "--seed", metavar="S", type=int, help="with --explore: which schedules (default: 1)"
    )
    add_boot_options(parser)
    add_hang_options(parser)
    add_shown_options(parser, "; what you type is recorded")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Boot recorded, report, and give the exit code."""
    if options.explore is not None:
        return _explore(options)
    if options.seed is not None:
        raise UsageError("--seed goes with --explore", hint="--schedule shift=N,cpus=N,seed=N")
    request = request_from(options)
    if options.schedule is None:
        return _boot(options, recordable(request), _hang(options))
    return _boot(options, scheduled(request, parse_schedule(options.schedule)), _hang(options))


def boot_recorded(options: argparse.Namespace) -> int:
    """`harness boot --record`."""
    other = {"--print-command": options.print_command, "--bisect": options.bisect}
    for option, given in other.items():
        if given:
            raise UsageError(f"--record with {option}", expected="one of them")
    return _boot(options, recordable(request_from(options)), _hang(options))


def _hang(options: argparse.Namespace) -> OnHang:
    if options.nmi:
        raise UsageError(
            "--nmi: an NMI is no part of a recording, so that a replay would go another way",
            expected="no --nmi",
        )
    if not options.no_forensics:
        options.nmi = False  # also where Xen's command line has nmi=fatal
    return hang_observer(options)


def _boot(options: argparse.Namespace, request: BootRequest, on_hang: OnHang) -> int:
    check_terminal(options)
    records = request.icount is not None and request.icount.records

    def kept(result: Mapping[str, Any]) -> None:
        if records:
            out(kept_as(Path(result["run_folder"])))

    result = boot_shown(
        options, request, lambda progress: booted_so(request, progress, on_hang), kept
    )
    return exit_code(result["verdict"])


def _explore(options: argparse.Namespace) -> int:
    if not 1 <= options.explore <= _MOST:
        raise UsageError(f"--explore {options.explore}", expected=f"1 to {_MOST}")
    given = {"--schedule": options.schedule, "--interactive": options.interactive}
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} with --explore", expected="one of them")
    request, on_hang = request_from(options), _hang(options)
    seed = 1 if options.seed is None else options.seed
    chosen = list(schedules(options.explore, cpu_counts(request), seed))
    for schedule in {one.records: one for one in chosen}.values():
        scheduled(request, schedule)  # before anything is booted
    tried: list[Tried] = []

    def boot(asked: BootRequest) -> dict[str, Any]:
        progress = Progress(verbose=options.verbose)
        try:
            with booted_so(asked, progress, on_hang) as session:
                return session.result
        finally:
            progress.close()

    for one in explore(request, chosen, boot):
        tried.append(one)
        if not options.json:
            out(tried_line(len(tried), one))
    if options.json:
        out(json.dumps(_as_json(tried, seed), indent=2))
    else:
        out(tried_summary(tried))
        if tried[-1].failed:
            out(recipe(tried[-1], _again(tried[-1].schedule)))
    return EXIT_BOARD_FAILED if tried[-1].failed else EXIT_PASS


def _again(schedule: Schedule) -> list[str]:
    """The command that boots this schedule: as we were called, but for what explores."""
    skipped = ("--explore", "--seed", "--out")
    words: list[str] = []
    skip = False
    for word in sys.argv[1:]:
        name, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif len(name) > len("--e") and any(one.startswith(name) for one in skipped):
            skip = not equals
        else:
            words.append(word)
    return ["harness", *words, "--schedule", str(schedule)]


def _as_json(tried: list[Tried], seed: int) -> dict[str, Any]:
    clean = sum(one.verdict == "PASS" for one in tried)
    failed = tried[-1].failed
    return {
        "schema": "harness-explore/1",
        "seed": seed,
        "tried": [
            {
                "schedule": str(one.schedule),
                "recorded": one.schedule.records,
                "verdict": one.verdict,
                "cause": one.cause,
                "stage": one.stage,
                "run_folder": one.run_folder,
            }
            for one in tried
        ],
        "failed": failed,
        "excluded_rate": None if failed or not clean else excluded(clean),
        "again": _again(tried[-1].schedule) if failed else None,
    }
