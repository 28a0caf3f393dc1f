"""Who is asked: Xen, or Linux without Xen, of some version."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness.board import Board
from harness.build.binaries import resolve
from harness.errors import InfraError, InputError, UsageError
from harness.sources import Binary, Sources

Kind = Literal["xen", "linux"]

_XEN = "loglvl=all com1=115200,8n1 console=com1 iommu=verbose,debug noreboot"
_LINUX = "amd_iommu_dump iommu=pt earlyprintk=serial,ttyS0,115200 console=ttyS0,115200 panic=-1"
# A clock that counts instructions: 128 ns for each. The real-time clock's next second, for
# which Xen waits, comes after 8 million of them instead of after up to a second, and the same
# question gives the same lines each time, however busy the host is. Linux is not helped: it
# decompresses itself, and waits for nothing.
_COUNTED = ("-icount", "shift=7,sleep=off", "-rtc", "base=2026-01-01T00:00:00,clock=vm")
_ROLE = {"xen": "xen", "linux": "kernel"}
_NAME = re.compile(r"(xen|linux)(?:-(\d[\w.+~:-]*))?")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Consumer:
    """A program that reads ACPI tables.

    Attributes:
        name: "xen-4.17".
        kernel: the file that QEMU boots: Xen's image unpacked, or a bzImage.
        binary: where it comes from; None for a bare file.
        cmdline: its command line.
        memory_mib: of the machine; enough to get to the verdict.
        clock: options of QEMU that say how time passes for it.
    """

    name: str
    kind: Kind
    kernel: Path
    binary: Binary | None = None
    cmdline: str = _XEN
    memory_mib: int = 256
    clock: tuple[str, ...] = _COUNTED


def consumer_of(kind: Kind, kernel: Path, name: str = "", binary: Binary | None = None) -> Consumer:
    """A consumer from a file that QEMU can boot as it is."""
    made = Consumer(name or kind, kind, kernel.resolve(), binary)
    return made if kind == "xen" else replace(made, cmdline=_LINUX, memory_mib=512, clock=())


def consumers(
    names: Sequence[str], board: Board, sources: Sources, folder: Path
) -> tuple[Consumer, ...]:
    """The consumers of these names, in their order, from the board's sources.

    Args:
        names: "xen-4.17", "xen" (the board's default), "linux-6.1", "linux"; or a file, "xen=FILE"
            and "linux=FILE".
        folder: unpacked images are put there.

    Raises:
        UsageError: no such name or version.
        InputError, SourceError: the file cannot be had.
    """
    return tuple(_consumer(name, board, sources, folder) for name in names)


def _consumer(name: str, board: Board, sources: Sources, folder: Path) -> Consumer:
    kind: Kind
    kind_text, equals, file = name.partition("=")
    match = _NAME.fullmatch(name)
    if equals and kind_text in _ROLE:
        kind, use = (
            "xen" if kind_text == "xen" else "linux",
            {_ROLE[kind_text]: f"{Path(file).resolve()}"},
        )
    elif match:
        kind = "xen" if match[1] == "xen" else "linux"
        use = {_ROLE[kind]: match[2]} if match[2] else {}
    else:
        raise UsageError(
            f"{name!r} names nobody to be asked",
            expected="xen-4.17, linux-6.1, xen, linux, xen=FILE or linux=FILE",
        )
    role = _ROLE[kind]
    binary = resolve(board, [role], use, sources)[role]
    label = name if match and match[2] else f"{kind}-{short_version(binary.version)}"
    return consumer_of(kind, _unpacked(binary, folder), label, binary)


def short_version(version: str) -> str:
    """The first two numbers of a version: "4.17" of "4.17.7+13-g2445b30a44-0+deb12u1"."""
    match = re.match(r"(?:\d+:)?(\d+\.\d+)", version)
    return match[1] if match else version


def _unpacked(binary: Binary, folder: Path) -> Path:
    """Xen without its gzip envelope, which QEMU does not take off; the same file each time."""
    try:
        data = binary.path.read_bytes()
        if data[:2] != _GZIP:
            return binary.path
        path = folder / f"{binary.role}-{binary.sha256[:16]}"
        if not path.exists():
            path.write_bytes(gzip.decompress(data))
    except (EOFError, zlib.error, gzip.BadGzipFile) as bad:
        raise InputError(f"not a whole gzip file: {bad}", where=str(binary.path)) from None
    except OSError as bad:
        raise InfraError.of(bad, "cannot unpack", binary.path) from None
    return path
