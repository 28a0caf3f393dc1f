"""`harness soak`."""

from __future__ import annotations

import argparse
import json
import re
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from harness.cli.hang import add_hang_options, hang_options
from harness.cli.options import DEFAULT_BOARD, add_boot_options, out, request_from
from harness.cli.words import absolute_board, words_of
from harness.errors import (
    EXIT_BOARD_FAILED,
    EXIT_INFRA,
    EXIT_PASS,
    InfraError,
    UsageError,
)
from harness.report.soak import (
    SoakProgress,
    compared_to_json,
    comparison,
    soak_report,
    soak_to_json,
)
from harness.soak import asking
from harness.soak.executors import open_executor
from harness.soak.injection import Recipe, chosen
from harness.soak.journal import Journal, read_journal
from harness.soak.lines import Contents
from harness.soak.memory import memory_note
from harness.soak.plan import Injection, SoakPlan, Until
from harness.soak.running import INTERRUPTED, Soak, Tasks, binaries_of
from harness.soak.summary import summarise
from harness.statistics.binomial import Rate, checked_confidence

_RATE = re.compile(r"(\d{1,9})/(\d{1,9})")
# Seconds for each hang: the other boots wait for this one.
_LIMIT = 60.0
_EPILOG = """\
examples:
  harness soak run apu2 --method multiboot --boots 100 --jobs 2
  harness soak run apu2 --until-confident 1/30@95     until it is known: more, or less often?
  harness soak run apu2 --hours 10 --out night
  harness soak resume night                           after an interruption, also kill -9
  harness soak compare before after                   did the fix help?
  harness soak compare 29/100 0/100

exit codes: 0 all boots passed, 1 some failed, 2 wrong usage, 3 interrupted, or our side failed
"""


def add(commands: Any) -> None:
    """Add this command to the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "soak",
        help="boot again and again: how often does it fail, and in which ways",
        description="Boot a board again and again, keep each run, say how often it fails, with an "
        "interval, and in which ways. docs/soak.md says more.",
        epilog=_EPILOG,
        formatter_class=raw,
    )
    what = parser.add_subparsers(metavar="WHAT", required=True)

    running = what.add_parser("run", help="begin a soak", description="Begin a soak.")
    running.add_argument("board", nargs="?", default=DEFAULT_BOARD, metavar="BOARD")
    _add_ends(running)
    _add_what_is_booted(running)
    running.add_argument_group("what is kept").add_argument(
        "--out", metavar="DIR", type=Path, help="the folder of the soak; must be new or empty"
    )
    _add_shown(running)
    running.set_defaults(run=run_new)

    resuming = what.add_parser(
        "resume",
        help="go on with a soak that was interrupted",
        description="Go on with a soak that was interrupted, with the options it was begun with. "
        "What had ended counts, also after SIGKILL; no boot counts twice.",
    )
    resuming.add_argument("folder", metavar="DIR", type=Path)
    _add_shown(resuming)
    resuming.set_defaults(run=run_again)

    reporting = what.add_parser(
        "report",
        help="what a soak has found, also while it runs",
        description="What a soak has found so far, also while it runs.",
    )
    reporting.add_argument("folder", metavar="DIR", type=Path)
    reporting.add_argument("--json", action="store_true", help="as JSON")
    reporting.set_defaults(run=run_report)

    comparing = what.add_parser(
        "compare",
        help="two soaks: did the failure rate change",
        description="Compare the failure rates of two soaks, the one before a change first: "
        "Fisher's exact test, two-sided.",
    )
    for name, text in (("before", "a soak, or FAILURES/BOOTS"), ("after", "the same")):
        comparing.add_argument(name, metavar="DIR|N/M", help=text)
    comparing.add_argument(
        "--confidence",
        metavar="C",
        default="95%",
        help="of the intervals and the test (default 95%%)",
    )
    comparing.add_argument("--json", action="store_true", help="as JSON")
    comparing.set_defaults(run=run_compare)


def _add_ends(parser: argparse.ArgumentParser) -> None:
    ends = parser.add_argument_group("when it ends (at least one; whichever is first)")
    ends.add_argument("--boots", metavar="N", type=int, help="after so many boots")
    ends.add_argument(
        "--until-confident",
        metavar="RATE[@CONFIDENCE]",
        help="as soon as it is known whether the failure rate is above or below this: 1/30, 3%%, "
        "1/30@99 (default: 95%% confidence)",
    )
    ends.add_argument("--hours", metavar="H", type=float, help="starts no boot after so long")
    parser.add_argument(
        "--jobs", metavar="J", type=int, default=1, help="boots at a time (default 1)"
    )
    parser.add_argument(
        "--seed",
        metavar="S",
        type=int,
        help="of everything that is chosen by chance (default: another one each time)",
    )
    parser.add_argument(
        "--inject",
        metavar="SHARE:RECIPE[,...]",
        help="make this share of the boots fail, to try a soak out: 20%%:no-iommu; docs/soak.md "
        "has the recipes",
    )


def _add_what_is_booted(parser: argparse.ArgumentParser) -> None:
    add_boot_options(parser)
    add_hang_options(parser)


def _add_shown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--executor",
        metavar="WHERE",
        default="local",
        help="where the boots run: local (default), or dask:ADDRESS of the scheduler of a "
        "dask.distributed cluster",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON, only that")


def _boot_parser() -> argparse.ArgumentParser:
    """What a soak and `harness boot` have in common."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    _add_what_is_booted(parser)
    return parser


def run_new(options: argparse.Namespace) -> int:
    """Begin a soak."""
    plan = _plan(options)
    folder = options.out or _new_folder(options.board)
    progress = SoakProgress()
    try:
        parts = _Parts(plan, progress, refresh=options.refresh)
        plan = parts.with_binaries()
        journal = Journal.create(folder.absolute(), plan)
        return _run(options, journal, parts, progress)
    finally:
        progress.close()


