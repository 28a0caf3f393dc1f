"""The machine of a recording, started again: paused, and with nothing typed to it.

What was typed when it was recorded is in QEMU's log, and comes from there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import tools
from harness.errors import InfraError, TargetDied, TargetError
from harness.recording.model import Recording, kept
from harness.target.icount import LOG, Icount
from harness.target.qemu import QemuTarget
from harness.target.qemu_command import Wiring, wires
from harness.target.qemu_state import version
from harness.workfolder import work_folder

_PREFIX = "harness-rerun-"


@dataclass(frozen=True)
class Replay:
    """A machine that replays a recording.

    Args:
        folder: goes when the machine goes; for sockets.
        emulator: its version.
        notes: what is not as it was when it was recorded.
    """

    recording: Recording
    target: QemuTarget
    folder: Path
    emulator: str
    notes: tuple[str, ...]

    def status(self) -> str:
        """QEMU's word: "running", "paused", "shutdown" at the end of the recording ...

        Raises:
            TargetDied: it ended.
            TargetError: it does not answer.
        """
        return str(self._ask("query-status")["status"])

    def instructions(self) -> int:
        """How many it has executed. Raises: as `status`."""
        return int(self._ask("query-replay")["icount"])

    def stop_at(self, count: int) -> None:
        """It will pause before this instruction. Raises: as `status`."""
        self._ask("replay-break", {"icount": count})

    def go(self) -> None:
        """Let it run. Raises: as `status`."""
        self._ask("cont")

    def open_for_gdb(self, where: str) -> None:
        """Let a debugger in. `where`: as QEMU's -gdb. Raises: as `status`."""
        self._ask("human-monitor-command", {"command-line": f"gdbserver {where}"})

    def _ask(self, command: str, arguments: dict[str, object] | None = None) -> Any:
        try:
            return self.target.qmp(command, arguments)
        except TargetError as bad:
            raise (self.died() or bad) from None

    def died(self) -> TargetDied | None:
        """How it ended, if it did; with what is not as it was."""
        bad = self.target.death()
        if bad is not None and self.notes:
            bad.message += f" ({'; '.join(self.notes)})"
        return bad


@contextmanager
def replaying(recording: Recording) -> Iterator[Replay]:
    """Start the machine of a recording; it is gone when the `with` ends.

    Raises:
        ToolMissing: its emulator is not installed.
        TargetDied: the emulator does not take the recording; with what it said.
        InfraError: a file cannot be read or written.
    """
    parent = Path(tempfile.gettempdir())
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(work_folder(parent, _PREFIX))
            for name in (*recording.description.files, LOG):
                (folder / name).symlink_to((recording.folder / name).resolve())
        except OSError as bad:
            raise InfraError.of(bad, "cannot replay in", parent) from None
        yield stack.enter_context(_started(recording, folder))


@contextmanager
def _started(recording: Recording, folder: Path) -> Iterator[Replay]:
    told = recording.description
    icount = Icount(told.shift, "replay", LOG, told.seed)

    def command(wiring: Wiring) -> list[str]:
        return [*told.machine, *icount.words(), *wires(wiring)]

    different = _other_program(recording)
    try:
        target = QemuTarget(command, folder, folder / "qemu.log")
    except TargetDied as bad:
        # Its log goes with the folder.
        notes = f" ({different})" if different else ""
        raise TargetDied(f"{bad.message}{notes}", returncode=bad.returncode) from None
    with closing(target):
        now = version(target)
        if now != told.emulator.version:
            different = (
                f"it was recorded with QEMU {told.emulator.version}, and this is QEMU {now}: "
                "only the version that recorded is sure to repeat it"
            )
        try:
            yield Replay(recording, target, folder, now, (different,) if different else ())
        finally:
            # In a replay even a SIGTERM has to come from the recording, and nothing is lost.
            target.process.kill()


def _other_program(recording: Recording) -> str:
    """That the emulator is not the one that recorded; its version is known once it runs."""
    was = recording.description.emulator
    try:
        same = was.sha256 in {None, kept(tools.find(recording.description.machine[0])).sha256}
    except OSError:
        return ""
    return "" if same else f"this is not the build of QEMU {was.version} that recorded it"
