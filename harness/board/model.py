"""What a board profile may say. The docstrings end up in the JSON schema that editors show.

Every model is frozen and forbids unknown keys; `harness.board.load` turns a violation into an
error with file, line and the nearest valid name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from harness.bootlog import STAGES
from harness.bootlog import Arch as LogArch

Arch = Literal["x86_64", "arm", "aarch64"]
Role = Literal["firmware", "ipxe", "uboot", "xen", "kernel", "initrd", "dtb"]
MethodName = Literal["pxe", "multiboot"]


class Misfit(ValueError):  # noqa: N818 -- a state of the profile; pydantic carries it
    """A value that does not fit to another one.

    Args:
        place: the keys that lead to it, from the model that noticed.
        wrong: the value; `names`: what would have fitted.
    """

    def __init__(
        self, message: str, *place: str | int, wrong: str = "", names: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.place = place
        self.wrong = wrong
        self.names = tuple(names)


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as bad:
        raise ValueError(f"not a regular expression: {bad}") from None
    return text


def _no_control(text: str) -> str:
    if any(ord(c) < 0x20 for c in text):
        raise ValueError("control characters and line breaks have no place here")
    return text


Regex = Annotated[str, AfterValidator(_regex), Field(min_length=1)]
OneLine = Annotated[str, AfterValidator(_no_control)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
Mac = Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]
Bdf = Annotated[str, Field(pattern=r"^[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$")]
Seconds = Annotated[float, Field(gt=0, le=86400)]
XenRange = Annotated[str, Field(pattern=r"^(<|<=|>=|>|==)\d+\.\d+$")]


class Model(BaseModel):
    """The base of all parts of a profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Identity(Model):
    """Who made the board, and with what."""

    vendor: OneLine
    model: OneLine
    soc: OneLine
    firmware: OneLine
    nic_mac_prefix: Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){0,5}$")] | None = None


class SerialConsole(Model):
    """The serial line: its name, speed, width, and how many characters firmware takes at once."""

    port: OneLine
    baud: Annotated[int, Field(ge=300, le=4_000_000)] = 115200
    columns: Annotated[int, Field(ge=20, le=500)] = 80
    burst: Annotated[int, Field(ge=1, le=4096)] = 8


class MenuItem(Model):
    """A row of the iPXE menu."""

    id: Name
    label: OneLine
    kind: Literal["shell", "xen", "linux", "exit"]


