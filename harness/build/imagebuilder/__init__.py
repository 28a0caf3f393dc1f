"""A configuration of ImageBuilder -> a board profile.

    made = import_config(Path("config"), name="myboard", parent=None)
    check(made, file, [])

ImageBuilder (scripts/uboot-script-gen) makes a boot.scr out of a list of variables; a profile of
the harness leads to the same: the same files at the same addresses, the same modules and domains
for Xen. `harness.build.imagebuilder.layout` says how addresses are found.

Where the script of the harness differs, on purpose: the tree is loaded first and its modules as
they are loaded; dom0's command line is `bootargs` of its module, not xen,dom0-bootargs of /chosen;
Xen's is `bootargs` of /chosen; vpl011 is an empty property; a 32-bit board has cells of one word;
domains are called domU1 and on, as Xen numbers them; files have the names of their roles.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.board import Board, load
from harness.build.bootscript import render_script
from harness.build.imagebuilder.cmdlines import dom0_cmdline, xen_cmdline
from harness.build.imagebuilder.domains import Guest, guests, warn_of_passthrough
from harness.build.imagebuilder.files import (
    ImageArch,
    hostname_in,
    item,
    read_config,
    reserved,
    tree_of,
    xen_arch,
)
from harness.build.imagebuilder.keys import passed_over
from harness.build.imagebuilder.layout import Item, lay_out
from harness.build.imagebuilder.machine import hardware, memory
from harness.build.imagebuilder.profile import Import, profile_text
from harness.build.imagebuilder.warn import Warnings
from harness.errors import InputError, ProfileError
from harness.formats.imagebuilder import Config, Entry

_PLACE = re.compile(r"\b([a-z]+) (\d+)(:[0-9a-fA-F]+)?$")
_DEVICE = "mmc 0"


@dataclass(frozen=True)
class Imported:
    """What an import gives.

    Attributes:
        text: the profile, as YAML.
        warnings: what of the configuration is not in it, and why; in the order of the file.
        lines: field of the profile -> where in the configuration its text is from.
    """

    name: str
    text: str
    warnings: tuple[str, ...]
    lines: dict[str, str]


def import_config(file: Path, name: str, parent: Board | None = None) -> Imported:
    """Read a configuration, and the files that it names, and write a profile.

    Args:
        name: of the profile.
        parent: the board that the profile is a variant of; None: it stands for itself.

    Raises:
        InputError: the configuration is wrong, a file is not there, or they do not fit into
            memory; with file and line.
        ProfileError: `parent` is not a board that boots through U-Boot.
    """
    config = read_config(file)
    warnings = Warnings(config)
    folder = file.parent
    xen = item(config, folder, "xen", _required(config, "XEN"))
    dtb = item(config, folder, "dtb", _required(config, "DEVICE_TREE"))
    start, end = _required(config, "MEMORY_START"), _required(config, "MEMORY_END")
    arch = _arch(config, xen, parent, warnings)
    tree = tree_of(config, dtb)
    domains = guests(config, folder, warnings)
    dom0 = _dom0_items(config, folder)
    if not dom0 and not domains:
        raise InputError(
            "neither DOM0_KERNEL nor a domain: there is nothing for Xen to start",
            where=config.name,
            expected="DOM0_KERNEL=..., or NUM_DOMUS and DOMU_KERNEL[0]",
        )
    items = [*dom0, *(one for guest in domains for one in guest.items), xen, dtb]
    first, last = memory(config, start, end, arch, tree, warnings)
    layout = lay_out(items, first, last, reserved(config, dtb, tree), config.where(end))
    for guest in domains:
        warn_of_passthrough(guest, tree, warnings)
    what = Import(
        name=name,
        config=config,
        parent=parent,
        arch=arch,
        hardware=hardware(tree),
        items=items,
        layout=layout,
        guests=domains,
        xen=xen_cmdline(config, warnings),
        dom0=dom0_cmdline(config, warnings),
        device=_device(config, parent, warnings),
        hostname=_hostname(dom0, name, parent, warnings),
    )
    _warn_of_parent(what, warnings)
    _warn_of_boot_command(config, arch, warnings)
    for entry, reason in passed_over(config, [guest.index for guest in domains]):
        warnings.of(entry, reason)
    return Imported(name, profile_text(what), warnings.sorted(), _lines(what, domains))


def check(imported: Imported, board_path: Sequence[Path] = ()) -> Board:
    """Load the profile as the harness will, and render its boot script.

    Args:
        board_path: folders in which its parent is looked for.

    Raises:
        InputError: U-Boot's shell would change a command line, or cut it.
        ProfileError: the profile is not valid.
    """
    with tempfile.TemporaryDirectory(prefix="harness-import-") as folder:
        file = Path(folder) / f"{imported.name}.yaml"
        file.write_text(imported.text, encoding="utf-8")
        board = load(str(file), board_path)
    for field, text in _texts(board):
        if not text.isascii():
            raise InputError(f"{text!r} is not ASCII", where=imported.lines.get(field, field))
    try:
        render_script(board, board.xen.cmdline, board.dom0.cmdline)
    except ProfileError as bad:
        where = imported.lines.get(bad.where or "", bad.where)
        raise InputError(bad.message, where=where, expected=bad.expected) from None
    return board


def _texts(board: Board) -> list[tuple[str, str]]:
    found = [("xen.cmdline", board.xen.cmdline), ("dom0.cmdline", board.dom0.cmdline)]
    return found + [(f"domains.{one.name}.cmdline", one.cmdline) for one in board.domains]


def _lines(what: Import, domains: Sequence[Guest]) -> dict[str, str]:
    sources = {"xen.cmdline": what.xen[1], "dom0.cmdline": what.dom0[1]}
    sources |= {f"domains.{guest.name}.cmdline": guest.cmdline[1] for guest in domains}
    found = {field: what.config.where(e) for field, e in sources.items() if e is not None}
    return {**found, "": what.config.name}  # a problem of the script as a whole


def _required(config: Config, key: str) -> Entry:
    entry = config.get(key)
    if entry is None:
        raise InputError(f"{key} is not set", where=config.name, expected=f"a line {key}=... in it")
    return entry


def _dom0_items(config: Config, folder: Path) -> list[Item]:
    kernel, ramdisk = config.get("DOM0_KERNEL"), config.get("DOM0_RAMDISK")
    if kernel is None:
        return []
    found = [item(config, folder, "kernel", kernel)]
    return [*found, item(config, folder, "initrd", ramdisk)] if ramdisk else found


def _arch(config: Config, xen: Item, parent: Board | None, warnings: Warnings) -> ImageArch:
    arch, packed = xen_arch(config, xen)
    if packed:
        warnings.of(
            xen.entry,
            "packed with gzip: U-Boot's booti unpacks it only where kernel_comp_addr_r and "
            "kernel_comp_size are set, bootz never; gunzip it",
        )
    if parent is None:
        return arch
    if parent.boot.uboot is None or parent.boot.card is None:
        raise ProfileError(
            f"{parent.name} does not boot through U-Boot from a card",
            expected="--extends with a board that has boot.uboot and boot.card (orangepi-pc)",
        )
    if parent.arch != arch:
        raise InputError(
            f"{xen.path} is for {arch}, and board {parent.name} is {parent.arch}",
            where=config.where(xen.entry),
            expected=f"a board that is {arch}, or a Xen for {parent.arch}",
        )
    return arch


def _device(config: Config, parent: Board | None, warnings: Warnings) -> tuple[str, Entry | None]:
    """Where U-Boot loads from; of a variant it is the parent's, which the machine has."""
    entry = config.get("LOAD_CMD")
    own = parent.boot.uboot.device if parent and parent.boot.uboot else None
    if entry is None:
        return own or _DEVICE, None
    place = _PLACE.search(entry.value.strip())
    device = f"{place[1]} {int(place[2], 10)}" if place else None
    if device is None:
        warnings.of(
            entry,
            f"the harness boots from a card, not over a network; U-Boot loads from "
            f"{own or _DEVICE}",
        )
    elif own is not None and device != own:
        warnings.of(entry, f"the machine of the board has the card as {own}, which stays")
    elif place is not None and place[3] not in {None, ":2"}:
        warnings.of(entry, "the harness makes the card, and its files are on partition 2")
    return own or device or _DEVICE, entry if device and own is None else None


