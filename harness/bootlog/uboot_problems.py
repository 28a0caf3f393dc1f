"""What U-Boot says when something goes wrong, and what it means: a table.

Wordings: U-Boot 2016.01 to 2025.01; cmd/{bootz,booti,fdt,source}.c, boot/{bootm,image-board,
image-fdt}.c, arch/arm/lib/{bootm,image,zimage}.c, fs/fs.c, fs/*/, disk/part.c, env/*.c,
common/{cli,cli_hush,command,fdt_support}.c, common/spl/spl*.c, lib/{hang,fdtdec}.c.
"""

from __future__ import annotations

from harness.bootlog.diagnoses import Known, table

_LIBFDT = r"libfdt fdt_\w+\(\):? +(?:returned )?"
_RESIZE = "give the tree room before it is edited: `fdt resize 0x2000`"
_NOT_A_TREE = "load the device tree first, to the address that `fdt addr` and the boot command name"
_SCRIPT = "make boot.scr again (type script, ARM) and look at the address it is loaded to"

UBOOT_PROBLEMS = table(
    # The image.
    Known(
        "zimage:",
        "uboot-zimage-magic",
        "fatal",
        r"zimage: Bad magic!",
        "bootz was not given a 32-bit ARM zImage: no magic 0x016f2818 at offset 0x24; the file is "
        "of another architecture or format, was not loaded, or was overwritten",
        "give bootz a zImage for 32-bit ARM (arm64 images go to booti), and check that nothing "
        "is loaded over it",
    ),
    Known(
        "Bad",
        "uboot-zimage-magic",
        "fatal",
        r"Bad Linux ARM zImage magic!",
        "bootz was not given a 32-bit ARM zImage: no magic 0x016f2818 at offset 0x24; the file is "
        "of another architecture or format, was not loaded, or was overwritten",
        "give bootz a zImage for 32-bit ARM (arm64 images go to booti), and check that nothing "
        "is loaded over it",
    ),
    Known(
        "Bad",
        "uboot-image-magic",
        "fatal",
        r"Bad Linux (?:ARM64|RISCV) Image magic!",
        "booti was not given an Image of its own architecture: the file is of another "
        "architecture or format, was not loaded, or was overwritten",
        "give booti an Image for arm64 (32-bit zImages go to bootz), and check that nothing is "
        "loaded over it",
    ),
    Known(
        "Bad",
        "uboot-uimage-magic",
        "fatal",
        r"Bad Magic Number",
        "what bootm was given has no header of a legacy image",
        "wrap the image with mkimage, or boot it with bootz or booti",
    ),
    Known(
        "Bad",
        "uboot-uimage-checksum",
        "fatal",
        r"Bad (?:Header Checksum|Data CRC)",
        "the checksum of the legacy image is wrong: the file is damaged, or was overwritten",
        "copy the file again, and check that nothing is loaded over it",
    ),
    Known(
        "Wrong",
        "uboot-image-format",
        "fatal",
        r"Wrong Image (?:Format|Type) for (\S+) command",
        "{0} cannot boot an image of this format",
        "use bootz for a zImage, booti for an arm64 Image, bootm for a uImage or FIT",
    ),
    # Boot scripts.
    Known(
        "Bad",
        "uboot-script-corrupt",
        "fatal",
        r"Bad (?:magic number|header crc|data crc|image type)",
        "the boot script is no image of type script, or is damaged",
        _SCRIPT,
    ),
    Known(
        "Wrong",
        "uboot-script-format",
        "fatal",
        r'Wrong image format for "?source"? command',
        "what was to be run as a boot script is no script image: a plain boot.cmd, another file, "
        "or nothing was loaded",
        _SCRIPT,
    ),
    Known(
        "Empty",
        "uboot-script-corrupt",
        "fatal",
        r"Empty Script",
        "the boot script is empty",
        _SCRIPT,
    ),
    Known(
        "SCRIPT",
        "uboot-script-failed",
        "error",
        r"SCRIPT FAILED: continuing",
        "the last command of the boot script failed, and U-Boot tries the next boot target",
        "look at the first error above it",
    ),
    Known(
        "syntax",
        "uboot-script-syntax",
        "error",
        r"syntax error",
        "U-Boot's shell cannot read a command of the script",
        "look for quotes, `if` without `fi`, and line ends with a carriage return",
    ),
    Known(
        "Unknown",
        "uboot-unknown-command",
        "error",
        r"Unknown command '([^']*)'",
        "this U-Boot has no command {0!r}: a misspelt word, or a command that was not built in",
        "see `help` at U-Boot's prompt; typographic quotes and dashes of a copied script also "
        "end up here",
    ),
    Known(
        "Usage:",
        "uboot-usage",
        "warning",
        r"Usage:",
        "a command of the script was given arguments that it does not take, and was not run",
        "compare its arguments with the help text that follows in the log; a variable may be empty",
    ),
    # Files and media.
    Known(
        "Failed",
        "uboot-load-failed",
        "error",
        r"Failed to load '([^']*)'",
        "U-Boot could not read the file {0!r}: it is not on this partition, or could not be read",
        "look at the card (`ls mmc 0:1 /`), and at device, partition and path in the script",
    ),
    Known(
        "**",
        "uboot-file-missing",
        "error",
        r"\*\* (?:File not found|Unable to read file) (.*?) \*\*",
        "the file {0!r} is not on this partition",
        "look at the card (`ls mmc 0:1 /`), and at device, partition and path in the script",
    ),
    Known(
        "**",
        "uboot-load-reserved",
        "error",
        r"\*\* (?:Reading file would overwrite reserved memory|File can't be loaded)",
        "the address that the file was to be loaded to is outside RAM or in use: U-Boot itself, "
        "its tree, or a reserved region; nothing was loaded",
        "choose an address inside RAM, with room for the whole file, and below U-Boot at its end",
    ),
    Known(
        "**",
        "uboot-filesystem",
        "error",
        r"\*\* Unrecognized filesystem type \*\*",
        "the partition has no file system that this U-Boot can read",
        "format it as FAT or ext4, or name the right partition",
    ),
    Known(
        "**",
        "uboot-partition",
        "error",
        r"\*\* (?:Invalid partition|No partition table|Partition \d+ not valid|"
        r"No valid partitions found|Bad device size)",
        "the partition that was named is not on this device",
        "look at the card (`part list mmc 0`), and at device and partition in the script",
    ),
    Known(
        "**",
        "uboot-device",
        "warning",
        r"\*\* Bad (?:device|HW partition|partition) specification",
        "the device that was named is not there, or its name cannot be read",
        "look at device and partition in the script; `mmc list` shows what there is",
    ),
    Known(
        "**",
        "uboot-file",
        "error",
        r"\*\* (?:No boot file defined|.* shorter than offset)",
        "a load command did not get the file that it was to read",
        "look at its arguments in the script; a variable may be empty",
    ),
    Known(
        "Can't",
        "uboot-block-device",
        "error",
        r"Can't set block device",
        "the device or partition that was named is not there, or has no readable file system",
        "look at device and partition in the script; `mmc list` and `part list` show what there is",
    ),
    Known(
        "Card",
        "uboot-no-card",
        "warning",
        r"Card did not respond to voltage select",
        "no card answers in this slot",
        "check that the card is in; another slot may be empty without harm",
    ),
    # The device tree.
    Known(
        "libfdt",
        "uboot-fdt-no-space",
        "error",
        _LIBFDT + r"FDT_ERR_NOSPACE",
        "there is no room left in the device tree: this node or property was not added",
        _RESIZE,
    ),
    Known(
        "libfdt",
        "uboot-fdt-not-found",
        "error",
        _LIBFDT + r"FDT_ERR_NOTFOUND",
        "the node or property that an fdt command names is not in the tree",
        "make parent nodes first (`fdt mknod`), and compare the path with the tree (`fdt print`)",
    ),
    Known(
        "libfdt",
        "uboot-fdt-exists",
        "warning",
        _LIBFDT + r"FDT_ERR_EXISTS",
        "the node is in the tree already: the script ran twice on it, or the tree brings it",
        "load the tree again before it is edited",
    ),
    Known(
        "libfdt",
        "uboot-fdt-bad-magic",
        "error",
        _LIBFDT + r"FDT_ERR_(?:BADMAGIC|TRUNCATED|BADSTRUCTURE|BADVERSION)",
        "there is no valid device tree at this address: it was not loaded, is no dtb, or was "
        "overwritten",
        _NOT_A_TREE,
    ),
    Known(
        "libfdt",
        "uboot-fdt-error",
        "error",
        r"libfdt (?:fdt_\w+\(\):? +(?:returned )?(FDT_ERR_\w+|<.*>)|node not found)",
        "an fdt command failed, and the tree was not changed ({0})",
        "look at its path and values in the script",
    ),
    Known(
        "The",
        "uboot-fdt-no-address",
        "error",
        r"The address of the fdt is invalid",
        "an fdt command was used before U-Boot knew where the tree is",
        _NOT_A_TREE,
    ),
    Known(
        "No",
        "uboot-fdt-no-address",
        "error",
        r"No FDT memory address configured",
        "an fdt command was used before U-Boot knew where the tree is, or the tree there was not "
        "valid: nothing was edited",
        _NOT_A_TREE,
    ),
    Known(
        "No",
        "uboot-own-fdt",
        "fatal",
        r"No valid device tree binary found",
        "U-Boot did not find its own device tree behind its code: its image is incomplete",
        "write the whole image of U-Boot to the card again",
    ),
    Known(
        "ERROR:",
        "uboot-fdt-missing",
        "fatal",
        r"ERROR: Did not find a cmdline Flattened Device Tree",
        "there is no device tree at the address that the boot command names: the dtb was not "
        "loaded, or was overwritten",
        "load the dtb to this address before; check that no other file is loaded over it",
    ),
    Known(
        "Could",
        "uboot-fdt-missing",
        "fatal",
        r"Could not find a valid device tree",
        "the boot command has no device tree to hand over",
        "load the dtb, and name its address as third argument of bootz or booti",
    ),
    Known(
        "FDT",
        "uboot-fdt-none",
        "fatal",
        r"FDT and ATAGS support not compiled in",
        "the boot command was given no device tree, and this U-Boot knows no other way to start "
        "a kernel",
        "name the address of the dtb as third argument: `bootz ${{xen_addr_r}} - ${{fdt_addr}}`",
    ),
    Known(
        "FDT",
        "uboot-fdt-fixup",
        "fatal",
        r"FDT creation failed!",
        "U-Boot could not complete the device tree for the kernel: mostly there is no room in it",
        _RESIZE,
    ),
    Known(
        "device",
        "uboot-fdt-fixup",
        "fatal",
        r"device tree - allocation error",
        "U-Boot found no room in memory for the device tree",
        "set fdt_high to 0xffffffff to use it in place, or to a higher address",
    ),
    # Ramdisk and places in memory.
    Known(
        "Wrong",
        "uboot-ramdisk-format",
        "fatal",
        r"Wrong Ramdisk Image Format",
        "the second argument of the boot command is neither a uImage ramdisk nor ADDRESS:SIZE",
        "for Xen say `-`: its initrd is a module in /chosen; else give ADDRESS:SIZE",
    ),
    Known(
        "Ramdisk",
        "uboot-ramdisk-format",
        "fatal",
        r"Ramdisk image is corrupt or invalid",
        "U-Boot does not accept the ramdisk that the boot command was given",
        "for Xen say `-`: its initrd is a module in /chosen; else give ADDRESS:SIZE",
    ),
    Known(
        "ERROR:",
        "uboot-overlap",
        "fatal",
        r"ERROR: (?:RD|FDT|Initrd|\w+) image overlaps OS image",
        "two things were loaded over each other: the image that is booted, and the ramdisk or "
        "device tree",
        "choose addresses that lie further apart",
    ),
    Known(
        "ERROR:",
        "uboot-must-reset",
        "fatal",
        r"ERROR: (.*?) - must RESET the board to recover",
        "U-Boot cannot go on with what it has in memory ({0})",
        "look at the lines above, and start the board again",
    ),
    Known(
        "ERROR:",
        "uboot-reserved-region",
        "warning",
        r"ERROR: reserving fdt memory region failed",
        "a reserved region of the tree could not be reserved: it overlaps another one, or U-Boot",
        "compare /reserved-memory with the addresses that files are loaded to",
    ),
    Known(
        "ERROR:",
        "uboot-error",
        "error",
        r"ERROR: (.*)",
        "U-Boot reports an error ({0})",
        "look at the lines above it",
    ),
    # Variables.
    Known(
        "##",
        "uboot-variable",
        "error",
        r'## Error: "([^"]*)" not defined',
        "the variable {0!r} is not in U-Boot's environment",
        "set it in uboot.env or in the script; a damaged environment loses all variables",
    ),
    Known(
        "***",
        "uboot-environment",
        "warning",
        r"\*\*\* (?:Warning - (?:bad CRC|import failed|!readEnv\(\) failed|bad env area), "
        r"using default environment|Error - No Valid Environment Area found)",
        "the stored environment is damaged or empty, and U-Boot goes on with the one that is built "
        "into it: its bootcmd and variables are not those of the card",
        "write uboot.env again with the size that this U-Boot was built for (mkenvimage -s)",
    ),
    Known(
        "Cannot",
        "uboot-environment",
        "warning",
        r"Cannot import environment",
        "the stored environment cannot be read",
        "write uboot.env again with the size that this U-Boot was built for (mkenvimage -s)",
    ),
    Known(
        "Unable",
        "uboot-no-environment",
        "harmless",
        r'Unable to (?:use|read "[^"]*" from) (.*?)\.\.\.',
        "there is no stored environment on {0}; U-Boot goes on with the one that is built into it",
        "nothing, unless the card should have a uboot.env",
    ),
    # The loader itself.
    Known(
        "SPL:",
        "spl-no-boot-device",
        "fatal",
        r"SPL: (?:failed to boot from all boot devices|Unsupported Boot Device)",
        "SPL did not find U-Boot on any boot device: it is not behind SPL on the card",
        "write the whole image (u-boot-sunxi-with-spl.bin) at 8 KiB; a partition must not begin "
        "inside it",
    ),
    Known(
        "spl:",
        "spl-card",
        "error",
        r"spl: (.*)",
        "SPL could not read the card ({0})",
        "check the card, and that the image is whole",
    ),
    Known(
        "mmc_load_image_raw_sector:",
        "spl-card",
        "error",
        r"(mmc_load_image_raw_sector: mmc block read error)",
        "SPL could not read U-Boot from the card",
        "check that the image of the card is whole: it may be shorter than U-Boot",
    ),
    Known(
        "###",
        "uboot-halted",
        "fatal",
        r"### ERROR ### Please RESET the board ###",
        "the loader has given up and stands still until it is reset",
        "look at the error above it",
    ),
    # Harmless: they also stand in boots that went well.
    Known(
        "No",
        "uboot-no-ethernet",
        "harmless",
        r"No ethernet found",
        "U-Boot found no network card that works",
        "nothing, unless it should load files by network",
    ),
    Known(
        "Net:",
        "uboot-no-ethernet",
        "harmless",
        r"Net: +(?:Could not get PHY|No ethernet found)",
        "U-Boot found no network card that works",
        "nothing, unless it should load files by network",
    ),
    Known(
        "Warning:",
        "uboot-hdmi",
        "harmless",
        r"Warning: HDMI PHY init timeout",
        "there is no screen, or the emulator has no HDMI; each line costs time",
        "an environment with stdout=serial and no preboot avoids it",
    ),
    Known(
        "Failed",
        "spl-core-voltage",
        "harmless",
        r"Failed to set core voltage",
        "SPL does not reach the power chip and leaves the CPU at its first frequency",
        "nothing in an emulator, which has no such chip",
    ),
)
