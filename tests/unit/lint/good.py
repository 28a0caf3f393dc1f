"""Inputs that no rule has anything against; the tests of the rules change one thing in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.devicetree.tree import Node, Tree, build_dtb, parse_dtb
from harness.lint.facts import Facts, Range

__all__ = ["Node", "Tree", "build_dtb", "parse_dtb"]

DATA = Path(__file__).resolve().parents[2] / "data" / "lint"

BOARD = Facts(
    ram=(Range.of(0x40000000, 0x40000000, "RAM"),),
    io=(Range(0x01000000, 0x02000000),),
    cpus=2,
)

SCRIPT = """\
setenv fdt_high 0xffffffff
setenv bootargs "console=dtuart dtuart=/soc/serial@1c28000 dom0_mem=256M dom0_max_vcpus=1"
load mmc 0:1 0x50000000 /xen
load mmc 0:1 0x4f000000 /board.dtb
fdt addr 0x4f000000
fdt resize 0x2000
fdt chosen
fdt set /chosen \\#address-cells <1>
fdt set /chosen \\#size-cells <1>
load mmc 0:1 0x46000000 /zImage
fdt mknod /chosen module@0
fdt set /chosen/module@0 compatible "multiboot,kernel" "multiboot,module"
fdt set /chosen/module@0 reg <0x46000000 0x${filesize}>
fdt set /chosen/module@0 bootargs "console=hvc0"
load mmc 0:1 0x4a000000 /initrd.gz
fdt mknod /chosen module@1
fdt set /chosen/module@1 compatible "multiboot,ramdisk" "multiboot,module"
fdt set /chosen/module@1 reg <0x4a000000 0x${filesize}>
bootz 0x50000000 - 0x4f000000
"""

CFG = """\
name = "guest"
kernel = "guest.bin"
memory = 64
vcpus = 1
cpus = ["0", "1"]
on_crash = 'destroy'
iomem = ["1c20,2"]
"""


def cells(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in numbers)


def texts(*strings: str) -> bytes:
    return b"".join(text.encode() + b"\0" for text in strings)


def node(name: str, properties: Mapping[str, bytes], *children: Node) -> Node:
    return Node(name, properties, children)


def module(name: str, kind: str, address: int, size: int, **more: bytes) -> Node:
    compatible = texts(f"multiboot,{kind}", "multiboot,module")
    return node(name, {"compatible": compatible, "reg": cells(address, size), **more})


KERNEL = module("module@46000000", "kernel", 0x46000000, 0x500000, bootargs=texts("console=hvc0"))
RAMDISK = module("module@4a000000", "ramdisk", 0x4A000000, 0x100000)
ONE_AND_ONE = {"#address-cells": cells(1), "#size-cells": cells(1)}
CHOSEN = {**ONE_AND_ONE, "bootargs": texts("console=dtuart dtuart=serial0 dom0_mem=256M")}
DOMAIN = node(
    "domU1",
    {
        "compatible": texts("xen,domain"),
        **ONE_AND_ONE,
        "memory": cells(0, 0x10000),
        "cpus": cells(1),
        "xen,enhanced": texts("no-xenstore"),
    },
    module("module@48000000", "kernel", 0x48000000, 0x10000),
)
CPUS = node(
    "cpus",
    {"#address-cells": cells(1), "#size-cells": cells(0)},
    *(
        node(
            f"cpu@{at}",
            {"device_type": texts("cpu"), "reg": cells(at), "phandle": cells(10 + at)},
        )
        for at in range(2)
    ),
)
PSCI = node("psci", {"compatible": texts("arm,psci-1.0"), "method": texts("smc")})
GIC_REG = cells(
    0x01C81000, 0x1000, 0x01C82000, 0x2000, 0x01C84000, 0x2000, 0x01C86000, 0x2000
)  # fmt: skip
GIC = node(
    "interrupt-controller@1c81000",
    {
        "compatible": texts("arm,gic-400"),
        "reg": GIC_REG,
        "#interrupt-cells": cells(3),
        "interrupts": cells(1, 9, 0xF04),
    },
)
TIMER = node(
    "timer",
    {
        "compatible": texts("arm,armv7-timer"),
        "interrupts": cells(*(n for ppi in (13, 14, 11, 10) for n in (1, ppi, 0xF08))),
    },
)
MEMORY = node(
    "memory@40000000", {"device_type": texts("memory"), "reg": cells(0x40000000, 0x40000000)}
)
SERIAL = node("serial@1c28000", {"reg": cells(0x01C28000, 0x400)})
GPIO = node("pinctrl@1c20800", {"reg": cells(0x01C20800, 0x400)})
ALIASES = node("aliases", {"serial0": texts("/soc/serial@1c28000")})


def tree(
    *chosen: Node,
    chosen_properties: Mapping[str, bytes] = CHOSEN,
    without: tuple[str, ...] = (),
    instead: tuple[Node, ...] = (),
) -> bytes:
    """A board's tree; `without` leaves nodes out by name, `instead` replaces those of a name."""
    soc = node("soc", {**ONE_AND_ONE, "ranges": b""}, SERIAL, GPIO, GIC)
    new = {one.name: one for one in instead}
    soc = Node("soc", soc.properties, tuple(new.get(one.name, one) for one in soc.children))
    parts = (node("chosen", chosen_properties, *chosen), ALIASES, MEMORY, CPUS, PSCI, TIMER, soc)
    kept = tuple(new.get(one.name, one) for one in parts if one.name not in without)
    if "gic" in without:
        kept = tuple(
            Node("soc", one.properties, one.children[:2]) if one.name == "soc" else one
            for one in kept
        )
    return build_dtb(Tree(node("/", {**ONE_AND_ONE, "compatible": texts("test,board")}, *kept)))


