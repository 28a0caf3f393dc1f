"""The exit codes that `git bisect run` understands.

Source: git-bisect(1), "Bisect run": 0 = good, 1 to 127 except 125 = bad, 125 = cannot be tested,
128 and more = stop the bisection.
"""

from __future__ import annotations

from harness.bisecting.steps import State
from harness.errors import HarnessError, UserError
from harness.verdict import Kind

GOOD, BAD, SKIP, ABORT = 0, 1, 125, 128

_OF_VERDICT = {Kind.PASS: GOOD, Kind.FAIL: BAD, Kind.CRASHED: BAD, Kind.HUNG: BAD}


def of_verdict(verdict: str) -> int:
    """The exit code of one boot: DIED, INFRA, INCOMPLETE and what we do not know are skipped."""
    return _OF_VERDICT.get(Kind(verdict), SKIP) if verdict in set(Kind) else SKIP


def of_state(state: State) -> int:
    """The exit code of a version that was booted several times; not decided is skipped."""
    return {"good": GOOD, "bad": BAD}.get(state, SKIP)


def of_error(error: HarnessError) -> int:
    """The exit code of an error: what the user asked wrongly is wrong for every version."""
    return ABORT if isinstance(error, UserError) else SKIP
