"""Options that several commands share, and how they become a BootRequest."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO, get_args

from harness.board import Board, load
from harness.board.base import RootKind
from harness.board.binaries import ROLES
from harness.build.binaries import parse_uses
from harness.errors import InfraError, UsageError
from harness.request import LOOPBACK, BootRequest

DEFAULT_BOARD = "apu2"


def out(text: str) -> None:
    """Print a result.

    Raises:
        BrokenPipeError: nobody reads it any more.
        InfraError: it cannot be written.
    """
    try:
        print(text, flush=True)  # noqa: T201 -- stdout is where results go
    except OSError as bad:
        give_up(sys.stdout)
        if isinstance(bad, BrokenPipeError):
            raise
        raise InfraError.of(bad, "cannot write", "the standard output") from None


def give_up(stream: TextIO) -> None:
    """Its reader is gone (its right) or its disk full: Python must not try again at exit."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def folder(text: str) -> Path:
    """A folder that is there.

    Raises:
        UsageError: it is not.
    """
    path = Path(text)
    if not path.is_dir():
        raise UsageError(f"--board-path {text}: no such folder")
    return path


def add_board_path(parser: argparse.ArgumentParser) -> None:
    """`--board-path`."""
    parser.add_argument(
        "--board-path",
        metavar="DIR",
        action="append",
        type=folder,
        default=[],
        help="look for boards here first, then in ./boards, then among the shipped ones",
    )


def add_what_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what is booted: binaries and command lines."""
    add_board_path(parser)
    what = parser.add_argument_group("what is booted")
    what.add_argument(
        "--use",
        metavar="ROLE=WHAT",
        action="append",
        default=[],
        help=f"the binary of a role ({', '.join(ROLES)}, domU1-kernel ...) that the board "
        "has: a file, a version (4.14) or a Debian suite (trixie)",
    )
    for role in ("xen", "kernel", "initrd"):
        what.add_argument(f"--{role}", metavar="WHAT", help=f"the same as --use {role}=WHAT")
    what.add_argument(
        "--cmdline-xen",
        metavar="EDITS",
        help="change Xen's command line: '+word' adds, '-word' removes, 'name=value' replaces, "
        "'=...' replaces all; example: '+iommu=debug -loglvl'. Write --cmdline-xen='-loglvl' when "
        "it begins with a minus",
    )
    what.add_argument("--cmdline-dom0", metavar="EDITS", help="the same for dom0's kernel")
    what.add_argument(
        "--root",
        choices=get_args(RootKind),
        help="what dom0 lives in: busybox alone; or Debian with xl, as an initramfs, over nfs "
        "(needs root privileges), over 9p (emulator only), or on the card, ext4 (default: "
        "the board's)",
    )


def add_fetch_options(group: argparse._ArgumentGroup) -> None:
    """`--offline` and `--refresh`."""
    fetch = group.add_mutually_exclusive_group()
    fetch.add_argument("--offline", action="store_true", help="use only what is in the cache")
    fetch.add_argument(
        "--refresh", action="store_true", help="ask the mirror what is newest, not the cache"
    )


def add_boot_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what is booted, and how."""
    add_what_options(parser)
    how = parser.add_argument_group("how")
    how.add_argument(
        "--target", default="qemu", metavar="T", help="qemu (default) or serial:URL (a line)"
    )
    how.add_argument(
        "--method",
        choices=("pxe", "multiboot", "sdcard", "direct"),
        help="pxe: the network; multiboot: QEMU loads Xen, fast (x86); sdcard: the card or disk; "
        "direct: QEMU loads Xen (ARM) (default: the board's)",
    )
    how.add_argument(
        "--card",
        metavar="FILE",
        type=Path,
        help="boot from this image of a card instead of one that is made; it is not written to",
    )
    how.add_argument(
        "--own-binaries",
        action="store_true",
        help="the board's own binaries, also where the emulated machine that stands in for it "
        "needs others: shows how far they get",
    )
    how.add_argument(
        "--ivrs",
        metavar="FILE",
        type=Path,
        help="boot with this IVRS (binary, acpidump, hex dump, Xen log); the other tables are made",
    )
    how.add_argument(
        "--acpi",
        metavar="PATH",
        type=Path,
        help="boot with the ACPI tables of this folder or file",
    )
    how.add_argument("--entry", metavar="ID", help="the entry of the iPXE menu (default: board's)")
    how.add_argument("--until", metavar="STAGE", help="the goal (default: the board's, login)")
    how.add_argument(
        "--deadline-scale",
        metavar="F",
        type=float,
        default=1.0,
        help="stretch all deadlines by this factor, for slow hosts (default 1)",
    )
    add_fetch_options(how)
    line = parser.add_argument_group("a board on a serial line")
    line.add_argument("--bind", default=LOOPBACK, metavar="ADDR", help="our servers listen here")
    line.add_argument(
        "--server-url",
        metavar="URL",
        help="how the board reaches our HTTP server (http://HOST:PORT)",
    )
    line.add_argument("--power-on", metavar="CMD", help="switches the board on")
    line.add_argument("--power-off", metavar="CMD", help="switches the board off")


def add_report_options(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup, more: tuple[str, ...] = ()
) -> None:
    """`--format` and `--fail-on`, of the commands that report findings; `more`: formats."""
    parser.add_argument(
        "--format",
        choices=("text", "json", *more),
        default="text",
        help="of the report (default: text)",
    )
    parser.add_argument(
        "--fail-on",
        choices=("error", "warning"),
        default="error",
        help="from which severity on the exit code is 1 (default: error)",
    )


def uses_from(options: argparse.Namespace) -> dict[str, str]:
    """What `--use`, `--xen`, `--kernel` and `--initrd` give for the roles.

    Raises:
        UsageError: an option that is none, or two for one role.
    """
    uses = parse_uses(options.use)
    for role in ("xen", "kernel", "initrd"):
        value = getattr(options, role)
        if value is None:
            continue
        if role in uses:
            raise UsageError(f"--{role} {value} and --use {role}={uses[role]}: which one?")
        uses[role] = value
    return uses


def request_from(options: argparse.Namespace, board: Board | None = None) -> BootRequest:
    """The boot that the options ask for.

    Raises:
        UserError: they do not fit together, or the board is not valid.
    """
    return BootRequest(
        board=board or load(options.board, options.board_path),
        target=options.target,
        method=options.method,
        uses=uses_from(options),
        xen_edits=options.cmdline_xen,
        dom0_edits=options.cmdline_dom0,
        until=options.until,
        entry=options.entry,
        out=getattr(options, "out", None),
        scale=options.deadline_scale,
        offline=options.offline,
        refresh=options.refresh,
        bind=options.bind,
        server_url=options.server_url,
        card=options.card,
        own=options.own_binaries,
        ivrs=options.ivrs,
        acpi=options.acpi,
        root=options.root,
        power_on=options.power_on,
        power_off=options.power_off,
    )