def zimage(
    size: int = 0x1000, *, start: int = 0, end: int | None = None, tag: bytes = b""
) -> bytes:
    """A zImage of nops."""
    header = b"\x00\x00\xa0\xe1" * 8 + b"\x02\x00\x00\xea" + b"\x18\x28\x6f\x01"
    header += start.to_bytes(4, "little")
    header += (start + size if end is None else end).to_bytes(4, "little")
    return (header + tag).ljust(size, b"\0")


def image(size: int = 0x1000) -> bytes:
    """An arm64 Image."""
    return bytes(0x38).ljust(0x38) + b"ARM\x64" + bytes(size - 0x3C)


INITRD = b"\x1f\x8b\x08" + bytes(500)
FILES: dict[str, bytes | str] = {
    "boot.cmd": SCRIPT,
    "board.dtb": tree(),
    "xen": zimage(0x10000, tag=b"(XEN) "),
    "zImage": zimage(0x20000),
    "initrd.gz": INITRD,
    "guest.cfg": CFG,
    "guest.bin": zimage(start=0x40008000),
}


def script(old: str = "", new: str = "") -> dict[str, bytes | str]:
    """The good files, with one change in the script."""
    assert old in SCRIPT
    return {**FILES, "boot.cmd": SCRIPT.replace(old, new)}


def alone(old: str = "", new: str = "") -> dict[str, bytes | str]:
    """The script alone, with one change."""
    assert old in SCRIPT
    return {"boot.cmd": SCRIPT.replace(old, new)}


def cfg(old: str, new: str) -> dict[str, bytes | str]:
    """The configuration and its image, with one change."""
    assert old in CFG
    return {"guest.cfg": CFG.replace(old, new), "guest.bin": FILES["guest.bin"]}


def dtb(*chosen: Node, **changes: object) -> dict[str, bytes | str]:
    """A tree with modules, and with changes."""
    return {"x.dtb": tree(*chosen, **changes)}  # type: ignore[arg-type]
