"""What happens in a bisection, for a journal and for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from harness.bisecting.measuring import Measured
from harness.bisecting.report import Tested
from harness.bisecting.said import Said
from harness.statistics.wording import boots, percent


class Event(Protocol):
    """Something that happened."""

    @property
    def kind(self) -> str:
        """Its name in the journal."""

    def to_json(self) -> dict[str, Any]: ...

    def text(self) -> str:
        """One line for a person."""


@dataclass(frozen=True)
class Booted:
    """A version was booted.

    Attributes:
        number: of the boot among those that are needed; `of` how many that are, None = not known.
        step: number of the step, `steps` how many there will be about.
    """

    version: str
    number: int
    of: int | None
    said: Said
    verdict: str
    cause: str
    seconds: float | None
    run_folder: str | None
    step: int
    steps: int
    kind = "boot"

    @classmethod
    def of_result(
        cls,
        result: Mapping[str, Any],
        said: Said,
        version: str,
        number: int,
        of: int | None,
        step: int,
        steps: int,
    ) -> Booted:
        """The event of a boot, from its result (of result.json)."""
        return cls(
            version,
            number,
            of,
            said,
            str(result.get("verdict")),
            str(result.get("cause") or ""),
            result.get("seconds"),
            result.get("run_folder"),
            step,
            steps,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        which = f"boot {self.number}" + (f" of {self.of}" if self.of else ", to measure the rate")
        note = {"other": " (another failure: not counted)", "ours": " (not counted)"}
        why = "" if self.said == "passed" else f": {_first(self.cause)}"
        at = f"step {self.step} of about {self.steps}: {self.version}, {which}: "
        return f"{at}{self.verdict}{note.get(self.said, '')}{why}"


@dataclass(frozen=True)
class Answered:
    """It is known what a version is."""

    tested: Tested
    step: int
    steps: int
    kind = "answer"

    def to_json(self) -> dict[str, Any]:
        return self.tested.to_json()

    def text(self) -> str:
        one = self.tested
        told = {
            "good": f"good, {boots(one.passed)} passed",
            "bad": f"bad, {one.failed} of {boots(one.passed + one.failed)} failed",
            "skip": f"cannot be tested, skipped: {_first(one.reason or '')}",
        }
        return f"step {self.step}: {one.version} is {told[one.answer]}".replace(
            " is cannot", " cannot"
        )


@dataclass(frozen=True)
class RateKnown:
    """It is known how often a bad version fails, and so how many boots a good one needs."""

    measured: Measured
    needed: int
    kind = "rate"

    def to_json(self) -> dict[str, Any]:
        return {**self.measured.to_json(), "boots_per_step": self.needed}

    def text(self) -> str:
        one = self.measured
        limit = f"{percent(one.low)} % or more ({percent(1 - one.error, 3)} % confidence)"
        return (
            f"the bad version fails in {one.failures} of {boots(one.boots)}, so in {limit}: "
            f"a version is good when {boots(self.needed)} pass"
        )


def _first(text: str, longest: int = 160) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= longest else f"{line[: longest - 3]}..."
