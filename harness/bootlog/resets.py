"""Resets and power-offs: announced by Xen or Linux, or seen in a boot that starts again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from harness.bootlog.lines import Line

MAX_RESETS = 200


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset or a power-off.

    Attributes:
        kind: "announced" somebody said that it would reset; "restart" the boot starts again;
            "poweroff" the machine halts or switches off.
        why: the words of the log.
    """

    line: int
    at: float | None
    kind: Literal["announced", "restart", "poweroff"]
    why: str


_ANNOUNCED = re.compile(
    r"(?:Reboot|Crash) in five seconds|Resetting (?:with|system)|reboot: Restarting system"
    r"|Hardware Dom\d+ (?:crashed|shutdown)|Domain 0 (?:crashed|shutdown): "
    r"|Hardware domain \d+ did unsupported soft reset|resetting \.\.\."
)
_POWEROFF = re.compile(
    r"reboot: (?:Power down|System halted)|Hardware Dom\d+ halted|Domain 0 halted"
)
WORDS = frozenset(["Reboot", "Crash", "Resetting", "reboot:", "Hardware", "Domain", "resetting"])
"""First words of the lines that `said_reset` knows."""


def said_reset(text: str, line: Line) -> Reset | None:
    """The reset that a line announces, without prefix or time stamp; None if it does not."""
    if _ANNOUNCED.match(text):
        return Reset(line.number, line.at, "announced", text.strip())
    if _POWEROFF.match(text):
        return Reset(line.number, line.at, "poweroff", text.strip())
    return None
