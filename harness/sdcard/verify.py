"""Checks a card that somebody else wrote: places, files, and what lint says of the files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.board import Board
from harness.build.card import card_of
from harness.lint.engine import Finding, Linted, NotRun, lint
from harness.lint.facts import Facts
from harness.lint.given import recognise
from harness.lint.of_board import facts_of
from harness.sdcard import finding
from harness.sdcard.board_rules import board_findings
from harness.sdcard.boot_rules import Script, look_at_files
from harness.sdcard.image import open_image
from harness.sdcard.loader_rules import look_at_loader, no_loader, place_findings

KIND = "sdcard"


def verify(path: Path, board: Board | None = None, *, own: bool = True) -> tuple[Linted, ...]:
    """Check an image of a card, or a card in a reader; it needs no root and mounts nothing.

    Args:
        board: which board it is for, if that is known.
        own: the card is for the board itself; else for the emulated machine.

    Raises:
        InputError: the image cannot be read.
        ProfileError: the board boots from no card.
        ToolMissing: mtools or e2fsprogs.
    """
    card = card_of(board) if board else None
    with open_image(path) as image:
        loader = look_at_loader(image)
        findings = list(place_findings(image, loader))
        if loader is None and (card is None or card.loader_kib is not None):
            findings.append(no_loader(image))
        if board is not None and card is not None:
            findings += board_findings(image, loader, board, card, own=own)
        seen = look_at_files(image, loader.uboot_data if loader else b"", _env_size(board))
        findings += seen.findings
        facts = facts_of(board, "serial" if own else "qemu") if board else None
        linted = [one for script in seen.scripts for one in _linted(path, script, findings, facts)]
    own_findings = tuple(_located(path, each) for each in dict.fromkeys(findings))
    not_run = (*_not_asked(board), *dict.fromkeys(seen.not_run))
    return (Linted(str(path), KIND, own_findings, not_run), *linted)


def _env_size(board: Board | None) -> int | None:
    uboot = board.boot.uboot if board else None
    return uboot.environment.size if uboot and uboot.environment else None


def _not_asked(board: Board | None) -> Iterator[NotRun]:
    if board is None:
        for rule in (finding.SOC, finding.PLACE, finding.POWER_OF_TWO):
            yield NotRun(rule.id, "the board is not known", "--board BOARD")


def _located(path: Path, each: Finding) -> Finding:
    return replace(each, where=f"{path}: {each.where}")


def _linted(
    path: Path, script: Script, found: Sequence[Finding], facts: Facts | None
) -> Iterator[Linted]:
    """What lint says of the script and the files that it loads, in the words of the card."""
    broken = {each.where.partition(",")[0] for each in found if each.rule == finding.DTB.id}
    with tempfile.TemporaryDirectory(prefix="harness-sdcard-") as folder:
        places = {_put(Path(folder), "boot.scr", script.raw): f"{path}: {script.where}"}
        for name, loaded in script.loaded.items():
            if name != "boot.scr" and loaded.where not in broken and _lints(name, loaded.data):
                places[_put(Path(folder), name, loaded.data)] = f"{path}: {loaded.where}"
        for one in lint(list(places), facts):
            place = places[Path(one.path)]
            yield replace(
                one,
                path=place,
                findings=tuple(
                    replace(each, where=each.where.replace(one.path, place, 1))
                    for each in one.findings
                ),
            )


def _lints(name: str, data: bytes) -> bool:
    kind = recognise(name, data[:4096])
    return kind is not None and len(data) <= kind.limit


def _put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path
