"""`harness boot --bisect`: the verdict on one commit, for `git bisect run`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.bisecting.gitcodes import of_state
from harness.bisecting.said import BadIf, Said, parse_bad_if, said_by
from harness.bisecting.steps import State, boots_per_step, judge_version
from harness.boot import booted
from harness.cli.boots import AUTO, Quiet, boots_option, kept_apart, say
from harness.cli.options import out
from harness.errors import InfraError, UsageError
from harness.report.progress import Progress
from harness.request import BootRequest
from harness.result import failure
from harness.session import HangContext
from harness.soak import asking
from harness.statistics.binomial import CONFIDENCE
from harness.statistics.wording import boots as boots_text

STEPS = 10
"""Answers that a bisection of a thousand commits needs."""


@dataclass(frozen=True)
class Asked:
    """How a commit is judged.

    Attributes:
        boots: that must pass before it counts as good.
        bad_if: the failure that is searched; None = any of the board.
    """

    boots: int = 1
    bad_if: BadIf | None = None

    def state(self, said: list[Said]) -> State:
        """What the boots say."""
        return judge_version(said, self.boots)

    def code_of(self, result: Mapping[str, Any]) -> int:
        """The exit code of a single boot."""
        return of_state(judge_version([said_by(result, self.bad_if)], 1))


def add_git_options(parser: argparse.ArgumentParser) -> None:
    """`--bisect` and what goes with it."""
    group = parser.add_argument_group("for git bisect run")
    group.add_argument(
        "--bisect",
        action="store_true",
        help="exit 0 good, 1 bad, 125 cannot be judged (our side failed, wrong usage)",
    )
    group.add_argument(
        "--bad-if",
        metavar="VERDICT[:TEXT]",
        help="with --bisect: bad only with this verdict, and this text in cause or last line; "
        "other failures are 125",
    )
    group.add_argument(
        "--boots",
        metavar="N",
        help="with --bisect: boots that must pass before a commit is good (default: 1); auto: as "
        "many as --rate and --confidence ask for. The first that fails makes it bad",
    )
    group.add_argument(
        "--rate",
        metavar="R",
        help="with --boots auto: at which a bad commit fails: 0.03, 3%%, 1/30",
    )
    group.add_argument(
        "--confidence",
        metavar="C",
        help="with --boots auto: that all answers of the bisection are right (default: 0.95)",
    )
    group.add_argument(
        "--steps",
        metavar="S",
        type=int,
        help="with --boots auto: answers that git needs; it says how many are left (default: "
        f"{STEPS})",
    )


def git_from(options: argparse.Namespace) -> Asked | None:
    """How a commit is to be judged; None without `--bisect`.

    Raises:
        UsageError: the options do not fit together.
    """
    auto = options.boots == AUTO
    needs = {
        "--bisect": ({"--bad-if": options.bad_if, "--boots": options.boots}, options.bisect),
        "--boots auto": (
            {
                "--rate": options.rate,
                "--confidence": options.confidence,
                "--steps": options.steps,
            },
            auto,
        ),
    }
    for needed, (given, there) in needs.items():
        alone = next((name for name, value in given.items() if value is not None), None)
        if alone is not None and not there:
            raise UsageError(f"{alone} goes with {needed}")
    if not options.bisect:
        return None
    if options.boots is not None and (options.interactive or options.print_command):
        other = "--interactive" if options.interactive else "--print-command"
        raise UsageError(f"{other} with --boots", expected="one of them")
    bad_if = parse_bad_if(options.bad_if) if options.bad_if is not None else None
    if not auto:
        return Asked(boots_option(options.boots or "1", "--boots") or 1, bad_if)
    if options.rate is None:
        raise UsageError(
            "--boots auto without --rate",
            expected="the rate at which a bad commit fails: --rate 1/30",
            hint="harness soak run measures it",
        )
    rate = asking.share(options.rate, "--rate")
    sure = asking.share(options.confidence or str(CONFIDENCE), "--confidence")
    return Asked(
        boots_per_step(rate, sure, STEPS if options.steps is None else options.steps), bad_if
    )


def judge_commit(
    request: BootRequest,
    asked: Asked,
    on_hang: Callable[[HangContext], None] | None,
    *,
    verbose: bool,
    as_json: bool,
) -> int:
    """Boot until it is known whether the commit is good; the exit code for `git bisect run`.

    Raises:
        UserError: what is asked cannot be booted.
        KeyboardInterrupt: the user ended it.
    """
    said: list[Said] = []
    rows: list[dict[str, Any]] = []
    while (state := asked.state(said)) == "more":
        out_folder = kept_apart(request.out, len(said) + 1)
        result = _result(replace(request, out=out_folder), on_hang, verbose=verbose)
        if result["ending"]["kind"] == "interrupted":
            raise KeyboardInterrupt
        number = said.count("passed") + 1
        said.append(said_by(result, asked.bad_if))
        rows.append({name: result.get(name) for name in ("verdict", "cause", "run_folder")})
        rows[-1]["said"] = said[-1]
        why = "" if said[-1] == "passed" else f": {str(result['cause']).partition(chr(10))[0]}"
        counted = " (not counted)" if said[-1] in {"other", "ours"} else ""
        say(f"boot {number} of {asked.boots}: {result['verdict']}{counted}{why}")
    if as_json:
        told = {"state": state, "boots_needed": asked.boots, "boots": rows}
        out(json.dumps(told, indent=2))
    else:
        passed = boots_text(said.count("passed"))
        out(
            {
                "good": f"good: {passed} passed",
                "bad": f"bad: {rows[-1]['verdict']} after {passed} passed",
            }.get(state, f"cannot be judged: {rows[-1]['verdict']}: {rows[-1]['cause']}")
        )
    return of_state(state)


def _result(
    request: BootRequest, on_hang: Callable[[HangContext], None] | None, *, verbose: bool
) -> Mapping[str, Any]:
    """One boot; what our side fails is a result too."""
    watch = Progress(verbose=True) if verbose else Quiet()
    try:
        with booted(request, watch, on_hang) as session:
            return session.result
    except InfraError as bad:
        return bad.result or failure(request, bad, request.out)
    finally:
        if isinstance(watch, Progress):
            watch.close()
