"""A booted dom0, saved, and started again as often as wanted: a fraction of a second each.

The state of the machine is kept together with a copy of its card, so no start sees what another
one wrote. Save it before domains are created, or with Xen on one CPU: in a domain on another CPU
time stands still after a restore (QEMU 7.2, orangepi-pc).
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from harness import tools
from harness.board import Board
from harness.build.artifacts import Artifacts
from harness.build.files import Files
from harness.console import BoardStopped, Console, ConsoleTimeout
from harness.errors import InfraError, TargetError
from harness.run import RESULT, RunFolder
from harness.session import PowerOn, Session, console_of
from harness.shell.base import ShellError
from harness.shell.xen_input import DOM0, XenInput
from harness.target import qemu_state
from harness.target.base import ChannelClosed, Target
from harness.target.qemu import QemuTarget
from harness.target.qemu_state import NotSaved
from harness.toolstack.dom0 import Dom0
from harness.verdict import Ending

_STATE = "state"
_SILENT = (BoardStopped, ConsoleTimeout, ShellError, ChannelClosed, TargetError)
# What QEMU writes anew in each start.
_WRITTEN = {"card", "capture", "trace"}


@dataclass(frozen=True)
class Snapshot:
    """A saved dom0, at its prompt.

    Args:
        of: the boot; it lives on.
        board, run, target, artifacts: of that boot.
        folder: the state, and the card as it was.
        emulator: the version that saved it.
        seconds: that saving took.
    """

    of: Session
    board: Board
    run: RunFolder
    target: QemuTarget
    artifacts: Artifacts
    folder: Path
    emulator: str
    seconds: float


@contextmanager
def saved(session: Session) -> Iterator[Snapshot]:
    """Save a boot that stands at dom0's prompt; what was saved is gone when the `with` ends.

    The machine stops for a moment, and goes on.

    Raises:
        NotSaved: this target or machine cannot be saved; says why. The boot lives on.
        TargetDied: the emulator ended meanwhile.
        TargetError: dom0 does not answer any more.
        InfraError: a file cannot be written.
    """
    target, run, artifacts = session.target, session.run, session.artifacts
    if not isinstance(target, QemuTarget) or run is None or artifacts is None:
        raise NotSaved(f"target {target.name} cannot be saved, only an emulator")
    if session.board is None or session.shell is None:
        raise NotSaved("the boot did not come to dom0's prompt")
    try:
        session.shell.run("true")  # the prompt is there, and has the input
    except _SILENT as bad:
        raise _no_answer(target, bad, "before it is saved") from None
    began = time.monotonic()
    with _own_folder(run.work) as folder:
        with qemu_state.saved(target, folder / _STATE):
            emulator = qemu_state.version(target)
            _copy_card(artifacts.files, run.work, folder)
        seconds = time.monotonic() - began
        yield Snapshot(session, session.board, run, target, artifacts, folder, emulator, seconds)


@contextmanager
def _own_folder(work: Path) -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix="snapshot-", dir=work))
    except OSError as bad:
        raise InfraError.of(bad, "cannot make a folder in", work) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy_card(files: Files, source: Path, folder: Path) -> None:
    if files.card is not None:
        # It knows about holes; most of a card is one.
        tools.run(["cp", "--reflink=auto", source / files.card, folder / files.card])


@contextmanager
def restored(snapshot: Snapshot) -> Iterator[Session]:
    """Start a saved dom0: a session with a console and a shell of its own.

    Its log begins at the restore; stages and verdict are those of the boot that was saved, and its
    result says `snapshot: true`.

    Raises:
        TargetError: the emulator does not take the state, or dom0 does not answer.
        TargetDied: the emulator ended over it.
        InfraError: a file cannot be written.
    """
    with ExitStack() as stack:
        run = stack.enter_context(_run_folder(snapshot))
        target = QemuTarget(snapshot.target.command, run.work, run.path / "qemu.log", incoming=True)
        stack.enter_context(closing(target))
        qemu_state.load(target, snapshot.folder / _STATE, snapshot.emulator)
        power = PowerOn()
        console = stack.enter_context(closing(console_of(target, run, snapshot.board, power)))
        power.now()
        target.power_on()
        yield _session(snapshot, target, console, run)


@contextmanager
def _run_folder(snapshot: Snapshot) -> Iterator[RunFolder]:
    """A run folder in that of the boot; what the emulator needs is in the boot's work folder."""
    files, base = snapshot.artifacts.files, snapshot.run
    try:
        run = _next_folder(base)
    except OSError as bad:
        raise InfraError.of(bad, "cannot work in", base.path) from None
    try:
        _link_files(files, base.work, run.work)
        _copy_card(files, snapshot.folder, run.work)
        yield run
    finally:
        if files.card is not None:
            with contextlib.suppress(OSError):
                (run.work / files.card).unlink(missing_ok=True)
        run.close()


def _link_files(files: Files, source: Path, folder: Path) -> None:
    try:
        for what, name in files.named():
            if what not in _WRITTEN:
                (folder / name).symlink_to(source / name)
    except OSError as bad:
        raise InfraError.of(bad, "cannot work in", folder) from None


def _next_folder(base: RunFolder) -> RunFolder:
    for number in count(1):
        path = base.path / f"restored-{number}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return RunFolder(path, base.work / path.name)
    raise AssertionError  # count() has no end


def _session(snapshot: Snapshot, target: QemuTarget, console: Console, run: RunFolder) -> Session:
    of = snapshot.of
    scale = of.clock.stretch() if of.clock else 1.0
    session = Session(
        of.board,
        target,
        console,
        Ending("goal", f"started from a snapshot of {snapshot.run.path}"),
        of.request,
        run,
        of.clock,
        of.binaries,
        findings=of.findings,
        artifacts=of.artifacts,
    )
    session.shell = _prompt(target, console, scale)
    session.rules, session.verdict = of.rules, of.verdict
    session.result = {
        **of.result,
        "snapshot": True,
        "ending": {"kind": session.ending.kind, "detail": session.ending.detail},
        "seconds": round(console.now, 3),
        "console_bytes": console.received,
        "run_folder": str(run.path),
    }
    run.write_json(RESULT, session.result)
    return session


def _no_answer(target: Target, bad: Exception, when: str) -> TargetError:
    event = target.wait_for_end() if isinstance(bad, ChannelClosed) else target.poll()
    return TargetError(f"dom0 does not answer {when}: {event.detail if event else bad}")


def _prompt(target: Target, console: Console, scale: float) -> Dom0:
    """dom0's shell, which was saved at its prompt and has answered a command since.

    Raises:
        TargetError: it does not answer.
    """
    shell = Dom0(console, scale=scale)
    shell.before_typing = XenInput(console, scale=scale).guard(DOM0)
    try:
        shell.settle()  # the prompt was printed before it was saved
        answer = shell.run("cat /proc/uptime")
    except _SILENT as bad:
        raise _no_answer(target, bad, "after it was restored") from None
    if answer.status != 0:
        raise TargetError(f"dom0 is damaged after it was restored: {answer.output}")
    return shell
