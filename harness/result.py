"""result.json: everything that is known about a run, for programs. docs/result-json.md says it all.

The text, JUnit and other reports are made from it.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import harness
from harness.bootlog import final_iommu_state, to_json
from harness.errors import EXIT_BOARD_FAILED, EXIT_INFRA, EXIT_PASS, InfraError, TargetDied
from harness.judging import Rules
from harness.request import BootRequest
from harness.run import RESULT
from harness.session import Session
from harness.verdict import Kind, Verdict, judge

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
    """Judge a session by `rules`, make its result, and keep it in the run folder.

    A result that cannot be written is still a result; its `not_written` says why.
    """
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
    session.verdict = _with_findings(session)
    session.result = _result(session)
    if session.run is not None:
        try:
            session.run.write_json(RESULT, session.result)
            session.run.write_json("requests.json", session.result["requests"])
        except InfraError as bad:
            session.result["not_written"] = bad.message
    return session


def _with_findings(session: Session) -> Verdict:
    """A verdict that says what lint has found on the card: that may be why the boot failed."""
    verdict = session.verdict
    first = next((one for one in session.findings if one.severity == "error"), None)
    if verdict.kind in {Kind.PASS, Kind.INFRA, Kind.DIED} or first is None:
        return verdict
    why = f"{verdict.cause}; lint of the card: {first.where}: {first.message} ({first.rule})"
    return replace(verdict, cause=why)


def _result(session: Session) -> dict[str, Any]:
    verdict, request = session.verdict, session.request
    log = session.console.parser.log
    told = to_json(log)
    facts = {part: told[part] for part in _PARTS}
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
        "stand_in": _stand_in(session),
        "differs": _differs(session),
        "acpi": _acpi(session),
        "lint": [asdict(finding) for finding in session.findings],
        "warnings": _warnings(session),
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
        "cmdline": _cmdlines(session),
        "root": _root(session),
        "requests": [asdict(made) for made in session.requests],
        **facts,
        "console_bytes": session.console.received if session.run else None,
        "run_folder": str(session.run.path) if session.run else None,
        "forensics": None,
        "not_written": None,
    }


def _cmdlines(session: Session) -> dict[str, str] | None:
    request, made = session.request, session.artifacts
    if request is None or made is None or not request.gives_cmdlines:
        return None
    return {"xen": made.xen_cmdline, "dom0": made.kernel_cmdline}


def _root(session: Session) -> dict[str, str | None] | None:
    kind = session.request.root_kind if session.request else None
    made = session.artifacts.root if session.artifacts else None
    return None if kind is None else {"kind": kind, "sha256": made.root.sha256 if made else None}


def failure(request: BootRequest, bad: InfraError, folder: Path | None) -> dict[str, Any]:
    """The result of a boot that our side ended before the board ran: as `conclude` makes it."""
    kind = Kind.DIED if isinstance(bad, TargetDied) else Kind.INFRA
    return {
        "schema": SCHEMA,
        "harness": harness.__version__,
        "board": request.board.name,
        "target": request.target,
        "method": request.how,
        "evidence": None,
        "snapshot": False,
        "stand_in": None,
        "differs": [],
        "acpi": _tables(request),
        "lint": [],
        "warnings": [],
        "verdict": str(kind),
        "cause": str(bad),
        "goal": request.goal,
        "stage": None,
        "next_stage": None,
        "last_line": "",
        "partial_line": "",
        "context": [],
        "ending": {"kind": str(kind).lower(), "detail": bad.message},
        "stages": {},
        "seconds": None,
        "deadline_scale": None,
        "expectations": [],
        "facts_of": "nobody",
        "binaries": {},
        "cmdline": {"xen": request.xen_cmdline, "dom0": request.kernel_cmdline}
        if request.gives_cmdlines
        else None,
        "root": None,
        "requests": [],
        **dict.fromkeys(_PARTS),
        **{part: [] for part in ("panics", "resets", "notes")},
        "console_bytes": None,
        "run_folder": str(folder) if folder else None,
        "forensics": None,
        "not_written": None,
    }


def _differs(session: Session) -> list[dict[str, str]]:
    """What the machine cannot match, unless the facts are of the board itself."""
    board = session.board
    if board is None or session.rules.facts_of != "qemu" or board.targets.qemu is None:
        return []
    asked = session.request
    own = asked is not None and (asked.own or asked.card is not None)
    given = asked is not None and asked.tables is not None
    return [
        d.model_dump(exclude={"role", "tables"})
        for d in board.targets.qemu.differs
        if not (own and d.role is not None) and not (given and d.tables)
    ]


def _tables(request: BootRequest | None) -> dict[str, Any] | None:
    """The ACPI tables that the boot was given, and what of them was fitted to the machine."""
    given = request.tables if request else None
    if given is None:
        return None
    signatures = [table.signature for table in given.tables.tables]
    return {
        "files": list(given.files),
        "tables": signatures,
        "rebased": list(given.changes),
        "predicted": None,
    }


def _acpi(session: Session) -> dict[str, Any] | None:
    """The same, with what the model of the Xen that was booted says about them."""
    told = _tables(session.request)
    predicted = session.rules.predicted
    if told is not None and predicted is not None:
        decided = predicted.decided
        told["predicted"] = {
            "outcome": predicted.outcome,
            "messages": list(predicted.messages),
            "basis": predicted.basis,
            "decided": asdict(decided) if decided else None,
        }
    return told


def _stand_in(session: Session) -> dict[str, Any] | None:
    """The machine that stood in for the board, and what of the boot was not the board's own."""
    board, request = session.board, session.request
    if board is None or session.rules.facts_of != "qemu" or board.targets.qemu is None:
        return None
    machine = board.targets.qemu
    if machine.stand_in is None:
        return None
    # What is on a card of the user's is his to know.
    ours = request is not None and not request.own and request.card is None
    own = set[str]() if ours or request is None else set(machine.binaries)
    return {
        "machine": machine.machine.partition(",")[0],
        "soc": machine.stand_in.soc,
        "substituted": [what for what in machine.stand_in.substituted if what not in own],
        "why": machine.stand_in.why,
    }


def _warnings(session: Session) -> list[dict[str, Any]]:
    """What loader and Xen complained of, but for what this board is known to."""
    known = session.board.known_warnings if session.board else {}
    return [
        {"id": one.id, "line": one.line, "text": one.text, "meaning": one.meaning, "next": one.next}
        for one in session.console.parser.log.diagnoses
        if one.severity != "harmless" and one.id not in known
    ]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
