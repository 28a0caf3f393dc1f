"""What a boot says of its version, and which failure is searched."""

from __future__ import annotations

from typing import Any

import pytest

from harness.bisecting.said import BadIf, parse_bad_if, said_by
from harness.errors import UsageError

PANIC = {"verdict": "CRASHED", "cause": "xen on CPU 1 at mwait_idle", "last_line": "Reboot"}
HANG = {"verdict": "HUNG", "cause": "silence", "partial_line": "Brought u", "last_line": None}
# A boot that came to its goal, and did not say what it must.
FAILED = {"verdict": "FAIL", "cause": "amd-vi-error: x", "ending": {"kind": "goal"}}


@pytest.mark.parametrize(
    ("option", "searched"),
    [
        ("HUNG", BadIf("HUNG")),
        ("hung", BadIf("HUNG")),
        ("CRASHED:mwait: idle", BadIf("CRASHED", "mwait: idle")),
        ("INCOMPLETE", BadIf("INCOMPLETE")),
        ("DIED", BadIf("DIED")),
    ],
)
def test_the_option(option: str, searched: BadIf) -> None:
    assert parse_bad_if(option) == searched
    assert parse_bad_if(str(searched)) == searched


@pytest.mark.parametrize("option", ["", "PASS", "INFRA", "HANG", ":text", "HUNG x"])
def test_a_verdict_that_cannot_be_bad(option: str) -> None:
    with pytest.raises(UsageError, match="--bad-if"):
        parse_bad_if(option)


@pytest.mark.parametrize(
    ("result", "option", "said"),
    [
        ({"verdict": "PASS"}, None, "passed"),
        (PANIC, None, "bad"),
        (HANG, None, "bad"),
        (FAILED, None, "bad"),
        ({"verdict": "INCOMPLETE"}, None, "ours"),
        ({"verdict": "DIED"}, None, "ours"),
        ({"verdict": "INFRA"}, None, "ours"),
        ({"verdict": "SOMETHING NEW"}, None, "ours"),
        ({}, None, "ours"),
        (PANIC, "CRASHED", "bad"),
        (PANIC, "CRASHED:mwait_idle", "bad"),
        (PANIC, "CRASHED:other", "other"),
        (PANIC, "HUNG", "other"),
        (HANG, "HUNG:Brought u", "bad"),
        (HANG, "HUNG:None", "other"),
        ({"verdict": "PASS", "cause": "x"}, "HUNG:x", "passed"),
        ({"verdict": "DIED"}, "HUNG", "ours"),
        ({"verdict": "DIED"}, "DIED", "bad"),
        ({"verdict": "INCOMPLETE"}, "INCOMPLETE", "bad"),
        # It did not hang; whether another expectation failed, nobody can know.
        (FAILED, "HUNG", "passed"),
        (FAILED, "FAIL:amd-vi-error", "bad"),
        (FAILED, "FAIL:login", "other"),
        ({**FAILED, "ending": {"kind": "refused"}}, "HUNG", "other"),
        ({**FAILED, "ending": None}, "HUNG", "other"),
    ],
)
def test_what_a_boot_says(result: dict[str, Any], option: str | None, said: str) -> None:
    assert said_by(result, parse_bad_if(option) if option else None) == said
