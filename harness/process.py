"""Starts a child process that dies with us, also when we are killed with SIGKILL."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import IO

from harness import tools

# We may be killed between the fork and setpriv's prctl: then nobody is left to die with.
_UNLESS_ORPHAN = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"'


@cache
def _spawner() -> ThreadPoolExecutor:
    # PR_SET_PDEATHSIG follows the *thread* that forked: this one lives as long as the process,
    # whichever thread asks for the child.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


def start(
    argv: Sequence[str],
    *,
    cwd: Path,
    output: IO[bytes],
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program that the kernel kills when this process ends.

    Its stdout and stderr go to `output`; its stdin is empty, so that it never holds a pipe
    of our caller.

    Raises:
        ToolMissing: the program, or setpriv (util-linux), is not installed.
    """
    program = tools.find(argv[0])
    guard = tools.find("setpriv")
    command = [str(guard), "--pdeathsig", "KILL", "--"]
    command += ["/bin/sh", "-c", _UNLESS_ORPHAN, "sh", str(os.getpid()), str(program), *argv[1:]]

    def fork() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
            # A Ctrl-C at the terminal is for the harness, which ends its children in order.
            start_new_session=True,
        )

    return _spawner().submit(fork).result()


def stop(process: subprocess.Popen[bytes], patience: float = 3.0) -> int:
    """End a child: SIGTERM, then SIGKILL after `patience` seconds; its exit code."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(patience)
        process.kill()
    return process.wait()
