"""The exit codes that `git bisect run` understands.

Source: git-bisect(1), "Bisect run": 0 = good, 1 to 127 except 125 = bad, 125 = cannot be tested,
128 and more = stop the bisection.
"""

from __future__ import annotations

from harness.bisecting.steps import State

GOOD, BAD, SKIP = 0, 1, 125


def of_state(state: State) -> int:
    """The exit code of what the boots of a version say; not decided is skipped."""
    return {"good": GOOD, "bad": BAD}.get(state, SKIP)
