"""What a soak is asked to be; seed and injected recipe of a boot follow from it and its number.

So it does not matter in which order boots run, on how many machines, or how often the soak was
interrupted: boot 17 is the same boot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from harness.errors import InputError, UsageError
from harness.soak import asking

MOST_BOOTS = 1_000_000


@dataclass(frozen=True)
class Injection:
    """Failures made on purpose.

    Args:
        share: of the boots, 0 to 1.
        recipes: names; each injected boot gets one of them.
    """

    share: float
    recipes: tuple[str, ...]


@dataclass(frozen=True)
class Until:
    """Ends when it is known on which side of `rate` the failure rate is, with this confidence."""

    rate: float
    confidence: float


@dataclass(frozen=True)
class Boot:
    """One boot of a soak: the unit of work.

    Attributes:
        number: from 1.
        seed: 0 to 2^32 - 1.
        injected: the recipe of the failure that is made on purpose; None = none.
    """

    number: int
    seed: int
    injected: str | None = None


@dataclass(frozen=True)
class SoakPlan:
    """What a soak is asked to be.

    Args:
        board: name of the profile.
        options: of `harness boot`, as they were given.
        boots: ends after so many; None = no such limit.
        until: ends when this is known; None = no such end.
        hours: starts no boot after so long; those that run are waited for.
        jobs: boots at a time.
        seed: of everything that is chosen by chance.
        injection: failures made on purpose; None = none.
        binaries: role -> SHA-256 of what is booted: boots of different binaries are not one soak.

    Raises:
        UsageError: one of them cannot be, or nothing would ever end it.
    """

    board: str
    options: tuple[str, ...] = ()
    boots: int | None = None
    until: Until | None = None
    hours: float | None = None
    jobs: int = 1
    seed: int = 0
    injection: Injection | None = None
    binaries: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.boots is None and self.until is None and self.hours is None:
            raise UsageError(
                "nothing would end this soak", expected="--boots, --until-confident or --hours"
            )
        if self.boots is not None and not 1 <= self.boots <= MOST_BOOTS:
            raise UsageError(f"--boots {self.boots}", expected=f"1 to {MOST_BOOTS}")
        if self.hours is not None:
            asking.hours(self.hours)
        if not 1 <= self.jobs <= 1024:
            raise UsageError(f"--jobs {self.jobs}", expected="1 to 1024")
        if not 0 <= self.seed < 1 << 64:
            raise UsageError(f"--seed {self.seed}", expected="0 to 2^64 - 1")

    def boot(self, number: int) -> Boot:
        """The boot with this number.

        Raises:
            UsageError: it has none.
        """
        if not 1 <= number <= (self.boots or MOST_BOOTS):
            raise UsageError(
                f"this soak has no boot {number}", expected=f"1 to {self.boots or MOST_BOOTS}"
            )
        return Boot(number, self._chance("seed", number) >> 32, self._injected(number))

    def _injected(self, number: int) -> str | None:
        asked = self.injection
        if asked is None or self._chance("inject", number) >= asked.share * (1 << 64):
            return None
        # Modulo is not quite even: with fewer than 2^10 recipes by less than 2^-54.
        return asked.recipes[self._chance("recipe", number) % len(asked.recipes)]

    def _chance(self, what: str, number: int) -> int:
        """A number from 0 to 2^64 - 1; SHA-256, so that it is the same in every Python."""
        made = hashlib.sha256(f"harness soak {self.seed} {what} {number}".encode()).digest()
        return int.from_bytes(made[:8])

    def to_json(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, value: object) -> SoakPlan:
        """The plan that `to_json` has written.

        Raises:
            InputError: it is none.
        """
        try:
            return _read(value)
        except (KeyError, TypeError, ValueError, UsageError) as bad:
            what = bad.message if isinstance(bad, UsageError) else f"{type(bad).__name__}: {bad}"
            raise InputError(f"not the plan of a soak: {what}") from None


def differences(then: SoakPlan, now: SoakPlan) -> list[str]:
    """What two plans do not share, one line each: "--boots: 60, now 100"."""
    before, after = then.to_json(), now.to_json()
    return [
        f"{_OPTION.get(name, name)}: {_said(before[name])}, now {_said(after[name])}"
        for name in before
        if before[name] != after[name]
    ]


_OPTION = {
    "boots": "--boots",
    "until": "--until-confident",
    "hours": "--hours",
    "jobs": "--jobs",
    "seed": "--seed",
    "injection": "--inject",
}


def _plain(value: Any) -> Any:
    """As JSON gives it back: lists for tuples."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _said(value: Any) -> str:
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_said(one)}" for name, one in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _read(value: Any) -> SoakPlan:
    until, injection = value["until"], value["injection"]
    return SoakPlan(
        board=_a(str, value["board"]),
        options=tuple(_a(str, one) for one in _a(list, value["options"])),
        boots=None if value["boots"] is None else _a(int, value["boots"]),
        until=None if until is None else Until(float(until["rate"]), float(until["confidence"])),
        hours=None if value["hours"] is None else float(value["hours"]),
        jobs=_a(int, value["jobs"]),
        seed=_a(int, value["seed"]),
        injection=None
        if injection is None
        else Injection(
            float(injection["share"]),
            tuple(_a(str, one) for one in _a(list, injection["recipes"])),
        ),
        binaries={_a(str, k): _a(str, v) for k, v in _a(dict, value["binaries"]).items()},
    )


_T = TypeVar("_T")


def _a(kind: type[_T], value: Any) -> _T:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
