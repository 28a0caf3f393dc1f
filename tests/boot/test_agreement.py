"""A short part of `python -m benchmarks.agreement`: the model says what the real Xen does."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.agreement import corpus_tables, disagreements, own_tables
from harness.ask import consumers
from harness.board.load import load
from harness.formats.acpi.tableset import TableSet
from harness.sources import Sources

CORPUS = Path(__file__).parents[3] / "shared" / "acpi-corpus"


@pytest.mark.parametrize(
    ("what", "seeds"), [("own", range(3000, 3010)), ("corpus", range(500, 508))]
)
def test_random_damage_is_judged_as_xen_judges_it(what: str, seeds: range, tmp_path: Path) -> None:
    if what == "corpus" and not CORPUS.is_dir():
        pytest.skip(f"the collection of real tables is not there: {CORPUS}")
    bases: list[tuple[str, TableSet]] = own_tables() if what == "own" else corpus_tables(CORPUS)
    asked_of = consumers(["xen-4.14", "xen-4.17", "xen-4.20"], load("apu2"), Sources(), tmp_path)
    wrong = [str(one) for one in disagreements(seeds, bases, asked_of) if one is not None]
    assert wrong == []
