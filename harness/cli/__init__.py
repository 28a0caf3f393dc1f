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
from harness.cli import (
    acpi,
    bisect,
    boards,
    boot,
    doctor,
    imagebuilder,
    lint,
    record,
    replay,
    rerun,
    runs,
    sdcard,
    soak,
    trace,
)
from harness.cli.options import give_up
from harness.errors import (
    EXIT_BOARD_FAILED,
    EXIT_INFRA,
    EXIT_PASS,
    EXIT_USER,
    HarnessError,
    InfraError,
)
from harness.texts import printable

# For git bisect run: neither good nor bad.
CANNOT_BE_JUDGED = 125

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
  harness boot cubieboard2              SPL, U-Boot, Xen on ARM, dom0, from a card
  harness soak run apu2 --boots 100     how often it fails, and in which ways
  harness bisect --good 4.14 --bad 4.20 which Xen was the first that fails
  harness record apu2                   a boot that can be executed again: harness rerun
  harness lint boot.cmd board.dtb xen   what would go wrong, without booting
  harness trace apu2 --root 9p          what Xen does: who runs, hypercalls, exits
  harness acpi diff old new             what a firmware update changed in the ACPI tables
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
    chain = (boot, record, rerun, replay, soak, bisect, trace, lint, acpi, sdcard, imagebuilder)
    for module in (*chain, boards, runs, doctor):
        module.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. No error of ours or of the user is a traceback."""
    _open_closed_files()
    words = sys.argv[1:] if argv is None else list(argv)
    code = _code_of(words)
    try:
        sys.stdout.flush()
    except OSError as bad:
        if not isinstance(bad, BrokenPipeError):
            say(f"cannot write the standard output: {bad.strerror}")
        code = EXIT_INFRA
        give_up(sys.stdout)
    if code in {EXIT_PASS, EXIT_BOARD_FAILED} or not _is_for_bisect(words):
        return code
    return CANNOT_BE_JUDGED


def _code_of(words: Sequence[str]) -> int:
    try:
        options = parser().parse_args(words)
        # Asked to end in any way, we end like after Ctrl-C: in order, with a result.
        for name in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.default_int_handler)
        code: int = options.run(options)
    except SystemExit as end:  # of argparse: help, version, or wrong usage
        return end.code if isinstance(end.code, int) else EXIT_USER
    except HarnessError as bad:
        say(str(bad))
        return bad.exit_code
    except KeyboardInterrupt:
        say("interrupted; nothing of it runs any more")
    except BrokenPipeError:
        give_up(sys.stdout)
    except OSError as bad:
        say(str(InfraError.of(bad)))
    except Exception as bug:  # noqa: BLE001 -- the last line of defence: no traceback for a user
        say(f"a defect of the harness itself: {type(bug).__name__}: {bug}")
        say(f"  next: report it, with {_keep_traceback()}")
    else:
        return code
    return EXIT_INFRA


def _is_for_bisect(words: Sequence[str]) -> bool:
    """Whether `git bisect run` gets the code: also of arguments that cannot be parsed."""
    return any(len(word) >= len("--bis") and "--bisect".startswith(word) for word in words)


def _open_closed_files() -> None:
    """Nothing that we open later may become our standard output by its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def say(text: str) -> None:
    """A message of the command line."""
    try:
        print(f"harness: {printable(text)}", file=sys.stderr, flush=True)  # noqa: T201 -- a command line
    except OSError:  # nobody reads it: the exit code still tells
        give_up(sys.stderr)


def _keep_traceback() -> str:
    """The file that has the traceback which was not shown."""
    try:
        handle, name = tempfile.mkstemp(prefix="harness-defect-", suffix=".txt")
        with os.fdopen(handle, "w") as file:
            file.write(traceback.format_exc())
    except OSError as bad:
        return f"how it was called (its traceback could not be kept: {bad.strerror})"
    return name
