"""What an emulated machine tells about itself over QMP, while it hangs.

Only reads: the machine is stopped for the moment of a sample, in which its clock stands too, and
goes on. Without the stop, the program counter that QEMU shows is that of some earlier jump: its
translated code keeps it in a host register.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import InfraError, TargetError
from harness.target.qemu import QemuTarget

_TICKS = os.sysconf("SC_CLK_TCK")


class Machine:
    """The machine of a hung boot.

    Args:
        scratch: a folder for what QEMU writes before it is read.
    """

    def __init__(self, target: QemuTarget, scratch: Path) -> None:
        self._target = target
        self._scratch = scratch
        self._threads: dict[int, int] = {}

    def _ask(self, command: str, arguments: dict[str, object] | None = None) -> Any:
        return self._target.qmp(command, arguments)

    def status(self) -> str:
        """QEMU's word: "running"; "debug" if a debugger holds it, "shutdown" after its end ...

        Raises:
            TargetError: QEMU is gone, or does not answer.
        """
        return str(self._ask("query-status")["status"])

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, nothing moves; then it goes on, if it ran before.

        Raises:
            TargetError: QEMU is gone, or does not answer.
        """
        before = self.status() == "running"
        if before:
            self._ask("stop")
        try:
            yield
        finally:
            if before:
                self._ask("cont")

    def registers(self) -> str:
        """The registers of all CPUs, as QEMU prints them. Raises: TargetError."""
        said = self._ask("human-monitor-command", {"command-line": "info registers -a"})
        return str(said).replace("\r\n", "\n")

    def memory(self, cpu: int, address: int, size: int) -> bytes:
        """Bytes at a virtual address as this CPU sees them; as many as are mapped.

        Raises:
            TargetError: QEMU is gone; it gives none.
        """
        path = self._scratch / f".memory-{os.getpid()}"
        arguments: dict[str, object] = {
            # Signed, in QMP's words; kernels are in the upper half.
            "val": address - (1 << 64) if address >> 63 else address,
            "size": size,
            "filename": str(path),
            "cpu-index": cpu,
        }
        refused: TargetError | None = None
        try:
            try:
                self._ask("memsave", arguments)
            except TargetError as bad:
                refused = bad  # what came before the first page that is not mapped is there
            data = path.read_bytes() if path.exists() else b""
        except OSError as bad:
            raise InfraError.of(bad, "cannot read", path) from None
        finally:
            path.unlink(missing_ok=True)
        if not data and refused is not None:
            raise refused
        return data

    def host_times(self) -> dict[int, tuple[float, float]]:
        """Per CPU: seconds for which its thread ran, and for which it waited for a host CPU.

        Several CPUs may share one thread (icount). CPUs that the host does not tell about are
        left out. Raises: TargetError.
        """
        if not self._threads:
            asked = self._ask("query-cpus-fast")
            self._threads = {one["cpu-index"]: one["thread-id"] for one in asked}
        times = {cpu: _times(thread) for cpu, thread in self._threads.items()}
        return {cpu: one for cpu, one in times.items() if one is not None}

    def instructions(self) -> int | None:
        """How many instructions it executed, if it counts them (record and replay).

        Raises:
            TargetError: QEMU is gone, or does not answer.
        """
        told = self._ask("query-replay")
        return None if told.get("mode") == "none" else int(told["icount"])

    def nmi(self) -> None:
        """A non-maskable interrupt, to all CPUs. Raises: TargetError: the machine has none."""
        self._ask("inject-nmi")

    def dump(self, path: Path, patience: float) -> None:
        """All of the guest's memory, as an ELF core.

        Raises:
            TargetError: it cannot be had, or not within `patience` seconds.
        """
        self._ask(
            "dump-guest-memory", {"paging": False, "protocol": f"file:{path}", "detach": True}
        )
        end = time.monotonic() + patience
        while (state := self._ask("query-dump"))["status"] == "active":
            if time.monotonic() > end:
                raise TargetError(
                    f"the dump is not complete after {patience:.0f} s: "
                    f"{state['completed']} of {state['total']} bytes"
                )
            time.sleep(0.02)
        if state["status"] != "completed":
            raise TargetError(f"QEMU could not write {path}")


def _times(thread: int) -> tuple[float, float] | None:
    """Of a thread of the host: Documentation/scheduler/sched-stats.rst, proc(5)."""
    folder = Path("/proc") / str(thread)
    try:
        ran, waited, _ = (folder / "schedstat").read_text().split()
        return int(ran) / 1e9, int(waited) / 1e9
    except (OSError, ValueError):
        pass
    try:
        words = (folder / "stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / _TICKS, 0.0
    except (OSError, ValueError, IndexError):
        return None
