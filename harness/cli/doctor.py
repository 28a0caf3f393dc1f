"""`harness doctor`: what is missing on this machine, and the exact line that mends it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import tools
from harness.board import available, load
from harness.cli.options import add_board_path, out
from harness.errors import EXIT_INFRA, EXIT_PASS, ProfileError, ToolMissing
from harness.run import root
from harness.serve.nfs import why_no_nfs
from harness.sources.cache import default_folder

_ROOM_MIB = 1500
_ALWAYS = {
    "apt-cache": "Debian packages",
    "apt-config": "Debian packages",
    "apt-get": "Debian packages",
    "dpkg-deb": "Debian packages",
    "setpriv": "no emulator outlives the harness",
}
_FOR_CARDS = {
    "debugfs": "cards: ext4",
    "mcopy": "cards: FAT",
    "mdir": "cards: FAT",
    "mformat": "cards: FAT",
    "mke2fs": "cards: ext4",
}
# A boot does without them.
_BESIDES = {
    "depmod": "--root with xl",
    "dtc": "harness lint of .dts files",
    "ganesha.nfsd": "--root nfs",
    "gdb-multiarch": "harness rerun --gdb",
    "qemu-img": "snapshots",
}


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


def needed_programs(options: argparse.Namespace) -> dict[str, str]:
    """The programs that boots of all valid boards start, and what each is for."""
    programs = dict(_ALWAYS)
    emulators: dict[str, set[str]] = {}
    for name in available(options.board_path):
        try:
            board = load(name, options.board_path)
        except ProfileError:
            continue
        if board.targets.qemu:
            emulators.setdefault(board.targets.qemu.emulator, set()).add(board.arch)
        if board.boot.card:
            programs |= _FOR_CARDS
    for program, archs in emulators.items():
        programs[program] = f"boards of {', '.join(sorted(archs))}"
    return programs


def run(options: argparse.Namespace) -> int:
    """Print one line a check; exit 0 if a boot can work."""
    needed = needed_programs(options)
    programs = dict(sorted((needed | _BESIDES).items()))
    places = {name: _find(name) for name in programs}
    missing = [name for name, place in places.items() if place is None]
    packages = sorted({tools.PACKAGE_OF.get(name, name) for name in missing})
    if options.packages:
        if packages:
            out(" ".join(packages))
        return EXIT_PASS
    good = _tell(programs, places, needed)
    major, minor = sys.version_info[:2]
    out(f"{'ok':8} {'python':20} {major}.{minor}")
    reason = why_no_nfs()
    out(f"{'absent' if reason else 'ok':8} {'--root nfs':20} {reason or 'can be served here'}")
    room = True
    for label, folder in (("cache", default_folder()), ("runs", root())):
        free = _room(folder)
        out(f"{'ok' if free >= _ROOM_MIB else 'LOW':8} {label:20} {folder} ({free} MiB free)")
        room = room and free >= _ROOM_MIB
    if packages:
        out(f"\nto mend it: {tools.install_line(packages)}")
    if not room:
        out(f"\nfree at least {_ROOM_MIB} MiB, or set XDG_CACHE_HOME and XDG_STATE_HOME")
    return EXIT_PASS if good and room else EXIT_INFRA


def _tell(
    programs: Mapping[str, str], places: Mapping[str, Path | None], needed: Mapping[str, str]
) -> bool:
    """One line a program; whether all that boots need are there."""
    for name, purpose in programs.items():
        state = "ok" if places[name] else "MISSING" if name in needed else "absent"
        place = str(places[name] or "")
        out(f"{state:8} {name:20} {place:32} {purpose}")
    return all(places[name] for name in needed)


def _find(program: str) -> Path | None:
    try:
        return tools.find(program)
    except ToolMissing:
        return None


def _room(folder: os.PathLike[str]) -> int:
    """MiB free where a folder is, or will be."""
    path = os.path.abspath(folder)  # noqa: PTH100 -- resolves nothing: the folder may not exist
    while not os.path.exists(path):  # noqa: PTH110
        path = os.path.dirname(path)  # noqa: PTH120
    return shutil.disk_usage(path).free >> 20
