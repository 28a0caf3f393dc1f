"""The exit codes for `git bisect run`."""

from __future__ import annotations

import pytest

from harness.bisecting.gitcodes import of_error, of_state, of_verdict
from harness.errors import (
    HarnessError,
    ProfileError,
    SourceError,
    TargetDied,
    ToolMissing,
    UsageError,
)


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        ("PASS", 0),
        ("FAIL", 1),
        ("CRASHED", 1),
        ("HUNG", 1),
        ("INCOMPLETE", 125),
        ("DIED", 125),
        ("INFRA", 125),
        ("SOMETHING NEW", 125),
        ("", 125),
    ],
)
def test_of_a_verdict(verdict: str, code: int) -> None:
    assert of_verdict(verdict) == code


def test_of_a_version() -> None:
    assert [of_state(s) for s in ("good", "bad", "skip", "more")] == [0, 1, 125, 125]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 128),
        (ProfileError("x"), 128),
        (SourceError("x"), 125),
        (ToolMissing("x"), 125),
        (TargetDied("x"), 125),
        (HarnessError("x"), 125),
    ],
)
def test_of_an_error(error: HarnessError, code: int) -> None:
    """A wrong option would be wrong for every commit: to skip them all would take a day."""
    assert of_error(error) == code
