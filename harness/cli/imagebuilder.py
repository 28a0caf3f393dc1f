"""`harness import-imagebuilder`."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from harness.board import load
from harness.build.imagebuilder import check, import_config
from harness.cli.options import add_board_path, out
from harness.errors import EXIT_PASS, InfraError, InputError, UsageError

_EPILOG = """\
example:
  harness import-imagebuilder xen/config -o boards/myboard.yaml
  harness import-imagebuilder xen/config --extends orangepi-pc -o boards/opi-two-guests.yaml
  harness boot opi-two-guests

The configuration is read, never run. Paths in it are relative to its folder. What cannot go into
a profile is told on the standard error, with line and reason; docs/imagebuilder.md has the table.
"""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ENDINGS = {".yaml", ".yml"}


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "import-imagebuilder",
        help="make a board profile out of a configuration of ImageBuilder",
        description="Make a board profile out of a configuration of ImageBuilder "
        "(uboot-script-gen): the same files at the same addresses, the same domains.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="CONFIG", type=Path, help="the configuration file")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        help="write the profile here (boards/NAME.yaml), never over a file (default: print it)",
    )
    parser.add_argument(
        "--name", metavar="NAME", help="of the board (default: the name of the file)"
    )
    parser.add_argument(
        "--extends",
        metavar="BOARD",
        help="make it a variant of this board: its machine, loader and expectations (default: a "
        "profile that stands for itself, for a board on a serial line)",
    )
    add_board_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read, check, write."""
    output: Path | None = options.output
    if options.config.is_dir():
        raise InputError(
            "is a folder", where=str(options.config), expected="the configuration file in it"
        )
    name = _name(options.name, output, options.config)
    if output is not None:
        _check_output(output)
    parent = load(options.extends, options.board_path) if options.extends else None
    if parent is not None and parent.name == name:
        raise UsageError(
            f"the board would be called {name}, as the one that it extends",
            hint="give it a name of its own: --name NAME",
        )
    imported = import_config(options.config, name, parent)
    beside = [Path(options.extends).parent] if "/" in (options.extends or "") else []
    check(imported, [*options.board_path, *beside])
    for warning in imported.warnings:
        print(f"harness: warning: {warning}", file=sys.stderr)  # noqa: T201 -- a command line
    if output is None:
        out(imported.text.rstrip("\n"))
        return EXIT_PASS
    _write(output, imported.text)
    out(f"written: {output}")
    return EXIT_PASS


def _name(told: str | None, output: Path | None, config: Path) -> str:
    if output is not None and told is not None and told != output.stem:
        raise UsageError(
            f"--name {told}, and -o {output}: the file of a profile is called NAME.yaml",
            expected=f"-o {output.with_name(told + '.yaml')}",
        )
    name = told or (output.stem if output else re.sub(r"[^a-z0-9._-]", "-", config.stem.lower()))
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a board",
            expected="small letters, digits, and . _ - in between; at most 64 characters",
            hint="say it: --name NAME",
        )
    return name


def _check_output(output: Path) -> None:
    if output.suffix not in _ENDINGS:
        raise UsageError(f"-o {output}", expected="a file NAME.yaml")
    if output.exists() or output.is_symlink():
        raise UsageError(
            f"{output} is there, and is not written over",
            hint=f"take another name, or remove it: rm {output}",
        )
    if not output.parent.is_dir():
        raise UsageError(
            f"-o {output}: there is no folder {output.parent}", hint=f"mkdir -p {output.parent}"
        )


def _write(output: Path, text: str) -> None:
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as bad:
        raise InfraError.of(bad, "cannot write", output) from None
