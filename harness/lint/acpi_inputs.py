"""What rules for ACPI tables may be told besides the tables: memory map, PCI functions.

Sources of the formats: xen/arch/x86/e820.c, xen/drivers/passthrough/pci.c; Linux
arch/x86/kernel/e820.c; lspci of pciutils.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from harness.bootlog import parse_recorded
from harness.bootlog.xen_facts import MemoryRange
from harness.errors import FormatError, InputError
from harness.lint.acpi_model import Region
from harness.regular import read_regular

LARGEST = 8 << 20
_TYPES = {
    "usable": 1,
    "RAM": 1,
    "reserved": 2,
    "ACPI data": 3,
    "ACPI NVS": 4,
    "unusable": 5,
}
_OTHER = 6
_LINUX_E820 = re.compile(
    r"BIOS-e820: \[mem 0x([0-9a-f]{1,16})-0x([0-9a-f]{1,16})\] ([A-Za-z][A-Za-z ]*)"
)
_BDF = re.compile(r"(?:([0-9a-fA-F]{4}):)?([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-7])")
_LSPCI = re.compile(
    r"^(?:[0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-1][0-9a-fA-F]\.[0-7] (?=\S)", re.MULTILINE
)
_HOST_BRIDGE = re.compile(r"Host bridge|\b0600:|\[0600\]")


def pci_function(text: str) -> int | None:
    """ "0000:00:14.3" or "00:14.3" as a number; None if it is neither."""
    match = _BDF.fullmatch(text)
    if match is None:
        return None
    segment, bus, device, function = (int(part or "0", 16) for part in match.groups())
    if device > 31:
        return None
    return segment << 16 | bus << 8 | device << 3 | function


def pci_functions(names: Iterable[str]) -> frozenset[int]:
    """PCI functions by their names, without 00:00.0, the host bridge."""
    found = {pci_function(name) for name in names}
    return frozenset(each for each in found if each)


def parse_lspci(text: str) -> frozenset[int]:
    """The functions that `lspci` or `lspci -n` lists, without host bridges: these do no DMA."""
    found = set()
    for line in text.splitlines():
        if _LSPCI.match(line) and not _HOST_BRIDGE.search(line):
            function = pci_function(line.partition(" ")[0])
            if function is not None:
                found.add(function)
    return frozenset(found)


def regions(ranges: Iterable[MemoryRange]) -> tuple[Region, ...]:
    """The memory map of a log of Xen; its ends are the last byte."""
    return tuple(
        Region(one.start, one.end + 1, _TYPES.get(one.type.strip(), _OTHER)) for one in ranges
    )


def parse_e820(data: bytes) -> tuple[Region, ...]:
    """The memory map that Xen or Linux printed.

    Raises:
        FormatError: there is none in it.
    """
    found = regions(parse_recorded(data).xen.e820)
    if not found:
        text = data.decode("utf-8", errors="replace")
        found = tuple(
            Region(int(m[1], 16), int(m[2], 16) + 1, _TYPES.get(m[3].strip(), _OTHER))
            for m in _LINUX_E820.finditer(text)
        )
    if not found:
        raise FormatError(
            "there is no memory map in it",
            expected="lines behind 'Xen-e820 RAM map:', or 'BIOS-e820: [mem 0x...]' of Linux",
            hint="give the log of a boot from its beginning",
        )
    return found


def parse_pci(data: bytes) -> frozenset[int]:
    """The PCI functions in an output of lspci, or in a log of Xen ("PCI add device").

    Raises:
        FormatError: there are none in it.
    """
    text = data.decode("utf-8", errors="replace")
    found = parse_lspci(text) or pci_functions(parse_recorded(data).xen.pci_added)
    if not found:
        raise FormatError(
            "there are no PCI functions in it",
            expected="what lspci prints, or a log of Xen with lines 'PCI add device ...'",
        )
    return found


def read_e820(path: Path) -> tuple[Region, ...]:
    """The same from a file.

    Raises:
        InputError: it cannot be read, or has no memory map.
    """
    try:
        return parse_e820(_read(path))
    except FormatError as bad:
        raise InputError(
            bad.message, where=str(path), expected=bad.expected, hint=bad.hint
        ) from bad


def read_pci(path: Path) -> frozenset[int]:
    """The same from a file.

    Raises:
        InputError: it cannot be read, or names no PCI function.
    """
    try:
        return parse_pci(_read(path))
    except FormatError as bad:
        raise InputError(
            bad.message, where=str(path), expected=bad.expected, hint=bad.hint
        ) from bad


def _read(path: Path) -> bytes:
    """A regular file of at most `LARGEST` bytes."""
    try:
        return read_regular(path, LARGEST, "log")
    except (OSError, ValueError) as bad:
        reason = bad.strerror if isinstance(bad, OSError) else str(bad)
        raise InputError(f"cannot be read: {reason}", where=str(path)) from bad