def _hostname(
    dom0: Sequence[Item], name: str, parent: Board | None, warnings: Warnings
) -> tuple[str, str] | None:
    """What the login prompt of dom0 will say."""
    ramdisk = next((one for one in dom0 if one.role == "initrd"), None)
    if ramdisk is not None:
        told = hostname_in(ramdisk)
        if told is not None:
            return told, "etc/hostname of DOM0_RAMDISK"
        warnings.of(
            ramdisk.entry,
            "no etc/hostname is seen in it; a boot is judged by dom0.hostname: correct it",
        )
    if parent is not None:
        return None
    guess = re.sub(r"[^a-z0-9-]", "-", name)
    return guess, "a guess: what the login prompt says" if dom0 else "there is no dom0"


def _warn_of_parent(what: Import, warnings: Warnings) -> None:
    parent = what.parent
    if parent is None:
        return
    roles = {item.role for item in what.items}
    if what.with_dom0 and "initrd" in parent.binaries and "initrd" not in roles:
        warnings.general(
            f"without DOM0_RAMDISK dom0 gets the initrd of {parent.name}, at "
            f"{what.layout.free:#x}: a variant cannot take a role away"
        )
    if parent.targets.qemu is not None:
        for role in sorted(roles & set(parent.targets.qemu.binaries)):
            warnings.general(
                f"on QEMU {parent.name} takes another {role} (targets.qemu.binaries), not yours"
            )


def _warn_of_boot_command(config: Config, arch: ImageArch, warnings: Warnings) -> None:
    entry = config.get("BOOT_CMD")
    used = "booti" if arch == "aarch64" else "bootz"
    if entry is not None and entry.value != used:
        warnings.of(entry, f"Xen's image is one for {used}, which is used instead")
