"""What is wrong with an input that can be read all the same, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        rule: names the kind of problem: "zimage.end".
        severity: "error": it does not work; "warning": it works in some places only.
        message: what is there, and what was expected.
        consequence: what happens to who uses the input as it is.
        offset: of the byte in the input, None if it has no one place.
    """

    rule: str
    severity: Severity
    message: str
    consequence: str
    offset: int | None = None
