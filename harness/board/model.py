"""What a board profile may say. The docstrings end up in the JSON schema that editors show.

Every model is frozen and forbids unknown keys; `harness.board.load` turns a violation into an
error with file, line and the nearest valid name.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.board.base import (
    Arch,
    MethodName,
    Misfit,
    Model,
    Name,
    OneLine,
    Regex,
    RootKind,
    Seconds,
    XenRange,
)
from harness.board.binaries import BinarySource, Role
from harness.board.booting import Addresses, Boot, Direct
from harness.board.domains import Domain
from harness.board.hardware import Hardware
from harness.board.targets import Targets
from harness.bootlog import STAGES
from harness.bootlog import Arch as LogArch


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


class Xen(Model):
    """The hypervisor's command line."""

    cmdline: OneLine


class Dom0(Model):
    """dom0: what it lives in, its command lines, and how to log in.

    `present`: false where Xen starts domains without dom0. `root`: busybox alone in an initramfs;
    or a Debian system with xl, as an initramfs, over NFS or 9p, or on the card (ext4).
    """

    present: bool = True
    root: RootKind = "busybox"
    cmdline: OneLine
    cmdline_without_xen: OneLine = ""
    hostname: Name
    user: Name = "root"
    password: OneLine | None = None
    banner: OneLine = ""


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
    """A board profile: what the hardware is, how it boots, what its log must say.

    `known_warnings`: ids of diagnoses that this board always has, each with its reason.
    """

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
    domains: tuple[Domain, ...] = ()
    hardware: Hardware = Hardware()
    targets: Targets = Targets()
    deadlines: Deadlines = Deadlines()
    expectations: tuple[Expect, ...] = ()
    known_hangs: tuple[KnownHang, ...] = ()
    known_warnings: dict[Name, OneLine] = Field(default_factory=dict)

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

    @model_validator(mode="after")
    def _places(self) -> Board:
        if self.boot.uboot is not None:
            self._in_ram(self.boot.uboot.addresses, "boot", "uboot", "addresses")
        if self.boot.direct is not None:
            self._in_ram(self.boot.direct, "boot", "direct")
        return self

    def _in_ram(self, addresses: Addresses | Direct, *section: str) -> None:
        """Each address is another one, and in RAM, as far as the profile knows RAM."""
        unused = set() if self.dom0.present else {"kernel", "ramdisk"}
        unused |= set() if "initrd" in self.binaries else {"ramdisk"}
        places = addresses.model_dump(exclude=unused)
        ram = self.hardware.ram
        for name, at in places.items():
            key = (*section, name)
            first = next(other for other, where in places.items() if where == at)
            if first != name:
                raise Misfit(f"{at:#x} is the address of {first} too", *key)
            if ram and not any(one.start <= at < one.start + one.size for one in ram):
                raise Misfit(f"{at:#x} is outside hardware.ram", *key)

    @model_validator(mode="after")
    def _files_of_domains(self) -> Board:
        for index, domain in enumerate(self.domains):
            if domain.name in [d.name for d in self.domains[:index]]:
                raise Misfit(f"{domain.name} is there twice", "domains", index, "name")
            for kind, load in domain.loads:
                if load.role not in self.binaries:
                    key = "dtb" if kind == "device-tree" else kind
                    message = f"binaries has no {load.role}"
                    names = tuple(self.binaries)
                    place = ("domains", index, key, "role")
                    raise Misfit(message, *place, wrong=load.role, names=names)
        return self

    @property
    def stages(self) -> tuple[str, ...]:
        """The stage ids of this board, in order."""
        return STAGES[self.log_arch]

    def no_root(
        self, kind: RootKind, target: str = "qemu", method: MethodName | None = None
    ) -> str | None:
        """Why dom0 of this board cannot have a root of this kind; None: it can."""
        method = method or self.boot.method
        if kind == "nfs" and self.boot.pxe is None:
            return f"board {self.name} has no network to boot from (boot.pxe)"
        if kind == "9p" and target != "qemu":
            return "9p is a device of the emulator"
        if kind == "9p" and (self.targets.qemu is None or self.targets.qemu.share is None):
            return f"the emulated machine of {self.name} has no 9p device (targets.qemu.share)"
        if kind == "ext4" and method != "sdcard":
            return f"there is no card to put it on with the method {method}"
        return None

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

    def xen_cmdline_of(self, target: str) -> str:
        """Xen's command line on a target: the board's, and what quirks of an emulator need."""
        machine = self.targets.qemu if target == "qemu" else None
        words = [quirk.xen for quirk in machine.quirks if quirk.xen] if machine else []
        return " ".join([self.xen.cmdline, *words])

    def binaries_of(self, target: str, *, own: bool = False) -> dict[str, BinarySource]:
        """The sources of all roles on a target; `own`: the board's, also where it substitutes."""
        if target != "qemu" or self.targets.qemu is None or own:
            return dict(self.binaries)
        return {**self.binaries, **self.targets.qemu.binaries}
