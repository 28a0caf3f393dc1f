"""`xl info`: the host as Xen sees it (tools/xl/xl_info.c)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.errors import FormatError

_FIELD = re.compile(r"([a-z_]+) *: ?(.*)")


@dataclass(frozen=True, slots=True)
class XenInfo:
    """What `xl info` says.

    Attributes:
        xen_version: "4.17.7".
        host, release, machine: of dom0: its name, its kernel's release, "x86_64", "armv7l".
        nr_cpus: physical CPUs that are online.
        total_memory, free_memory: MiB; free is what a new domain can have, without ballooning.
        virt_caps: what the hardware can do for guests: "hvm", "hvm_directio" (an IOMMU for HVM
            guests), "pv_directio", "hap".
        xen_caps: kinds of guests: "xen-3.0-x86_64", "hvm-3.0-x86_32".
        xen_scheduler: "credit2".
        xen_commandline: as Xen was started.
        raw: everything, as printed. None stands for a number that was not said.
    """

    xen_version: str
    host: str = ""
    release: str = ""
    machine: str = ""
    nr_cpus: int | None = None
    total_memory: int | None = None
    free_memory: int | None = None
    virt_caps: tuple[str, ...] = ()
    xen_caps: tuple[str, ...] = ()
    xen_scheduler: str = ""
    xen_commandline: str = ""
    raw: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_iommu(self) -> bool:
        """Whether devices can be passed through to guests."""
        return any(cap.endswith("directio") for cap in self.virt_caps)


def parse_info(text: str) -> XenInfo:
    """What `xl info` or `xl info -n` says.

    Raises:
        FormatError: it does not say which Xen there is.
    """
    raw = {
        match[1]: match[2].rstrip()
        for line in text.split("\n")
        if (match := _FIELD.fullmatch(line))
    }
    version = raw.get("xen_version")
    if not version:
        raise FormatError(
            f"this is no answer to `xl info`: {text[:80]!r}", field="xen_version", offset=0
        )
    return XenInfo(
        version,
        raw.get("host", ""),
        raw.get("release", ""),
        raw.get("machine", ""),
        _number(raw.get("nr_cpus")),
        _number(raw.get("total_memory")),
        _number(raw.get("free_memory")),
        tuple(raw.get("virt_caps", "").split()),
        tuple(raw.get("xen_caps", "").split()),
        raw.get("xen_scheduler", ""),
        raw.get("xen_commandline", ""),
        raw,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else None
