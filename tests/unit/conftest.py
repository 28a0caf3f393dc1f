from __future__ import annotations

import struct
from pathlib import Path

import pytest

from harness.devicetree.tree import Node, Tree, build_dtb
from harness.formats import egon, uimage, zimage


def _spl(name: str, length: int = 24576) -> bytes:
    raw = bytearray(b"\x5a" * length)
    raw[: egon.HEADER_SIZE] = bytes(egon.HEADER_SIZE)
    struct.pack_into("<I8sII4s", raw, 0, 0xEA000016, egon.MAGIC, egon.STAMP, length, b"SPL\x02")
    struct.pack_into("<I", raw, 0x20, 0x2C)
    raw[0x2C : 0x2C + len(name) + 1] = name.encode() + b"\0"
    struct.pack_into("<I", raw, 12, egon.checksum(bytes(raw), length))
    return bytes(raw)


def _uboot(size: int = 0x20000) -> bytes:
    environment = b"\0\0bootcmd=run distro_bootcmd\0bootdelay=2\0baudrate=115200\0\0"
    code = b"\xa5" * (size - len(environment)) + environment
    firmware = uimage.UImage(
        "U-Boot 2023.01 for a test", 0, 0x4A000000, 0, 17, uimage.ARCH_ARM, 5, 0, code
    )
    return uimage.build(firmware)


def _cells(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def _dtb() -> bytes:
    """A tree with what Xen looks for, at the addresses of Allwinner's chips."""
    one = {"#address-cells": _cells(1), "#size-cells": _cells(1)}
    serial = Node("serial@1c28000", {"compatible": b"snps,dw-apb-uart\0"})
    places = [0x01C81000, 0x1000, 0x01C82000, 0x2000, 0x01C84000, 0x2000, 0x01C86000, 0x2000]
    gic = Node(
        "interrupt-controller@1c81000",
        {
            "compatible": b"arm,gic-400\0",
            "reg": _cells(*places),
            "interrupt-controller": b"",
            "#interrupt-cells": _cells(3),
            "interrupts": _cells(1, 9, 0xF04),
            "phandle": _cells(1),
        },
    )
    soc = Node("soc", {**one, "compatible": b"simple-bus\0", "ranges": b""}, (serial, gic))
    kinds = [(1, ppi, 0xF08) for ppi in (13, 14, 11, 10)]
    timer = Node(
        "timer",
        {
            "compatible": b"arm,armv7-timer\0",
            "interrupts": _cells(*(cell for kind in kinds for cell in kind)),
        },
    )
    top = {**one, "compatible": b"allwinner,sun7i-a20\0", "interrupt-parent": _cells(1)}
    return build_dtb(Tree(Node("/", top, (soc, timer))))


@pytest.fixture
def card_parts(tmp_path: Path) -> dict[str, Path]:
    """Files like those of a Cubieboard2, small: role -> file; "spl" and "proper" are `uboot`'s."""
    spl, proper = _spl("sun7i-a20-cubieboard2"), _uboot()
    data = {
        "spl": spl,
        "proper": proper,
        "uboot": spl.ljust(egon.PROPER_OFFSET, b"\0") + proper,
        "other-spl": _spl("sun8i-h3-orangepi-plus"),
        "xen": zimage.build(b"(XEN) " + bytes(4090)),
        "kernel": zimage.build(bytes(4096)),
        "dtb": _dtb(),
        "initrd": b"070701" + bytes(506),
    }
    folder = tmp_path / "parts"
    folder.mkdir()
    for role, content in data.items():
        (folder / role).write_bytes(content)
    return {role: folder / role for role in data}
