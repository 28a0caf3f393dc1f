from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bootlog import BootLog, BootLogParser, Line, parse_recorded, to_json
from harness.bootlog.uboot_facts import (
    BootModule,
    EnvironmentLoad,
    KernelImage,
    Load,
    MovedImage,
    Place,
)

ReadLog = Callable[[str], bytes]

SPL = "U-Boot SPL 2023.01+dfsg-2+deb12u3 (Jun 22 2026 - 08:38:07 +0000)"
UBOOT = "U-Boot 2023.01+dfsg-2+deb12u3 (Jun 22 2026 - 08:38:07 +0000) Allwinner Technology"


def parse(*rows: str) -> BootLog:
    return parse_recorded("\n".join((SPL, "", "", UBOOT, "", *rows, "")).encode())


def test_a_boot_that_went_well(read_log: ReadLog) -> None:
    uboot = parse_recorded(read_log("qemu-orangepi-pc-xen-4.17.5-armhf-dom0.log")).uboot
    assert uboot.spl_build == "Jun 22 2026 - 08:38:07 +0000"
    assert (uboot.spl_dram_mib, uboot.dram) == (1024, "1 GiB")
    assert uboot.boot_device == "MMC1"
    assert uboot.cpu == "Allwinner H3 (SUN8I 0000)"
    assert uboot.environment == (EnvironmentLoad("FAT", False, "Unable to use mmc 0:1...", 16),)
    assert (uboot.script, uboot.script_address) == ("/boot.scr", 0x43100000)
    assert uboot.loads[0] == Load(1092, 8, "132.8 KiB/s", 38)
    assert uboot.loaded_bytes == (1092, 884744, 23405, 5448192, 884367)
    assert uboot.kernel_image == KernelImage(0x50000000, 0, 0x116290)
    assert uboot.fdt_address == 0x4F000000
    assert uboot.fdt_place == Place(0x4F000000, 0x4F00AFFF, in_place=True)
    assert uboot.xen_bootargs == (
        "console=dtuart dtuart=/soc/serial@1c28000 dom0_mem=256M loglvl=all guest_loglvl=all"
    )
    assert uboot.modules == (
        BootModule(
            "chosen/module@1",
            0x4A000000,
            0x4A000000 + 0xD7E8F,
            ("xen,linux-initrd", "xen,multiboot-module"),
            None,
            52,
        ),
        BootModule(
            "chosen/module@0",
            0x46000000,
            0x46000000 + 0x532200,
            ("xen,linux-zimage", "xen,multiboot-module"),
            "console=hvc0 earlyprintk=xen clk_ignore_unused",
            56,
        ),
    )
    assert uboot.starting_kernel
    assert {error.severity for error in uboot.errors} == {"harmless"}


def test_the_module_of_a_domu(read_log: ReadLog) -> None:
    log = parse_recorded(read_log("qemu-orangepi-pc-xen-4.17.5-dom0-xl.log"))
    module = log.uboot.modules[-1]
    assert (module.path, module.start, module.end) == (
        "domU1/module@48000000",
        0x48000000,
        0x480010A0,
    )
    assert (module.compatible, module.bootargs) == (
        ("multiboot,kernel", "multiboot,module"),
        "hello",
    )
    assert log.uboot.environment[0].ok is True


def test_what_booti_says_on_arm64() -> None:
    uboot = parse(
        "Moving Image from 0x40400000 to 0x40600000, end=40a00000",
        "## Flattened Device Tree blob at 40000000",
        "   Loading Ramdisk to 7fe00000, end 7fefffff ... OK",
        "   Loading Device Tree to 000000007f000000, end 000000007f00ffff ... OK",
        "Starting kernel ...",
    ).uboot
    assert uboot.moved_image == MovedImage(0x40400000, 0x40600000, 0x40A00000)
    assert uboot.ramdisk_place == Place(0x7FE00000, 0x7FEFFFFF, in_place=False)
    assert uboot.fdt_place == Place(0x7F000000, 0x7F00FFFF, in_place=False)


def test_a_load_that_took_no_time() -> None:
    assert parse("0 bytes read in 0 ms").uboot.loads == (Load(0, 0, None, 6),)


@pytest.mark.parametrize(
    ("row", "ok", "severities"),
    [
        ("Loading Environment from FAT... OK", True, []),
        ("Loading Environment from FAT... ", None, []),
        (
            "Loading Environment from FAT... *** Warning - bad CRC, using default environment",
            False,
            ["warning"],
        ),
        ("Loading Environment from EXT4... Unable to use mmc 1:0...", False, ["harmless"]),
        (
            'Loading Environment from FAT... Unable to read "uboot.env" from mmc0:1... ',
            False,
            ["harmless"],
        ),
    ],
)
def test_the_environment(row: str, ok: bool | None, severities: list[str]) -> None:
    uboot = parse(row).uboot
    (load,) = uboot.environment
    assert load.ok is ok
    assert load.source in {"FAT", "EXT4"}
    assert [error.severity for error in uboot.errors] == severities


