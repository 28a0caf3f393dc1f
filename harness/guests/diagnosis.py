"""What a guest did wrong, said with what dom0 knows about it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from harness.console import BoardStopped, ConsoleTimeout
from harness.errors import EXIT_BOARD_FAILED, HarnessError
from harness.shell.base import ShellError
from harness.shell.dom0 import Dom0Shell
from harness.target.base import ChannelClosed

if TYPE_CHECKING:
    from harness.guests.console import GuestConsole

_TAIL = 12
_STATES = {
    "r": "running",
    "b": "blocked: it waits for an event",
    "p": "paused: xl unpause lets it run",
    "s": "shut down",
    "c": "crashed",
    "d": "dying",
}
"""The letters of `xl list` (tools/xl/xl_list.c)."""


class GuestError(HarnessError):
    """A guest did not do what was waited for.

    Attributes:
        kind: "panicked", "gone", "silent" or "busy" (it talks, but not what was waited for).
        evidence: what dom0 says about it: xl list, the logs of xl, of its device model and of
            its console.
    """

    exit_code = EXIT_BOARD_FAILED

    def __init__(
        self, kind: str, message: str, guest: GuestConsole, expected: str, hint: str
    ) -> None:
        self.kind = kind
        self.evidence = evidence(guest.line.dom0, guest.name)
        tail = "".join(f"\n    {line}" for line in self.evidence.splitlines())
        super().__init__(
            f"{message}{tail}",
            where=f"guest {guest.name}",
            expected=expected,
            hint=hint,
            log=guest.log,
        )


def panicked(guest: GuestConsole) -> GuestError:
    """Its kernel panicked, or it has started anew."""
    log = guest.console.parser.log
    if log.panics:
        why = "; ".join(log.panics[-1].reason)
        return GuestError(
            "panicked",
            f"the guest's kernel panicked: {why}",
            guest,
            "a guest that boots to its shell",
            "its console says more; is its ramdisk, root= or init= right?",
        )
    return GuestError(
        "panicked", "the guest has started anew", guest, "one start", "see its console"
    )


def gone(guest: GuestConsole) -> GuestError:
    """`xl console` has ended by itself."""
    last = guest.console.lines[-1].text if guest.console.lines else ""
    return GuestError(
        "gone",
        f"the guest is gone: xl console ended with status {guest.line.status}; "
        f"its last line: {last!r}",
        guest,
        "a guest that runs",
        "it was destroyed, has shut down, or crashed (on_crash = 'preserve' keeps it)",
    )


def late(
    guest: GuestConsole, wanted: str, quiet: float, waited: float, *, hung: bool
) -> GuestError:
    """What was waited for did not come.

    Args:
        wanted: the pattern.
        quiet: seconds since its last byte; `waited`: since the waiting began.
        hung: it was too long silent; else it talks, and takes too long.
    """
    console = guest.console
    said = [line.text for line in console.lines if line.text.strip()]
    if not said and not console.partial.strip():
        message = f"the guest said nothing within {waited:.0f} s"
        hint = (
            "without a word there is no console (console=hvc0), or no kernel that runs here: "
            "the state says whether it runs; xl dmesg says what Xen refused it"
        )
    else:
        message = (
            f"the guest says nothing for {quiet:.0f} s; last: {(console.partial or said[-1])!r}"
        )
        hint = "its console stands there; see its log"
    return GuestError(
        "silent" if hung else "busy", message, guest, f"{wanted!r} within {waited:.0f} s", hint
    )


def evidence(dom0: Dom0Shell, name: str) -> str:
    """What dom0 says about a guest; also if dom0 cannot say it any more."""
    parts = [("state", _state(dom0, name))]
    logs = {
        "xl": f"/var/log/xen/xl-{name}.log",
        "device model": f"/var/log/xen/qemu-dm-{name}.log",
        "hotplug scripts": "/var/log/xen/xen-hotplug.log",
    }
    for what, path in logs.items():
        parts.append((what, _ask(dom0, f"tail -n {_TAIL} {shlex.quote(path)} 2>/dev/null")))
    parts.append(("Xen", _ask(dom0, f"xl dmesg | tail -n {_TAIL}")))
    return "\n".join(f"{what}: {text}" for what, text in parts if text)


def _state(dom0: Dom0Shell, name: str) -> str:
    row = _ask(dom0, f"xl list {shlex.quote(name)} 2>/dev/null | tail -n 1")
    words = row.split()
    if len(words) < 6 or words[0] != name:
        return "xl list does not know it"
    said = [_STATES[letter] for letter in words[4] if letter in _STATES]
    return f"{row} ({', '.join(said) or 'runnable, waiting for a CPU'})"


def _ask(dom0: Dom0Shell, command: str) -> str:
    try:
        return dom0.run(command, timeout=60).output
    except (ShellError, ConsoleTimeout, BoardStopped, ChannelClosed) as bad:
        return f"({bad})"