class Pxe(Model):
    """How firmware gets to Xen over the network: iPXE shell, dhcp, chain, menu."""

    network: OneLine
    server: OneLine
    interface: Name = "net0"
    script: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "menu.ipxe"
    title: OneLine = "iPXE boot menu"
    entry: Name
    timeout_s: Annotated[int, Field(ge=0, le=3600)] = 0
    entries: Annotated[tuple[MenuItem, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Pxe:
        names = [item.id for item in self.entries]
        if self.entry not in names:
            message = f"{self.entry!r} is not the id of one of the entries"
            raise Misfit(message, "entry", wrong=self.entry, names=names)
        if len(set(names)) != len(names):
            twice = next(i for i, name in enumerate(names) if name in names[:i])
            raise Misfit("two entries have the same id", "entries", twice)
        try:
            net = ipaddress.ip_network(self.network)
        except ValueError as bad:
            raise Misfit(str(bad), "network") from None
        try:
            server = ipaddress.ip_address(self.server)
        except ValueError as bad:
            raise Misfit(str(bad), "server") from None
        if server not in net:
            raise Misfit(f"{self.server} is outside network {self.network}", "server")
        return self


class Boot(Model):
    """The default method, the stage that is the goal, and what each method needs."""

    method: MethodName
    goal: str = "login"
    pxe: Pxe | None = None

    @model_validator(mode="after")
    def _has_method(self) -> Boot:
        if self.method == "pxe" and self.pxe is None:
            raise Misfit("pxe, and there is no pxe section", "method")
        return self


class Xen(Model):
    """The hypervisor's command line."""

    cmdline: OneLine


class Dom0(Model):
    """dom0: command lines, and how to log in."""

    cmdline: OneLine
    cmdline_without_xen: OneLine = ""
    hostname: Name
    user: Name = "root"
    password: OneLine | None = None
    banner: OneLine = ""


class BinarySource(Model):
    """Where the file of a role comes from: a Debian package, or a file of the user."""

    package: Name | None = None
    follow: OneLine | None = None
    file: OneLine
    suite: Name | None = None
    arch: Name = "amd64"
    version: OneLine | None = None
    versions: dict[str, Name] = Field(default_factory=dict)
    build: Literal["busybox"] | None = None

    @model_validator(mode="after")
    def _package_or_file(self) -> BinarySource:
        if self.package and not self.suite:
            raise Misfit("a package needs a suite", "package")
        return self


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


class Hardware(Model):
    """Facts that expectations are derived from."""

    cpu: Cpu | None = None
    memory_mib: Annotated[int, Field(ge=16, le=1 << 30)] | None = None
    ioapics: tuple[Ioapic, ...] | None = None
    hpet: Hpet | None = None
    iommu: Iommu | None = None
    pci: tuple[Bdf, ...] | None = None

    @model_validator(mode="after")
    def _unique(self) -> Hardware:
        ids = [apic.id for apic in self.ioapics or ()]
        if len(set(ids)) != len(ids):
            twice = next(i for i, one in enumerate(ids) if one in ids[:i])
            raise Misfit("two IOAPICs have the same id", "ioapics", twice)
        return self


class Quirk(Model):
    """A defect of the emulator that is worked around: with its reason, and its end."""

    id: Name
    cpu: OneLine | None = None
    argument: OneLine | None = None
    reason: OneLine
    seen_in: OneLine
    mended_in: OneLine


class Difference(Model):
    """Something that the emulation cannot match; every report repeats it."""

    what: OneLine
    board: OneLine
    here: OneLine
    why: OneLine


class Nic(Model):
    """A network card of the emulated machine; the one that `boots` carries the iPXE ROM."""

    device: OneLine
    mac: Mac
    boots: bool = False


class QemuTarget(Model):
    """The machine that stands in for the board."""

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


class Deadlines(Model):
    """Seconds: for the whole boot, from stage to stage, and of silence before it is a hang."""

    boot: Seconds = 300.0
    silence: Seconds = 20.0
    stages: dict[str, Seconds] = Field(default_factory=dict)


class Expect(Model):
    """What the log must say, must not say, or must say in order.

    `stage`: judged when this stage has been passed (without it: at the goal).
    `xen`: only for these Xen versions, such as "<4.13".
    """

    id: Name
    must: Regex | None = None
    must_not: Regex | None = None
    order: Annotated[tuple[Regex, ...], Field(min_length=2)] | None = None
    stage: str | None = None
    xen: XenRange | None = None
    why: OneLine

    @model_validator(mode="after")
    def _one_kind(self) -> Expect:
        if sum(kind is not None for kind in (self.must, self.must_not, self.order)) != 1:
            raise ValueError("exactly one of must, must_not and order")
        return self


class KnownHang(Model):
    """How a recorded log of a known hang ends: a pattern for its last whole line."""

    id: Name
    last_line: Regex
    why: OneLine
    xen: XenRange | None = None


class Board(Model):
    """A board profile: what the hardware is, how it boots, what its log must say."""

    schema_: Literal[1] = Field(alias="schema")
    name: Name
    title: OneLine
    arch: Arch
    identity: Identity
    console: SerialConsole
    boot: Boot
    xen: Xen
    dom0: Dom0
    binaries: dict[Role, BinarySource]
    hardware: Hardware = Hardware()
    targets: Targets = Targets()
    deadlines: Deadlines = Deadlines()
    expectations: tuple[Expect, ...] = ()
    known_hangs: tuple[KnownHang, ...] = ()

    @model_validator(mode="after")
    def _stages_exist(self) -> Board:
        named: list[tuple[str | None, tuple[str | int, ...]]] = [(self.boot.goal, ("boot", "goal"))]
        named += [(stage, ("deadlines", "stages", stage)) for stage in self.deadlines.stages]
        named += [(e.stage, ("expectations", i, "stage")) for i, e in enumerate(self.expectations)]
        for stage, place in named:
            if stage is not None and stage not in self.stages:
                message = f"{self.arch} has no stage {stage!r}"
                raise Misfit(message, *place, wrong=stage, names=self.stages)
        return self

    @property
    def stages(self) -> tuple[str, ...]:
        """The stage ids of this board, in order."""
        return STAGES[self.log_arch]

    @property
    def log_arch(self) -> LogArch:
        """The architecture in the words of the boot log: what decides the order of stages."""
        return "x86" if self.arch == "x86_64" else "arm"

    def hardware_of(self, target: str) -> Hardware:
        """The facts that hold on a target: the board's, and over them what the target states."""
        if target != "qemu" or self.targets.qemu is None:
            return self.hardware
        changed = self.targets.qemu.hardware.model_dump(exclude_none=True)
        return Hardware.model_validate({**self.hardware.model_dump(), **changed}, strict=False)
