"""Many schedules of one boot, until one fails.

What a machine with several CPUs does in which order depends on how long an instruction takes, on
how many CPUs there are, and on its random numbers. All three follow from a schedule, so that a boot
of it can be had again. Only a machine with one CPU can be recorded.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from harness.boot import booted
from harness.errors import EXIT_BOARD_FAILED, UsageError
from harness.recording.machine import on_cpus, recordable
from harness.recording.making import recorded
from harness.request import BootRequest
from harness.result import exit_code
from harness.session import HangContext, Observer, Session
from harness.statistics.binomial import Rate
from harness.target.icount import MOST_SHIFT, Icount
from harness.target.qemu_command import qemu_of

# Above, an instruction takes so long that timers come faster than they can be served: a kernel
# takes minutes, and a login times out.
SHIFTS = tuple(range(6))
_SEEDS = 1 << 32
_WRITTEN = re.compile(r"shift=(\d{1,2}),cpus=(\d{1,3})(?:,seed=(\d{1,20}))?")


@dataclass(frozen=True)
class Schedule:
    """What decides the order in which things happen.

    Attributes:
        shift: an instruction takes 2^shift ns.
        cpus: of the machine.
        seed: of the random numbers that it gives its guest; None: any.
    """

    shift: int
    cpus: int
    seed: int | None = None

    def __str__(self) -> str:
        seed = "" if self.seed is None else f",seed={self.seed}"
        return f"shift={self.shift},cpus={self.cpus}{seed}"

    @property
    def records(self) -> bool:
        """Whether QEMU can record it, and not only repeat it."""
        return self.cpus == 1


def parse_schedule(text: str) -> Schedule:
    """As `Schedule` prints itself.

    Raises:
        UsageError: it is none.
    """
    found = _WRITTEN.fullmatch(text)
    if (
        found is None
        or int(found[1]) > MOST_SHIFT
        or int(found[2]) < 1
        or int(found[3] or 0) >= 1 << 64
    ):
        raise UsageError(
            f"--schedule {text}",
            expected=f"shift=0...{MOST_SHIFT},cpus=N, and ,seed=N; example: shift=3,cpus=4,seed=17",
        )
    return Schedule(int(found[1]), int(found[2]), None if found[3] is None else int(found[3]))


def schedules(count: int, cpus: Sequence[int], seed: int) -> Iterator[Schedule]:
    """`count` different schedules, the same ones for the same seed; `cpus`: so many may be."""
    chance = random.Random(seed)  # noqa: S311 -- repeatable, not secret
    seen: set[tuple[int, int, int]] = set()
    while len(seen) < count:
        one = (chance.choice(SHIFTS), chance.choice(cpus), chance.randrange(_SEEDS))
        if one not in seen:
            seen.add(one)
            yield Schedule(*one)


def scheduled(request: BootRequest, schedule: Schedule) -> BootRequest:
    """The request, to be booted with this schedule.

    Raises:
        UsageError: this boot cannot be; says why.
    """
    mode: Any = "record" if schedule.records else "count"
    icount = Icount(schedule.shift, mode, seed=schedule.seed)
    # Nobody types anything: when that comes, no schedule says.
    request = replace(request, login=False)
    if schedule.records:
        return recordable(request, icount)
    fast = request.method is None and request.board.arch == "x86_64"
    method = "multiboot" if fast and request.target_kind == "qemu" else request.method
    plain = replace(request, method=method, icount=icount)
    board = on_cpus(request.board, schedule.cpus, "a schedule that is explored")
    return replace(plain, board=board)


@contextmanager
def booted_so(
    request: BootRequest,
    observer: Observer | None = None,
    on_hang: Callable[[HangContext], None] | None = None,
) -> Iterator[Session]:
    """Boot a request of `scheduled`: recorded if it can be.

    Raises:
        As `recorded`.
    """
    records = request.icount is not None and request.icount.records
    boot = recorded if records else booted
    with boot(request, observer, on_hang) as session:
        yield session


@dataclass(frozen=True)
class Tried:
    """A schedule, and what came of it."""

    schedule: Schedule
    verdict: str
    cause: str
    stage: str | None
    run_folder: str | None

    @property
    def failed(self) -> bool:
        """Whether the board failed, not we."""
        return exit_code(self.verdict) == EXIT_BOARD_FAILED


def explore(
    request: BootRequest,
    chosen: Iterable[Schedule],
    boot: Callable[[BootRequest], dict[str, Any]],
) -> Iterator[Tried]:
    """Boot one schedule after another, up to the first that fails.

    Args:
        boot: boots a request and gives its result.

    Raises:
        As `booted_so`.
    """
    for number, schedule in enumerate(chosen, 1):
        out = request.out / f"{number:03}" if request.out else None
        result = boot(replace(scheduled(request, schedule), out=out))
        tried = Tried(
            schedule, result["verdict"], result["cause"], result["stage"], result["run_folder"]
        )
        yield tried
        if tried.failed:
            return


def cpu_counts(request: BootRequest) -> Sequence[int]:
    """How many CPUs the board's machine may have.

    Raises:
        UsageError: the board has none.
    """
    most = qemu_of(request.board).smp
    # A static device tree names all of them: fewer would be another failure.
    return (most,) if request.how == "direct" else range(1, most + 1)


def excluded(tried: int, confidence: float = 0.95) -> float:
    """The failure rate that so many clean boots exclude."""
    return Rate(0, tried).at_most(confidence)
