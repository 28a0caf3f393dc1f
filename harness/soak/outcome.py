"""What is kept of a boot that ended: enough to count it and to find its run folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import InputError
from harness.soak.plan import Boot
from harness.soak.signature import Signature, signature_of

_LONGEST_CAUSE = 500


@dataclass(frozen=True)
class Outcome:
    """How one boot ended.

    Attributes:
        boot: which one.
        signature: in which way it ended; its `verdict` is the verdict.
        cause: of result.json, its first 500 characters.
        seconds: from power-on to the result; None if it never ran.
        stages: stage -> seconds since power-on.
        run_folder: where everything of it is.
    """

    boot: Boot
    signature: Signature
    cause: str = ""
    seconds: float | None = None
    stages: Mapping[str, float | None] | None = None
    run_folder: str | None = None

    @classmethod
    def of(cls, boot: Boot, result: Mapping[str, Any]) -> Outcome:
        """What is kept of a result (of result.json).

        Raises:
            InputError: there is no verdict in it that we know.
        """
        stages = result.get("stages")
        folder, cause = result.get("run_folder"), result.get("cause")
        return cls(
            boot,
            signature_of(result),
            str(cause or "")[:_LONGEST_CAUSE],
            _seconds(result.get("seconds")),
            {str(name): _seconds(at) for name, at in stages.items()}
            if isinstance(stages, Mapping)
            else {},
            folder if isinstance(folder, str) else None,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "boot": self.boot.number,
            "seed": self.boot.seed,
            "injected": self.boot.injected,
            "signature": self.signature.to_json(),
            "cause": self.cause,
            "seconds": self.seconds,
            "stages": dict(self.stages or {}),
            "run_folder": self.run_folder,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Outcome:
        """The outcome that `to_json` has written.

        Raises:
            InputError: it is none.
        """
        try:
            boot, signature = boot_of(value), Signature.from_json(value["signature"])
            stages = {str(name): _seconds(at) for name, at in value["stages"].items()}
            seconds, folder, cause = value["seconds"], value["run_folder"], value["cause"]
        except (KeyError, TypeError, AttributeError):
            raise InputError("not the outcome of a boot") from None
        return cls(
            boot,
            signature,
            str(cause),
            _seconds(seconds),
            stages,
            folder if isinstance(folder, str) else None,
        )


def boot_of(value: Mapping[str, Any]) -> Boot:
    """The boot that a line of a journal is about.

    Raises:
        InputError: it is about none.
    """
    number, seed, injected = value.get("boot"), value.get("seed"), value.get("injected")
    if not _whole(number) or not _whole(seed) or not isinstance(injected, str | None):
        raise InputError(
            "not a boot", expected="boot and seed as numbers, injected as text or null"
        )
    return Boot(int(str(number)), int(str(seed)), injected)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
