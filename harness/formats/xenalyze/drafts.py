"""Domains and vCPUs while their rows are read, one section at a time.

Each method takes a row of the section it is named after, and says whether it is one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from harness.formats.xenalyze import rows
from harness.formats.xenalyze.model import (
    Count,
    Domain,
    Exit,
    Figure,
    Interrupt,
    Pcpu,
    Vcpu,
    Volume,
)

_REASONS = {"wake", "preempt", "other"}


@dataclass
class VolumeDraft:
    """Trace records of one physical CPU."""

    pcpu: int | None
    found: list[Count] = field(default_factory=list)
    _above: str = ""

    def volume(self, row: str) -> bool:
        count = rows.with_colon(f" {row.lstrip(' +-')}")
        if count is None:
            return False
        if row.lstrip().startswith("+-"):
            count = replace(count, name=f"{self._above}/{count.name}")
        else:
            self._above = count.name
        self.found.append(count)
        return True

    def done(self) -> Volume:
        return Volume(self.pcpu, tuple(self.found))


@dataclass
class PcpuDraft:
    """One physical CPU."""

    id: int
    _states: dict[str, Figure] = field(default_factory=dict)

    def pcpu(self, row: str) -> bool:
        found = rows.figure(row)
        if found is None or found.name not in {"running", "idle", "lost"}:
            return False
        self._states[found.name] = found
        return True

    def done(self) -> Pcpu:
        return Pcpu(self.id, **self._states)


@dataclass
class VcpuDraft:
    """One vCPU."""

    id: int | None
    # By the names of the fields of Vcpu.
    _found: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    _affinity: Figure | None = None
    _ipi: Figure | None = None
    _calls: set[int | None] = field(default_factory=set)
    _exits: list[tuple[Figure, list[Figure], list[Count]]] = field(default_factory=list)
    _interrupts: list[tuple[Count, list[Figure]]] = field(default_factory=list)

    def runstates(self, row: str) -> bool:
        found = rows.figure(row)
        if found is None:
            return False
        if found.name == "cpu affinity":
            self._affinity = found
        elif found.name.startswith("["):
            self._found["pcpus"].append(replace(found, name=found.name.strip("[] ")))
        else:
            name = "runnable" if found.name in _REASONS else "runstates"
            self._found[name].append(found)
        return True

    def pv(self, row: str) -> bool:
        if not row.startswith("    "):
            return self._add("pv_events", rows.plain(row))
        call = rows.numbered(row)
        if call is None:
            return self._add("traps", rows.in_brackets(row))
        # Under each of two kinds of records of hypercalls, the same table is printed.
        if call.number not in self._calls:
            self._calls.add(call.number)
            self._add("hypercalls", call)
        return True

    def exits(self, row: str) -> bool:
        found = rows.figure(row)
        # A reason without a name is a number, right-aligned; all other deep rows are parts.
        if found is not None and (not row.startswith("  ") or found.name.isdigit()):
            self._exits.append((found, [], []))
            return True
        if row.strip() == "page_fault":  # a heading over parts
            return True
        count = rows.vector(row) if found is None else None
        if not self._exits or (found is None and count is None):
            return False
        _, parts, vectors = self._exits[-1]
        if found is not None:
            inner = found.name[1:-1].strip() if found.name.startswith("[") else found.name
            parts.append(replace(found, name=inner))
        if count is not None:
            vectors.append(count)
        return True

    def interrupts(self, row: str) -> bool:
        count = rows.in_brackets(row)
        if count is not None:
            self._interrupts.append((count, []))
            return True
        case = rows.figure(row)
        if case is None or not self._interrupts:
            return False
        self._interrupts[-1][1].append(replace(case, name=case.name.lstrip("* ")))
        return True

    def ipi(self, row: str) -> bool:
        count = rows.in_brackets(row)
        if count is not None:
            return self._add("ipi_vectors", count)
        latency = rows.figure(f"IPI latency {row}")  # its name is the heading
        if latency is None or latency.name != "IPI latency":
            return False
        self._ipi = latency
        return True

    def ports(self, row: str) -> bool:
        return self._add("ports", rows.figure(row))

    def mmio(self, row: str) -> bool:
        return self._add("mmio", rows.figure(row))

    def _add(self, name: str, found: Figure | Count | None) -> bool:
        if found is not None:
            self._found[name].append(found)
        return found is not None

    def done(self) -> Vcpu:
        return Vcpu(
            self.id,
            affinity=self._affinity,
            exits=tuple(Exit(t, tuple(p), tuple(v)) for t, p, v in self._exits),
            interrupts=tuple(
                Interrupt(c.number or 0, c.count, tuple(cases)) for c, cases in self._interrupts
            ),
            ipi=self._ipi,
            **{name: tuple(found) for name, found in self._found.items()},
        )


@dataclass
class DomainDraft:
    """One domain."""

    id: int | None
    vcpus: list[VcpuDraft] = field(default_factory=list)
    # By the names of the fields of Domain.
    _found: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def runstates(self, row: str) -> bool:
        return self._add("runstates", rows.figure(row))

    def grants_by(self, row: str) -> bool:
        return self._add("grants_by", rows.with_colon(row))

    def grants_for(self, row: str) -> bool:
        return self._add("grants_for", rows.with_colon(row))

    def populated(self, row: str) -> bool:
        return self._add("populated", rows.in_brackets(row))

    def reclaimed(self, row: str) -> bool:
        return self._add("reclaimed", rows.in_brackets(row))

    def reclaim_contexts(self, row: str) -> bool:
        return self._add("reclaim_contexts", rows.in_brackets(row) or rows.context(row))

    def emulated(self, row: str) -> bool:
        return self._add("emulated", rows.figure(row))

    def _add(self, name: str, found: Figure | Count | None) -> bool:
        if found is not None:
            self._found[name].append(found)
        return found is not None

    def done(self) -> Domain:
        found = {name: tuple(rows) for name, rows in self._found.items()}
        return Domain(self.id, vcpus=tuple(vcpu.done() for vcpu in self.vcpus), **found)
