"""A guest from `xl create` to `xl destroy`, with nothing of it left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.console import BoardStopped
from harness.errors import HarnessError
from harness.guests.console import GuestConsole, attached
from harness.lint import xlcfg
from harness.shell.base import ShellError
from harness.target.base import ChannelClosed
from harness.toolstack.dom0 import Dom0

CREATE = 120.0
"""Seconds that `xl create` may take, on an idle host."""

GONE = 30.0
"""Seconds until a destroyed guest has given all back, on an idle host."""


@contextmanager
def running(
    dom0: Dom0,
    cfg: str,
    *,
    folder: Path | None = None,
    timeout: float = CREATE,
    paused: bool = False,
) -> Iterator[GuestConsole]:
    """A guest made from `cfg` (xl.cfg's text), its console attached; destroyed in the end.

    It is not waited for: `wait_until_up`, or `wait_for` what it should say.

    Args:
        folder: as in `attached`.
        timeout: seconds for `xl create`, on an idle host.
        paused: do not start it; `xl unpause` does.

    Raises:
        HarnessError: as `Xl.create` and `attached`.
    """
    name = xlcfg.parse(cfg).text("name") or ""
    try:
        dom0.xl.create(cfg, timeout=timeout, paused=paused)
        with attached(dom0, name, folder=folder) as guest:
            yield guest
    except BaseException:
        # What went wrong is the news, not that it cannot be tidied up.
        with suppress(HarnessError, BoardStopped, ChannelClosed):
            destroy(dom0, name)
        raise
    destroy(dom0, name)


def destroy(dom0: Dom0, name: str, *, timeout: float = GONE) -> None:
    """Destroy a guest, if it is there, and wait until nothing of it is left.

    Args:
        timeout: seconds until its memory and devices are given back, on an idle host.

    Raises:
        ShellError: something of it stays.
        HarnessError: as `Xl.destroy`.
    """
    found = next((row.id for row in dom0.xl.list() if row.name == name), None)
    if found is None:
        return
    dom0.xl.destroy(name)
    end = dom0.console.now + timeout * dom0.scale
    # Until then its row has no name.
    while any(row.id == found for row in dom0.xl.list()):
        if dom0.console.now > end:
            raise ShellError(
                f"domain {found} ({name}) is destroyed, and does not go away",
                where="dom0",
                expected=f"no row of it in xl list within {timeout * dom0.scale:.0f} s",
                hint="somebody still has its memory: a backend, its device model",
            )
