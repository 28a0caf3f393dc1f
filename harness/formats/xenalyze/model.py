"""What a summary of xenalyze says, as figures.

Times are those of the traced machine's clock (TSC cycles divided by the CPU speed that xenalyze
was told): in an emulator, the emulator's.
"""

from __future__ import annotations

from dataclasses import dataclass

IDLE_DOMAIN = 32767
"""What xenalyze calls the domain of Xen's idle vCPUs, one for each physical CPU."""


@dataclass(frozen=True)
class Figure:
    """Something that happened `count` times, and how long it took.

    Attributes:
        seconds: in sum, as printed: rounded to 0.01. None where the row has none.
        percent: of the whole trace; None where the row has none, or no number.
        cycles: one time, on average.
        spread: 5th, 50th and 95th percentile of cycles; None if xenalyze kept no samples.
    """

    name: str
    count: int
    seconds: float | None
    percent: float | None
    cycles: int
    spread: tuple[int, int, int] | None


@dataclass(frozen=True)
class Count:
    """Something that was only counted; `number` is Xen's for it: of a hypercall, trap or vector."""

    name: str
    count: int
    number: int | None = None


@dataclass(frozen=True)
class Exit:
    """A reason for which an HVM or PVH guest left to Xen.

    xenalyze says the parts (I/O handled or not, registers, hypercalls) of the first vCPU only that
    had this reason; that another vCPU has none says nothing.

    Attributes:
        total: all exits with this reason; its name is the reason.
        parts: what they were for.
        vectors: the interrupts, of an exit for external ones.
    """

    total: Figure
    parts: tuple[Figure, ...] = ()
    vectors: tuple[Count, ...] = ()


@dataclass(frozen=True)
class Interrupt:
    """Interrupts given to a guest. `cases`: from the interrupt to the next halt."""

    vector: int
    count: int
    cases: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Vcpu:
    """One vCPU.

    Attributes:
        id: None if the text does not say it (an excerpt).
        runstates: running, runnable, blocked, offline, lost, ...
        runnable: why it waited for a physical CPU: wake, preempt, other.
        affinity: how often it was put on a CPU, and for how long.
        pcpus: the same for each physical CPU; the name is its number.
        pv_events: of a PV guest: hypercalls, emulated instructions, page faults, ...
        hypercalls: of a PV guest, by Xen's numbers.
        traps: of a PV guest, by vector.
        exits: of an HVM or PVH guest.
        interrupts: given to an HVM guest.
        ipi: latency of interrupts between vCPUs; `ipi_vectors` counts them.
        ports: I/O ports, "cf8:[w]"; mmio: memory-mapped I/O, if xenalyze was asked for it.
    """

    id: int | None
    runstates: tuple[Figure, ...] = ()
    runnable: tuple[Figure, ...] = ()
    affinity: Figure | None = None
    pcpus: tuple[Figure, ...] = ()
    pv_events: tuple[Count, ...] = ()
    hypercalls: tuple[Count, ...] = ()
    traps: tuple[Count, ...] = ()
    exits: tuple[Exit, ...] = ()
    interrupts: tuple[Interrupt, ...] = ()
    ipi: Figure | None = None
    ipi_vectors: tuple[Count, ...] = ()
    ports: tuple[Figure, ...] = ()
    mmio: tuple[Figure, ...] = ()

    def seconds(self, state: str) -> float:
        """How long it was in a runstate; 0 if it never was."""
        return sum(f.seconds or 0.0 for f in self.runstates if f.name == state)


@dataclass(frozen=True)
class Domain:
    """One domain.

    Attributes:
        id: None if the text does not say it (an excerpt); `IDLE_DOMAIN` for Xen's idle vCPUs.
        runstates: of all its vCPUs together: blocked, partial run, full run, ...
        grants_by, grants_for: page operations that it did, and that were done for it: grant-map,
            grant-unmap, set-p2m, ...
        populated, reclaimed: pages of a populate-on-demand guest; `number` is the order.
        reclaim_contexts: why they were reclaimed; rows with a number are the orders of the row
            above.
        emulated: addresses of instructions that Xen emulated, "ffffffff81000000".
    """

    id: int | None
    runstates: tuple[Figure, ...] = ()
    grants_by: tuple[Count, ...] = ()
    grants_for: tuple[Count, ...] = ()
    populated: tuple[Count, ...] = ()
    reclaimed: tuple[Count, ...] = ()
    reclaim_contexts: tuple[Count, ...] = ()
    emulated: tuple[Figure, ...] = ()
    vcpus: tuple[Vcpu, ...] = ()


@dataclass(frozen=True)
class Volume:
    """Bytes of trace records by class, of one physical CPU; a subclass is named "hvm/vmexit"."""

    pcpu: int | None
    bytes: tuple[Count, ...] = ()


@dataclass(frozen=True)
class Pcpu:
    """What one physical CPU did (`--report-pcpu`); `lost`: times in which records were lost."""

    id: int
    running: Figure | None = None
    idle: Figure | None = None
    lost: Figure | None = None


@dataclass(frozen=True)
class Row:
    """A row that is none of those known, as it was. `section`: where it stood."""

    line: int
    section: str
    text: str


@dataclass(frozen=True)
class Summary:
    """All of a summary.

    Attributes:
        seconds: from the first record to the last; None if the text does not say.
        cpu_hz: the CPU speed that cycles were converted with.
        notes: what xenalyze said before the summary (its stderr), if it is in the text.
        gaps: rows "..." where somebody cut the text.
        unknown: rows that nobody knows.
    """

    seconds: float | None = None
    cpu_hz: float | None = None
    volumes: tuple[Volume, ...] = ()
    domains: tuple[Domain, ...] = ()
    pcpus: tuple[Pcpu, ...] = ()
    notes: tuple[str, ...] = ()
    gaps: int = 0
    unknown: tuple[Row, ...] = ()

    def domain(self, number: int) -> Domain | None:
        """The domain with this id."""
        return next((d for d in self.domains if d.id == number), None)
