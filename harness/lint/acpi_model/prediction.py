"""What the model says: the outcome, the lines, and the checks that led there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["enabled", "disabled", "absent", "failed", "hang", "panic"]
Basis = Literal["run", "source"]
Level = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Said:
    """A line that Xen prints, without its "(XEN) "."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """A check of Xen's that changed the course.

    Attributes:
        check: its id, as "ioapic-missing".
        text: what Xen found, in a sentence.
        source: file and function of Xen's source.
        offset: in the IVRS, of the field that was looked at; None if it is none of its fields.
        field: in the words of the AMD IOMMU specification.
    """

    check: str
    text: str
    source: str
    offset: int | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a release of Xen does with a table set on a machine.

    Attributes:
        outcome: "enabled"; "disabled" by an option; "absent": Xen found no IOMMU and tells no
            reason; "failed": it found a fault and gave up; "hang"; "panic".
        messages: the errors and warnings about the IOMMU, each once, in their order, until
            `Brought up n CPUs`; verbatim, without "(XEN) ".
        basis: "run" when this release was compared with the real Xen and nothing outside the
            given bytes mattered, else "source".
        lines: all lines about IVRS, IVHD and IVMD with iommu=verbose,debug, in order, those
            that are no problem included.
        trail: the checks that changed the course; the last one decided.
    """

    outcome: Outcome
    messages: tuple[str, ...]
    basis: Basis
    lines: tuple[Said, ...] = ()
    trail: tuple[Step, ...] = ()

    @property
    def decided(self) -> Step | None:
        """The check that decided; None when nothing was found wrong."""
        return self.trail[-1] if self.trail else None
