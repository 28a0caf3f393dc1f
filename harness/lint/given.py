"""Reads the files that are to be linted, and sees what kind each one is.

A file is known by its content, and by its name where the content says nothing. Only regular
files are opened; each kind has a limit of size, so that no input can hold us up.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.acpi.reading import LARGEST_BINARY
from harness.errors import InputError
from harness.formats import uimage
from harness.formats.acpi import binary_dump
from harness.formats.zimage import is_arm64_image, is_zimage

_MIB = 1 << 20
_UIMAGE = uimage.MAGIC.to_bytes(4, "big")
_HEAD = 1 << 16
_PACKED = (b"\x1f\x8b", b"070701", b"070702", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x02\x21\x4c\x18")
_COMMAND = re.compile(
    r"^[ \t]*(setenv|fdt|bootz|booti|bootm|load|ext[24]load|fatload|tftp(boot)?|printenv)[ \t]",
    re.MULTILINE,
)
_SETTING = re.compile(r"^[ \t]*(name|kernel|memory|vcpus|builder|disk|vif)[ \t]*\+?=", re.MULTILINE)
_NODE = re.compile(r"/dts-v1/|^[ \t]*/[ \t]*\{", re.MULTILINE)


# Hex dumps of acpidump, xxd, hexdump and od, and lines of Xen or of Linux about the IOMMU.
_DUMP = re.compile(
    r"^[A-Z0-9!_]{4} @ 0x[0-9a-f]{8,16}|^ *(0x)?[0-9a-f]{3,16}:? +([0-9a-f]{2,8} +){4}",
    re.MULTILINE | re.IGNORECASE,
)
_LOG = re.compile(r"\(XEN\) |AMD-Vi: |^IVHD ", re.MULTILINE)


def _is_acpi(head: bytes, text: str) -> bool:
    if head[:8] == b"RSD PTR " or head[:4].decode("latin-1") in binary_dump.SIGNATURES:
        return True
    if not text and head.count(0) * 50 < len(head):
        text = head.decode("latin-1")  # a serial line may add some
    return bool(_DUMP.search(text) or _LOG.search(text)) and "/dts-v1/" not in text


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes:
        by_content: whether the first bytes, or their text ("" if they are none), say so.
        by_name: the same for the base name.
        limit: bytes that such a file has at most.
    """

    name: str
    by_content: Callable[[bytes, str], bool]
    by_name: re.Pattern[str]
    limit: int


def _kind(name: str, by_content: Callable[[bytes, str], bool], by_name: str, limit: int) -> Kind:
    return Kind(name, by_content, re.compile(by_name, re.IGNORECASE), limit)


# In this order: what has a magic, then what is told by its text.
KINDS: tuple[Kind, ...] = (
    _kind(
        "acpi",
        _is_acpi,
        r"^(ivrs|apic|madt|hpet|mcfg|facp|xsdt|rsdt)[0-9]*(\.\w+)?$|\.(aml|acpidump)$",
        LARGEST_BINARY,
    ),
    _kind("dtb", lambda head, _: head[:4] == b"\xd0\x0d\xfe\xed", r"\.dtbo?$", 4 * _MIB),
    _kind(
        "boot.scr",
        lambda head, _: head[:4] == _UIMAGE and head[30:31] == bytes([uimage.TYPE_SCRIPT]),
        r"\.scr$",
        _MIB,
    ),
    _kind(
        "zimage",
        lambda head, _: (
            is_zimage(head) or is_arm64_image(head) or head[:4] in (b"\x7fELF", _UIMAGE)
        ),
        r"zimage|^image$|vmlinu|\.bin$|^xen",
        64 * _MIB,
    ),
    _kind("ramdisk", lambda head, _: head.startswith(_PACKED), r"^initr|\.cpio$", 512 * _MIB),
    _kind("dts", lambda _, text: bool(_NODE.search(text)), r"\.dtsi?$", 4 * _MIB),
    _kind("boot.cmd", lambda _, text: bool(_COMMAND.search(text)), r"\.cmd$", _MIB),
    _kind("domU.cfg", lambda _, text: bool(_SETTING.search(text)), r"\.cfg$", _MIB),
)
TEXTS = frozenset({"dts", "boot.cmd", "domU.cfg"})


