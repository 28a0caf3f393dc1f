"""The facts of a board's hardware: expectations are derived from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.board.base import Address, Bdf, Misfit, Model, OneLine


class Cpu(Model):
    """The signature that Xen prints (`CPU Vendor: AMD, Family 22 ...`) and the number of CPUs."""

    vendor: OneLine
    family: Annotated[int, Field(ge=0, le=0x10E)]
    model: Annotated[int, Field(ge=0, le=0xFF)]
    stepping: Annotated[int, Field(ge=0, le=15)]
    count: Annotated[int, Field(ge=1, le=4095)]


class Ioapic(Model):
    """An I/O APIC as the MADT lists it."""

    id: Annotated[int, Field(ge=0, le=255)]
    address: Annotated[int, Field(ge=0, lt=1 << 32)]


class Hpet(Model):
    """The HPET's event timer block id and base address."""

    id: Annotated[int, Field(ge=0, lt=1 << 32)]
    address: Annotated[int, Field(ge=0, lt=1 << 64)]


class Iommu(Model):
    """The state of the IOMMU that Xen must report."""

    state: Literal["enabled", "disabled", "absent", "failed"]
    interrupt_remapping: bool | None = None


class Region(Model):
    """A range of physical addresses: where it starts, and its size in bytes."""

    start: Address
    size: Annotated[int, Field(ge=1, lt=1 << 64)]


class Arm(Model):
    """What Xen finds on an ARM board.

    `midr`: the main ID register as Xen prints it ("Processor: 410fc075").
    `gic`: the version of the interrupt controller; `psci`: of PSCI, "0.1" or later.
    `timer_khz`: what CNTFRQ says.
    """

    midr: Annotated[int, Field(ge=0, lt=1 << 64)] | None = None
    cpus: Annotated[int, Field(ge=1, le=4095)] | None = None
    gic: Literal["v2", "v3"] | None = None
    psci: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = None
    timer_khz: Annotated[int, Field(ge=1)] | None = None


class Hardware(Model):
    """Facts that expectations are derived from."""

    cpu: Cpu | None = None
    memory_mib: Annotated[int, Field(ge=16, le=1 << 30)] | None = None
    ioapics: tuple[Ioapic, ...] | None = None
    hpet: Hpet | None = None
    iommu: Iommu | None = None
    pci: tuple[Bdf, ...] | None = None
    arm: Arm | None = None
    ram: tuple[Region, ...] | None = None
    io: tuple[Region, ...] | None = None

    @model_validator(mode="after")
    def _unique(self) -> Hardware:
        ids = [apic.id for apic in self.ioapics or ()]
        if len(set(ids)) != len(ids):
            twice = next(i for i, one in enumerate(ids) if one in ids[:i])
            raise Misfit("two IOAPICs have the same id", "ioapics", twice)
        return self
