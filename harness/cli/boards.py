"""`harness boards`."""

from __future__ import annotations

import argparse
import io
import json
from typing import Any

from ruamel.yaml import YAML

from harness.board import available, load
from harness.board.schema import schema_text
from harness.cli.options import add_board_path, out
from harness.errors import EXIT_PASS, EXIT_USER, ProfileError


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "boards",
        help="list boards, show one, print the schema of profiles",
        description="List the boards that can be booted. A board is a file, boards/NAME.yaml.",
    )
    add_board_path(parser)
    parser.set_defaults(run=run_list)
    what = parser.add_subparsers(metavar="WHAT")
    show = what.add_parser("show", help="print a profile as the harness reads it, parents included")
    show.add_argument("board", metavar="BOARD")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(run=run_show)
    schema = what.add_parser("schema", help="print the JSON schema of profiles, for editors")
    schema.set_defaults(run=run_schema)


def run_list(options: argparse.Namespace) -> int:
    """One line a board; a profile that is not valid is listed with its error."""
    code = EXIT_PASS
    for name, file in sorted(available(options.board_path).items()):
        try:
            board = load(name, options.board_path)
        except ProfileError as bad:
            out(f"{name:20} NOT VALID: {bad}")
            code = EXIT_USER
            continue
        targets = [t for t in ("qemu",) if getattr(board.targets, t)] + ["serial"]
        out(f"{name:20} {board.title}  [{board.arch}; {', '.join(targets)}]  {file}")
    return code


def run_show(options: argparse.Namespace) -> int:
    """The whole profile."""
    board = load(options.board, options.board_path)
    data = board.model_dump(mode="json", by_alias=True, exclude_none=True)
    if options.json:
        out(json.dumps(data, indent=2))
        return EXIT_PASS
    text = io.StringIO()
    writer = YAML(typ="safe")
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the stub says None
    writer.dump(data, text)
    out(text.getvalue().rstrip())
    return EXIT_PASS


def run_schema(options: argparse.Namespace) -> int:
    """JSON schema."""
    del options
    out(schema_text().rstrip())
    return EXIT_PASS
