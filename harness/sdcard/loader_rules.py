"""What must hold of the places of a card: partition table, SPL, U-Boot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import FormatError
from harness.formats import egon, mbr, uimage
from harness.lint.engine import Finding
from harness.sdcard import finding, fit
from harness.sdcard.finding import found
from harness.sdcard.image import Image


@dataclass(frozen=True)
class Loader:
    """What was recognised.

    Attributes:
        start: of the SPL, in bytes.
        spl: its header; None if there is none, or it is damaged.
        proper: where U-Boot begins.
        uboot: its name, with the version; "" if there is none, or it is damaged.
        uboot_data: U-Boot itself, or nothing.
        reserved: the sectors of both.
    """

    start: int
    spl: egon.Egon | None
    proper: int
    uboot: str
    uboot_data: bytes
    reserved: tuple[mbr.Reserved, ...]
    findings: tuple[Finding, ...]


def look_at_loader(image: Image) -> Loader | None:
    """The loader of a card; None if nothing of it is there."""
    start = next((at for at in egon.CARD_OFFSETS if egon.is_spl(image.head[at:])), None)
    if start is None:
        return None
    findings: list[Finding] = []
    spl: egon.Egon | None = None
    length = egon.PROPER_OFFSET
    proper = start + egon.PROPER_OFFSET
    try:
        spl = egon.parse(image.head[start:])
        length = spl.length
        proper = start + egon.proper_offset(spl)
    except FormatError as bad:
        findings.append(found(finding.SPL, _at(start, bad), f"the SPL is damaged: {bad.message}"))
    reserved = [_reserved("SPL", start, length)]
    name, data, size = "", b"", 0
    try:
        name, data, size = _uboot(image.head[proper:])
    except FormatError as bad:
        findings.append(found(finding.UBOOT, _at(proper, bad), bad.message))
    if size:
        reserved.append(_reserved("U-Boot", proper, size))
    return Loader(start, spl, proper, name, data, tuple(reserved), tuple(findings))


def _uboot(data: bytes) -> tuple[str, bytes, int]:
    """Name, content and size with its header."""
    kind = egon.identify(data)
    if kind is None:
        raise FormatError(
            f"no U-Boot is here, but {data[:4].hex(' ') or 'the end of the card'}",
            expected="a legacy image (27 05 19 56) or a FIT (d0 0d fe ed)",
        )
    if kind == "fit":
        packed = fit.parse(data)
        return packed.description or "FIT", data[: packed.size], packed.size
    image = uimage.parse(data)
    return image.name, image.data, uimage.HEADER_SIZE + len(image.data)


def _reserved(name: str, start: int, size: int) -> mbr.Reserved:
    first = start // mbr.SECTOR_SIZE
    return mbr.Reserved(name, first, -(-(start + size) // mbr.SECTOR_SIZE) - first)


def _at(start: int, bad: FormatError) -> str:
    return f"offset {start + (bad.offset or 0):#x}"


def place_findings(image: Image, loader: Loader | None) -> Iterator[Finding]:
    """The table of partitions, and what lies outside of them."""
    if loader is not None:
        yield from loader.findings
    if isinstance(image.table, FormatError):
        bad = image.table
        yield found(finding.TABLE, f"offset {bad.offset or 0:#x}", bad.message)
        return
    sectors = image.size // mbr.SECTOR_SIZE
    reserved = loader.reserved if loader else ()
    for problem in mbr.problems(image.table, sectors, reserved):
        where = "partition table" if problem.offset is None else f"offset {problem.offset:#x}"
        yield Finding(
            problem.rule,
            problem.severity,
            where,
            problem.message,
            problem.consequence,
            hint="",
            reference=finding.TABLE.reference,
        )
    if not image.volumes:
        yield found(finding.TABLE, "partition table", "it has no partitions")
    elif not any(volume.partition.bootable for volume in image.volumes):
        yield found(finding.BOOTABLE, "partition table", "no partition is marked as bootable")
    for volume in image.volumes:
        if volume.filesystem is None:
            message = f"neither FAT nor ext4 (type {volume.partition.type:#04x})"
            yield found(finding.FILESYSTEM, f"partition {volume.number}", message)


def no_loader(image: Image) -> Finding:
    """Nothing is where the boot ROM looks."""
    first = egon.CARD_OFFSETS[0]
    what = image.head[first + 4 : first + 12]
    return found(
        finding.SPL,
        f"offset {first:#x}",
        f"no SPL: its magic eGON.BT0 is neither at {first:#x} nor at {egon.CARD_OFFSETS[1]:#x}"
        + (" (all is zero there)" if not any(what) else ""),
        hint="for a board whose loader is not on the card, name it with --board",
    )
