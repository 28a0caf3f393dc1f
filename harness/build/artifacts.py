"""Board and binaries -> the files of one boot, in its work folder."""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.board import Board
from harness.build.acpi import FILES, BootTables, write_tables
from harness.build.card import SOURCE, initrd_of, lint_card, make_card
from harness.build.dom0root import Dom0Files, Dom0Root, make
from harness.build.files import Files
from harness.build.menu import MenuEntry, render_menu
from harness.build.statictree import chosen_of, static_tree
from harness.errors import InputError, ProfileError
from harness.formats.acpi import fwcfg
from harness.formats.zimage import ARM64_HEADER_SIZE, is_arm64_image, is_zimage
from harness.lint.engine import Finding
from harness.sources import Binary

_GZIP = b"\x1f\x8b"
_MULTIBOOT_MAGIC = b"\x02\xb0\xad\x1b"


@dataclass(frozen=True)
class Artifacts:
    """What a boot is made of.

    Args:
        folder: the work folder; all paths of `files` are relative to it.
        served: what HTTP serves: name -> file.
        xen_cmdline, kernel_cmdline: as the board gets them.
        linux_cmdline: of the same kernel without Xen.
        root: None for busybox alone, and where dom0's root is the user's.
        sizes: of the files that are on a card which we made, in bytes, by role.
        findings: what lint says of that card.
    """

    folder: Path
    files: Files
    served: Mapping[str, Path]
    xen_cmdline: str
    kernel_cmdline: str
    linux_cmdline: str = ""
    root: Dom0Root | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def build(
    board: Board,
    method: str,
    binaries: Mapping[str, Binary],
    folder: Path,
    xen_cmdline: str,
    kernel_cmdline: str,
    card: Path | None = None,
    acpi: BootTables | None = None,
    dom0: Dom0Files | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Artifacts:
    """Make everything but the menu, which needs the address of a server (`write_menu`).

    Args:
        method: how firmware gets to Xen; it decides what is made.
        card: the user's own image of a card, which is not written to.
        acpi: tables that the emulated machine has instead of its own.
        dom0: what its root is made of; None: busybox alone, or a root of the user's.
        progress: gets one line before each step that can take long.

    Raises:
        ProfileError: something does not fit on the card, or U-Boot's shell would change it.
        InputError: a binary that is not what its role needs.
        ToolMissing, ToolFailed: what makes the card.
    """
    made = Artifacts(
        folder, Files(), {}, xen_cmdline, kernel_cmdline, board.dom0.cmdline_without_xen
    )
    if dom0 is not None:
        root = make(board, dom0, binaries["initrd"], folder / "initrd.gz", progress)
        binaries = {**binaries, "initrd": root.initrd}
        made = rooted(replace(made, root=root))
    if method == "sdcard":
        made = _for_card(made, board, binaries, card)
    elif method == "direct":
        made = _for_direct(made, board, binaries)
    else:
        made = _for_network(made, board, binaries)
    return made if acpi is None else _with_tables(made, acpi)


def rooted(made: Artifacts, where: str | None = None) -> Artifacts:
    """The artifacts with the place of dom0's root in the kernel's command lines.

    Args:
        where: of a root that a server of ours has ("192.168.42.1:2049:/dom0").
    """
    words = made.root.arguments(where) if made.root else []
    return replace(
        made,
        kernel_cmdline=" ".join([made.kernel_cmdline, *words]).strip(),
        linux_cmdline=" ".join([made.linux_cmdline, *words]).strip(),
    )


def _with_tables(made: Artifacts, acpi: BootTables) -> Artifacts:
    write_tables(acpi.tables, made.folder)
    files = replace(
        made.files,
        acpi_tables=FILES[fwcfg.TABLES],
        acpi_rsdp=FILES[fwcfg.RSDP],
        acpi_loader=FILES[fwcfg.LOADER],
    )
    return replace(made, files=files)


def _for_card(
    made: Artifacts, board: Board, binaries: Mapping[str, Binary], card: Path | None
) -> Artifacts:
    folder = made.folder
    image = folder / "sd.img"
    if card is None:
        root = made.root.on_card if made.root else None
        files_of_card = make_card(
            board, binaries, image, made.xen_cmdline, made.kernel_cmdline, root
        )
        made = replace(
            made,
            sizes={role: path.stat().st_size for role, path in files_of_card.items()},
            findings=lint_card(board, folder / SOURCE, files_of_card),
        )
    else:
        shutil.copyfile(card, image)
    on_card = board.boot.card is not None and board.boot.card.loader_kib is not None
    bios = "uboot" in binaries and not on_card
    if bios:
        _link(binaries["uboot"].path, folder / "uboot")
    files = Files(card=image.name, uboot="uboot" if bios else None, trace="../trace.log")
    return replace(made, files=_with_share(made, files))


def _for_direct(made: Artifacts, board: Board, binaries: Mapping[str, Binary]) -> Artifacts:
    folder, places = made.folder, board.boot.direct
    if places is None:  # a request has been checked for it
        raise InputError(f"board {board.name} has no boot.direct section")
    missing = next((role for role in ("xen", "dtb") if role not in binaries), None)
    if missing is not None:
        raise ProfileError(
            f"board {board.name} names no binary for role {missing}",
            where="binaries",
            expected=f"binaries.{missing}",
        )
    loads = {load.role: load.address for domain in board.domains for _, load in domain.loads}
    if board.dom0.present:
        loads |= {"kernel": places.kernel, "initrd": places.ramdisk}
    modules = {
        role: _initrd(board, binaries[role], folder / f"{role}.gz")
        if role.endswith(("initrd", "ramdisk"))
        else _link(binaries[role].path, folder / role)
        for role in loads
        if role in binaries
    }
    sizes = {role: path.stat().st_size for role, path in modules.items()}
    chosen = chosen_of(board, sizes, made.xen_cmdline, made.kernel_cmdline, places)
    dtb, machine = binaries["dtb"].path, board.targets.qemu
    edits = [quirk.tree for quirk in machine.quirks if quirk.tree] if machine else []
    tree = static_tree(board, dtb.read_bytes(), chosen, str(dtb), edits)
    (folder / "board.dtb").write_bytes(tree)
    files = Files(
        xen=_arm_xen(board, binaries["xen"], folder / "xen").name,
        dtb="board.dtb",
        modules=tuple((path.name, loads[role]) for role, path in modules.items()),
        trace="../trace.log",
    )
    return replace(made, files=_with_share(made, files))


def _for_network(made: Artifacts, board: Board, binaries: Mapping[str, Binary]) -> Artifacts:
    folder = made.folder
    served: dict[str, Path] = {}
    if "xen" in binaries:
        served["xen"] = _xen(binaries["xen"], folder / "xen")
    if "kernel" in binaries:
        served["vmlinuz"] = _link(binaries["kernel"].path, folder / "vmlinuz")
    if "initrd" in binaries:
        served["initrd.gz"] = _initrd(board, binaries["initrd"], folder / "initrd.gz")
    for role in ("firmware", "ipxe"):
        if role in binaries:
            _link(binaries[role].path, folder / role)
    tftp = folder / "tftp"
    tftp.mkdir()
    files = Files(
        firmware="firmware" if "firmware" in binaries else None,
        ipxe="ipxe" if "ipxe" in binaries else None,
        tftp="tftp",
        xen="xen" if "xen" in binaries else None,
        kernel="vmlinuz" if "kernel" in binaries else None,
        initrd="initrd.gz" if "initrd" in binaries else None,
        capture="net.pcap",
    )
    return replace(made, files=_with_share(made, files), served=served)


def _with_share(made: Artifacts, files: Files) -> Files:
    if made.root is None or made.root.kind != "9p":
        return files
    _link(made.root.root.folder, made.folder / "root")
    return replace(files, root_9p="root")


def write_menu(board: Board, artifacts: Artifacts, base_url: str) -> Path:
    """Render the iPXE menu for a server at `base_url` into the folder that TFTP serves."""
    pxe = board.boot.pxe
    if pxe is None:  # the profile's validation allows pxe boots only with this section
        raise InputError(f"board {board.name} has no boot.pxe section")
    text = render_menu(
        title=pxe.title,
        entries=[MenuEntry(e.id, e.label, e.kind) for e in pxe.entries],
        base_url=base_url,
        xen_cmdline=artifacts.xen_cmdline,
        kernel_cmdline=artifacts.kernel_cmdline,
        linux_cmdline=artifacts.linux_cmdline,
        default=pxe.entries[0].id,
        timeout_ms=pxe.timeout_s * 1000,
        files={"xen": "xen", "kernel": "vmlinuz", "initrd": "initrd.gz"},
    )
    path = artifacts.folder / "tftp" / pxe.script
    path.write_text(text, encoding="ascii")
    return path


def _link(source: Path, name: Path) -> Path:
    name.symlink_to(source.resolve())
    return name


def _xen(binary: Binary, name: Path) -> Path:
    data = binary.path.read_bytes()
    if data[:2] == _GZIP:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as bad:
            raise InputError(f"not a whole gzip file: {bad}", where=str(binary.path)) from None
    # Multiboot specification 0.6.96, section 3.1: the header is in the first 8192 bytes.
    if _MULTIBOOT_MAGIC not in data[:8192]:
        raise InputError(
            "not a multiboot image",
            where=str(binary.path),
            expected="Xen, as xen.gz or unpacked, with a multiboot header in its first 8 KiB",
        )
    name.write_bytes(data)
    return name


def _arm_xen(board: Board, binary: Binary, name: Path) -> Path:
    """QEMU runs a file of any other kind too, from its first byte on, in silence."""
    with binary.path.open("rb") as file:
        head = file.read(ARM64_HEADER_SIZE)
    wide = board.arch == "aarch64"
    if not (is_arm64_image(head) if wide else is_zimage(head)):
        raise InputError(
            "not the kind of file that the emulator boots as Xen",
            where=str(binary.path),
            expected=f"Xen as {'an arm64 Image' if wide else 'a zImage'}",
        )
    return _link(binary.path, name)


def _initrd(board: Board, binary: Binary, name: Path) -> Path:
    path = initrd_of(board, binary, name)
    return path if path == name else _link(path, name)
