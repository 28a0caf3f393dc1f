"""The `qemu` target: started paused, console attached, then released over QMP."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from harness import process
from harness.errors import InfraError, TargetDied, TargetError
from harness.target.base import Channel, Evidence, TargetEvent
from harness.target.channels import PipeChannel
from harness.target.paced import PacedChannel
from harness.target.qemu_command import Wiring
from harness.target.qmp import Qmp

CommandLine = Callable[[Wiring], list[str]]

# What QMP's SHUTDOWN says in `reason` (qapi/run-state.json, ShutdownCause), for guest causes.
_GUEST_CAUSES = {
    "guest-reset": ("guest-reset", "the guest reset the machine"),
    "guest-shutdown": ("guest-shutdown", "the guest switched the machine off"),
    "guest-panic": ("guest-panic", "the guest reported a panic"),
    "subsystem-reset": ("guest-reset", "a part of the guest's machine was reset"),
}
# The exit code is there a moment after the last byte of the serial line.
_EXIT_PATIENCE = 2.0
_SERIAL = "serial"
# An emulator that writes a recording has to end it; killed, it leaves one that nobody can read.
_RECORDING_PATIENCE = 30.0


class QemuTarget:
    """A QEMU that dies with us.

    Args:
        command: gives the argv for a wiring.
        folder: where it runs; paths in the command are relative to it.
        log: its stdout and stderr go to this file.
        incoming: it waits for a saved state (`harness.target.qemu_state.load`).
        recording: it records: it is typed to slowly, and given time to end.

    Raises:
        ToolMissing: QEMU is not installed.
        TargetDied: it ended at once (a wrong option, say), with what it said.
    """

    name = "qemu"
    evidence: Evidence = "emulated"

    def __init__(
        self,
        command: CommandLine,
        folder: Path,
        log: Path,
        *,
        incoming: bool = False,
        recording: bool = False,
    ) -> None:
        self.command = command
        self.folder = folder
        self.log = log
        self._recording = recording
        try:
            self._pipes = PipeChannel(folder, _SERIAL)
        except OSError as bad:
            raise InfraError.of(bad, "cannot make the pipes of the serial line", folder) from None
        self.channel: Channel = PacedChannel(self._pipes) if recording else self._pipes
        qmp, qmp_end = socket.socketpair()
        self._qmp = Qmp(qmp)
        self._closed = False
        try:
            with qmp_end, log.open("ab") as output:
                self.argv = command(Wiring(_SERIAL, qmp_end.fileno(), incoming))
                self.process = process.start(
                    self.argv,
                    cwd=folder,
                    output=output,
                    pass_fds=(qmp_end.fileno(),),
                )
        except BaseException:
            self._pipes.close()
            self._qmp.close()
            raise
        try:
            self._qmp.connect()
            # Its serial line is open before it speaks QMP.
            self._pipes.connected()
        except TargetError as bad:
            death = self.death()
            self.close()
            raise (death or bad) from None
        except OSError as bad:
            self.close()
            raise InfraError.of(bad, "cannot open the serial line of QEMU in", folder) from None
        except BaseException:
            self.close()
            raise

    def power_on(self) -> None:
        try:
            self._qmp.execute("cont")
        except TargetError as bad:
            raise (self.death() or bad) from None

    def qmp(self, command: str, arguments: dict[str, object] | None = None) -> object:
        """Run a QMP command, for forensics and tests.

        Raises:
            TargetError: QEMU refused, or is gone.
        """
        result: object = self._qmp.execute(command, arguments)
        return result

    def poll(self) -> TargetEvent | None:
        for event in self._qmp.events():
            kind = event.get("event")
            if kind == "SHUTDOWN":
                reason = str(event.get("data", {}).get("reason", ""))
                known = _GUEST_CAUSES.get(reason)
                if known:
                    return TargetEvent(known[0], f"{known[1]} (QMP SHUTDOWN, {reason})")  # type: ignore[arg-type]  # the table's first column is EventKind
            elif kind == "RESET" and event.get("data", {}).get("guest"):
                return TargetEvent("guest-reset", "the guest reset the machine (QMP RESET)")
            elif kind == "GUEST_PANICKED":
                return TargetEvent("guest-panic", "the guest reported a panic (QMP)")
        code = self.process.poll()
        return None if code is None else self._died(0.0)

    def _died(self, patience: float) -> TargetEvent | None:
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            return None
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = str(-code)
            how = f"was killed by {name}"
        else:
            how = f"ended with exit code {code}"
        said = self._last_words()
        return TargetEvent("died", f"QEMU {how}" + (f": {said}" if said else ""), code)

    def wait_for_end(self) -> TargetEvent | None:
        """After the serial line closed: what ended it, given a moment for the exit code."""
        end = time.monotonic() + _EXIT_PATIENCE
        while time.monotonic() < end:
            event = self.poll()
            if event:
                return event
            time.sleep(0.01)
        return None

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        said = [line for line in lines if "warning:" not in line]
        # QEMU's complaint carries its name; what follows is advice.
        complaints = [line for line in said if line.startswith("qemu-system")] or said
        return complaints[-1][:300] if complaints else ""

    def death(self) -> TargetDied | None:
        """How it died, given a moment for the exit code; None if it lives."""
        died = self._died(_EXIT_PATIENCE)
        return TargetDied(died.detail, returncode=died.returncode, log=self.log) if died else None

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            if self._recording:
                process.stop(self.process, _RECORDING_PATIENCE)
            else:
                process.stop(self.process)
        finally:
            self._qmp.close()
            self._pipes.close()
