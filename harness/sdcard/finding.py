"""The rules of cards, as data: what must hold, who says so, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.lint.engine import Finding
from harness.lint.rule import Severity


@dataclass(frozen=True)
class CardRule:
    """What must hold of a card.

    Attributes:
        checks: what must hold, one sentence.
        reference: the source file that says so.
        consequence: what happens on the board where it does not hold.
    """

    id: str
    severity: Severity
    checks: str
    reference: str
    consequence: str


def found(
    rule: CardRule,
    where: str,
    message: str,
    *,
    hint: str = "",
    severity: Severity | None = None,
) -> Finding:
    """A finding of a rule.

    Args:
        where: "offset 0x2000", "partition 1", "partition 1: /boot.scr".
    """
    return Finding(
        rule.id,
        severity or rule.severity,
        where,
        message,
        rule.consequence,
        hint,
        rule.reference,
    )


TABLE = CardRule(
    "sdcard.table",
    "error",
    "the first sector has a partition table",
    "U-Boot disk/part_dos.c",
    "U-Boot sees no partitions, so no boot.scr: it goes on to the network",
)
SPL = CardRule(
    "sdcard.spl",
    "error",
    "an SPL with a right checksum lies where the boot ROM looks",
    "U-Boot tools/sunxi_egon.c, doc/board/allwinner/sunxi.rst",
    "the boot ROM passes over the card without a word: nothing appears on the console",
)
UBOOT = CardRule(
    "sdcard.uboot",
    "error",
    "U-Boot lies 32 KiB behind the SPL's start, whole and unchanged",
    "U-Boot common/spl/spl_mmc.c, common/spl/spl_legacy.c",
    "the SPL prints its banner and stops, or starts something else than U-Boot",
)
SOC = CardRule(
    "sdcard.soc",
    "error",
    "the SPL was built for the SoC of the board",
    "U-Boot include/sunxi_image.h (dt_name_offset)",
    "it sets up the wrong clocks, memory or PMIC, and stops at its banner or before",
)
PLACE = CardRule(
    "sdcard.place",
    "error",
    "the SPL lies where the profile of the board says",
    "U-Boot doc/board/allwinner/sunxi.rst",
    "the boot ROM of the board does not look there",
)
POWER_OF_TWO = CardRule(
    "sdcard.size",
    "warning",
    "the size is a power of two",
    "QEMU hw/sd/sd.c",
    "QEMU refuses it (Invalid SD card size); a real board takes it",
)
FILESYSTEM = CardRule(
    "sdcard.filesystem",
    "warning",
    "each partition has a file system that U-Boot reads",
    "U-Boot fs/fs.c",
    "U-Boot finds no files on it",
)
UNREADABLE = CardRule(
    "sdcard.unreadable",
    "error",
    "the file systems can be read",
    "U-Boot fs/fat/fat.c, fs/ext4/ext4fs.c",
    "U-Boot reads them no better: its loads fail",
)
BOOTABLE = CardRule(
    "sdcard.bootable",
    "warning",
    "a partition is marked as bootable",
    "U-Boot include/config_distro_bootcmd.h (scan_dev_for_boot_part)",
    "U-Boot looks for boot.scr on bootable partitions; without any it takes partition 1 alone",
)
SCRIPT = CardRule(
    "sdcard.script",
    "error",
    "boot.scr is where U-Boot looks, a script, with right checksums",
    "U-Boot include/config_distro_bootcmd.h, cmd/source.c",
    "U-Boot finds nothing to start, and goes on to the network",
)
LOADS = CardRule(
    "sdcard.loads",
    "error",
    "the files that boot.scr loads are on the partition that it names",
    "U-Boot fs/fs.c (do_load)",
    "U-Boot says Failed to load, and the script goes on with whatever was in memory",
)
ENVIRONMENT = CardRule(
    "sdcard.env",
    "error",
    "uboot.env has a right checksum and the size that U-Boot was built for",
    "U-Boot env/fat.c, env/common.c",
    "*** Warning - bad CRC, using default environment: nothing that it sets holds",
)
DTB = CardRule(
    "sdcard.dtb",
    "error",
    "the device trees that are loaded can be parsed",
    "Devicetree Specification 0.4, chapter 5",
    "U-Boot says libfdt fdt_check_header(): FDT_ERR_BADMAGIC, or Xen stops before its banner",
)

RULES = (
    *(TABLE, SPL, UBOOT, SOC, PLACE, POWER_OF_TWO, FILESYSTEM, UNREADABLE),
    *(BOOTABLE, SCRIPT, LOADS, ENVIRONMENT, DTB),
)
"""All rules of cards, besides those on the table of partitions (`harness.formats.mbr.problems`)
and those of lint on the script and the files that it loads."""
