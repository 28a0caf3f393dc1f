"""Run folders: what a boot leaves behind. Never overwritten; swept when their owner is dead."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_state_path

from harness.errors import InfraError, TargetDied, UsageError, UserError

RESULT = "result.json"
_OWNER = "owner.lock"
_WORK = "work"
_NAME = re.compile(r"\d{8}-\d{6}-.+")


def root() -> Path:
    """Where run folders are kept: $XDG_STATE_HOME/harness/runs."""
    return user_state_path("harness") / "runs"


class RunFolder:
    """The folder of one run; its lock says that its owner lives.

    Args:
        path: a folder that exists, and is ours alone.
        work: its work folder, which is made; None = in `path`.
    """

    def __init__(self, path: Path, work: Path | None = None) -> None:
        self.path = path
        self.work = work or path / _WORK
        # Held until we end, however we end: the kernel frees it. Under its own name it is
        # never seen unlocked: that would say that its owner is dead.
        part = path / f".{_OWNER}.part"
        self._lock = part.open("x")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.rename(path / _OWNER)
        self.work.mkdir()

    @classmethod
    def create(cls, name: str, out: Path | None = None) -> RunFolder:
        """A new folder: `out`, or one under `root()` named after the time and `name`.

        Raises:
            UsageError: `out` is there already and has something in it, or cannot be made.
        """
        if out is not None:
            try:
                out.mkdir(parents=True, exist_ok=True)
                if any(out.iterdir()):
                    raise UsageError(
                        "the run folder is not empty, and a run never overwrites another",
                        where=str(out),
                        hint="give --out a folder that does not exist yet",
                    )
                return cls(out.resolve())
            except OSError as bad:
                raise UsageError(
                    f"cannot make the run folder: {bad.strerror}", where=str(out)
                ) from None
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for number in range(1000):
            path = root() / (f"{stamp}-{name}" + (f"-{number}" if number else ""))
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as bad:
                raise UsageError(
                    f"cannot make the run folder: {bad.strerror}",
                    where=str(path),
                    hint="use --out DIR",
                ) from None
            try:
                return cls(path)
            except OSError as bad:
                raise InfraError.of(bad, "cannot write", path) from None
        raise UsageError("no free name for a run folder", where=str(root()))

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON file, whole or not at all.

        Raises:
            InfraError: it cannot be written.
        """
        target = self.path / name
        part = target.with_name(f".{name}.part")
        text = json.dumps(value, indent=2) + "\n"
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(target)
        except OSError as bad:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise InfraError.of(bad, "cannot write", target) from None

    def keep(self, name: str, text: str) -> Path:
        """Write a text beside the result; a name that is there already gets a number.

        Raises:
            InfraError: it cannot be written.
        """
        stem, dot, ending = name.partition(".")
        path, number = self.path / name, 1
        while path.exists():
            number += 1
            path = self.path / f"{stem}-{number}{dot}{ending}"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as bad:
            raise _refused(bad, path) from None
        return path

    def discard(self) -> None:
        """Leave no trace of a run that was not started; what is not ours stays."""
        shutil.rmtree(self.work, ignore_errors=True)
        (self.path / _OWNER).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a folder that is gone, or read-only now
            (self.path / _OWNER).unlink(missing_ok=True)
        self._lock.close()


@dataclass(frozen=True)
class RunSummary:
    """One run, as `harness runs` lists it. `result` is empty for a run without a result."""

    path: Path
    result: Mapping[str, Any]
    alive: bool

    @property
    def verdict(self) -> str:
        return str(self.result.get("verdict") or ("running" if self.alive else "ABANDONED"))


def _owner(path: Path) -> Literal["alive", "dead", "none"]:
    """Who holds a run folder: a process, one that died, or nobody (the run is over)."""
    try:
        with (path / _OWNER).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            # An owner that ends well removes it first: it may be gone since we opened it.
            return "dead" if os.fstat(lock.fileno()).st_nlink else "none"
    except BlockingIOError:
        return "alive"
    except OSError:
        return "none"


def runs() -> list[RunSummary]:
    """All runs under `root()`, oldest first."""
    found = []
    for path in sorted(root().glob("*")) if root().is_dir() else []:
        if not _is_run(path):
            continue
        result: Any = {}
        with contextlib.suppress(OSError, ValueError):
            result = json.loads((path / RESULT).read_text(encoding="utf-8"))
        result = result if isinstance(result, dict) else {}
        found.append(RunSummary(path, result, _owner(path) == "alive"))
    return found


def sweep() -> list[Path]:
    """Remove the work files of runs whose owner died (SIGKILL, power cut); logs stay.

    Gives the folders that were swept.
    """
    swept = []
    for run in runs():
        if _owner(run.path) == "dead":
            shutil.rmtree(run.path / _WORK, ignore_errors=True)
            (run.path / _OWNER).unlink(missing_ok=True)
            swept.append(run.path)
    return swept


def prune(*, keep: int) -> list[Path]:
    """Remove all runs but the newest `keep`; runs that are still going stay. Gives what went."""
    gone = []
    for run in runs()[: -keep or None] if keep else runs():
        if _owner(run.path) == "alive":
            continue
        shutil.rmtree(run.path)
        gone.append(run.path)
    return gone


def _is_run(path: Path) -> bool:
    """A folder that somebody else put there is not ours to list or remove."""
    known = {RESULT, "console.raw", _WORK, _OWNER}
    ours = _NAME.fullmatch(path.name) and not path.is_symlink()
    return bool(ours) and any((path / name).exists() for name in known)


def _failed(bad: InfraError, path: Path) -> Mapping[str, Any]:
    """The least that a result says; `harness.result.failure` says it in full."""
    del path
    return {"verdict": "DIED" if isinstance(bad, TargetDied) else "INFRA", "cause": str(bad)}


def _refused(bad: OSError, path: Path) -> InfraError:
    """A write that fails (a full disk, a limit) does not say of which file it was."""
    return InfraError.of(bad) if bad.filename else InfraError.of(bad, "cannot work in", path)


@contextlib.contextmanager
def run_folder(
    name: str,
    out: Path | None = None,
    failed: Callable[[InfraError, Path], Mapping[str, Any]] = _failed,
) -> Iterator[RunFolder]:
    """A run folder for the time of a `with`.

    Args:
        failed: the result of a run that our side ended before it had one.

    Raises:
        InfraError: a file could not be read or written.
    """
    sweep()
    run = RunFolder.create(name, out)
    try:
        yield run
    except UserError:
        run.discard()
        raise
    except BrokenPipeError:
        raise  # of whoever uses the run: nobody reads what it prints
    except (InfraError, OSError) as bad:
        error = bad if isinstance(bad, InfraError) else _refused(bad, run.path)
        # A boot that has its verdict keeps it, whatever happens afterwards.
        if not (run.path / RESULT).exists():
            error.result = failed(error, run.path)
            with contextlib.suppress(InfraError):
                run.write_json(RESULT, error.result)
        if error is bad:
            raise
        raise error from bad
    finally:
        run.close()
