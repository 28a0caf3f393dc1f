"""What is found out about a hung machine: the words of forensics.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Activity = Literal[
    "not started",  # the CPU was never brought up, or is parked by the firmware
    "asleep",  # sleeps until an interrupt comes, and may be woken
    "stopped",  # sleeps with interrupts off: nothing but an NMI or a reset wakes it
    "spins",  # executes, in one function all the time
    "loops",  # executes, in one function and in what it calls
    "moves",  # executes, in different places
    "starved",  # did not execute, because the host did not let it
    "unknown",  # the target does not show its CPUs, or there are too few samples
]
Progress = Literal["none", "some", "unknown"]


@dataclass(frozen=True)
class Spot:
    """A place in the code.

    Attributes:
        address: of the instruction.
        symbol: "get_supported_ivhd_type+0x7c", or "" if it is not known.
        sure: of a caller: its call was seen to go to the frame below; else it is a guess.
    """

    address: int
    symbol: str = ""
    sure: bool = True

    @property
    def function(self) -> str:
        return self.symbol.partition("+")[0]

    def __str__(self) -> str:
        return self.symbol or f"{self.address:#x}"


@dataclass(frozen=True)
class CpuDiagnosis:
    """What one CPU does.

    Attributes:
        activity: see `Activity`.
        where: the function that it is in, or that it comes back to: "on_selected_cpus"; an
            address in hexadecimal if there is no symbol; "" if not even that is known.
        context: what executes: "Xen", "guest kernel", "guest user", "firmware", "".
        callers: of `where`, innermost first.
        spots: the place of each sample, in their order.
        samples_there: how many of the samples are in `where`.
        interrupts: on or off, in all samples; None: sometimes, or not known.
        waits_for: an explanation, or "".
        answers: CPUs that it waits for, if the memory of Xen tells.
        host_share: of the time between first and last sample, in which the host ran it.
        says: one sentence.
    """

    cpu: int
    activity: Activity
    where: str = ""
    context: str = ""
    callers: tuple[Spot, ...] = ()
    spots: tuple[Spot, ...] = ()
    samples_there: int = 0
    interrupts: bool | None = None
    waits_for: str = ""
    answers: tuple[int, ...] = ()
    host_share: float | None = None
    says: str = ""


@dataclass(frozen=True)
class Answer:
    """What Xen said to a debug key, or to an NMI. `file`: with its lines, in the run folder."""

    key: str
    lines: int
    file: str


@dataclass
class Forensics:
    """The diagnosis of a hang.

    Attributes:
        summary: the few lines that say it; for result.json and the report.
        progress: whether the guest got anywhere while it was looked at; "some" says that it is no
            hang.
        host: how the host treated the machine: one sentence, or "".
        silent_since: seconds from power-on to the last byte.
        looked_at: seconds from power-on, first and last sample.
        samples: how many.
        instructions: executed between first and last sample, if the machine counts them.
        symbols: where they are from: "xen-hypervisor-4.17-amd64-dbg 4.17.7+...", or "".
        answers: of Xen, to keys and NMI.
        xen_alive: whether Xen answered on the serial line; None: it was not asked.
        dom0: its state, one sentence, or "".
        requests: to our servers, whose answer is still under way.
        files: further raw material, in the run folder.
        notes: what could not be found out, and why.
        seconds: that all of it took.
    """

    summary: tuple[str, ...] = ()
    progress: Progress = "unknown"
    host: str = ""
    silent_since: float | None = None
    looked_at: tuple[float, float] | None = None
    samples: int = 0
    instructions: int | None = None
    cpus: tuple[CpuDiagnosis, ...] = ()
    symbols: str = ""
    answers: list[Answer] = field(default_factory=list)
    xen_alive: bool | None = None
    dom0: str = ""
    requests: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def signature(self) -> str:
        """Where CPU0 is, without addresses: two hangs of one cause have the same.

        Whether it was seen in a function or in what that calls is chance, and not in it.
        """
        first = next((one for one in self.cpus if one.cpu == 0), None)
        if first is None or first.activity == "unknown" or not first.where:
            return ""
        if first.activity == "asleep":
            return "CPU0 asleep"
        named = first.where if not first.where.startswith("0x") else first.context
        return f"CPU0 in {named}" if named else ""

    def to_json(self) -> Mapping[str, Any]:
        """As forensics.json has it."""
        told = asdict(self)
        return {"schema": "harness-forensics/1", "signature": self.signature, **told}