def test_nothing_counts_before_the_banner() -> None:
    log = parse_recorded(b"Model: x\nFailed to load '/x'\n(XEN) Xen version 4.17.7\n")
    assert to_json(log)["uboot"] is None


CHOSEN = (
    "chosen {",
    "\t#address-cells = <0x00000002>;",
    "\t#size-cells = <0x00000002>;",
    "\tmodule@0 {",
    "\t\treg = <0x00000001 0x46000000 0x00000000 0x00532200>;",
    '\t\tcompatible = "multiboot,kernel", "multiboot,module";',
    "\t};",
    "};",
)


def test_cells_of_64_bits() -> None:
    (module,) = parse(*CHOSEN).uboot.modules
    assert (module.start, module.end) == (0x1_46000000, 0x1_46532200)


def test_the_last_print_of_a_module_counts() -> None:
    again = (row.replace("0x46000000", "0x47000000") for row in CHOSEN)
    (module,) = parse(*CHOSEN, *again).uboot.modules
    assert module.start == 0x1_47000000


def test_a_print_that_was_cut_is_no_module_and_what_follows_is_read() -> None:
    uboot = parse(*CHOSEN[:5], "Failed to load '/x'", *CHOSEN[6:]).uboot
    assert uboot.modules == ()
    assert [error.id for error in uboot.errors] == ["uboot-load-failed"]


def printed(name: str, start: int, size: int) -> tuple[str, ...]:
    return (
        "chosen {",
        f"\t{name} {{",
        f"\t\treg = <{start:#010x} {size:#010x}>;",
        '\t\tcompatible = "xen,linux-zimage", "xen,multiboot-module";',
        "\t};",
        "};",
    )


@pytest.mark.parametrize(
    ("start", "size", "other"),
    [
        (0x50000000, 0x1000, "the image that is booted"),
        (0x4FFFF000, 0x1001, "the image that is booted"),
        (0x4F000000, 0x10, "the device tree"),
        (0x46001000, 0x10, "chosen/module@1"),
        (0x4FFFF000, 0x1000, None),
        (0x50116290, 0x1000, None),
        (0x46002000, 0x10, None),
    ],
)
def test_what_lies_over_each_other(start: int, size: int, other: str | None) -> None:
    uboot = parse(
        *printed("module@1", 0x46000000, 0x2000),
        *printed("module@0", start, size),
        "Kernel image @ 0x50000000 [ 0x000000 - 0x116290 ]",
        "   Using Device Tree in place at 4f000000, end 4f00afff",
    ).uboot
    found = [error.text for error in uboot.errors if error.id == "uboot-modules-overlap"]
    assert len(found) == (other is not None)
    assert all(f"overlaps {other} " in text and "chosen/module@0" in text for text in found)


def test_facts_are_built_once_until_something_is_said() -> None:
    parser = BootLogParser()
    parser.feed(Line(UBOOT, None, 1))
    before = parser.log.uboot
    parser.feed(Line("nothing of note", None, 2))
    assert parser.log.uboot is before
    parser.feed(Line("Failed to load '/x'", None, 3))
    assert len(parser.log.uboot.errors) == 1
    assert before.errors == ()


ROWS = st.sampled_from(
    [
        *CHOSEN,
        *("\t};", "};", "\t\treg = <>;", "\treg = <0x1 0x2 0x3>;", "x {", "\t\t\t\tx {"),
        *("DRAM:", "DRAM: x MiB", "Loading Environment from X... ", "1 bytes read in 2 ms (x)"),
        *("Kernel image @ 0 [ 0 - 0 ]", "Starting kernel ...", SPL, UBOOT, ""),
        *("data abort", "pc : [<3ff8e6d4>]\t   lr : [<3ff8e6d1>]", "Resetting CPU ...", "=> reset"),
        *("resetting ...", "(XEN) Xen version 4.17.5", "(XEN) DOM1: x", "(d1) x", "=> version"),
        *("(XEN) *** LOADING DOMU cpus=1 memory=4000KB ***", "(XEN) BANK[0] 0x0-0x1 (0MB)"),
        *("(XEN) Loading d1 kernel from boot module @ 0", "(XEN) Loading zImage from 0 to 0-1"),
        "(XEN) *** Serial input to DOM1 (type 'CTRL-a' three times to switch input)",
    ]
)


@given(rows=st.lists(ROWS, max_size=60))
def test_any_order_of_lines_gives_a_log(rows: list[str]) -> None:
    to_json(parse_recorded("\n".join(rows).encode(), "arm"))
