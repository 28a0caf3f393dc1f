"""What Xen says about the IOMMU and the IVRS table that describes it, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IommuStateName = Literal["enabled", "disabled", "absent", "failed", "hang", "panic"]


@dataclass(frozen=True, slots=True)
class IvhdSpecial:
    """A special device (type 48h): variety 1 is an I/O APIC, 2 an HPET."""

    sbdf: str
    variety: int
    handle: int


@dataclass(frozen=True, slots=True)
class IvhdEntry:
    """A device entry of an IVHD block; ids are bus << 8 | device << 3 | function."""

    type: int
    id: int
    flags: int
    range_end: int | None = None
    alias: int | None = None
    special: IvhdSpecial | None = None


@dataclass(frozen=True, slots=True)
class IvrsBlock:
    """An IVHD block (10h, 11h, 40h); base ... attr are said by Xen 4.20 and later only."""

    type: int
    flags: int
    length: int
    id: int
    base: int | None = None
    cap: int | None = None
    segment: int | None = None
    info: int | None = None
    attr: int | None = None
    entries: tuple[IvhdEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class IvmdBlock:
    """A memory definition block (20h, 21h, 22h)."""

    type: int
    phys: int
    length: int


@dataclass(frozen=True, slots=True)
class IvrsHeader:
    """The IVRS table's header, as Xen dumps it with iommu=debug."""

    signature: str | None = None
    length: int | None = None
    revision: int | None = None
    checksum: int | None = None
    oem_id: str | None = None
    oem_table_id: str | None = None
    oem_revision: int | None = None
    creator_id: str | None = None
    creator_revision: int | None = None


@dataclass(frozen=True, slots=True)
class IommuState:
    """What became of the IOMMU; state is None until Xen has said so.

    messages are the errors and warnings that Xen gave about it, in order.
    """

    state: IommuStateName | None = None
    messages: tuple[str, ...] = ()
    interrupt_remapping: bool | None = None
    dom0_mode: str | None = None