def run_again(options: argparse.Namespace) -> int:
    """Go on with a soak."""
    progress = SoakProgress()
    try:
        journal = Journal.resume(options.folder.absolute())
        with journal:
            parts = _Parts(journal.plan, progress)
            found = parts.with_binaries().binaries
            for role, wanted in journal.plan.binaries.items():
                if found.get(role) != wanted:
                    raise UsageError(
                        f"this soak boots another {role} than there is now",
                        where=str(options.folder),
                        expected=f"SHA-256 {wanted}, not {found.get(role)}",
                        hint="begin a new soak: boots of two kinds are not one figure",
                    )
            return _run(options, journal, parts, progress)
    finally:
        progress.close()


class _Parts:
    """What a plan says is booted, parsed and fetched.

    Args:
        refresh: fetch the package lists anew; only where a soak begins.

    Raises:
        UserError, InfraError: it cannot be booted.
    """

    def __init__(self, plan: SoakPlan, progress: SoakProgress, *, refresh: bool = False) -> None:
        self._plan, self._progress = plan, progress
        try:
            asked = _boot_parser().parse_args(list(plan.options))
        except (argparse.ArgumentError, SystemExit) as bad:
            raise UsageError(f"options that this harness does not know: {bad}") from None
        asked.board, asked.refresh = plan.board, refresh
        self.request = request_from(asked)
        if self.request.target_kind != "qemu" and plan.jobs > 1:
            raise UsageError(
                f"--jobs {plan.jobs}: there is one board on the line", expected="--jobs 1"
            )
        self.forensics = hang_options(asked, _LIMIT)
        self.recipes: dict[str, Recipe] = {}
        if plan.injection is not None:
            with tempfile.TemporaryDirectory(prefix="harness-soak-") as scratch:
                self.recipes = chosen(plan.injection.recipes, self.request, Path(scratch))

    def with_binaries(self) -> SoakPlan:
        """The plan, with what is booted; it is fetched if need be."""
        found = binaries_of(self.request, self._progress.note)
        return SoakPlan.from_json({**self._plan.to_json(), "binaries": found})


def _run(
    options: argparse.Namespace, journal: Journal, parts: _Parts, progress: SoakProgress
) -> int:
    with journal:
        plan = journal.plan
        executor = open_executor(options.executor, plan.jobs)
        try:
            make = Tasks(
                parts.request,
                journal.folder,
                executor.local,
                parts.recipes,
                plan.binaries,
                parts.forensics,
            )
            progress.begin(journal.folder, journal.was)
            if executor.local:
                progress.note(memory_note(parts.request.board, plan.jobs))
            why = Soak(journal, executor, make, progress).run()
        except InfraError as bad:
            _say_what_is_known(options, journal.folder, progress)
            bad.hint = bad.hint or f"harness soak resume {journal.folder}"
            raise
        finally:
            executor.close()
    contents = _say_what_is_known(options, journal.folder, progress)
    if why == INTERRUPTED:
        progress.note(f"interrupted; go on with: harness soak resume {journal.folder}")
        return EXIT_INFRA
    return _code(contents)


def _say_what_is_known(
    options: argparse.Namespace, folder: Path, progress: SoakProgress
) -> Contents:
    progress.close()
    contents = read_journal(folder)
    _print(options, folder, contents)
    return contents


def _code(contents: Contents) -> int:
    rate = summarise(contents).rate
    if rate.failures:
        return EXIT_BOARD_FAILED
    return EXIT_PASS if rate.boots else EXIT_INFRA


def _print(options: argparse.Namespace, folder: Path, contents: Contents) -> None:
    if options.json:
        out(json.dumps(soak_to_json(folder, contents), indent=2))
    else:
        out(soak_report(folder, contents))


def run_report(options: argparse.Namespace) -> int:
    """What a soak has found."""
    contents = read_journal(options.folder)
    _print(options, options.folder.absolute(), contents)
    return _code(contents) if contents.outcomes else EXIT_PASS


def run_compare(options: argparse.Namespace) -> int:
    """Whether a change changed the rate."""
    confidence = checked_confidence(asking.share(options.confidence, "confidence"))
    sides = [_side(text) for text in (options.before, options.after)]
    if options.json:
        out(json.dumps(compared_to_json(sides[0], sides[1], confidence), indent=2))
    else:
        out(comparison(sides[0], sides[1], confidence))
    return EXIT_PASS


def _side(text: str) -> Rate | Contents:
    match = _RATE.fullmatch(text)
    if match and not Path(text).is_dir():
        return Rate(int(match[1]), int(match[2]))
    return read_journal(Path(text))


def _plan(options: argparse.Namespace) -> SoakPlan:
    until = (
        None if options.until_confident is None else asking.until_confident(options.until_confident)
    )
    injection = None if options.inject is None else asking.injection(options.inject)
    return SoakPlan(
        board=absolute_board(options.board),
        options=words_of(_boot_parser(), argparse.Namespace(**{**vars(options), "refresh": False})),
        boots=options.boots,
        until=None if until is None else Until(*until),
        hours=options.hours,
        jobs=options.jobs,
        seed=secrets.randbits(32) if options.seed is None else options.seed,
        injection=None if injection is None else Injection(*injection),
    )


def _new_folder(board: str) -> Path:
    """One for a soak without --out, like those of runs."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{Path(board).stem}"
    folder = user_state_path("harness") / "soaks"
    for number in range(1000):
        path = folder / (name + (f"-{number}" if number else ""))
        if not path.exists():
            return path
    raise UsageError("no free name for the folder of a soak", where=str(folder))
