"""`harness sdcard`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from harness.board import load
from harness.build.card import card_of
from harness.cli.options import (
    add_fetch_options,
    add_report_options,
    add_what_options,
    out,
    uses_from,
)
from harness.errors import EXIT_BOARD_FAILED, EXIT_PASS, UsageError
from harness.lint.report import as_json, as_text, fails
from harness.report.progress import Progress
from harness.request import BootRequest
from harness.sdcard.making import make_image, table
from harness.sdcard.output import bmap_line, dd_line
from harness.sdcard.verify import verify


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "sdcard",
        help="write the image of a board's SD card, or check one",
        description="Write the image of a board's SD card: loader, boot.scr, Xen, dom0's files. "
        "It needs no root. With --verify: check an image that somebody else wrote.",
    )
    parser.add_argument("board", nargs="?", metavar="BOARD")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", metavar="FILE", type=Path, help="write the image here")
    where.add_argument("--verify", metavar="FILE", type=Path, help="check this image or card")
    parser.add_argument(
        "--for",
        dest="use_on",
        choices=("board", "qemu"),
        default="board",
        help="board (default): the board's own loader and device tree; qemu: those that the "
        "emulated machine needs",
    )
    add_what_options(parser)
    making = parser.add_argument_group("with -o")
    making.add_argument("--force", action="store_true", help="replace FILE if it is there")
    add_fetch_options(making)
    checking = parser.add_argument_group("with --verify")
    checking.add_argument(
        "--board", dest="compare_with", metavar="BOARD", help="which board it is for"
    )
    add_report_options(checking)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write or check an image, and give the exit code."""
    if options.verify is not None:
        return _verify(options)
    if options.compare_with is not None:
        raise UsageError("--board goes with --verify", expected="harness sdcard BOARD -o FILE")
    if options.board is None:
        raise UsageError("which board? harness sdcard BOARD -o FILE", hint="harness boards")
    board = load(options.board, options.board_path)
    card_of(board)
    request = BootRequest(
        board=board,
        method="sdcard",
        uses=uses_from(options),
        xen_edits=options.cmdline_xen,
        dom0_edits=options.cmdline_dom0,
        offline=options.offline,
        refresh=options.refresh,
        own=options.use_on == "board",
        root=options.root,
    )
    progress = Progress()
    rows = make_image(request, options.output, force=options.force, progress=progress.detail)
    stand_in = board.targets.qemu.stand_in if board.targets.qemu else None
    whose = f"for {board.title}"
    if not request.own and stand_in is not None:
        whose = f"for the emulated machine that stands in for {board.title} ({stand_in.soc})"
    out(f"{options.output}: {whose}\n{table(rows)}")
    if request.own:
        out(
            f"to a card (all of /dev/sdX is lost):\n  {dd_line(options.output)}\n"
            f"or, only what is not empty:\n  {bmap_line(options.output)}"
        )
    return EXIT_PASS


def _verify(options: argparse.Namespace) -> int:
    making = {
        "BOARD": options.board,
        "--use": options.use or None,
        "--force": options.force or None,
        **{f"--{role}": getattr(options, role) for role in ("xen", "kernel", "initrd")},
        "--cmdline-xen": options.cmdline_xen,
        "--cmdline-dom0": options.cmdline_dom0,
        "--root": options.root,
    }
    given = [option for option, value in making.items() if value is not None]
    if given:
        raise UsageError(
            f"{given[0]} says what is written, and --verify {options.verify} writes nothing",
            hint="--board BOARD compares with a board" if given[0] == "BOARD" else None,
        )
    name = options.compare_with
    board = load(name, options.board_path) if name else None
    linted = verify(options.verify, board, own=options.use_on == "board")
    text = json.dumps(as_json(linted), indent=2) if options.format == "json" else as_text(linted)
    out(text)
    return EXIT_BOARD_FAILED if fails(linted, options.fail_on) else EXIT_PASS
