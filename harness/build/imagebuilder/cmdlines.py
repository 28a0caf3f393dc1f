"""The command lines of Xen and dom0, with what ImageBuilder takes where the file says nothing.

Source: ImageBuilder, README.md (defaults) and scripts/uboot-script-gen: xen_config().
"""

from __future__ import annotations

import re

from harness.build.imagebuilder.warn import Warnings
from harness.formats.imagebuilder import Config, Entry

_DOM0_MEMORY, _DOM0_VCPUS = 1024, 1
_XEN = "console=dtuart dtuart=serial0 {dom0} bootscrub=0 vwfi=native sched=null"
_DOM0 = "console=hvc0 earlycon=xen earlyprintk=xen clk_ignore_unused"
_PLACE = re.compile(r"\b(mmc|scsi) (\d+):(\d+)$")


def xen_cmdline(config: Config, warnings: Warnings) -> tuple[str, Entry | None, str]:
    """Xen's command line, the variable that it is from, and a remark."""
    told = config.get("XEN_CMD")
    memory, vcpus = config.get("DOM0_MEM"), config.get("DOM0_VCPUS")
    with_dom0 = config.get("DOM0_KERNEL") is not None
    if told is not None:
        for entry in (memory, vcpus):
            if entry is not None:
                warnings.of(entry, "ImageBuilder uses it only without XEN_CMD")
        text, remark = told.value, ""
    else:
        mib = config.number(memory) if memory else _DOM0_MEMORY
        cpus = config.number(vcpus) if vcpus else _DOM0_VCPUS
        text = _XEN.format(dom0=f"dom0_mem={mib}M dom0_max_vcpus={cpus}")
        remark = "ImageBuilder's default, XEN_CMD is not set"
    if not with_dom0:
        kept = [word for word in text.split() if not word.startswith("dom0")]
        if len(kept) < len(text.split()):
            remark = ", ".join(filter(None, (remark, "without dom0_...: there is no dom0")))
        text = " ".join(kept)
    return text, told, remark


def dom0_cmdline(config: Config, warnings: Warnings) -> tuple[str, Entry | None, str]:
    """The command line of dom0's kernel, the variable that it is from, and a remark."""
    if config.get("DOM0_KERNEL") is None:
        for key in ("DOM0_CMD", "DOM0_RAMDISK"):
            if (entry := config.get(key)) is not None:
                warnings.of(entry, "without DOM0_KERNEL there is no dom0")
        return "", None, "there is no DOM0_KERNEL"
    told = config.get("DOM0_CMD")
    text, remark = (told.value, "") if told else (_DOM0, "ImageBuilder's default")
    if "root=" in text:
        return text, told, remark
    root = _root(config, warnings)
    if root is None:
        return text, told, remark
    return f"{text} root={root}", told, ", ".join(filter(None, (remark, "root= added")))


def _root(config: Config, warnings: Warnings) -> str | None:
    """What ImageBuilder adds: the partition behind the one that the files are on."""
    rootfs, load = config.get("DOM0_ROOTFS"), config.get("DOM0_LOAD") or config.get("LOAD_CMD")
    if rootfs is None:
        return "/dev/ram0"
    place = _PLACE.search(load.value.strip()) if load else None
    if place is None or int(place[2]) > 25:
        warnings.of(
            rootfs, "the root of dom0 cannot be told from LOAD_CMD; write root= in DOM0_CMD"
        )
        return None
    device, partition = int(place[2]), int(place[3]) + 1
    if place[1] == "mmc":
        return f"/dev/mmcblk{device}p{partition}"
    return f"/dev/sd{chr(ord('a') + device)}{partition}"
