"""The command line. Thin: options in, results out; errors become one message and an exit code."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence

import harness
from harness.cli import boards, boot, doctor, replay, runs
from harness.errors import EXIT_INFRA, HarnessError

_EPILOG = """\
exit codes:
  0  PASS
  1  the board failed: FAIL, CRASHED, HUNG, INCOMPLETE
  2  wrong usage, or a board profile or input file that is not valid
  3  our side failed: DIED (the emulator or the line ended by itself), INFRA

examples:
  harness boot apu2                     the whole chain: firmware, iPXE, Xen, dom0, login
  harness boot apu2 --method multiboot  the fast path: QEMU loads Xen itself
  harness boot apu2 --xen 4.20          another Xen; also a file: --xen ./xen.gz
  harness replay console.log            judge a log that was recorded elsewhere
"""


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    top = argparse.ArgumentParser(
        prog="harness",
        description="Boots the real chain to Xen and dom0, on an emulator or a board, watches the "
        "serial console, and says what happened, why, and on what evidence.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"harness {harness.__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (boot, replay, boards, runs, doctor):
        module.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. No error of ours or of the user is a traceback."""
    options = parser().parse_args(argv)
    # Asked to end in any way, we end like after Ctrl-C: in order, with a result.
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except HarnessError as bad:
        say(str(bad))
        return getattr(options, "failure_code", bad.exit_code)
    except KeyboardInterrupt:
        say("interrupted; nothing of it runs any more")
        return getattr(options, "failure_code", EXIT_INFRA)
    except BrokenPipeError:
        # The reader of our output is gone (| head): that is its right.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_INFRA
    except Exception as bug:  # noqa: BLE001 -- the last line of defence: no traceback for a user
        say(f"a defect of the harness itself: {type(bug).__name__}: {bug}")
        say(f"  next: report it, with {_keep_traceback()}")
        return getattr(options, "failure_code", EXIT_INFRA)
    return code


def say(text: str) -> None:
    """A message of the command line."""
    print(f"harness: {text}", file=sys.stderr)  # noqa: T201 -- this is the command line


def _keep_traceback() -> str:
    """The file that has the traceback which was not shown."""
    handle, name = tempfile.mkstemp(prefix="harness-defect-", suffix=".txt")
    with os.fdopen(handle, "w") as file:
        file.write(traceback.format_exc())
    return name
