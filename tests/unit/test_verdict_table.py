"""Every row of the table in docs/verdicts.md is what the code says of that log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.board import load
from harness.cli import parser
from harness.replay import ReplayRequest, replayed

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "verdicts.md"
HEAD = "| log | board | flags | verdict | stage | partial line | why |"
OURS = ROOT / "tests" / "data" / "logs"
COLLECTION = ROOT.parent / "shared" / "logs"
LOGS = ("*.log", "*.txt")


@dataclass(frozen=True)
class Row:
    """A row of the table; "" where it says `-`."""

    log: str
    board: str
    flags: str
    verdict: str
    stage: str
    partial: str
    why: str


def cell(text: str) -> str:
    text = text.strip()
    return "" if text == "-" else re.sub(r"^`([^`]*)`$", r"\1", text)


def rows() -> list[Row]:
    """The rows of the table, in its order."""
    _, _, table = PAGE.read_text(encoding="utf-8").partition(f"{HEAD}\n")
    found = []
    for line in table.splitlines()[1:]:
        if not line.startswith("|"):
            break
        *cells, why = line.strip().removeprefix("|").removesuffix("|").split("|")
        log, board, flags, verdict, stage, partial = (cell(c) for c in cells)
        found.append(Row(log, board, flags, verdict, stage, partial, why.strip()))
    return found


ROWS = rows()


def judged(row: Row, log: Path) -> dict[str, Any]:
    """The result for the log, with the board and the flags of the row."""
    board = ["--board", row.board] if row.board else []
    options = parser().parse_args(["replay", str(log), *board, *row.flags.split()])
    profile = load(row.board, [ROOT / "boards"]) if row.board else None
    request = ReplayRequest(
        log, profile, options.until, options.silent_for, truncated=options.truncated
    )
    return replayed(request).result


def check(row: Row, log: Path) -> None:
    result = judged(row, log)
    have = (result["verdict"], result["stage"], result["partial_line"])
    assert have == (row.verdict, row.stage, row.partial), result["cause"]
    failed = [o["detail"] for o in result["expectations"] if o["state"] == "failed"]
    said = "\n".join([result["cause"], *failed, log.read_text(errors="replace")])
    for words in re.findall(r"`([^`]+)`", row.why):
        assert words in said, f"{words!r} is neither in the log nor in its verdict"


def names(folder: Path) -> set[str]:
    return {file.name for pattern in LOGS for file in folder.glob(pattern)}


def row_id(row: Row) -> str:
    return " ".join(word for word in (row.log, row.board, row.flags) if word)


@pytest.mark.parametrize("row", [r for r in ROWS if r.log in names(OURS)], ids=row_id)
def test_a_log_of_ours_has_the_verdict_of_its_row(row: Row) -> None:
    check(row, OURS / row.log)


def of_the_collection(row: Row) -> bool:
    """Excerpts and logs that were recorded later are with the harness only."""
    only_ours = row.log in names(OURS) - names(COLLECTION)
    return not row.log.startswith("excerpt-") and not only_ours


@pytest.mark.parametrize("row", [r for r in ROWS if of_the_collection(r)], ids=row_id)
def test_a_log_of_the_collection_has_the_verdict_of_its_row(row: Row) -> None:
    if not COLLECTION.is_dir():
        pytest.skip("the collection of recorded logs is not beside this clone")
    check(row, COLLECTION / row.log)


@pytest.mark.parametrize("folder", [OURS, COLLECTION], ids=["ours", "collection"])
def test_every_log_has_a_row(folder: Path) -> None:
    if not folder.is_dir():
        pytest.skip("the collection of recorded logs is not beside this clone")
    assert names(folder)
    assert names(folder) <= {row.log for row in ROWS}


def test_a_wrong_row_is_seen() -> None:
    good = next(row for row in ROWS if row.log.startswith("excerpt-apu2-hang") and not row.flags)
    wrong = Row(good.log, good.board, good.flags, "INCOMPLETE", good.stage, good.partial, good.why)
    with pytest.raises(AssertionError, match="in the middle of a line"):
        check(wrong, OURS / good.log)
    invented = Row(**{**vars(good), "why": "`a line that nobody printed`"})
    with pytest.raises(AssertionError, match="neither in the log"):
        check(invented, OURS / good.log)
