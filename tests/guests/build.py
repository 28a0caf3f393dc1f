"""Builds the guests of this folder with Debian's cross compiler; nothing built is in git."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from harness import tools
from harness.errors import ToolMissing
from harness.formats.zimage import parse
from harness.formats.zimage_problems import problems

BAREMETAL = Path(__file__).parent / "baremetal"
ERIKA = Path(__file__).parent / "erika"
PEER = Path(__file__).parent / "peer"
START = 0x40008000  # 32 KiB into the memory of a guest of Xen 4.5 and later

# Nothing of a hosted C program: no library, no start files, no tables for unwinding. With the
# MMU off, memory is strongly-ordered, where an access that is not aligned faults.
_SHARED = ("fault.c", "gic.c", "gpio.c", "text.c")  # of the other guest
_COMPILE = (
    *("-mcpu=cortex-a7", "-marm", "-mfloat-abi=soft", "-mno-unaligned-access"),
    *("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-pic"),
    *("-fno-stack-protector", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
)
_LINK = (
    *("-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,--fatal-warnings"),
    "-Wl,--no-warn-rwx-segments",  # one flat image, without an MMU to tell code from data
)
_PACKAGES = {
    "arm-linux-gnueabihf-gcc": "gcc-arm-linux-gnueabihf",
    "arm-linux-gnueabihf-objcopy": "binutils-arm-linux-gnueabihf",
    "dtc": "device-tree-compiler",
}


def build_guest(
    folder: Path, *, start: int = START, defines: Mapping[str, int] | None = None
) -> Path:
    """The guest for dom0less, on Xen's PL011, as a zImage: `folder`/baremetal.bin.

    Args:
        folder: gets the image and the ELF file that it is made of (for gdb).
        start: where it must be loaded, as its header then says.
        defines: macros of main.c: FIRST_TICKS, LATER_TICKS.

    The same bytes every time. Without the cross compiler the test that asked is skipped, and on
    CI fails.
    """
    macros = [f"-D{name}={value}u" for name, value in (defines or {}).items()]
    return _image(folder / "baremetal.bin", sorted(BAREMETAL.glob("*.c")), macros, start)


def build_erika(folder: Path, *, start: int = START) -> Path:
    """The guest for xl, which stands in for ERIKA: `folder`/A20.bin. As `build_guest`."""
    shared = [BAREMETAL / name for name in _SHARED]
    sources = [*shared, *sorted(ERIKA.glob("*.c"))]
    return _image(folder / "A20.bin", sources, [f"-I{BAREMETAL}"], start)


def build_peer(folder: Path) -> Path:
    """The program in dom0 that asks the guest for its pin, static: `folder`/erika-pin."""
    program = folder / "erika-pin"
    _run(
        *("arm-linux-gnueabihf-gcc", *_COMPILE, *_LINK, f"-I{ERIKA}", "-s", "-o", program),
        *(PEER / "start.S", *sorted(PEER.glob("*.c"))),
    )
    return program


def _image(image: Path, sources: Iterable[Path], options: Iterable[str], start: int) -> Path:
    elf = image.with_suffix(".elf")
    _run(
        *("arm-linux-gnueabihf-gcc", *_COMPILE, *options, *_LINK),
        *(f"-Wl,--defsym=guest_start={start:#x}", "-T", BAREMETAL / "guest.ld", "-o", elf),
        *(BAREMETAL / "start.S", *sources),
    )
    _run("arm-linux-gnueabihf-objcopy", "-O", "binary", elf, image)
    data = image.read_bytes()
    header = parse(data)
    assert (header.start, header.size) == (start, len(data))
    if start == START:
        assert not problems(data, arch="arm", role="guest")
    return image


def build_gpio_tree(folder: Path) -> Path:
    """The partial tree that gives the guest the page of the port controller: gpio.dtb."""
    tree = folder / "gpio.dtb"
    _run("dtc", "-I", "dts", "-O", "dtb", "-o", tree, BAREMETAL / "gpio.dts")
    return tree


def _run(program: str, *arguments: str | Path) -> None:
    try:
        tools.find(program)
    except ToolMissing:
        message = f"{program} is not installed: {tools.install_line([_PACKAGES[program]])}"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    tools.run([program, *arguments], timeout=60)
