"""What one boot says of its version: it failed in the way that is searched, or not, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.errors import UsageError
from harness.verdict import Kind

Said = Literal["passed", "bad", "other", "ours"]
"""other: another failure of the board, which may hide the one that is searched. ours: nothing of
the board, because our side failed, or because nothing was proven (INCOMPLETE)."""

_FAILED = frozenset([Kind.FAIL, Kind.CRASHED, Kind.HUNG])
# A boot that came to its goal did none of these, whatever an expectation found in its log.
_BEFORE_GOAL = frozenset([Kind.CRASHED, Kind.HUNG, Kind.DIED])


@dataclass(frozen=True)
class BadIf:
    """The failure that is searched, among others.

    Args:
        verdict: of the boot.
        text: must be in the cause, the last line or the partial line.
    """

    verdict: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.verdict}:{self.text}" if self.text else self.verdict


def parse_bad_if(option: str) -> BadIf:
    """VERDICT[:TEXT], as of `--bad-if`.

    Raises:
        UsageError: the verdict is none that a version can be blamed for.
    """
    kind, _, text = option.partition(":")
    failures = [k.value for k in Kind if k not in {Kind.PASS, Kind.INFRA}]
    if kind.upper() not in failures:
        raise UsageError(f"--bad-if {option}", expected=f"one of {', '.join(failures)}")
    return BadIf(kind.upper(), text)


def said_by(result: Mapping[str, Any], searched: BadIf | None = None) -> Said:
    """What a boot says of its version.

    Args:
        result: of result.json; a field that is not there counts as empty.
        searched: the failure that is searched; None = any of the board.
    """
    verdict = result.get("verdict")
    if verdict == Kind.PASS:
        return "passed"
    if searched is None:
        return "bad" if verdict in _FAILED else "ours"
    told = "\n".join(str(result.get(name) or "") for name in ("cause", "last_line", "partial_line"))
    if verdict == searched.verdict and searched.text in told:
        return "bad"
    if verdict not in _FAILED:
        return "ours"
    at_goal = (result.get("ending") or {}).get("kind") == "goal"
    return "passed" if at_goal and searched.verdict in _BEFORE_GOAL else "other"
