"""What a real Xen, or Linux, did with a table set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.ask.consumer import Consumer
from harness.errors import HarnessError
from harness.formats.acpi.tableset import TableSet

Outcome = Literal["enabled", "disabled", "absent", "failed", "hang", "panic"]


@dataclass(frozen=True)
class Question:
    """One table set, and who is asked about it.

    Attributes:
        tables: a complete set, as `harness.acpi.builder.build` and `rebase` give it.
        cpus: of the machine; None = as many as the MADT lists.
        name: for progress and logs.
    """

    tables: TableSet
    consumer: Consumer
    cpus: int | None = None
    name: str = ""


@dataclass(frozen=True)
class Answer:
    """What it did.

    Attributes:
        outcome: the state of the IOMMU; "hang" and "panic" also where the IOMMU is not to blame.
        messages: what it said of the IOMMU that is an error or a warning, each once, in order.
        ending: what ended the wait, in words: the line after which nothing can change, a
            silence, a panic.
        version: as it names itself.
        interrupt_remapping: None if it does not say.
        seconds: from power-on to the verdict.
        lines: of the console, up to the verdict.
        log: the console, if it was kept.
        panic: the reasons of a panic, and the function that it happened in.
        retried: why our side had to try again; "" if it did not.
    """

    outcome: Outcome
    messages: tuple[str, ...]
    ending: str
    version: str
    interrupt_remapping: bool | None
    seconds: float
    lines: tuple[str, ...]
    log: Path | None = None
    panic: tuple[str, ...] = ()
    retried: str = ""


@dataclass(frozen=True)
class Asked:
    """A question of a batch with its answer, or with the error that kept it from one."""

    question: Question
    answer: Answer | None = None
    error: HarnessError | None = None
