"""QEMU counts instructions: time in the machine follows from how many it has executed.

So a boot can be recorded and executed again, instruction by instruction (docs/system/replay.rst of
QEMU), or at least be repeated with the same schedule of its CPUs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FOLDER = "recording"
"""Of a run, and of its work folder: what a recording keeps."""

LOG = "machine.rr"
"""QEMU's log of everything that came from outside, in `FOLDER`."""

MOST_SHIFT = 10
"""QEMU takes no larger one."""

# The same moment at each boot: the guest reads it, and prints it.
_BORN = "2024-01-01T00:00:00"


@dataclass(frozen=True)
class Icount:
    """How QEMU counts.

    Args:
        shift: an instruction takes 2^shift ns of the machine's time.
        mode: "count" alone; "record" what comes from outside; "replay" it.
        log: of "record" and "replay": the file, relative to QEMU's folder.
        seed: of the random numbers that the machine gives to its guest; None: any.
    """

    shift: int = 5
    mode: Literal["count", "record", "replay"] = "record"
    log: str = f"{FOLDER}/{LOG}"
    seed: int | None = None

    @property
    def records(self) -> bool:
        return self.mode == "record"

    def words(self) -> list[str]:
        """QEMU's options."""
        kind = f"shift={self.shift}"
        if self.mode == "count":
            # While all CPUs sleep, time jumps to their next timer: the host's has no part in it.
            argv = ["-icount", f"{kind},sleep=off", "-rtc", f"base={_BORN},clock=vm"]
        else:
            argv = ["-icount", f"{kind},rr={self.mode},rrfile={self.log.replace(',', ',,')}"]
        return argv + ([] if self.seed is None else ["-seed", str(self.seed)])
