"""The exit codes for `git bisect run`."""

from __future__ import annotations

from harness.bisecting.gitcodes import of_state


def test_of_a_version() -> None:
    assert [of_state(s) for s in ("good", "bad", "skip", "more")] == [0, 1, 125, 125]
