"""Every row of the tables of diagnoses has a line of a real program that it is for."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.bootlog import Diagnosis, parse_recorded, root_cause
from harness.bootlog.diagnoses import (
    MAX_DIAGNOSES,
    Diagnoses,
    Known,
    Severity,
    Table,
    diagnose,
    table,
)
from harness.bootlog.draft import first_word
from harness.bootlog.lines import Line
from harness.bootlog.uboot_problems import UBOOT_PROBLEMS
from harness.bootlog.xen_problems import XEN_PROBLEMS

# What the program prints, and the diagnosis. A new row of a table needs a row here.
UBOOT = [
    ("zimage: Bad magic!", "uboot-zimage-magic"),
    ("Bad Linux ARM zImage magic!", "uboot-zimage-magic"),
    ("Bad Linux ARM64 Image magic!", "uboot-image-magic"),
    ("Bad Magic Number", "uboot-uimage-magic"),
    ("Bad Data CRC", "uboot-uimage-checksum"),
    ("Wrong Image Format for bootm command", "uboot-image-format"),
    ("Bad header crc", "uboot-script-corrupt"),
    ('Wrong image format for "source" command', "uboot-script-format"),
    ("Empty Script", "uboot-script-corrupt"),
    ("SCRIPT FAILED: continuing...", "uboot-script-failed"),
    ("syntax error", "uboot-script-syntax"),
    ("Unknown command 'ext5load' - try 'help'", "uboot-unknown-command"),
    ("Usage:", "uboot-usage"),
    ("Failed to load '/board.dtb'", "uboot-load-failed"),
    ("** File not found /board.dtb **", "uboot-file-missing"),
    ("** Unable to read file board.dtb **", "uboot-file-missing"),
    ("** Reading file would overwrite reserved memory **", "uboot-load-reserved"),
    ("** Unrecognized filesystem type **", "uboot-filesystem"),
    ("** Invalid partition 3 **", "uboot-partition"),
    ("** No partition table - mmc 0 **", "uboot-partition"),
    ("** Bad device specification mmc 7 **", "uboot-device"),
    ("** No boot file defined **", "uboot-file"),
    ("Can't set block device", "uboot-block-device"),
    ("Card did not respond to voltage select! : -110", "uboot-no-card"),
    ("libfdt fdt_setprop(): FDT_ERR_NOSPACE", "uboot-fdt-no-space"),
    ("libfdt fdt_path_offset() returned FDT_ERR_NOTFOUND", "uboot-fdt-not-found"),
    ("libfdt fdt_add_subnode(): FDT_ERR_EXISTS", "uboot-fdt-exists"),
    ("libfdt fdt_check_header(): FDT_ERR_BADMAGIC", "uboot-fdt-bad-magic"),
    ("libfdt fdt_delprop():  FDT_ERR_BADPATH", "uboot-fdt-error"),
    ("libfdt node not found", "uboot-fdt-error"),
    ("The address of the fdt is invalid (NULL).", "uboot-fdt-no-address"),
    ("No FDT memory address configured. Please configure", "uboot-fdt-no-address"),
    ("No valid device tree binary found at 4a06f2d8", "uboot-own-fdt"),
    ("ERROR: Did not find a cmdline Flattened Device Tree", "uboot-fdt-missing"),
    ("Could not find a valid device tree", "uboot-fdt-missing"),
    ("FDT and ATAGS support not compiled in", "uboot-fdt-none"),
    ("FDT creation failed!", "uboot-fdt-fixup"),
    ("device tree - allocation error", "uboot-fdt-fixup"),
    ("Wrong Ramdisk Image Format", "uboot-ramdisk-format"),
    ("Ramdisk image is corrupt or invalid", "uboot-ramdisk-format"),
    ("ERROR: RD image overlaps OS image (OS=0x46000000..0x46532200)", "uboot-overlap"),
    ("ERROR: image is not a fdt - must RESET the board to recover.", "uboot-must-reset"),
    (
        "ERROR: reserving fdt memory region failed (addr=0 size=1000 flags=4)",
        "uboot-reserved-region",
    ),
    ("ERROR: unknown image format type!", "uboot-error"),
    ('## Error: "boot_net_usb_start" not defined', "uboot-variable"),
    ("*** Warning - bad CRC, using default environment", "uboot-environment"),
    ("Cannot import environment: errno = 12", "uboot-environment"),
    ("Unable to use mmc 0:1...", "uboot-no-environment"),
    ('Unable to read "uboot.env" from mmc0:1... ', "uboot-no-environment"),
    ("SPL: failed to boot from all boot devices (err=-6)", "spl-no-boot-device"),
    ("spl: mmc init failed with error: -19", "spl-card"),
    ("mmc_load_image_raw_sector: mmc block read error", "spl-card"),
    ("### ERROR ### Please RESET the board ###", "uboot-halted"),
    ("No ethernet found.", "uboot-no-ethernet"),
    ("Net:   Could not get PHY for ethernet@1c30000: addr 0", "uboot-no-ethernet"),
    ("Warning: HDMI PHY init timeout!", "uboot-hdmi"),
    ("Failed to set core voltage! Can't set CPU frequency", "spl-core-voltage"),
]
XEN = [
    ("Missing kernel boot module?", "xen-no-kernel-module"),
    ("Could not set up DOM0 guest OS", "xen-dom0-not-built"),
    ("Could not construct domain 0", "xen-dom0-not-built"),
    ("Could not set up domain domU1", "xen-dom0-not-built"),
    ("Error creating domain domU1", "xen-domain-not-created"),
    ('Error building DomU: cannot read "memory" property', "xen-domu-property"),
    ("Missing property 'cpus' for domain domU1", "xen-domu-property"),
    ("Failed to allocate requested dom0 memory. 512MB unallocated", "xen-dom0-memory"),
    ("Failed to allocate requested domain memory. 64MB unallocated", "xen-dom0-memory"),
    ("Unable to allocate first memory bank", "xen-dom0-memory"),
    ("Not enough memory in the first bank for the kernel+dtb+initrd", "xen-first-bank"),
    ("Unable to find suitable location for dtb+initrd", "xen-first-bank"),
    ("Not enough space for xenheap", "xen-heap"),
    ("No memory bank", "xen-no-ram"),
    ("Invalid device tree blob at physical address 0x4f000000.", "xen-bad-dtb"),
    ("No valid device tree", "xen-bad-dtb"),
    ("node module@0 missing `reg' property", "xen-module-reg"),
    ("fdt: node `module@0': `reg` property length is too short", "xen-module-reg"),
    ("Region: [0x1000, 0x2000) overlapping with mod[1]: [0x1800, 0x2800)", "xen-overlap"),
    ("Ignoring Kernel boot module at 40000000-40001000 (too many)", "xen-too-many-modules"),
    ("Device tree generation failed (-22).", "xen-dom0-tree"),
    ("Unable to find a compatible timer in the device tree", "xen-no-timer"),
    ("Timer: Unable to retrieve IRQ 3 from the device tree", "xen-no-timer"),
    ("CPU does not support the Generic Timer v1 interface", "xen-no-timer"),
    ("Unable to find compatible GIC in the device tree", "xen-no-gic"),
    ("GICv2: Cannot find the maintenance IRQ", "xen-no-gic"),
    ("Unable to retrieve address 0 for /soc/serial@1c28000", "xen-node-address"),
    ('/psci method must be smc, but is: "hvc"', "xen-psci"),
    ("PSCI conduit must be SMC, but is HVC", "xen-psci"),
    ("Error: Unrecognized PSCI version 9.0", "xen-psci"),
    ("GICv2: GICC size=0x20000 but not aliased", "xen-gicc-not-aliased"),
    ("SMP init failed (-19)", "xen-one-cpu"),
    ("WARNING: Can't find /cpus in the device tree.", "xen-one-cpu"),
    ("CPU1 never came online", "xen-cpu-lost"),
    ("Failed to bring up CPU 1 (error -5)", "xen-cpu-lost"),
    ("Couldn't configure correctly all the IOMMUs.", "xen-iommu"),
    ("At the moment, Xenstore support requires dom0 to be present", "xen-domu-xenstore"),
    ("PLEASE SPECIFY dom0_mem PARAMETER - USING 512M FOR NOW", "xen-dom0-mem-default"),
    ("- Xen must be entered in NS Hyp mode -", "xen-not-hyp"),
    ("- Boot failed -", "xen-early-failure"),
]


def found(known: Table, text: str) -> Diagnosis | None:
    return diagnose(known, first_word(text), text, Line(text, 1.5, 7))


@pytest.mark.parametrize(
    ("known", "text", "name"),
    [(UBOOT_PROBLEMS, *row) for row in UBOOT] + [(XEN_PROBLEMS, *row) for row in XEN],
    ids=[text[:40] for text, _ in (*UBOOT, *XEN)],
)
def test_a_line_has_its_diagnosis(known: Table, text: str, name: str) -> None:
    diagnosis = found(known, text)
    assert diagnosis is not None
    assert (diagnosis.id, diagnosis.line, diagnosis.at) == (name, 7, 1.5)
    assert diagnosis.text == text.strip()
    for words in (diagnosis.meaning, diagnosis.next):
        assert words
        assert words[-1] not in ".!"
        assert "{" not in words.replace("${", "")


@pytest.mark.parametrize(("known", "lines"), [(UBOOT_PROBLEMS, UBOOT), (XEN_PROBLEMS, XEN)])
def test_every_row_is_for_some_line(known: Table, lines: list[tuple[str, str]]) -> None:
    rows = [row for rows in known.values() for _, row in rows]
    hit: Counter[Known] = Counter()
    for text, _ in lines:
        word = first_word(text)
        of_word = known.get(word) or known.get(word.rstrip("0123456789:[]") + "#") or ()
        hit[next(row for pattern, row in of_word if pattern.match(text))] += 1
    assert [row.pattern for row in rows if not hit[row]] == []


def test_the_file_is_named_in_the_meaning() -> None:
    diagnosis = found(UBOOT_PROBLEMS, "Failed to load '/board{0}.dtb'")
    assert diagnosis is not None
    assert "'/board{0}.dtb'" in diagnosis.meaning


@pytest.mark.parametrize(
    "text",
    [
        "OK",
        "",
        "1738 bytes read in 4 ms (423.8 KiB/s)",
        "Working FDT set to 4f000000",
        "Failed",
        "## Executing script at 43100000",
        "switch to partitions #0, OK",
    ],
)
def test_an_ordinary_line_has_none(text: str) -> None:
    assert found(UBOOT_PROBLEMS, text) is None
    assert found(XEN_PROBLEMS, text) is None


def test_a_row_counts_words_with_a_number_as_one() -> None:
    known = table(Known("CPU#", "x", "error", r"CPU(\d+): lost", "CPU {0}", "look"))
    diagnosis = found(known, "CPU12: lost")
    assert diagnosis is not None
    assert diagnosis.meaning == "CPU 12"
    assert found(known, "GPU12: lost") is None


def _said(severity: Severity, line: int) -> Diagnosis:
    return Diagnosis("x", severity, line, None, f"{severity} {line}", "m", "n")


def test_the_root_is_the_first_error_and_a_warning_only_without_one() -> None:
    warning, error, fatal = _said("warning", 1), _said("error", 3), _said("fatal", 4)
    assert root_cause([_said("harmless", 1), warning, error, fatal]) == error
    assert root_cause([fatal, error]) == fatal
    assert root_cause([_said("harmless", 1), warning]) == warning
    assert root_cause([_said("harmless", 1)]) is None


def test_words_are_kept_once_and_not_without_bound() -> None:
    diagnoses = Diagnoses()
    assert diagnoses.add(_said("error", 1))
    assert not diagnoses.add(_said("error", 1))
    assert not diagnoses.add(None)
    for line in range(2, 1000):
        diagnoses.add(_said("error", line))
    assert len(diagnoses.found) == MAX_DIAGNOSES


def test_the_diagnoses_of_a_log_are_in_its_order() -> None:
    log = parse_recorded(
        b"U-Boot 2023.01 (Jun 22 2026)\n"
        b"Failed to load '/vmlinuz'\n"
        b"(XEN) Xen version 4.17.5\n"
        b"(XEN) Missing kernel boot module?\n"
    )
    assert [(one.id, one.line) for one in log.diagnoses] == [
        ("uboot-load-failed", 2),
        ("xen-no-kernel-module", 4),
    ]


def test_what_dom0_says_is_no_diagnosis() -> None:
    log = parse_recorded(
        b"(XEN) Xen version 4.17.5\n(XEN) Freed 324kB init memory.\n/ # ls\n"
        b"Unknown command 'x'\nFailed to load 'x'\n(XEN) Missing kernel boot module?\n"
    )
    assert log.diagnoses == ()
