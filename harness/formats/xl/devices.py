"""Devices of domains: `xl network-list`, `block-list`, `pci-assignable-list`.

Sources: tools/xl/xl_nic.c, xl_block.c, xl_pci.c; states: xen/include/public/io/xenbus.h.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.formats.xl.domains import below

_STATES = (
    "unknown",
    "initialising",
    "init-wait",
    "initialised",
    "connected",
    "closing",
    "closed",
    "reconfiguring",
    "reconfigured",
)
_INT = r"(-?\d{1,10})"


@dataclass(frozen=True, slots=True)
class NetworkDevice:
    """A row of `xl network-list`.

    Attributes:
        index: of the device in its domain.
        backend: the number of the domain that serves it.
        mac: as "00:16:3e:57:db:c5".
        state: XenBus' word: "connected" when the guest's driver uses it.
        event_channel: -1 while there is none.
        backend_path: in XenStore.
    """

    index: int
    backend: int
    mac: str
    handle: int
    state: str
    event_channel: int
    backend_path: str


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A row of `xl block-list`.

    Attributes:
        vdev: the number of the virtual device: 51712 is xvda, 768 is hda.
        backend, state, event_channel, backend_path: as of a `NetworkDevice`.
    """

    vdev: int
    backend: int
    handle: int
    state: str
    event_channel: int
    backend_path: str


_NETWORK = re.compile(
    rf"{_INT} +{_INT} +([0-9a-fA-F:]{{17}}) +{_INT} +{_INT} +{_INT} +{_INT}/ *{_INT} +(\S+)\s*"
)
_BLOCK = re.compile(rf"{_INT} +{_INT} +{_INT} +{_INT} +{_INT} +{_INT} +(\S+)\s*")
_PCI = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])(?:[ \t].*)?")


def parse_network_list(text: str) -> tuple[NetworkDevice, ...]:
    """The network devices of a domain. A text without the table has none: xl prints none then."""
    if "Mac Addr." not in text:
        return ()
    return tuple(
        NetworkDevice(
            int(row[1]),
            int(row[2]),
            row[3].lower(),
            int(row[4]),
            _state(row[5]),
            int(row[6]),
            row[9],
        )
        for line in below(text, r"Idx +BE +Mac Addr\..*", "xl network-list")
        if (row := _NETWORK.fullmatch(line))
    )


def parse_block_list(text: str) -> tuple[BlockDevice, ...]:
    """The disks of a domain.

    Raises:
        FormatError: the head of the table is not there.
    """
    return tuple(
        BlockDevice(int(row[1]), int(row[2]), int(row[3]), _state(row[4]), int(row[5]), row[7])
        for line in below(text, r"Vdev +BE +handle.*", "xl block-list")
        if (row := _BLOCK.fullmatch(line))
    )


def parse_pci_assignable(text: str) -> tuple[str, ...]:
    """The addresses ("0000:03:00.0") of the devices that `xl pci-assignable-list` shows."""
    rows = (_PCI.fullmatch(line.strip()) for line in text.split("\n"))
    return tuple(f"{row[1] or '0000'}:{row[2]}:{row[3]}.{row[4]}" for row in rows if row)


def _state(text: str) -> str:
    number = int(text)
    return _STATES[number] if 0 <= number < len(_STATES) else "unknown"