@dataclass(frozen=True)
class Given:
    """A file that was read."""

    path: Path
    kind: str
    data: bytes

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def text(self) -> str:
        """Its text; bytes that are no UTF-8 are kept as marks of themselves."""
        return self.data.decode("utf-8", errors="replace")


def read(path: Path) -> Given:
    """Read one file; of ACPI tables, which may be a folder of them, only see that they are.

    Raises:
        InputError: it cannot be read, is empty, too large, or of no kind that is known.
    """
    try:
        if path.is_dir():
            return Given(path, "acpi", b"")
        # Not blocking: to open a FIFO would wait for its writer.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            info = os.fstat(file.fileno())
            _check(path, info)
            head = file.read(_HEAD)
            kind = recognise(path.name, head)
            if kind is None:
                names = ", ".join(one.name for one in KINDS)
                said = _text_kind(path.name)
                if said is not None:
                    raise InputError(
                        f"its name says {said.name}, its content is binary",
                        where=str(path),
                        expected="a text file",
                    )
                raise InputError(
                    "neither its content nor its name says what it is",
                    where=str(path),
                    expected=f"one of {names}",
                    hint="the usual endings are .dtb, .dts, .cmd, .scr, .cfg and .bin",
                )
            if info.st_size > kind.limit:
                raise InputError(
                    f"{info.st_size} bytes are too many for a {kind.name}",
                    where=str(path),
                    expected=f"at most {kind.limit}",
                )
            if kind.name == "acpi":
                return Given(path, kind.name, b"")
            return Given(path, kind.name, head + file.read(kind.limit))
    except (OSError, ValueError) as bad:
        reason = bad.strerror if isinstance(bad, OSError) else str(bad)
        raise InputError(f"cannot be read: {reason}", where=str(path)) from None


def _check(path: Path, info: os.stat_result) -> None:
    if stat.S_ISDIR(info.st_mode):
        raise InputError("is a folder", where=str(path), expected="a file")
    if not stat.S_ISREG(info.st_mode):
        raise InputError("is no regular file", where=str(path), expected="a file")
    if info.st_size == 0:
        raise InputError("is empty", where=str(path))


def recognise(name: str, head: bytes) -> Kind | None:
    """The kind of a file; None for none that is known."""
    text = "" if b"\0" in head else head.decode("utf-8", errors="ignore")
    for kind in KINDS:
        if kind.by_name.search(name) and kind.name in TEXTS and text:
            return kind
    for kind in KINDS:
        if kind.by_content(head, text):
            return _by_name_too(kind, name)
    for kind in KINDS:
        if kind.by_name.search(name) and (kind.name not in TEXTS or text):
            return kind
    return None


def _text_kind(name: str) -> Kind | None:
    return next((one for one in KINDS if one.name in TEXTS and one.by_name.search(name)), None)


def _by_name_too(kind: Kind, name: str) -> Kind | None:
    """Packed data can be a kernel or a ramdisk, and neither is a script: the name says which."""
    if kind.name in ("zimage", "ramdisk") and _text_kind(name) is not None:
        return None
    if kind.name == "ramdisk":
        images = next(one for one in KINDS if one.name == "zimage")
        return images if images.by_name.search(name) else kind
    return kind


def beside(path: Path, name: str) -> bytes | None:
    """A kernel or guest image in the same folder; None if there is none that can be read."""
    limit = next(kind.limit for kind in KINDS if kind.name == "zimage")
    try:
        handle = os.open(path.parent / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode) or info.st_size > limit:
                return None
            return file.read(limit)
    except (OSError, ValueError):
        return None
