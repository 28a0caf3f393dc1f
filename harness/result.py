"""result.json: everything that is known about a run, for programs. docs/result-json.md says it all.

The text, JUnit and other reports are made from it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import harness
from harness.bootlog import final_iommu_state, to_json
from harness.errors import EXIT_BOARD_FAILED, EXIT_INFRA, EXIT_PASS
from harness.judging import Rules
from harness.session import Session
from harness.verdict import Kind, judge

# Raised when a field changes its meaning or goes; new fields do not raise it.
SCHEMA = "harness-result/1"
# The parts of the boot log that are given as they were parsed.
_PARTS = ("firmware", "ipxe", "uboot", "xen", "linux", "panics", "resets", "notes")


def exit_code(kind: str) -> int:
    """The exit code of `harness boot` for a verdict."""
    if kind == Kind.PASS:
        return EXIT_PASS
    return EXIT_INFRA if kind in {Kind.DIED, Kind.INFRA} else EXIT_BOARD_FAILED


def conclude(session: Session, rules: Rules) -> Session:
    """Judge a session by `rules`, make its result, and keep it in the run folder."""
    console = session.console
    session.rules = rules
    session.verdict = judge(
        console.parser.log,
        console.lines,
        console.partial,
        stages=rules.stages,
        goal=rules.goal,
        expectations=rules.expectations,
        ending=session.ending,
    )
    session.result = _result(session)
    if session.run is not None:
        session.run.write_json("result.json", session.result)
        session.run.write_json("requests.json", session.result["requests"])
    return session


def _result(session: Session) -> dict[str, Any]:
    verdict, request = session.verdict, session.request
    log = session.console.parser.log
    facts = {part: to_json(log)[part] for part in _PARTS}
    if isinstance(facts["xen"], dict):
        iommu = final_iommu_state(log, ended=verdict.kind is Kind.HUNG)
        facts["xen"]["iommu"] = asdict(iommu)
        facts["xen"]["cpus"] = log.xen.cpus_brought_up
    return {
        "schema": SCHEMA,
        "harness": harness.__version__,
        "board": session.board.name if session.board else None,
        "target": request.target if request else session.target.name,
        "method": request.how if request else None,
        "evidence": session.target.evidence,
        "snapshot": False,
        "differs": _differs(session),
        "verdict": str(verdict.kind),
        "cause": verdict.cause,
        "goal": session.rules.goal,
        "stage": verdict.stage,
        "next_stage": verdict.next_stage,
        "last_line": verdict.last_line,
        "partial_line": verdict.partial_line,
        "context": list(verdict.context),
        "ending": {"kind": session.ending.kind, "detail": session.ending.detail},
        "stages": {name: _rounded(at) for name, at in log.stages.items()},
        "seconds": _rounded(session.console.now) if session.request else None,
        "deadline_scale": round(session.clock.stretch(), 2) if session.clock else None,
        "expectations": [asdict(outcome) for outcome in verdict.outcomes],
        "facts_of": session.rules.facts_of,
        "binaries": {
            role: {
                "path": str(binary.path),
                "version": binary.version,
                "sha256": binary.sha256,
                "origin": binary.origin,
                **binary.detail,
            }
            for role, binary in session.binaries.items()
        },
        "cmdline": {"xen": request.xen_cmdline, "dom0": request.kernel_cmdline}
        if request
        else None,
        "requests": [asdict(made) for made in session.requests],
        **facts,
        "run_folder": str(session.run.path) if session.run else None,
    }


def _differs(session: Session) -> list[dict[str, str]]:
    """What the machine cannot match, unless the facts are of the board itself."""
    board = session.board
    if board is None or session.rules.facts_of != "qemu" or board.targets.qemu is None:
        return []
    return [dict(d.model_dump()) for d in board.targets.qemu.differs]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
