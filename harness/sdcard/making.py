"""Board and binaries -> the image of a card in a file of its own, and what lies where on it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.build.binaries import resolve
from harness.build.bootscript import file_of
from harness.build.card import card_of, make_card
from harness.build.dom0root import gather
from harness.build.dom0root import make as make_dom0
from harness.request import BootRequest
from harness.sdcard.image import Image, Volume, open_image
from harness.sdcard.loader_rules import look_at_loader
from harness.sdcard.output import new_file
from harness.sources import Binary, Sources

_IN_THE_LOADER = ("spl", "uboot")


@dataclass(frozen=True)
class Row:
    """Something on a card.

    Attributes:
        offset: in bytes from its start; None for a file inside of a file system.
        detail: version and sha256 of where it comes from, as far as there is one.
    """

    offset: int | None
    size: int
    what: str
    detail: str = ""


def make_image(
    request: BootRequest, out: Path, *, force: bool, progress: Callable[[str], None]
) -> tuple[Row, ...]:
    """Write the image of a board's card to `out`, and say what lies where on it.

    Args:
        request: which board and binaries; `own` decides whose.
        force: replace `out` if it is there.
        progress: is told of each step that can take long.

    Raises:
        UsageError: `out` is there already, or cannot be a file.
        UserError, InfraError: as `resolve` and `make_card`.
    """
    board = request.board
    card_of(board)
    with new_file(out, force=force) as part:
        sources = Sources(offline=request.offline, refresh=request.refresh, progress=progress)
        binaries = resolve(board, request.roles(), request.uses, sources, request.known())
        dom0 = gather(board, request.root_kind, binaries, sources)
        xen, kernel = request.xen_cmdline, request.kernel_cmdline
        with tempfile.TemporaryDirectory(prefix=".root-", dir=part.parent) as folder:
            root = None
            if dom0 is not None:
                built = Path(folder) / "initrd.gz"
                root = make_dom0(board, dom0, binaries["initrd"], built, progress)
                binaries["initrd"] = root.initrd
                kernel = " ".join([kernel, *root.arguments()])
            make_card(board, binaries, part, xen, kernel, root.on_card if root else None)
            with open_image(part) as image:
                return _rows(image, binaries)


def _rows(image: Image, binaries: Mapping[str, Binary]) -> tuple[Row, ...]:
    rows = [Row(0, 512, "partition table")]
    loader = look_at_loader(image)
    for place, role in zip(loader.reserved if loader else (), _IN_THE_LOADER, strict=False):
        binary = binaries.get(role) or binaries.get("uboot")
        detail = _detail(binary) if binary else ""
        rows.append(Row(place.start * 512, place.sectors * 512, place.name, detail))
    for volume in image.volumes:
        rows += _of_volume(volume, binaries)
    return tuple(rows)


def _of_volume(volume: Volume, binaries: Mapping[str, Binary]) -> list[Row]:
    system = volume.filesystem
    bootable = ", bootable" if volume.partition.bootable else ""
    what = f"partition {volume.number}, {system.kind if system else 'unknown'}{bootable}"
    rows = [Row(volume.offset, volume.partition.sectors * 512, what)]
    by_file = {
        file_of(role): binary for role, binary in binaries.items() if role not in _IN_THE_LOADER
    }
    for name, size in (system.sizes() if system else {}).items():
        binary = by_file.get(name)
        detail = _detail(binary) if binary else ""
        if binary is not None and binary.path.stat().st_size != size:
            detail = f"made of {detail}"
        rows.append(Row(None, size, name, detail))
    return rows


def _detail(binary: Binary) -> str:
    package = binary.detail.get("package")
    known = binary.version if binary.version != "unknown" else ""
    named = f"{package} {known}" if package else f"{binary.path.name} {known}".strip()
    return f"{named}, sha256 {binary.sha256[:12]}"


def table(rows: tuple[Row, ...]) -> str:
    """The rows as text."""
    lines = [f"{'offset':>11}  {'size':>11}  what"]
    for row in rows:
        offset = "" if row.offset is None else f"{row.offset:#x}"
        indent = "  " if row.offset is None else ""
        what = f"{indent}{row.what}"
        lines.append(f"{offset:>11}  {row.size:>11,}  {what:<24}  {row.detail}".rstrip())
    return "\n".join(lines)
