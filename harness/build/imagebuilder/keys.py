"""The keys of ImageBuilder's configuration: which a profile can express, and why not the others.

Source: ImageBuilder, README.md and scripts/uboot-script-gen.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from harness.formats.imagebuilder import Config, Entry

_NAMED_HERE = "the harness names the script itself (boot.cmd, boot.scr)"
_ONE_CARD = "all files lie on one partition of the card that the harness makes, and U-Boot's load "
_ONE_CARD += "command follows from it (boot.uboot.device)"
_FIT = "the harness makes no FIT image; U-Boot loads the files one by one"
_DISK = "it is for the script disk_image; the card that the harness makes has no such partition"
_NO_FIELD = "a profile has no field for it"
_COLORS = f"cache colouring: {_NO_FIELD}; write the options into XEN_CMD"
_PARTIAL = (
    "partial device trees are not made here; compile one, and name it in DOMU_PASSTHROUGH_DTB"
)
_OF_LINUX = "it is for a boot of Linux without Xen"

EXPRESSED = (
    "MEMORY_START",
    "MEMORY_END",
    "LOAD_CMD",
    "BOOT_CMD",
    "DEVICE_TREE",
    "XEN",
    "XEN_CMD",
    "DOM0_KERNEL",
    "DOM0_RAMDISK",
    "DOM0_CMD",
    "DOM0_MEM",
    "DOM0_VCPUS",
    "NUM_DOMUS",
)
"""What goes into the profile."""

PER_DOMAIN = (
    "DOMU_KERNEL",
    "DOMU_RAMDISK",
    "DOMU_PASSTHROUGH_DTB",
    "DOMU_PASSTHROUGH_PATHS",
    "DOMU_CMD",
    "DOMU_MEM",
    "DOMU_VCPUS",
    "DOMU_VPL011",
    "DOMU_ENHANCED",
    "DOMU_NOBOOT",
)
"""What goes into a domain of the profile."""

NOT_EXPRESSED = {
    "UBOOT_SOURCE": _NAMED_HERE,
    "UBOOT_SCRIPT": _NAMED_HERE,
    "XEN_LOAD": _ONE_CARD,
    "DOM0_LOAD": _ONE_CARD,
    "DOMU_LOAD": _ONE_CARD,
    "XEN_COLORS": _COLORS,
    "DOM0_COLORS": _COLORS,
    "DOMU_COLORS": f"cache colouring: {_NO_FIELD}",
    "XEN_POLICY": f"an XSM policy is one more module: {_NO_FIELD}",
    "XEN_STATIC_HEAP": f"a static heap of Xen: {_NO_FIELD}",
    "STATIC_HEAP": f"a static heap of Xen: {_NO_FIELD}",
    "DOM0_ROOTFS": _DISK,
    "DOMU_ROOTFS": _DISK,
    "DOMU_STATIC_MEM": "a profile has memory_mib only, no fixed addresses; Xen chooses where",
    "DOMU_DIRECT_MAP": f"it belongs to DOMU_STATIC_MEM: {_NO_FIELD}",
    "DOMU_CPUPOOL": f"CPU pools: {_NO_FIELD}",
    "DOMU_NR_SPIS": _NO_FIELD,
    "DOMU_GRANT_VER": _NO_FIELD,
    "DOMU_SHARED_MEM": f"static shared memory: {_NO_FIELD}",
    "DOMU_CAPS": _NO_FIELD,
    "DOMU_VCPU_HARD_AFFINITY": _NO_FIELD,
    "DOMU_IOMMU": _NO_FIELD,
    "DOMU_DRIVER_DOMAIN": f"it goes into a configuration of xl: {_DISK}",
    "DOMU_XLCONF": f"it goes into a configuration of xl: {_DISK}",
    "CPUPOOL": f"CPU pools: {_NO_FIELD}",
    "NUM_CPUPOOLS": f"CPU pools: {_NO_FIELD}",
    "DT_OVERLAY": "overlays are not applied; merge them (fdtoverlay) into DEVICE_TREE",
    "NUM_DT_OVERLAY": "overlays are not applied; merge them (fdtoverlay) into DEVICE_TREE",
    "FDTEDIT": "the device tree is edited by U-Boot, not before",
    "PASSTHROUGH_DTS_REPO": _PARTIAL,
    "LOPPER_PATH": _PARTIAL,
    "LOPPER_CMD": _PARTIAL,
    "LINUX": _OF_LINUX,
    "LINUX_CMD": _OF_LINUX,
    "LINUX_RAMDISK": _OF_LINUX,
    "LINUX_ROOTFS": _OF_LINUX,
    "BITSTREAM": f"a bitstream for an FPGA: {_NO_FIELD}",
    "APPEND_EXTRA_CMDS": "commands of yours belong into boot.uboot.before, which is before the "
    "first load, not before the boot command",
    "NUM_BOOT_AUX_FILE": _DISK,
    "BOOT_AUX_FILE": _DISK,
    "GPT": "the card has a DOS partition table",
    "FIT": _FIT,
    "FIT_ENC_KEY_DIR": _FIT,
    "FIT_ENC_UB_DTB": _FIT,
}
"""What ImageBuilder knows and a profile cannot say, with the reason."""

_INDEXED = {
    *PER_DOMAIN,
    *(key for key in NOT_EXPRESSED if key.startswith("DOMU_")),
    *("CPUPOOL", "DT_OVERLAY", "BOOT_AUX_FILE"),
}
_ALL = (*EXPRESSED, *PER_DOMAIN, *NOT_EXPRESSED)


def passed_over(config: Config, domains: Sequence[int]) -> list[tuple[Entry, str]]:
    """The entries that go into no profile, each with its reason, in the order of the file.

    An empty value is as good as none, for ImageBuilder too. A variable that only other ones use
    is not passed over.

    Args:
        domains: the indices of the domains that are in the profile.
    """
    found: list[tuple[Entry, str]] = []
    for entry in sorted(config.entries, key=lambda e: e.line):
        reason = _reason(entry, config, domains)
        if entry.value and reason:
            found.append((entry, reason))
    return found


def _reason(entry: Entry, config: Config, domains: Sequence[int]) -> str | None:
    key, index = entry.key, entry.index
    if key not in _ALL:
        if key in config.helpers:
            return None
        near = difflib.get_close_matches(key, _ALL, n=1)
        return "unknown key" + (f"; did you mean {near[0]}?" if near else "")
    if index is not None and key not in _INDEXED:
        return f"{key} is no array" if index else None
    if key.startswith("DOMU_") and (index or 0) not in domains:
        return "the domain is not in the profile"
    return NOT_EXPRESSED.get(key)
