"""Board and binaries -> the files of one boot, in its work folder."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.board import Board
from harness.build.files import Files
from harness.build.initrd import InitrdSpec, dom0_initrd
from harness.build.menu import MenuEntry, render_menu
from harness.errors import InputError
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
    """

    folder: Path
    files: Files
    served: Mapping[str, Path]
    xen_cmdline: str
    kernel_cmdline: str


def build(
    board: Board,
    binaries: Mapping[str, Binary],
    folder: Path,
    xen_cmdline: str,
    kernel_cmdline: str,
) -> Artifacts:
    """Make everything but the menu, which needs the address of a server (`write_menu`).

    Raises:
        InputError: a binary that is not what its role needs.
    """
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
    return Artifacts(folder, files, served, xen_cmdline, kernel_cmdline)


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
        linux_cmdline=board.dom0.cmdline_without_xen,
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


def _initrd(board: Board, binary: Binary, name: Path) -> Path:
    source = board.binaries["initrd"]
    if binary.origin == "file" or source.build is None:
        return _link(binary.path, name)
    spec = InitrdSpec(
        hostname=board.dom0.hostname,
        user=board.dom0.user,
        password=board.dom0.password or "",
        banner=board.dom0.banner,
        console="hvc0",
    )
    name.write_bytes(dom0_initrd(spec, binary.path))
    return name
