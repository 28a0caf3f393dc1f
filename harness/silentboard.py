"""A board that falls silent under a test: what it does is found out before the next test."""

from __future__ import annotations

from harness.console import BoardStopped, ConsoleTimeout
from harness.errors import HarnessError
from harness.forensics import Options, collect
from harness.session import HangContext, Session
from harness.shell.base import ShellError
from harness.target.base import ChannelClosed
from harness.target.qemu import QemuTarget

# Seconds, on an idle host, in which a dom0 that lives runs `true`.
_PATIENCE = 20.0
_LIMIT = 90.0


def look(session: Session, error: BaseException | None) -> str:
    """What the machine does, where a test failed because dom0 does not answer any more.

    It is asked once in the life of a board: what was found stays in its run folder.

    Args:
        error: that ended the test.

    Returns:
        Lines for the report; "" where dom0 answers, or nobody was asked.
    """
    if not isinstance(error, HarnessError | ConsoleTimeout):
        return ""
    if session.run is None or session.shell is None or session.result.get("forensics"):
        return ""
    # A person who has the real board wants it as it is; and its power may be gone.
    if not isinstance(session.target, QemuTarget) or _answers(session):
        return ""
    found = collect(HangContext(session, session.ending), Options(dump="none", limit=_LIMIT))
    where = session.run.path / "forensics.txt"
    return "\n".join(["dom0 does not answer any more.", *found.summary, f"all of it: {where}"])


def _answers(session: Session) -> bool:
    try:
        return session.dom0.run("true", timeout=_PATIENCE).status == 0
    except ChannelClosed:
        return True  # the emulator is gone: there is nobody to ask
    except (ShellError, ConsoleTimeout, BoardStopped):
        return False
