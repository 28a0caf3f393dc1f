"""Who gets what is typed: dom0, Xen or another domain, of those that share one serial line.

Ctrl-A three times passes the input on: Xen, DOM0, DOM1 ..., Xen (drivers/char/console.c; the key is
Xen's option `conswitch`). Xen says each time who has it now, so the console's lines always tell,
also when somebody else switched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from harness.bootlog import plain_text
from harness.console import BoardStopped, Console
from harness.shell.base import ShellError
from harness.target.base import ChannelClosed

XEN = "Xen"
DOM0 = "DOM0"

# Xen eats it in groups of three, and hands one or two on with the next other key.
_SWITCH = "\x01"
# "Serial input -> DOM0" until Xen 4.11.
_OWNER = re.compile(r"\(XEN\) \*\*\* Serial input (?:to|->) (\w+)")
_PATIENCE = 5.0
_TICK = 0.1
# Reads without waiting before the owner is believed; a board that never stops has no end.
_READS = 100


class XenInput:
    """Knows the owner of the serial input, and changes it.

    Args:
        scale: stretches all patience, for slow hosts.
    """

    def __init__(self, console: Console, *, scale: float = 1.0) -> None:
        self.console = console
        self.scale = scale
        self._owner: str | None = None
        self._seen = 0  # lines
        self._switches = 0

    @property
    def owner(self) -> str | None:
        """ "DOM0", "Xen", "DOM1" ..., by what has been read; None: Xen did not say yet."""
        for line in self.console.lines[self._seen :]:
            if match := _OWNER.match(plain_text(line.text)):
                self._owner = match[1]
                self._switches += 1
        self._seen = len(self.console.lines)
        return self._owner

    def switch_to(self, wanted: str) -> None:
        """Pass the input on until it is `wanted`'s: "Xen", "DOM0", "DOM1" ...

        Raises:
            ShellError: it never comes to that; lists the owners seen.
            BoardStopped: the board panicked or reset meanwhile.
            ChannelClosed: the line has ended.
        """
        owner = self._now()
        seen = [owner] if owner else []
        while owner != wanted:
            owner = self._pass_on(wanted, seen)
            if owner != wanted and owner in seen:
                raise ShellError(
                    f"the serial input never comes to {wanted}",
                    where="Xen's console",
                    expected=f"{wanted} among its owners",
                    hint=f"it went round: {', '.join(seen)}; is the domain there, and has it a "
                    "console of Xen's (vpl011)?",
                )
            seen.append(owner)

    @contextmanager
    def owned_by(self, wanted: str) -> Iterator[None]:
        """Inside, the input is `wanted`'s; then it goes back to who had it, DOM0 if unknown.

        An error inside is raised also when the input cannot be given back.

        Raises:
            As `switch_to`.
        """
        before = self._now() or DOM0
        try:
            self.switch_to(wanted)
            yield
        except (BoardStopped, ChannelClosed):
            # Nobody is there to switch any more.
            raise
        except BaseException:
            with suppress(ShellError, BoardStopped, ChannelClosed):
                self.switch_to(before)
            raise
        self.switch_to(before)

    def guard(self, wanted: str) -> Callable[[], None]:
        """What a shell calls before it types (`Shell.before_typing`).

        The input is then `wanted`'s; without a word of Xen about it (no Xen below, say), nothing
        is done.
        """

        def see_to_it() -> None:
            if self._now() is not None:
                self.switch_to(wanted)

        return see_to_it

    def _now(self) -> str | None:
        """The owner, by all that has come until now."""
        for _ in range(_READS):
            if not self.console.pump(0.0):
                break
        return self.owner

    def _pass_on(self, wanted: str, seen: list[str]) -> str:
        """One switch: the new owner."""
        # One by one if three at once did nothing: then one was lost on the line, and three more
        # would leave two behind that are typed into whoever is next.
        for keys in (_SWITCH * 3, _SWITCH, _SWITCH, _SWITCH):
            before = self._switches
            self.console.send(keys)
            end = self.console.now + _PATIENCE * self.scale
            while self.console.now < end:
                self.console.pump_checked(_TICK)
                owner = self.owner
                if owner is not None and self._switches > before:
                    return owner
        raise ShellError(
            f"Xen does not pass the serial input on to {wanted}",
            where="Xen's console",
            expected='"*** Serial input to ..." after Ctrl-A three times',
            hint=f"owners seen: {', '.join(seen) or 'none'}; does Xen run, with its input on this "
            "line (console=, conswitch=), and does nobody between (QEMU's own "
            "-nographic) keep Ctrl-A?",
        )
