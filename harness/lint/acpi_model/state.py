"""What Xen has found out so far, and what it printed: the state of one prediction."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from harness.lint.acpi_model.machine import Ioapic, Machine, Region
from harness.lint.acpi_model.prediction import Outcome, Said, Step
from harness.lint.acpi_model.versions import XenVersion
from harness.lint.acpi_model.wording import worded

PAGE = 0x1000
MASK64 = (1 << 64) - 1
MAX_LEVELS = 6  # IOMMU_MAX_PT_LEVELS
UNITY_MAP_BYTES = 48  # struct ivrs_unity_map with the allocator's header
MAX_UNITY_MAPS = 1 << 24
ADDRESS_BITS = 52


class GaveUp(Exception):  # noqa: N818 - it is no error of ours
    """Xen's function returns an error: this IOMMU set-up ends."""


class Ended(Exception):  # noqa: N818 - nor is this
    """Xen does not come back: it hangs or panics."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Unity:
    """A range that a device sees at its own address (struct ivrs_unity_map)."""

    start: int
    length: int
    read: bool
    write: bool


@dataclass(slots=True)
class Iommu:
    """struct amd_iommu, as far as it matters here.

    function is segment << 16 | device id, features the extended feature register.
    """

    function: int
    capability: int
    base: int
    offset: int
    header: int = 0
    features: int = 0
    exclusion: tuple[int, int, bool] | None = None

    @property
    def address(self) -> int:
        """Where its registers are looked for: a page table entry has 52 bits of address."""
        return self.base & ((1 << ADDRESS_BITS) - 1)

    @property
    def segment(self) -> int:
        return self.function >> 16

    @property
    def device_id(self) -> int:
        return self.function & 0xFFFF


OWN_ID = -1


@dataclass(frozen=True, slots=True)
class Run:
    """Device ids [start, stop) of one IOMMU (0 for none) whose requests come with one id.

    requestor is OWN_ID when each has its own.
    """

    start: int
    stop: int
    iommu: int
    requestor: int


@dataclass(slots=True)
class Mappings:
    """struct ivrs_mappings[] of a segment, an array per member.

    requestor is dte_requestor_id; iommu is 1 + index in the list of IOMMUs, 0 for none;
    intremap tells whether an interrupt remapping table is allocated.
    """

    entries: int
    requestor: array[int] = field(init=False)
    iommu: array[int] = field(init=False)
    valid: bytearray = field(init=False)
    intremap: bytearray = field(init=False)
    unity: list[tuple[Unity, ...]] = field(init=False)
    _runs: dict[tuple[int, int], list[Run]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.requestor = array("H", range(self.entries))
        self.iommu = array("I", [0]) * self.entries
        self.valid = bytearray(self.entries)
        self.intremap = bytearray(self.entries)
        self.unity = [()] * self.entries

    def changed(self) -> None:
        """To be called when requestor or iommu were written to."""
        self._runs.clear()

    def runs(self, first: int, last: int) -> list[Run]:
        """The ids from first to last, by what `requestor` and `iommu` say of them."""
        if (first, last) not in self._runs:
            self._runs[first, last] = list(self._grouped(first, last))
        return self._runs[first, last]

    def _grouped(self, first: int, last: int) -> Iterator[Run]:
        def alike(device: int) -> tuple[int, int]:
            requestor = self.requestor[device]
            return self.iommu[device], OWN_ID if requestor == device else requestor

        for (iommu, requestor), devices in groupby(range(first, last + 1), alike):
            ids = list(devices)
            yield Run(ids[0], ids[-1] + 1, iommu, requestor)


@dataclass
class State:
    """One run of the model."""

    version: XenVersion
    machine: Machine
    ioapics: tuple[Ioapic, ...] = ()
    no_msi: bool = False
    lines: list[Said] = field(default_factory=list)
    trail: list[Step] = field(default_factory=list)
    guessed: bool = False
    info: int = 0
    ivhd_type: int = 0
    entries: int = 0
    iommus: list[Iommu] = field(default_factory=list)
    mappings: dict[int, Mappings] = field(default_factory=dict)
    ioapic_functions: dict[int, int] = field(default_factory=dict)
    told_uncovered: set[int] = field(default_factory=set)
    hpet_found: bool = False
    max_levels: int = MAX_LEVELS
    unity_maps: int = 0
    remapping: bool = True
    e820: list[Region] | None = None

    def say(
        self,
        key: str,
        source: str,
        text: str,
        *,
        offset: int | None = None,
        field: str | None = None,
        **values: int | str,
    ) -> None:
        """Print a message, and note the check behind it."""
        level, line = worded(key, self.version, **values)
        self.lines.append(Said(level, line))
        self.note(key, source, text, offset=offset, field=field)

    def debug(self, text: str) -> None:
        """A line that tells no problem, printed with iommu=debug."""
        self.lines.append(Said("info", "AMD-Vi: " + text))

    def note(
        self,
        check: str,
        source: str,
        text: str,
        *,
        offset: int | None = None,
        field: str | None = None,
    ) -> None:
        """A check that decided without a line."""
        self.trail.append(Step(check, text, source, offset, field))

    def find_iommu(self, function: int, capability: int) -> Iommu | None:
        """find_iommu_from_bdf_cap(): the first one listed."""
        for iommu in self.iommus:
            if iommu.function == function and iommu.capability == capability:
                return iommu
        return None

    def iommu_of(self, function: int) -> Iommu | None:
        """find_iommu_for_device(), before the IOMMU is enabled."""
        maps = self.mappings.get(function >> 16)
        device = function & 0xFFFF
        if maps is None or device >= maps.entries or not maps.iommu[device]:
            return None
        return self.iommus[maps.iommu[device] - 1]

    def reserve_unity_maps(self, count: int) -> None:
        """Raise GaveUp when Xen's heap is used up."""
        self.unity_maps += count
        if self.unity_maps > min(self.machine.memory // UNITY_MAP_BYTES, MAX_UNITY_MAPS):
            self.guessed = True
            self.note(
                "memory",
                "iommu_acpi.c: reserve_unity_map_for_device()",
                f"{self.unity_maps} unity maps are more than Xen has memory for",
            )
            raise GaveUp
