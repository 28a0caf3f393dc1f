"""Records a boot: everything that the machine gets from outside, and the files it starts from."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import harness
from harness import tools
from harness.boot import booted
from harness.bootlog import Line
from harness.console import Console
from harness.errors import InfraError, TargetError, UsageError
from harness.recording.model import (
    SCHEMA,
    Description,
    Emulator,
    Instructions,
    kept,
    write,
)
from harness.request import BootRequest
from harness.session import HangContext, Observer, Session
from harness.target.base import Target
from harness.target.icount import FOLDER, LOG
from harness.target.qemu import QemuTarget
from harness.target.qemu_state import version

# How long bytes that QEMU has sent already may take to us.
_LAST_BYTES = 0.1
_DRAIN = 5.0
# QEMU writes the version into the log's begin when it ends the log.
_VERSION_SIZE = 4


@contextmanager
def recorded(
    request: BootRequest,
    observer: Observer | None = None,
    on_hang: Callable[[HangContext], None] | None = None,
) -> Iterator[Session]:
    """`booted`, recorded: recording.json and the folder `recording` in the run folder.

    The recording ends with the `with`, however that ends: what is done in between is part of it,
    but for an NMI and whatever else QMP does to the machine.

    Raises:
        As `booted`; UsageError: the request does not record (`machine.recordable`).
    """
    if request.icount is None or not request.icount.records:
        raise UsageError("this boot is not asked to be recorded", expected="an icount that records")
    recorder = Recorder(request, observer or Observer())
    try:
        with booted(request, recorder, on_hang) as session:
            try:
                yield session
            finally:
                recorder.hold(session)
    finally:
        recorder.complete()


class Recorder(Observer):
    """Writes recording.json: before power-on, and when the machine is gone."""

    def __init__(self, request: BootRequest, observer: Observer) -> None:
        self._request = request
        self._observer = observer
        self._target: QemuTarget | None = None
        self._console: Console | None = None
        self._told: Description | None = None
        self._run = Path()
        self._heard = -1
        self._counts: dict[str, int | None] = {}
        self._verdict: str | None = None

    # --- what a boot tells its observer

    def step(self, name: str) -> None:
        self._observer.step(name)

    def detail(self, text: str) -> None:
        self._observer.detail(text)

    def line(self, line: Line) -> None:
        self._observer.line(line)

    def attached(self, console: Console, target: Target) -> None:
        icount = self._request.icount
        if not isinstance(target, QemuTarget) or icount is None:
            return  # `recorded` and the request do not let it come to that
        self._target, self._console, self._run = target, console, target.log.parent
        try:
            files = {path.name: keep(path, self._run / FOLDER) for path in inputs(target.folder)}
        except OSError as bad:
            raise InfraError.of(bad, "cannot keep a file of the recording in", self._run) from None
        argv = target.argv
        counted = len(argv) - 1 - argv[::-1].index("-icount")
        self._told = Description(
            schema=SCHEMA,
            harness=harness.__version__,
            state="recording",
            board=self._request.board.name,
            machine=tuple(argv[:counted]),
            shift=icount.shift,
            seed=icount.seed,
            emulator=emulator(target),
            files=files,
        )
        self._write(self._told)
        self._observer.attached(console, target)

    def tick(self) -> None:
        console = self._console
        if console is not None and console.received != self._heard:
            self._heard = console.received
            self._counts["quiet"] = self._count()
        self._observer.tick()

    def finished(self, session: Session) -> None:
        self._counts["verdict"] = self._count()
        self._verdict = str(session.verdict.kind)
        self._observer.finished(session)

    # --- the end

    def hold(self, session: Session) -> None:
        """Nothing moves any more, and all that was printed is on disk."""
        if self._target is None:
            return
        with contextlib.suppress(TargetError):  # what is dead says so elsewhere
            self._target.qmp("stop")
            self._counts["end"] = self._count()
        session.console.drain(_LAST_BYTES, _DRAIN)

    def complete(self) -> None:
        """The machine is gone: is its recording whole?

        Raises:
            InfraError: it cannot be written.
        """
        told, target = self._told, self._target
        if told is None or target is None:
            return
        changed: dict[str, Any] = {
            "verdict": self._verdict,
            "instructions": Instructions(**self._counts),
        }
        try:
            log = self._run / FOLDER / LOG
            why = unusable(log, target.process.returncode)
            changed["log"] = kept(log) if log.exists() else None
            changed["console"] = kept(self._run / "console.raw")
        except OSError as bad:
            why = f"{bad.filename}: {bad.strerror}"
        changed |= {"state": "broken" if why else "complete", "why": why}
        self._write(told.model_copy(update=changed))

    def _write(self, told: Description) -> None:
        self._told = told
        write(self._run, told)

    def _count(self) -> int | None:
        if self._target is None:
            return None
        try:
            said: Any = self._target.qmp("query-replay")
        except TargetError:
            return None
        return int(said["icount"])


def unusable(log: Path, returncode: int | None) -> str:
    """Why QEMU's log cannot be replayed; "" if it can.

    Raises:
        OSError: it cannot be read.
    """
    if not log.exists():
        return "QEMU wrote no log"
    with log.open("rb") as file:
        if any(file.read(_VERSION_SIZE)):
            return ""
    if returncode is not None and returncode < 0:
        return f"QEMU was killed by signal {-returncode} before it had ended its log"
    return "QEMU did not end its log"


def inputs(work: Path) -> list[Path]:
    """The files that a machine starts from: what is in its folder, but for pipes and folders."""
    return sorted(path for path in work.iterdir() if path.is_file())


def keep(path: Path, folder: Path) -> Any:
    """Have this file in a folder, as it is now; a user may change his own at any time.

    Raises:
        OSError: it cannot be copied.
    """
    there = folder / path.name
    if path.is_symlink():
        shutil.copyfile(path, there)
    else:
        try:
            os.link(path, there)
        except OSError:
            shutil.copyfile(path, there)
    return kept(there)


def emulator(target: QemuTarget) -> Emulator:
    """The QEMU that runs.

    Raises:
        TargetError: it is gone.
    """
    path = tools.find(target.argv[0])
    try:
        digest: str | None = kept(path).sha256
    except OSError:
        digest = None
    return Emulator(path=str(path), version=version(target), sha256=digest)
