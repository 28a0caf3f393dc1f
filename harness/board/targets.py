"""Where a board can be booted: the emulated machine that stands in for it, a line to it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.board.base import Mac, Misfit, Model, Name, OneLine, Regex, check_network
from harness.board.binaries import BinarySource, Role
from harness.board.hardware import Hardware


class TreeEdit(Model):
    """A property of the device tree that gets another value: 32-bit cells."""

    node: Annotated[str, Field(pattern=r"^/[A-Za-z0-9@,._+/-]+$")]
    property: Annotated[str, Field(pattern=r"^[A-Za-z0-9,._+?#-]{1,31}$")]
    cells: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=1 << 32)], ...], Field(min_length=1, max_length=1024)
    ]


class Quirk(Model):
    """A defect of the emulator that is worked around: with its reason, and its end.

    `cpu`: a feature of the CPU; `argument`: words for the emulator; `xen`: words for Xen;
    `tree`: a change to the device tree (method direct).
    """

    id: Name
    cpu: OneLine | None = None
    argument: OneLine | None = None
    xen: OneLine | None = None
    tree: TreeEdit | None = None
    reason: OneLine
    seen_in: OneLine
    mended_in: OneLine


class Difference(Model):
    """Something that the emulation cannot match; every report repeats it.

    `role`: it is because of this binary, and does not hold with the board's own. `tables`: it is
    in the ACPI tables that the emulator makes, and does not hold with tables of the user's.
    """

    what: OneLine
    board: OneLine
    here: OneLine
    why: OneLine
    role: Role | None = None
    tables: bool = False


class Nic(Model):
    """A network card of the emulated machine; the one that `boots` carries the iPXE ROM.

    `network`, `server`: a network of its own, for a bridge or a guest; `server` leads to the
    host's loopback. Without, the card is on no network but the emulator's DHCP.
    """

    device: OneLine
    mac: Mac
    boots: bool = False
    network: OneLine | None = None
    server: OneLine | None = None

    @model_validator(mode="after")
    def _both(self) -> Nic:
        if (self.network is None) != (self.server is None):
            raise Misfit("a network and its server go together", "network")
        if self.network is not None and self.server is not None:
            if self.boots:
                raise Misfit("the NIC that boots is on boot.pxe.network", "network")
            check_network(self.network, self.server)
        return self


class StandIn(Model):
    """A machine of another SoC that stands in for a board that the emulator does not have.

    `soc`: its name, in the verdict line. `substituted`: what is not the board's own.
    """

    soc: OneLine
    substituted: Annotated[tuple[Name, ...], Field(min_length=1)]
    why: OneLine


class QemuTarget(Model):
    """The emulated machine.

    `card`: how it takes the SD card. `trace`: what QEMU writes to its trace file (-d).
    `share`: the device that shows it a folder of the host (9p), for a root of dom0.
    `stand_in`: it is another machine than the board. `binaries`: what it needs instead of the
    board's own.
    """

    emulator: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/+-]+$")]
    machine: OneLine
    accel: OneLine = "tcg"
    cpu: OneLine
    smp: Annotated[int, Field(ge=1, le=255)]
    memory_mib: Annotated[int, Field(ge=16, le=1 << 20)]
    devices: tuple[OneLine, ...] = ()
    nics: tuple[Nic, ...] = ()
    quirks: tuple[Quirk, ...] = ()
    differs: tuple[Difference, ...] = ()
    hardware: Hardware = Hardware()
    recognise: Regex | None = None
    card: Literal["sd", "virtio"] | None = None
    trace: Annotated[str, Field(pattern=r"^[a-z_,:*]+$")] | None = None
    share: OneLine | None = None
    stand_in: StandIn | None = None
    binaries: dict[Role, BinarySource] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_boots(self) -> QemuTarget:
        if sum(nic.boots for nic in self.nics) > 1:
            raise Misfit("more than one NIC boots", "nics")
        return self


class SerialTarget(Model):
    """A line to a board, and the commands that switch its power."""

    evidence: Literal["hardware", "emulated"] = "emulated"
    power_on: OneLine | None = None
    power_off: OneLine | None = None


class Targets(Model):
    """Where the board can be booted."""

    qemu: QemuTarget | None = None
    serial: SerialTarget = SerialTarget()
