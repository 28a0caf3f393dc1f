"""How a board boots: its methods, and what each of them needs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.board.base import Address, MethodName, Misfit, Model, Name, OneLine, check_network


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
        check_network(self.network, self.server)
        return self


class Addresses(Model):
    """Where U-Boot puts what it loads: physical addresses in RAM.

    `fdt`: of the device tree; where the board has no `dtb`, of the one that U-Boot has there.
    """

    xen: Address
    kernel: Address
    ramdisk: Address
    fdt: Address


class Environment(Model):
    """uboot.env on the card: the loader's own variables, with these changes.

    `size`: what the loader was built for (CONFIG_ENV_SIZE), in bytes.
    """

    size: Annotated[int, Field(ge=64, le=1 << 20)] = 0x10000
    set: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")], OneLine]


class Uboot(Model):
    """What U-Boot is told by boot.scr.

    `device`: interface and number, as U-Boot names them. `command`: what starts Xen.
    `chosen`: who writes /chosen: boot.cmd, or we, into the tree on the card ("static").
    `fdt_room`: bytes that the tree may grow by. `before`: commands before the first load.
    """

    device: Annotated[str, Field(pattern=r"^[a-z]+ \d+$")] = "mmc 0"
    command: Literal["bootz", "booti"]
    addresses: Addresses
    chosen: Literal["script", "static"] = "script"
    fdt_room: Annotated[int, Field(ge=0x400, le=1 << 20)] = 0x2000
    before: tuple[OneLine, ...] = ()
    environment: Environment | None = None


class Card(Model):
    """The SD card, or the disk, that the board boots from: a FAT and an ext4 partition.

    `loader_kib`: where the boot ROM looks for the SPL; without it the loader is not on the card.
    `boot_mib`: the FAT partition, which begins at 1 MiB.
    `root`: the third partition in the words of dom0's kernel: where it finds a root on the card.
    """

    size_mib: Annotated[int, Field(ge=32, le=1 << 20)]
    loader_kib: Annotated[int, Field(ge=1, le=1023)] | None = None
    boot_mib: Annotated[int, Field(ge=8, le=1024)] = 16
    root: Annotated[str, Field(pattern=r"^/dev/[A-Za-z0-9/_-]+$")] | None = None

    @model_validator(mode="after")
    def _sizes(self) -> Card:
        if self.size_mib & (self.size_mib - 1):
            near = 1 << self.size_mib.bit_length()
            message = f"emulated cards have a size that is a power of two, as {near}"
            raise Misfit(message, "size_mib")
        if self.boot_mib + 8 > self.size_mib:
            raise Misfit("no room is left for the ext4 partition", "boot_mib")
        return self


class Direct(Model):
    """The emulator loads Xen as it loads Linux, and puts the modules into RAM.

    `kernel`, `ramdisk`: where dom0's are: physical addresses. Xen and the device tree, in which
    /chosen names the modules, are placed by the emulator.
    """

    kernel: Address
    ramdisk: Address


class Boot(Model):
    """The default method, the stage that is the goal, and what each method needs."""

    method: MethodName
    goal: str = "login"
    pxe: Pxe | None = None
    uboot: Uboot | None = None
    card: Card | None = None
    direct: Direct | None = None

    @model_validator(mode="after")
    def _has_method(self) -> Boot:
        for part in ("pxe", "direct"):
            if self.method == part and getattr(self, part) is None:
                raise Misfit(f"{part}, and there is no {part} section", "method")
        for part in ("uboot", "card"):
            if self.method == "sdcard" and getattr(self, part) is None:
                raise Misfit(f"sdcard, and there is no {part} section", "method")
        return self
