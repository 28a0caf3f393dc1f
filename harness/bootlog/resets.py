"""Resets and power-offs: announced by Xen or Linux, or seen in a boot that starts again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from harness.bootlog.lines import Line

MAX_RESETS = 200


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset or a power-off.

    Attributes:
        kind: "announced" somebody said that it would reset; "restart" the boot starts again;
            "poweroff" the machine halts or switches off.
        why: the words of the log.
        asked: a command or an orderly shutdown came before it.
    """

    line: int
    at: float | None
    kind: Literal["announced", "restart", "poweroff"]
    why: str
    asked: bool = False


_ANNOUNCED = re.compile(
    r"(?:Reboot|Crash) in five seconds|Resetting (?:with|system)|reboot: Restarting system"
    r"|Hardware Dom\d+ (?:crashed|shutdown)|Domain 0 (?:crashed|shutdown): "
    r"|Hardware domain \d+ did unsupported soft reset|resetting \.\.\."
)
_POWEROFF = re.compile(
    r"reboot: (?:Power down|System halted)|Hardware Dom\d+ halted|Domain 0 halted"
)
WORDS = frozenset(["Reboot", "Crash", "Resetting", "reboot:", "Hardware", "Domain", "resetting"])
"""First words of the lines that `said_reset` knows."""

XEN_WORDS = WORDS - {"reboot:", "resetting"}
"""Those of them that Xen itself says: a guest that owns the console looks like Xen."""


def said_reset(text: str, line: Line) -> Reset | None:
    """The reset that a line announces, without prefix or time stamp; None if it does not."""
    if _ANNOUNCED.match(text):
        return Reset(line.number, line.at, "announced", text.strip())
    if _POWEROFF.match(text):
        return Reset(line.number, line.at, "poweroff", text.strip())
    return None


ASKED_LINES = 500
"""Lines that an orderly shutdown may print between the command and the reset."""

_COMMAND = re.compile(
    r"(?:\{ )?(?:(?:sudo|exec|nohup|sync[;&]+) )*(?:/\S*/)?"
    r"(?:reboot|poweroff|halt|shutdown|(?:tel)?init [06]|systemctl (?:reboot|poweroff|halt)"
    r"|xl (?:shutdown|reboot) (?:-\S+ )*(?:0|Domain-0))(?![\w.=/-])"
)
_UBOOT_COMMAND = re.compile(r"(?:.*[;&] *)?(?:reset|poweroff)(?![\w.=/-])")
_GOING_DOWN = re.compile(
    r"The system (?:is going down|will (?:reboot|power off|halt) now)"
    r"|(?:\[ *OK *\] )?Reached target .*(?:[Rr]eboot|[Pp]ower-[Oo]ff|[Hh]alt)"
)
# What says so itself was not the end of an orderly shutdown, whatever came before.
_UNASKED = re.compile(r"in five seconds|[Cc]rash|watchdog|unsupported")


def command_resets(command: str) -> bool:
    """Whether this command, typed at a shell's prompt, asks for a reset or a power-off."""
    return _COMMAND.match(command) is not None


def uboot_resets(command: str) -> bool:
    """Whether this command, typed at U-Boot's prompt, asks for a reset or a power-off."""
    return _UBOOT_COMMAND.match(command) is not None


def goes_down(text: str) -> bool:
    """Whether a line of userspace says that the system shuts down in order."""
    likely = "The system " in text or "target" in text
    return likely and _GOING_DOWN.search(text) is not None


def can_be_asked(reset: Reset) -> bool:
    """Whether somebody may have asked for it; a crash never was."""
    return _UNASKED.search(reset.why) is None
