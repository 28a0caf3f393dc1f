"""What was predicted of ACPI tables, beside what the real Xen, or Linux, did with them.

The tables are rebased to the emulated machine first, and the prediction that is compared is
that for the tables as booted: only then both are about the same question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.ask import (
    Answer,
    Asked,
    Consumer,
    NotAskable,
    Question,
    Rebased,
    ask_many,
    consumers,
    rebase,
)
from harness.asked.inputs import completed
from harness.board import Board
from harness.errors import HarnessError, InfraError, UsageError, UserError
from harness.formats.acpi.tableset import TableSet
from harness.lint.acpi_model import Machine, Prediction, predict
from harness.sources import Sources

Told = Callable[[str], None]
# As Xen prints them: with "0x" and without.
_ADDRESS = re.compile(r"\b(?:0x)?[0-9a-f]{5,16}\b", re.IGNORECASE)


@dataclass(frozen=True)
class Result:
    """One input and one consumer.

    Attributes:
        consumer: "xen-4.17".
        rebased: what of the tables was changed for the emulated machine, one sentence each.
        predicted: for the tables as booted; None where there is no model of the consumer.
        measured: None if it could not be asked: then `not_askable` says why, or `error`.
        error: our side failed.
    """

    consumer: str
    rebased: tuple[str, ...] = ()
    predicted: Prediction | None = None
    measured: Answer | None = None
    not_askable: str = ""
    error: InfraError | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether the same outcome and messages were predicted; None = nothing to compare."""
        if self.predicted is None or self.measured is None:
            return None
        return self.predicted.outcome == self.measured.outcome and steady(
            self.predicted.messages
        ) == steady(self.measured.messages)


Results = Mapping[str, tuple[Result, ...]]


def steady(messages: Sequence[str]) -> frozenset[str]:
    """The messages without their addresses, and without their order."""
    return frozenset(_ADDRESS.sub("#", one) for one in messages)


def ask_about(
    inputs: Mapping[str, TableSet],
    names: Sequence[str],
    board: Board,
    sources: Sources,
    folder: Path,
    *,
    jobs: int = 2,
    told: Told = lambda _: None,
) -> dict[str, tuple[Result, ...]]:
    """Ask each consumer about each input.

    Args:
        inputs: tables, by the path that they were read from.
        names: of consumers, as `harness.ask.consumers` takes them.
        board: whose sources the consumers come from.
        folder: for unpacked images.
        jobs: emulators at once.
        told: is told the progress, a line for each answer.

    Returns:
        The results by path, in the order of the names. What cannot be asked, and what our
        side could not do for one question, is in its result.

    Raises:
        UsageError: no such consumer.
        InputError, SourceError: it cannot be had.
    """
    asked_of = consumers(names, board, sources, folder)
    waiting: list[tuple[str, Consumer, Rebased]] = []
    found: dict[str, dict[str, Result]] = {path: {} for path in inputs}
    for path, tables in inputs.items():
        rebased = _rebased(tables)
        for consumer in asked_of:
            if isinstance(rebased, NotAskable):
                found[path][consumer.name] = Result(consumer.name, not_askable=rebased.reason)
            else:
                waiting.append((path, consumer, rebased))
    answers = ask_many(
        [Question(rebased.tables, consumer, name=path) for path, consumer, rebased in waiting],
        jobs=jobs,
        progress=lambda done, of, one: told(f"asked {done} of {of}: {_in_short(one)}"),
    )
    for (path, consumer, rebased), answer in zip(waiting, answers, strict=True):
        found[path][consumer.name] = _result(consumer, rebased, answer)
    return {
        path: tuple(of_path[consumer.name] for consumer in asked_of)
        for path, of_path in found.items()
    }


def _rebased(tables: TableSet) -> Rebased | NotAskable:
    whole, made_up = completed(tables)
    rebased = rebase(whole)
    if isinstance(rebased, Rebased) and made_up:
        return replace(rebased, changes=(made_up, *rebased.changes))
    return rebased


def _result(consumer: Consumer, rebased: Rebased, asked: Asked) -> Result:
    result = Result(consumer.name, rebased.changes, _predicted(consumer, rebased.tables))
    if asked.answer is not None:
        return replace(result, measured=asked.answer)
    if isinstance(asked.error, UserError):
        return replace(result, not_askable=str(asked.error))
    error = asked.error if isinstance(asked.error, InfraError) else InfraError("no answer came")
    return replace(result, error=error)


def _predicted(consumer: Consumer, tables: TableSet) -> Prediction | None:
    if consumer.kind != "xen":
        return None
    try:
        return predict(tables, Machine(), consumer.name)
    except UsageError:  # a build of somebody's, of which no release is known
        return None


def _in_short(asked: Asked) -> str:
    question, answer = asked.question, asked.answer
    said = f"{answer.outcome}, {answer.seconds:.1f} s" if answer else _first_line(asked.error)
    return f"{question.name}, {question.consumer.name}: {said}"


def _first_line(error: HarnessError | None) -> str:
    return str(error).partition("\n")[0]


def failed(results: Results) -> bool:
    """Whether our side failed to ask something."""
    return any(one.error is not None for each in results.values() for one in each)
