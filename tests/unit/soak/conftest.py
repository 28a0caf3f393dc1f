"""Outcomes of boots, made up, for the tests of the soak."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.soak.outcome import Outcome
from harness.soak.plan import Boot, SoakPlan

MakeOutcome = Callable[..., Outcome]


@pytest.fixture
def plan() -> SoakPlan:
    return SoakPlan("apu2", ("--method", "multiboot"), boots=20, seed=7)


@pytest.fixture
def outcome() -> MakeOutcome:
    """outcome(boot, "HUNG", last_line="...") as a boot that ended so."""

    def make(boot: Boot, verdict: str = "PASS", **fields: Any) -> Outcome:
        result = {
            "verdict": verdict,
            "stage": "login" if verdict == "PASS" else "smp",
            "last_line": "# " if verdict == "PASS" else "(XEN) Brought up 4 CPUs",
            "cause": f"made up {verdict}",
            "seconds": 25.5,
            "stages": {"xen": 2.0, "login": 24.0} if verdict == "PASS" else {"xen": 2.0},
            "run_folder": f"/runs/{boot.number}",
            **fields,
        }
        return Outcome.of(boot, result)

    return make
