"""What xentrace says when it takes no trace, and what it means."""

from __future__ import annotations

import re

from harness.shell.base import ShellError

SPARE = 16
"""Megabytes of dom0's /tmp that a trace leaves free: it may be dom0's memory."""

# Exit codes of timeout(1): it had to end, or to kill, the program.
_TIMED_OUT = {124, 137}

# What xentrace says -> what it means, what to do.
_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"bind to VIRQ port",
        "another xentrace is running in dom0",
        "end it (kill -INT $(pidof xentrace)): Xen has one trace, for one reader",
    ),
    (
        r"Disk space limit reached|Write failed|Failed to write trace data|Cannot write cpu",
        "the trace does not fit into dom0's /tmp",
        f"fewer seconds, or fewer events (mask sched); {SPARE} MB of /tmp are left free",
    ),
    (
        r"enable trace buffers",
        "Xen gives no trace buffers",
        "see xl dmesg: no memory for so many pages a CPU (buffer_pages), or a Xen that was built "
        "without CONFIG_TRACEBUFFER",
    ),
    (
        r"privileged command interface|xenctrl interface open",
        "dom0 cannot talk to Xen",
        "modprobe xen-privcmd in dom0; is it Linux without Xen?",
    ),
)


class TraceError(ShellError):
    """No trace could be taken in dom0."""


def refused(program: str, status: int, said: str) -> TraceError:
    """The error of a program that ended with this exit code, and what it said."""
    words = " / ".join(
        line for line in said.splitlines() if line and not line.startswith("change evtmask")
    )
    if status in _TIMED_OUT:
        return TraceError(
            f"{program} did not end, and was killed",
            where="dom0",
            hint="dom0 may have had no CPU for it: fewer guests, or fewer events (mask sched)",
        )
    for pattern, cause, hint in _CAUSES:
        if re.search(pattern, said):
            return TraceError(
                cause, where="dom0", expected="a trace", hint=f"{hint}; it said {words!r}"
            )
    return TraceError(
        f"{program} ended with exit code {status}", where="dom0", hint=f"it said {words[-300:]!r}"
    )
