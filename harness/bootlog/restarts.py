"""Follows the resets of a boot: those announced, and those seen because it starts again.

Also whether somebody asked for them: a command that was typed, or an orderly shutdown.
"""

from __future__ import annotations

import re
from dataclasses import replace

from harness.bootlog.lines import Line
from harness.bootlog.prompts import typed, typed_to_uboot
from harness.bootlog.resets import (
    ASKED_LINES,
    MAX_RESETS,
    Reset,
    can_be_asked,
    command_resets,
    goes_down,
    said_reset,
    uboot_resets,
)

LOADER_WORDS = frozenset(["SeaBIOS", "coreboot", "PC", "U-Boot"])
"""First words of the lines that `Restarts.loader_starts` knows."""

_SPL = "U-Boot SPL "
_FIRST = ("SeaBIOS (version ", "coreboot build ", "PC Engines ", _SPL)
_UBOOT = re.compile(r"U-Boot \d")
# A command that shows Xen's log: without it, a second first line of Xen is a second boot.
_LISTS_LOG = re.compile(r"dmesg|log\b|console|hypervisor")


class Restarts:
    """Collects resets.

    Attributes:
        found: all of them, up to a bound.
        unasked: how many nobody asked for.
    """

    def __init__(self) -> None:
        self.found: list[Reset] = []
        self.unasked = 0
        self._asked_at: int | None = None  # the line that asked for a reset
        self._seen: set[str] = set()  # in the boot that runs now

    def kernel_speaks(self) -> None:
        self._seen.add("kernel")

    def asked(self, line: Line) -> None:
        """Somebody has asked for a reset in this line."""
        self._asked_at = line.number

    def asks(self, text: str, line: Line, *, loading: bool) -> None:
        """A line of whoever is neither Xen nor a kernel: it may ask for a reset.

        Args:
            loading: a loader speaks: U-Boot's prompt is one.
        """
        if (
            goes_down(text)
            or command_resets(typed(text))
            or (loading and uboot_resets(typed_to_uboot(text)))
        ):
            self.asked(line)

    def says(self, text: str, line: Line) -> None:
        """A line whose first word is in `resets.WORDS`: it may announce a reset."""
        reset = said_reset(text, line)
        if reset:
            self._add(reset)

    def loader_starts(self, text: str, line: Line, *, before: str, progressed: bool) -> bool:
        """A line whose first word is in `LOADER_WORDS`; returns whether the boot starts again.

        Args:
            before: the line before it.
            progressed: this boot got further than the firmware.
        """
        if text.startswith(_FIRST):
            name = "spl" if text.startswith(_SPL) else "firmware"
            again = progressed or "spl" in self._seen
            seen = {name}
        elif _UBOOT.match(text) and not before.strip():
            # The command `version` prints the same line, without a blank one before it.
            again = "uboot" in self._seen
            seen = {"uboot"} if again else self._seen | {"uboot"}
        else:
            return False
        again = again or "xen" in self._seen or "kernel" in self._seen
        if again:
            self._restart(line)
        self._seen = seen - {"xen", "kernel", "reset"}
        return again

    def xen_starts(self, line: Line, userspace: str) -> bool:
        """Xen's first line; returns whether the boot starts again.

        Args:
            userspace: the last words of neither Xen nor a kernel: "xl dmesg" says it all again.
        """
        again = "xen" in self._seen or ("kernel" in self._seen and "firmware" not in self._seen)
        if again:
            if "reset" not in self._seen and _LISTS_LOG.search(typed(userspace)):
                return False
            self._restart(line)
            self._seen = set()
        self._seen.add("xen")
        return again

    def _restart(self, line: Line) -> None:
        self._add(Reset(line.number, line.at, "restart", line.text.strip()))
        self._asked_at = None

    def _add(self, reset: Reset) -> None:
        self._seen.add("reset")
        asked_at = self._asked_at
        if asked_at is not None and reset.line - asked_at <= ASKED_LINES and can_be_asked(reset):
            reset = replace(reset, asked=True)
        else:
            self.unasked += 1
        if len(self.found) < MAX_RESETS:
            self.found.append(reset)
