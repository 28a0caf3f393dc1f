"""When is a board late, and when is it hung?

HUNG needs both: the deadline of the next stage is past, and the console has been silent. A board
that still talks gets until the end of the whole-boot deadline. One factor stretches everything,
for slow hosts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.board.model import Deadlines
from harness.verdict import Ending

_DEFAULT_STAGE = 60.0
# A host this much overcommitted is not one to measure boards on.
_MOST = 8.0
_CPUS = os.cpu_count() or 1


def host_slowness() -> float:
    """How many runnable tasks share a CPU of this host, at least 1 (from the load average)."""
    try:
        load = os.getloadavg()[0]
    except OSError:
        return 1.0
    return min(_MOST, max(1.0, load / _CPUS))


@dataclass
class StageClock:
    """Deadlines of one boot.

    Args:
        stages: in order; deadlines run from one to the next.
        scale: the user's `--deadline-scale`.
    """

    deadlines: Deadlines
    stages: Sequence[str]
    scale: float = 1.0
    slowest: float = field(default=1.0, init=False)

    def stretch(self) -> float:
        """The factor on all deadlines: the user's, times how slow the host has been so far."""
        self.slowest = max(self.slowest, host_slowness())
        return self.scale * self.slowest

    def late(
        self, stage: str | None, times: Mapping[str, float], now: float, silent_for: float
    ) -> Ending | None:
        """The ending if the board is late.

        Args:
            stage: the last one that was reached.
            times: seconds at which the stages were reached.
            now: seconds since power-on.
            silent_for: seconds since the last byte.
        """
        position = -1 if stage is None else self.stages.index(stage)
        if position + 1 >= len(self.stages):
            return None
        last = stage or "power-on"
        since = times.get(last, 0.0)
        following = self.stages[position + 1]
        return self.overdue(following, following, last, since, now, silent_for)

    def overdue(
        self, what: str, stage: str, last: str, since: float, now: float, silent_for: float
    ) -> Ending | None:
        """The ending if `what` is late, which has the deadline of `stage`.

        Args:
            last: what came before it, at `since` seconds.
            now, silent_for: as for `late`.
        """
        factor = self.stretch()
        allowed = self.deadlines.stages.get(stage, _DEFAULT_STAGE) * factor
        quiet = self.deadlines.silence * factor
        whole = self.deadlines.boot * factor
        over = now > whole
        if (now - since > allowed or over) and silent_for >= quiet:
            return Ending(
                "silence",
                f"silent for {silent_for:.0f} s; {what} was due within {allowed:.0f} s "
                f"of {last} (all deadlines x {factor:.1f})",
            )
        if over:
            return Ending(
                "deadline",
                f"the console still talks, and {what} was not reached within the "
                f"{whole:.0f} s of the whole boot (all deadlines x {factor:.1f})",
            )
        return None
