"""What must hold of a card for one board."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from harness.board import Board
from harness.board.booting import Card
from harness.lint.engine import Finding
from harness.sdcard import finding
from harness.sdcard.finding import found
from harness.sdcard.image import Image
from harness.sdcard.loader_rules import Loader


def board_findings(
    image: Image, loader: Loader | None, board: Board, card: Card, *, own: bool
) -> Iterator[Finding]:
    """Compare a card with the profile.

    Args:
        own: with the board's own binaries; else with those of the emulated machine.
    """
    if image.size & (image.size - 1):
        larger = 1 << image.size.bit_length()
        message = f"{image.size} bytes"
        yield found(
            finding.POWER_OF_TWO, "card", message, hint=f"enlarge a copy: truncate -s {larger} COPY"
        )
    if loader is None or card.loader_kib is None:
        return
    wanted = card.loader_kib * 1024
    if loader.start != wanted:
        message = f"the SPL lies at {loader.start:#x}, board {board.name} has {wanted:#x}"
        yield found(finding.PLACE, f"offset {loader.start:#x}", message)
    name = loader.spl.dt_name if loader.spl else None
    soc = soc_of(board, own=own)
    if name is None or soc is None or _soc(name) == soc:
        return
    message = f"the SPL was built for {name}, board {board.name} is {soc}"
    hint = ""
    if _soc(name) == soc_of(board, own=not own):
        other = "the emulated machine that stands in for it" if own else "the board itself"
        hint = f"it is the loader of {other}: --for {'qemu' if own else 'board'}"
    yield found(finding.SOC, f"offset {loader.start:#x}", message, hint=hint)


def soc_of(board: Board, *, own: bool) -> str | None:
    """ "sun7i-a20" of sun7i-a20-cubieboard2.dtb: how Linux names a board's device tree."""
    source = board.binaries_of("qemu", own=own).get("dtb")
    return _soc(PurePosixPath(source.file).stem) if source else None


def _soc(name: str) -> str | None:
    words = name.rpartition("/")[2].split("-")
    return "-".join(words[:2]) if len(words) > 2 else None
