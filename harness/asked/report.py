"""What was asked, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.ask import Answer
from harness.asked.asking import Result, Results, steady
from harness.lint.acpi_model import Prediction
from harness.texts import printable


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """`asked` of an input: by consumer, what was predicted and what was measured."""
    return {one.consumer: _one_as_json(one) for one in results}


def _one_as_json(one: Result) -> dict[str, Any]:
    if one.not_askable:
        return {"not_askable": one.not_askable}
    made: dict[str, Any] = {
        "rebased": list(one.rebased),
        "predicted": _side(one.predicted),
        "measured": _side(one.measured),
    }
    if one.measured is not None:
        made["measured"] |= {
            "version": one.measured.version,
            "ending": one.measured.ending,
            "seconds": round(one.measured.seconds, 3),
        }
        made["agrees"] = one.agrees
    if one.error is not None:
        made["error"] = str(one.error)
    return made


def _side(one: Prediction | Answer | None) -> dict[str, Any] | None:
    return None if one is None else {"outcome": one.outcome, "messages": list(one.messages)}


def as_text(results: Results) -> str:
    """For people: "what the real Xen did", input by input."""
    rows = ["what the real thing did"]
    if all(one.consumer.startswith("xen") for each in results.values() for one in each):
        rows = ["what the real Xen did"]
    for path, each in results.items():
        rows.append(f"  {path}")
        changes = next((one.rebased for one in each if one.rebased), ())
        if changes:
            rows.append("    changed, so that the emulated machine can be asked:")
            rows += [f"      {change}" for change in changes]
        for one in each:
            rows += _rows(one)
    return printable("\n".join(row.replace("\n", r"\n") for row in rows))


def _rows(one: Result) -> list[str]:
    head = f"    {one.consumer}: "
    if one.not_askable:
        return [f"{head}not askable: {one.not_askable}"]
    if one.error is not None:
        return [f"{head}could not be asked: {one.error}"]
    if one.measured is None:
        return [f"{head}was not asked"]
    measured = one.measured
    rows = [f"      said: {message}" for message in measured.messages]
    if measured.outcome in ("hang", "panic"):
        rows += [f"      {text}" for text in (measured.ending, *measured.panic)]
    if one.agrees is None:
        return [f"{head}{measured.outcome}", *rows]
    if one.agrees:
        return [f"{head}{measured.outcome}, as predicted", *rows]
    return [f"{head}{measured.outcome}, NOT as predicted", *rows, *_disagreement(one)]


def _disagreement(one: Result) -> list[str]:
    if one.predicted is None or one.measured is None:
        return []
    rows = [f"      predicted: {one.predicted.outcome}"]
    rows += [
        f"      predicted, not said: {text}"
        for text in one.predicted.messages
        if not steady([text]) <= steady(one.measured.messages)
    ]
    rows += [
        f"      said, not predicted: {text}"
        for text in one.measured.messages
        if not steady([text]) <= steady(one.predicted.messages)
    ]
    return [*rows, "      this is a defect of our rule, not of the table: please report it"]
