"""Options of the commands that boot: what is found out about a board that hangs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from harness.errors import UsageError
from harness.forensics import Options, on_hang
from harness.session import HangContext

_DUMPS = ("none", "xen", "full")
_LIMIT = 120.0


def add_hang_options(parser: argparse.ArgumentParser) -> None:
    """`--no-forensics`, `--symbols`, `--nmi`, `--dump`."""
    group = parser.add_argument_group("when the board hangs")
    group.add_argument(
        "--no-forensics",
        action="store_true",
        help="ask nothing of a machine that hangs (default: registers of all CPUs, callers, Xen's "
        "debug keys, before anything is torn down)",
    )
    group.add_argument(
        "--symbols",
        metavar="FILE",
        action="append",
        type=Path,
        default=[],
        help="names for addresses: xen-syms, its map, vmlinux, System.map (default: those of "
        "Debian's package of the Xen that was booted)",
    )
    group.add_argument(
        "--nmi",
        action="store_true",
        default=None,
        help="send an NMI in the end, so that Xen prints its state; it needs nmi=fatal on Xen's "
        "command line (default: where that is)",
    )
    group.add_argument(
        "--dump",
        choices=_DUMPS,
        default=None,
        help="memory to keep: Xen's data (default), all of it as an ELF core, or none",
    )


def hang_options(options: argparse.Namespace, limit: float = _LIMIT) -> Options | None:
    """What is to be found out about a board that hangs; None: nothing.

    Args:
        limit: seconds for all of it.

    Raises:
        UsageError: the options do not fit together, or there is no such file of symbols.
    """
    given = {
        "--symbols": options.symbols,
        "--nmi": options.nmi,
        "--dump": options.dump,
    }
    if options.no_forensics:
        for option, value in given.items():
            if value:
                raise UsageError(f"{option} with --no-forensics", expected="one of them")
        return None
    for path in options.symbols:
        if not path.is_file():
            raise UsageError(f"--symbols {path}: no such file")
    symbols = tuple(path.absolute() for path in options.symbols)
    return Options(symbols=symbols, nmi=options.nmi, dump=options.dump or "xen", limit=limit)


def hang_observer(options: argparse.Namespace) -> Callable[[HangContext], None] | None:
    """For `booted(on_hang=...)`; None: nothing is to be found out.

    Raises:
        As `hang_options`.
    """
    asked = hang_options(options)
    return None if asked is None else on_hang(asked)
