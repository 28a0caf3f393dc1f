"""How much of a host's CPUs others use while we measure."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

_STAT = Path("/proc/stat")


@dataclass(frozen=True)
class CpuUse:
    """What was used up to a moment, in seconds.

    Args:
        at: the moment, monotonic.
        busy: of all CPUs together, by everybody; time stolen by a hypervisor counts as used.
        own: by this process and by its children that have ended.
    """

    at: float
    busy: float
    own: float

    def by_others(self, later: CpuUse, cpus: int) -> float:
        """The part of the host's capacity that others used from here to `later`, 0 to 1."""
        capacity = (later.at - self.at) * cpus
        used = (later.busy - self.busy) - (later.own - self.own)
        return min(1.0, max(0.0, used / capacity)) if capacity > 0 else 0.0


def busy_seconds(stat: str, ticks: int) -> float:
    """Seconds that all CPUs together were busy, from the text of /proc/stat (proc_stat(5)).

    Args:
        ticks: clock ticks a second.
    """
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / ticks


def cpu_use() -> CpuUse:
    """What was used up to now."""
    own = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        own += used.ru_utime + used.ru_stime
    busy = busy_seconds(_STAT.read_text(encoding="ascii"), os.sysconf("SC_CLK_TCK"))
    return CpuUse(time.monotonic(), busy, own)


def wait_for_quiet(others: float, patience: float, sample: float = 2.0) -> bool:
    """Wait until others use at most that part of the CPUs; False if that did not come about.

    Args:
        others: 0 to 1.
        patience: seconds to wait at most, give or take a sample.
        sample: seconds over which the use is measured.
    """
    end = time.monotonic() + patience
    while True:
        before = cpu_use()
        time.sleep(sample)
        if before.by_others(cpu_use(), os.cpu_count() or 1) <= others:
            return True
        if time.monotonic() > end:
            return False
