"""The journal of a soak on disk: append-only, each line synced before the soak goes on.

    FOLDER/journal.jsonl    see harness.soak.lines
    FOLDER/soak.lock        held while somebody works on it; the kernel frees it when he dies

A boot that has no "finished" line has not been counted, and is to do again, with the same seed. Its
result.json may still be there if we were killed between the two writes: `Contents.unfinished` says
which boots to look at.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from harness.errors import InfraError, InputError, UsageError
from harness.regular import read_regular
from harness.soak.lines import Contents, first_line, line, parse
from harness.soak.outcome import Outcome
from harness.soak.plan import Boot, SoakPlan, differences

JOURNAL = "journal.jsonl"
_LOCK = "soak.lock"
_MOST = 1 << 30  # bytes of a journal


def read_journal(folder: Path) -> Contents:
    """What the journal of a soak says, also while somebody works on it.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = folder / JOURNAL
    try:
        data = read_regular(path, _MOST, "journal of a soak")
    except FileNotFoundError:
        raise InputError(
            "there is no soak", where=str(folder), expected=f"a folder with {JOURNAL} in it"
        ) from None
    except (OSError, ValueError) as bad:
        raise InputError(f"cannot be read: {bad}", where=str(path)) from None
    return parse(data, str(path))


class Journal:
    """The journal of a soak that we work on; made by `create` or `resume`. Close it.

    May be used from several threads.
    """

    def __init__(
        self, folder: Path, lock: IO[str], contents: Contents, clock: Callable[[], float]
    ) -> None:
        self.folder = folder
        self.plan = contents.plan
        self.was = contents
        """What it said when we opened it."""
        self._attempts = dict(contents.attempts)
        self._outcomes = dict(contents.outcomes)
        self._repeated = contents.repeated
        self._lock, self._clock = lock, clock
        self._mutex = threading.Lock()
        self._length = contents.length
        self._file = os.open(folder / JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            if contents.torn:
                os.ftruncate(self._file, self._length)
            self._append("session", contents.sessions + 1)
        except BaseException:
            os.close(self._file)
            raise

    @classmethod
    def create(
        cls, folder: Path, plan: SoakPlan, clock: Callable[[], float] = time.time
    ) -> Journal:
        """A new soak in `folder`, which is made if it is not there.

        Args:
            clock: seconds since 1970.

        Raises:
            UsageError: there is a soak in it already, or it cannot be made.
            InfraError: it cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as bad:
            raise UsageError(f"cannot make it: {bad.strerror}", where=str(folder)) from None
        with _locked(folder) as lock:
            if (folder / JOURNAL).exists():
                raise UsageError(
                    "there is a soak already",
                    where=str(folder),
                    hint=f"harness soak resume {folder}, or another folder",
                )
            try:
                _write_first(folder, first_line(plan))
                return cls(folder, lock, read_journal(folder), clock)
            except OSError as bad:
                raise InfraError.of(bad, "cannot write", folder / JOURNAL) from None

    @classmethod
    def resume(
        cls, folder: Path, plan: SoakPlan | None = None, clock: Callable[[], float] = time.time
    ) -> Journal:
        """The soak in `folder`, to go on with; a line that was torn is cut off.

        Args:
            plan: as it is asked for now; None = as it was.

        Raises:
            UsageError: it is worked on by somebody else, or `plan` is another one.
            InputError: there is none, or it is damaged.
            InfraError: it cannot be written.
        """
        read_journal(folder)  # so that a wrong folder gets no lock file
        with _locked(folder) as lock:
            contents = read_journal(folder)
            other = differences(contents.plan, plan) if plan else []
            if other:
                raise UsageError(
                    f"this soak was started with other options: {'; '.join(other)}",
                    where=str(folder),
                    expected="the same: boots of two kinds are not one figure",
                    hint="leave the options out, or begin a new soak in another folder",
                )
            try:
                return cls(folder, lock, contents, clock)
            except OSError as bad:
                raise InfraError.of(bad, "cannot write", folder / JOURNAL) from None

    @property
    def outcomes(self) -> Mapping[int, Outcome]:
        """Number of a boot -> how it ended; a copy."""
        with self._mutex:
            return dict(self._outcomes)

    @property
    def repeated(self) -> int:
        """Results that were not counted, because their boot had one."""
        return self._repeated

    def start(self, boot: Boot) -> int:
        """Say that a boot is started, before it is; how often it was started so far, this included.

        Raises:
            UsageError: it has a result, or is no boot of this soak.
            InfraError: it cannot be written.
        """
        if boot != self.plan.boot(boot.number):
            raise UsageError(f"boot {boot.number} of another soak", where=str(self.folder))
        with self._mutex:
            if boot.number in self._outcomes:
                raise UsageError(f"boot {boot.number} has a result", where=str(self.folder))
            value = {"boot": boot.number, "seed": boot.seed, "injected": boot.injected}
            self._append("started", value)
            self._attempts[boot.number] = self._attempts.get(boot.number, 0) + 1
            return self._attempts[boot.number]

    def finish(self, outcome: Outcome) -> bool:
        """Keep how a boot ended; False if it had a result, which then stays the one that counts.

        Raises:
            UsageError: it is no boot of this soak.
            InfraError: it cannot be written.
        """
        number = outcome.boot.number
        if outcome.boot != self.plan.boot(number):
            raise UsageError(f"boot {number} of another soak", where=str(self.folder))
        with self._mutex:
            if number in self._outcomes:
                self._repeated += 1
                return False
            self._append("finished", outcome.to_json())
            self._outcomes[number] = outcome
            return True

    def end(self, why: str) -> None:
        """Say that the soak came to its end.

        Raises:
            InfraError: it cannot be written.
        """
        with self._mutex:
            self._append("ended", why)

    def _append(self, kind: str, value: object) -> None:
        data = line(kind, value, self._clock())
        try:
            _write_all(self._file, data)
            os.fsync(self._file)
        except OSError as bad:
            # A piece of a line would damage the next one.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._length)
            raise InfraError.of(bad, "cannot write", self.folder / JOURNAL) from None
        self._length += len(data)

    def close(self) -> None:
        """Let others work on it."""
        with self._mutex:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
            self._lock.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[IO[str]]:
    """The lock of a soak; kept if the `with` ends well, freed if it does not."""
    path = folder / _LOCK
    try:
        lock = path.open("a+", encoding="utf-8")
    except OSError as bad:
        raise InfraError.of(bad, "cannot write", path) from None
    try:
        _take(lock, folder)
        yield lock
    except BaseException:
        lock.close()
        raise


def _take(lock: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read(20).strip()
        raise UsageError(
            f"another process works on this soak{f' (process {owner})' if owner else ''}",
            where=str(folder),
            hint="wait for it, or stop it first; `harness soak report` reads it meanwhile",
        ) from None
    except OSError as bad:
        raise InfraError.of(bad, "cannot lock", folder / _LOCK) from None


def _write_first(folder: Path, data: bytes) -> None:
    """The journal with its first line, whole or not at all, also after a power cut."""
    part = folder / f".{JOURNAL}.part"
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.rename(folder / JOURNAL)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
