"""`harness doctor`: what is missing on this machine, and the exact line that mends it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import Any

from harness import tools
from harness.board import available, load
from harness.cli.options import add_board_path, out
from harness.errors import EXIT_INFRA, EXIT_PASS, ProfileError
from harness.run import root
from harness.sources.cache import default_folder

_ROOM_MIB = 1500


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="say what is missing, and the line that mends it",
        description="Check what a boot needs of this machine. Changes nothing.",
    )
    add_board_path(parser)
    parser.add_argument("--packages", action="store_true", help="print only the missing packages")
    parser.set_defaults(run=run)


def needed_programs(options: argparse.Namespace) -> set[str]:
    """The programs that boots of all valid boards start."""
    programs = {"apt-get", "apt-cache", "apt-config", "dpkg-deb", "setpriv"}
    for name in available(options.board_path):
        try:
            board = load(name, options.board_path)
        except ProfileError:
            continue
        if board.targets.qemu:
            programs.add(board.targets.qemu.emulator)
    return programs


def run(options: argparse.Namespace) -> int:
    """Print one line a check; exit 0 if a boot can work."""
    programs = sorted(needed_programs(options))
    missing = [name for name in programs if shutil.which(name) is None]
    packages = sorted({tools.PACKAGE_OF.get(name, name) for name in missing})
    if options.packages:
        if packages:
            out(" ".join(packages))
        return EXIT_PASS
    good = True
    for name in programs:
        found = shutil.which(name)
        out(f"{'ok' if found else 'MISSING':8} {name:22} {found or ''}")
        good = good and found is not None
    major, minor = sys.version_info[:2]
    out(f"{'ok':8} {'python':22} {major}.{minor}")
    for label, folder in (("cache", default_folder()), ("runs", root())):
        room = _room(folder)
        state = "ok" if room >= _ROOM_MIB else "LOW"
        out(f"{state:8} {label:22} {folder} ({room} MiB free)")
        good = good and state == "ok"
    if packages:
        out(f"\nto mend it: {tools.install_line(packages)}")
    elif not good:
        out(f"\nfree at least {_ROOM_MIB} MiB, or set XDG_CACHE_HOME and XDG_STATE_HOME")
    return EXIT_PASS if good else EXIT_INFRA


def _room(folder: os.PathLike[str]) -> int:
    """MiB free where a folder is, or will be."""
    path = os.path.abspath(folder)  # noqa: PTH100 -- resolves nothing: the folder may not exist
    while not os.path.exists(path):  # noqa: PTH110
        path = os.path.dirname(path)  # noqa: PTH120
    return shutil.disk_usage(path).free >> 20
