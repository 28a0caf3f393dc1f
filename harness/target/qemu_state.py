"""The state of a running QEMU, written to a file and read by another QEMU.

By migration to a file, not by `savevm`: that needs a qcow2 image under every drive before the
machine is started, and each start from it a copy of all of it. So a machine can be saved whose
command line is that of any boot. What a device forbids, it forbids to both (its vmstate).

QEMU: docs/devel/migration.rst, qapi/migration.json. The files on its drives are not in the state.
"""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import TargetError
from harness.target.qemu import QemuTarget

_PATIENCE = 120.0
_POLL = 0.01
# Bytes a second: it is a file, and nobody else waits for the disk.
_NO_LIMIT = 1 << 40
_WRITTEN_WITHIN = 5.0
_ENDED = {"completed", "failed", "cancelled"}


class NotSaved(TargetError):  # noqa: N818 -- as TargetDied
    """The machine cannot be saved, and lives on; says why."""


def version(target: QemuTarget) -> str:
    """The emulator's version, with that of its package: a state is for the same one only.

    Raises:
        TargetError: it is gone.
    """
    said = _ask(target, "query-version")
    number = said["qemu"]
    text = f"{number['major']}.{number['minor']}.{number['micro']}"
    package = str(said.get("package", "")).strip()
    return f"{text} ({package})" if package else text


@contextlib.contextmanager
def saved(target: QemuTarget, path: Path) -> Iterator[None]:
    """Stop the machine and write its state to `path`; it goes on when the `with` ends.

    Inside, what is on its drives belongs to the state.

    Raises:
        NotSaved: it does not run, or a device of it cannot be saved.
        TargetDied: the emulator ended meanwhile.
        TargetError: the file cannot be written.
    """
    status = _ask(target, "query-status")["status"]
    if status != "running":
        raise NotSaved(f"the machine does not run: it is in state {status!r}")
    _ask(target, "stop")
    try:
        _write(target, path)
        yield
    finally:
        _ask(target, "cont")


def _write(target: QemuTarget, path: Path) -> None:
    part = path.with_name(f".{path.name}.part")
    # The name is there once the last byte is.
    here, there = shlex.quote(str(part)), shlex.quote(str(path))
    try:
        target.qmp("migrate-set-parameters", {"max-bandwidth": _NO_LIMIT})
        target.qmp("migrate", {"uri": f"exec:cat >{here} && mv {here} {there}"})
    except TargetError as bad:
        _ask(target, "query-status")  # a dead emulator is no refusal
        raise NotSaved(f"QEMU does not save it: {bad.message.removeprefix('QMP: ')}") from None
    try:
        why = _wait(target, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if why is not None:
        part.unlink(missing_ok=True)
        raise TargetError(
            f"QEMU could not write its state to {path}: {why}",
            hint="is the disk full?",
            log=target.log,
        )


def _wait(target: QemuTarget, path: Path) -> str | None:
    """Until the state is written; why it is not, or None."""
    end = time.monotonic() + _PATIENCE
    while (progress := _ask(target, "query-migrate")).get("status") not in _ENDED:
        if time.monotonic() > end:
            break
        time.sleep(_POLL)
    status = progress.get("status")
    if status != "completed":
        _ask(target, "migrate_cancel")
        return str(progress.get("error-desc") or f"its migration is {status!r}")
    end = time.monotonic() + _WRITTEN_WITHIN
    while not path.exists():
        if time.monotonic() > end:
            return "not all of it arrived"
        time.sleep(_POLL)
    return None


def load(target: QemuTarget, path: Path, saved_by: str) -> None:
    """Give a saved state to a QEMU that waits for it (`incoming`); `power_on` then lets it run.

    Args:
        saved_by: the `version` that saved it.

    Raises:
        TargetError: this is another version, or it does not take the state.
        TargetDied: it ended over it; with what it said.
    """
    own = version(target)
    if own != saved_by:
        raise TargetError(
            f"the snapshot was saved by QEMU {saved_by}, and this is QEMU {own}",
            hint="boot again, and save a new one",
        )
    if not path.is_file():  # QEMU would wait for its first byte for ever
        raise TargetError(f"there is no saved state {path}")
    _ask(target, "migrate-incoming", {"uri": f"exec:cat {shlex.quote(str(path))}"})
    end = time.monotonic() + _PATIENCE
    while (status := _ask(target, "query-status")["status"]) == "inmigrate":
        if time.monotonic() > end:
            raise TargetError(f"QEMU did not load its state within {_PATIENCE:.0f} s")
        time.sleep(_POLL)
    if status != "paused":
        raise TargetError(f"QEMU did not load its state: it is {status!r}", log=target.log)


def _ask(target: QemuTarget, command: str, arguments: dict[str, object] | None = None) -> Any:
    """A QMP command; the death of the emulator is raised as such."""
    try:
        return target.qmp(command, arguments)
    except TargetError as bad:
        raise (target.death() or bad) from None
