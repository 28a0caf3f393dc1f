"""`harness rerun`."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.cli.options import out
from harness.cli.status import Status
from harness.errors import EXIT_BOARD_FAILED, EXIT_PASS, UsageError
from harness.recording.debugging import Held, gdb, held, stop_of
from harness.recording.model import Recording, load
from harness.recording.rerun import Rerun, rerun
from harness.recording.telling import rerun_text
from harness.run import root
from harness.target.base import ChannelClosed

CONSOLE = "rerun-console.raw"
_TICK = 0.2


def add(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "rerun",
        help="execute a recorded boot again, instruction by instruction",
        description="Replay the machine of a recording, and compare what it prints with what was "
        "printed, byte by byte; or stop it at the hang, under gdb.",
    )
    parser.add_argument(
        "recorded", metavar="RUN", help="the run folder of harness record, or its name"
    )
    parser.add_argument(
        "--gdb",
        metavar="WHERE",
        nargs="?",
        const="",
        help="stop it for gdb, which listens at this port of this host, or at this path of a Unix "
        "socket (default: a socket of its own); on a terminal gdb is started",
    )
    parser.add_argument(
        "--at",
        metavar="WHERE",
        help="with --gdb: hang (default if it hung), start, the number of an instruction, or a "
        "symbol",
    )
    parser.add_argument(
        "--symbols",
        metavar="FILE",
        action="append",
        type=Path,
        default=[],
        help="with --gdb: xen-syms, vmlinux (default: those of Debian's package of the Xen that "
        "was booted)",
    )
    parser.add_argument(
        "--offline", action="store_true", help="with --gdb: fetch no symbols, use the cache"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Replay, report, and give the exit code."""
    alone = {"--at": options.at, "--symbols": options.symbols, "--offline": options.offline}
    for option, value in alone.items():
        if value and options.gdb is None:
            raise UsageError(f"{option} goes with --gdb")
    if options.gdb is not None and options.json:
        raise UsageError("--json with --gdb", expected="one of them")
    for path in options.symbols:
        if not path.is_file():
            raise UsageError(f"--symbols {path}: no such file")
    recording = load(_folder(options.recorded))
    return _compare(options, recording) if options.gdb is None else _debug(options, recording)


def _folder(text: str) -> Path:
    path = Path(text)
    named = root() / text
    if not path.is_dir() and "/" not in text and named.is_dir():
        return named
    if not path.is_dir():
        raise UsageError(f"{text}: no such run folder", hint="harness runs lists them")
    return path


def _compare(options: argparse.Namespace, recording: Recording) -> int:
    end = recording.description.instructions.end
    with Status() as status:

        def progress(came: int, of: int, count: int) -> None:
            share = f", {100 * count // end} % of the instructions" if end else ""
            status.show(f"replaying: {came} of {of} bytes, all identical{share}")

        done = rerun(recording, progress)
    if options.json:
        out(json.dumps(done.to_json(), indent=2))
    else:
        out(rerun_text(done, recording.run, _kept(done, recording.run)))
    return EXIT_PASS if done.identical else EXIT_BOARD_FAILED


def _kept(done: Rerun, run: Path) -> Path | None:
    """What a replay printed that went another way."""
    if done.difference is None:
        return None
    path = run / CONSOLE
    try:
        path.write_bytes(done.console)
    except OSError:  # the folder may be read-only; what differs is shown anyway
        return None
    return path


def _debug(options: argparse.Namespace, recording: Recording) -> int:
    stop = stop_of(recording, options.at)
    here = sys.stdin.isatty() and sys.stdout.isatty() and not options.gdb
    if not options.gdb:
        gdb()  # before the replay, which takes its time
    end = stop.instruction
    with Status() as status:

        def progress(count: int) -> None:
            status.show(f"replaying to instruction {end}: {100 * count // max(1, end)} %")

        standing = held(
            recording,
            stop,
            options.gdb,
            [path.absolute() for path in options.symbols],
            offline=options.offline,
            progress=progress,
        )
        with standing as ready:
            status.close()
            for note in ready.notes:
                status.say(f"note: {note}")
            out(f"the replay stands {stop.why}; for gdb:")
            out(shlex.join(ready.argv))
            _wait(ready, start=here)
    return EXIT_PASS


def _wait(ready: Held, *, start: bool) -> None:
    """Until gdb that we started has ended; without one, until Ctrl-C or the machine's end."""
    if not start:
        with contextlib.suppress(KeyboardInterrupt, ChannelClosed):
            while True:
                ready.replay.target.channel.read(65536, _TICK)
        return
    with _interrupts_are_gdbs():
        debugger = subprocess.Popen([str(gdb()), *ready.argv[1:]])
        try:
            # What the machine prints is taken, so that its line is never full.
            with contextlib.suppress(ChannelClosed):
                while debugger.poll() is None:
                    ready.replay.target.channel.read(65536, _TICK)
            debugger.wait()
        finally:
            if debugger.poll() is None:
                debugger.terminate()
                debugger.wait()


@contextmanager
def _interrupts_are_gdbs() -> Iterator[None]:
    """Ctrl-C at the terminal stops the machine in gdb, and not us."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
