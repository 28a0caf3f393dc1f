"""How often our model of Xen says what the real Xen does, over random mutations of real tables.

    python -m benchmarks.agreement --seeds 0-299 [--corpus DIR] [--xen 4.14,4.17,4.20]

Each seed is one mutation of one table set, asked of each version in QEMU (about 0.3 s a question).
Without the corpus the mutations are of tables of our own. A disagreement is printed with the text
that makes it again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.acpi.builder import Spec, build, coreboot_ivrs, q35_ivrs
from harness.acpi.mutations import apply
from harness.acpi.random_mutations import random_mutation
from harness.acpi.rebase import NotAskable, rebase
from harness.ask import Consumer, Question, ask_many, consumers
from harness.board.load import load
from harness.errors import HarnessError, UsageError
from harness.formats.acpi.madt import IoApic
from harness.formats.acpi.tableset import RawTable, TableSet
from harness.lint.acpi_model import is_problem, predict
from harness.sources import Sources

VERSIONS = "4.14,4.17,4.20"
_BOUND = 0.99


@dataclass(frozen=True)
class Disagreement:
    """What was asked (the text makes it again), and the two answers."""

    name: str
    consumer: str
    predicted: tuple[str, frozenset[str]]
    measured: tuple[str, frozenset[str]]

    def __str__(self) -> str:
        told = [self.name, f"  {self.consumer}"]
        for what, (outcome, messages) in (("model", self.predicted), ("real", self.measured)):
            told.append(f"  {what}: {outcome} {' | '.join(sorted(messages))}")
        return "\n".join(told)


def own_tables() -> list[tuple[str, TableSet]]:
    """Three sets of our own: one IVHD, two, and coreboot's layout of the apu2."""
    one = build(Spec(ivrs=q35_ivrs()))
    ioapics = (IoApic(4, 0, 0xFEC00000, 0), IoApic(5, 0, 0xFEC20000, 24))
    ivrs = coreboot_ivrs(base=0xFED80000, ioapics=(4, 5), functions=(0x100, 0x200))
    apu2 = apply(build(Spec(ivrs=ivrs, ioapics=ioapics)), "ivhd[*].device_id=8")
    return [
        ("one IVHD", one),
        ("10h and 11h", apply(one, "types-10-and-11; ivhd[1].efr=0x29d3")),
        ("apu2", apu2),
    ]


def corpus_tables(folder: Path) -> list[tuple[str, TableSet]]:
    """The machines of a corpus (a folder each) that can be asked about, rebased."""
    found = []
    for machine in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(machine.glob("*.bin"))
        tables = TableSet(tuple(RawTable(f.stem, f.read_bytes()) for f in files))
        rebased = rebase(tables)
        if not isinstance(rebased, NotAskable):
            found.append((machine.name, rebased.tables))
    return found


def disagreements(
    seeds: Sequence[int], bases: Sequence[tuple[str, TableSet]], asked_of: Sequence[Consumer]
) -> Iterator[Disagreement | None]:
    """Ask, and give for each question what differs, or None.

    Raises:
        HarnessError: our side failed to ask.
    """
    questions = []
    for seed in seeds:
        base, tables = bases[seed % len(bases)]
        text, changed = random_mutation(seed, tables)
        questions += [Question(changed, one, name=f"{seed} {base}: {text}") for one in asked_of]
    for asked in ask_many(questions, jobs=2):
        if asked.answer is None:
            raise asked.error or HarnessError("no answer")
        version = asked.question.consumer.name.removeprefix("xen-")
        said = predict(asked.question.tables, None, version)
        # Reasons of a panic are not messages about a table.
        real = frozenset(line for line in asked.answer.messages if is_problem(line))
        model = frozenset(said.messages)
        same = (said.outcome, model) == (asked.answer.outcome, real)
        yield (
            None
            if same
            else Disagreement(
                asked.question.name,
                asked.question.consumer.name,
                (said.outcome, model),
                (asked.answer.outcome, real),
            )
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, print what differs and the share that agrees; 1 if it is under 99 %."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0-299", metavar="FIRST-LAST")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="a folder for each machine")
    parser.add_argument("--xen", default=VERSIONS, metavar="VERSIONS")
    options = parser.parse_args(argv)
    try:
        first, last = (int(part) for part in options.seeds.split("-"))
    except ValueError:
        parser.error(f"--seeds {options.seeds}: FIRST-LAST, as 0-299")
    try:
        with tempfile.TemporaryDirectory(prefix="harness-agreement-") as folder:
            names = [f"xen-{version}" for version in options.xen.split(",")]
            asked_of = consumers(names, load("apu2"), Sources(), Path(folder))
            if options.corpus is not None and not options.corpus.is_dir():
                raise UsageError(f"--corpus {options.corpus}: no such folder")
            bases = corpus_tables(options.corpus) if options.corpus else own_tables()
            results = list(disagreements(range(first, last + 1), bases, asked_of))
    except HarnessError as bad:
        print(f"agreement: {bad}", file=sys.stderr)
        return bad.exit_code
    wrong = [one for one in results if one is not None]
    for one in wrong:
        print(one)
    share = 1 - len(wrong) / len(results)
    print(f"{len(results)} questions, {len(wrong)} disagreements: {share:.1%} agree")
    return int(share < _BOUND)


if __name__ == "__main__":
    sys.exit(main())
