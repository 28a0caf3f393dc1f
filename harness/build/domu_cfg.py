"""The configuration of a domU for xl: the text is bootscripts/domU.cfg.j2.

xl forgives much and silently: it ignores CPUs of virtual CPUs that there are not, and takes
a name of digits for the number of a domain. Such values are refused here.
Sources: xl.cfg(5), xl-disk-configuration(5), xl-network-configuration(5),
xl-pci-configuration(5); Xen, tools/xl/xl_parse.c, tools/libs/util/libxlu_cfg_l.l
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from harness.build.render import render
from harness.errors import ProfileError

OnCrash = Literal[
    "destroy",
    "restart",
    "rename-restart",
    "preserve",
    "coredump-destroy",
    "coredump-restart",
    "soft-reset",
]

OnReboot = Literal["destroy", "restart", "rename-restart", "preserve", "soft-reset"]
GuestType = Literal["pv", "pvh", "hvm"]

PAGE = 4096
ADDRESS_BITS = 40  # physical addresses of 32-bit Arm with LPAE, and of guests ("40-bit IPA")

_MOST_MIB = 1 << (ADDRESS_BITS - 20)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]{0,62}")
_RANGE = r"\^?(all|\d+(-\d+)?|nodes?:\d+(-\d+)?)"
_CPUS = re.compile(rf"{_RANGE}(,{_RANGE})*")
# docs/man/xen-vbd-interface.7: what a guest without drivers of Xen could be given, too.
_VDEV = re.compile(r"xvd[a-z]{1,2}|hd[a-d]|sd[a-p]")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_INTERFACE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_MODEL = re.compile(r"[a-z0-9-]{1,30}")
_BDF = re.compile(r"([0-9a-f]{4}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")


@dataclass(frozen=True)
class IoPages:
    """Pages of the board that a guest gets.

    Attributes:
        address: of the first one on the board, in bytes.
        pages: how many, of 4 KiB.
        guest_address: where the guest finds them; None: at the same address.
    """

    address: int
    pages: int = 1
    guest_address: int | None = None

    @property
    def text(self) -> str:
        """As xl writes it: "1c20,2" or "1c20,2@10000"."""
        there = "" if self.guest_address is None else f"@{self.guest_address // PAGE:x}"
        return f"{self.address // PAGE:x},{self.pages:x}{there}"


@dataclass(frozen=True)
class Disk:
    """A file or block device of dom0 that is a disk of the guest.

    Attributes:
        target: its path in dom0.
        vdev: what the guest is told that it is: "xvda" is Xen's own kind; "hda" and "sda" are
            the numbers of IDE and SCSI disks.
        writable: whether the guest may write.
    """

    target: str
    vdev: str = "xvda"
    writable: bool = True

    @property
    def text(self) -> str:
        """As xl writes it. The path is last: what follows `target=` is all of it."""
        access = "rw" if self.writable else "ro"
        return f"format=raw, vdev={self.vdev}, access={access}, target={self.target}"


@dataclass(frozen=True)
class Vif:
    """A network card of the guest, at a bridge of dom0.

    Attributes:
        bridge: its name.
        mac: small letters; None: xl makes one up.
        model: what QEMU emulates for an HVM guest: "rtl8139", "e1000"; None: xl's default.
    """

    bridge: str
    mac: str | None = None
    model: str | None = None

    @property
    def text(self) -> str:
        """As xl writes it."""
        parts = {"mac": self.mac, "bridge": self.bridge, "model": self.model}
        return ",".join(f"{key}={value}" for key, value in parts.items() if value is not None)


def render_domu_cfg(
    *,
    name: str,
    kernel: str,
    memory_mib: int,
    type: GuestType | None = None,  # noqa: A002 -- xl's word
    ramdisk: str = "",
    max_memory_mib: int | None = None,
    vcpus: int = 1,
    cpus: str | Sequence[str] | None = None,
    on_crash: OnCrash = "destroy",
    on_reboot: OnReboot | None = None,
    iomem: Sequence[IoPages] = (),
    disks: Sequence[Disk] = (),
    vifs: Sequence[Vif] = (),
    pci: Sequence[str] = (),
    platform_pci: bool | None = None,
    cmdline: str = "",
    vuart: bool = False,
) -> str:
    """The text of a domU's configuration.

    Args:
        name: what `xl list` shows.
        kernel: path in dom0, from its root or from where xl is started.
        type: None: xl's default, which is PV on x86, and the only type that there is on Arm.
        ramdisk: path in dom0; empty for none.
        max_memory_mib: what it may grow to (ballooning); None: not beyond `memory_mib`.
        vcpus: number of virtual CPUs.
        cpus: the CPUs that they may run on, in xl's words: "1", "0-3,^2", "all"; one text
            for all virtual CPUs, or one for each of them.
        on_crash: what xl does with a guest that crashes.
        on_reboot: what xl does with a guest that reboots; None: it starts it again.
        iomem: pages of the board that it gets.
        disks: its disks.
        vifs: its network cards, the first one is eth0.
        pci: PCI devices of the board that it gets: "03:00.0", "0000:03:00.0".
        platform_pci: whether an HVM guest has the PCI device by which its drivers of Xen
            unplug the emulated disks and network cards; None: xl's default, it has.
        cmdline: its bootargs.
        vuart: give it Xen's PL011, where a guest without drivers of Xen finds its console.

    Raises:
        ProfileError: a value that xl would refuse, ignore or take for something else.
    """
    _check_name(name)
    _check_text("kernel", kernel)
    if not kernel:
        raise _bad("kernel", kernel, "the path of an image")
    _check_text("cmdline", cmdline)
    _check_text("ramdisk", ramdisk)
    _check_number("memory_mib", memory_mib, 1, _MOST_MIB)
    if max_memory_mib is not None:
        _check_number("max_memory_mib", max_memory_mib, memory_mib, _MOST_MIB)
    _check_number("vcpus", vcpus, 1, 128)
    _check_cpus(cpus, vcpus)
    if on_crash not in get_args(OnCrash):
        raise _bad("on_crash", on_crash, f"one of {', '.join(get_args(OnCrash))}")
    if on_reboot is not None and on_reboot not in get_args(OnReboot):
        raise _bad("on_reboot", on_reboot, f"one of {', '.join(get_args(OnReboot))}")
    if type is not None and type not in get_args(GuestType):
        raise _bad("type", type, f"one of {', '.join(get_args(GuestType))}")
    if platform_pci is not None and type != "hvm":
        raise _bad("platform_pci", platform_pci, "nothing: only an HVM guest has that device")
    _check_iomem(iomem)
    _check_disks(disks)
    _check_vifs(vifs)
    _check_pci(pci)
    return render(
        "domU.cfg.j2",
        name=name,
        type=type,
        kernel=kernel,
        ramdisk=ramdisk,
        memory=memory_mib,
        maxmem=max_memory_mib,
        vcpus=vcpus,
        cpus=cpus if cpus is None or isinstance(cpus, str) else list(cpus),
        on_crash=on_crash,
        on_reboot=on_reboot,
        iomem=[one.text for one in iomem],
        disks=[one.text for one in disks],
        vifs=[one.text for one in vifs],
        pci=list(pci),
        platform_pci=platform_pci,
        cmdline=cmdline,
        vuart=vuart,
    )


def _bad(field: str, value: object, expected: str) -> ProfileError:
    return ProfileError(
        f"{value!r} cannot be the {field} of a domU", where=f"domU.{field}", expected=expected
    )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        expected = "a letter or _, then letters, digits, _ . + -, at most 63 in all"
        raise _bad("name", name, expected)
    if name == "Domain-0":
        raise _bad("name", name, "a name that dom0 does not have")


def _check_text(field: str, text: str) -> None:
    """No quote may end the string, no backslash start an escape, no line end in it."""
    if not (text.isascii() and text.isprintable()) or set(text) & set("\"'\\"):
        raise _bad(field, text, "printable ASCII without quotes and backslashes")


def _check_number(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise _bad(field, value, f"{least} to {most}")


def _check_cpus(cpus: str | Sequence[str] | None, vcpus: int) -> None:
    if cpus is None:
        return
    texts = [cpus] if isinstance(cpus, str) else list(cpus)
    for text in texts:
        if not _CPUS.fullmatch(text):
            raise _bad("cpus", text, 'CPUs as xl writes them: "1", "0-3,^2", "all"')
    if not isinstance(cpus, str) and len(texts) != vcpus:
        raise _bad("cpus", texts, f"one entry for each of the {vcpus} virtual CPUs")


def _check_iomem(iomem: Sequence[IoPages]) -> None:
    for number, one in enumerate(iomem):
        field = f"iomem[{number}]"
        _check_number(f"{field}.pages", one.pages, 1, 1 << (ADDRESS_BITS - 12))
        for name, address in (("address", one.address), ("guest_address", one.guest_address)):
            if address is None:
                continue
            if address % PAGE:
                page = address - address % PAGE
                expected = f"the start of a page; {address:#x} is in that of {page:#x}"
                raise _bad(f"{field}.{name}", hex(address), expected)
            end = (1 << ADDRESS_BITS) - one.pages * PAGE
            if not 0 <= address <= end:
                raise _bad(f"{field}.{name}", hex(address), f"0 to {end:#x}")


def _check_disks(disks: Sequence[Disk]) -> None:
    for number, one in enumerate(disks):
        field = f"disks[{number}]"
        _check_text(f"{field}.target", one.target)
        if not one.target.strip() or one.target != one.target.strip():
            raise _bad(f"{field}.target", one.target, "a path, without blanks around it")
        if not _VDEV.fullmatch(one.vdev):
            raise _bad(f"{field}.vdev", one.vdev, "xvda, hda, sda, or one after it")
        if one.vdev in [other.vdev for other in disks[:number]]:
            raise _bad(f"{field}.vdev", one.vdev, "one that no other disk has")


def _check_vifs(vifs: Sequence[Vif]) -> None:
    for number, one in enumerate(vifs):
        field = f"vifs[{number}]"
        if not _INTERFACE.fullmatch(one.bridge):
            raise _bad(f"{field}.bridge", one.bridge, "the name of an interface of dom0")
        if one.mac is not None and (not _MAC.fullmatch(one.mac) or int(one.mac[:2], 16) & 1):
            raise _bad(f"{field}.mac", one.mac, 'the address of one card, as "00:16:3e:00:00:01"')
        if one.model is not None and not _MODEL.fullmatch(one.model):
            raise _bad(f"{field}.model", one.model, 'a card of QEMU\'s, as "e1000"')


def _check_pci(devices: Sequence[str]) -> None:
    for number, one in enumerate(devices):
        if not _BDF.fullmatch(one):
            raise _bad(f"pci[{number}]", one, 'an address as lspci prints it: "03:00.0"')
