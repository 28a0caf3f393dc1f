"""When has an emulated machine gone silent for good? In proportion to its own speed so far.

A machine that hangs in a loop burns CPU time, and one that waits for an interrupt does not. So
silence is measured both ways, each against what the same boot took up to its last output: a
busy or slow host stretches both sides. No figure here is of a host.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# A good boot is never silent for a third of what it took so far. Of wall-clock time an idle
# machine gets more: another process may have had the CPU.
_BUSY_FACTOR = 3.0
_IDLE_FACTOR = 12.0


@dataclass
class Silence:
    """Watches one boot.

    Attributes:
        patience: stretches both measures.
    """

    patience: float = 1.0
    _last_cpu: float | None = field(default=None, init=False)
    _last_at: float = field(default=0.0, init=False)

    def output(self, at: float, cpu: float) -> None:
        """Bytes came, at `at` seconds since power-on; the emulator has used `cpu` seconds."""
        self._last_at, self._last_cpu = at, cpu

    def is_hang(self, at: float, cpu: float) -> bool:
        """Whether it has been silent for too long; never before its first output."""
        if self._last_cpu is None:
            return False
        busy = cpu - self._last_cpu > self.patience * _BUSY_FACTOR * self._last_cpu
        idle = at - self._last_at > self.patience * _IDLE_FACTOR * self._last_at
        return busy or idle
