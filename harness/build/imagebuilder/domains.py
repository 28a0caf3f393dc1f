"""The domains of a configuration: `DOMU_*[n]` -> what a profile says of a domain."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.build.imagebuilder.files import item
from harness.build.imagebuilder.layout import Item
from harness.build.imagebuilder.warn import Warnings
from harness.devicetree.tree import Tree
from harness.errors import FormatError, InputError
from harness.formats.imagebuilder import Config, Entry

_MIB = 1 << 20
_MOST = 99  # a profile has domU1 to domU99
_MEMORY, _VCPUS, _CMDLINE = 512, 1, "console=ttyAMA0"
_ENHANCED = {0: None, 1: "enabled", 2: "no-xenstore"}
_PATH = re.compile(r"/[A-Za-z0-9@,._+/-]+")


@dataclass(frozen=True)
class Guest:
    """A domain that Xen starts. A pair is a value, and the variable that gave it (None: default).

    Attributes:
        index: n of `DOMU_KERNEL[n]`.
        name: in the profile; its number is Xen's.
        items: its files, the kernel first.
    """

    index: int
    name: str
    items: tuple[Item, ...]
    memory_mib: tuple[int, Entry | None]
    cpus: tuple[int, Entry | None]
    cmdline: tuple[str, Entry | None]
    vpl011: tuple[bool, Entry | None]
    enhanced: tuple[str | None, Entry | None]
    passthrough: tuple[tuple[str, ...], Entry | None]


def guests(config: Config, folder: Path, warnings: Warnings) -> list[Guest]:
    """The domains up to `NUM_DOMUS`.

    Raises:
        InputError: one that is not defined, or a value that cannot be.
    """
    told = config.get("NUM_DOMUS")
    count = config.number(told) if told else 0
    found: list[Guest] = []
    for index in range(count):
        absent = next((e for e in _all(config, index, "DOMU_NOBOOT", "DOMU_ROOTFS")), None)
        if absent is not None:
            why = "xl starts it in dom0, it is not in the profile"
            warnings.of(absent, f"domain {index}: {why}; its other keys are passed over")
            continue
        kernel = config.get("DOMU_KERNEL", index)
        if kernel is None:
            raise _undefined(config, told, count, index)
        if len(found) == _MOST:
            raise InputError(f"more than {_MOST} domains", where=config.where(kernel))
        found.append(_guest(config, folder, index, len(found) + 1, kernel))
    return found


def _undefined(config: Config, told: Entry | None, count: int, index: int) -> InputError:
    defined = sorted({e.index or 0 for e in config.entries if e.key == "DOMU_KERNEL" and e.value})
    have = ", ".join(f"DOMU_KERNEL[{n}]" for n in defined) or "none"
    where = config.where(told) if told else config.name
    return InputError(
        f"NUM_DOMUS is {count}, and there is no DOMU_KERNEL[{index}]",
        where=where,
        expected=f"DOMU_KERNEL[0] to DOMU_KERNEL[{count - 1}]; there are: {have}",
    )


def _all(config: Config, index: int, *keys: str) -> Iterable[Entry]:
    return (entry for key in keys if (entry := config.get(key, index)) is not None)


def _guest(config: Config, folder: Path, index: int, number: int, kernel: Entry) -> Guest:
    name = f"domU{number}"
    items = [item(config, folder, f"{name}-kernel", kernel)]
    for key, role in (("DOMU_RAMDISK", "ramdisk"), ("DOMU_PASSTHROUGH_DTB", "dtb")):
        if (entry := config.get(key, index)) is not None:
            items.append(item(config, folder, f"{name}-{role}", entry))
    vpl011 = config.get("DOMU_VPL011", index)
    has_uart = _number(config, vpl011, 1, (0, 1)) == 1
    cmdline = config.get("DOMU_CMD", index)
    enhanced = config.get("DOMU_ENHANCED", index)
    with_dom0 = config.get("DOM0_KERNEL") is not None
    memory, vcpus = config.get("DOMU_MEM", index), config.get("DOMU_VCPUS", index)
    return Guest(
        index,
        name,
        tuple(items),
        _memory(config, index, memory),
        (_number(config, vcpus, _VCPUS, range(1, 129)), vcpus),
        (cmdline.value if cmdline else _CMDLINE if has_uart else "", cmdline),
        (has_uart, vpl011),
        (_ENHANCED[_number(config, enhanced, int(with_dom0), (0, 1, 2))], enhanced),
        _passthrough(config, config.get("DOMU_PASSTHROUGH_PATHS", index)),
    )


def _number(
    config: Config, entry: Entry | None, default: int, allowed: range | tuple[int, ...]
) -> int:
    if entry is None:
        return default
    value = config.number(entry)
    if value not in allowed:
        raise FormatError(
            f"{value} is not possible",
            where=config.where(entry),
            expected=f"{allowed[0]} to {allowed[-1]}",
        )
    return value


def _memory(config: Config, index: int, entry: Entry | None) -> tuple[int, Entry | None]:
    """MiB; of a domain with static memory the sum of its regions, as ImageBuilder has it."""
    static = config.get("DOMU_STATIC_MEM", index)
    if static is None:
        return _number(config, entry, _MEMORY, range(1, _MIB + 1)), entry
    words = [Entry(static.key, static.index, word, static.line) for word in static.value.split()]
    sizes = [config.number(word) for word in words][1::2]
    total = sum(sizes)
    if len(words) % 2 or not _MIB <= total <= _MIB * _MIB:
        raise FormatError(
            f"{static.value[:60]!r}",
            where=config.where(static),
            expected="pairs of address and size, at least 1 MiB",
        )
    return total // _MIB, static


def _passthrough(config: Config, entry: Entry | None) -> tuple[tuple[str, ...], Entry | None]:
    paths = tuple(entry.value.split()) if entry else ()
    for path in paths:
        if entry is not None and not _PATH.fullmatch(path):
            raise FormatError(
                f"{path[:60]!r} is not the path of a node",
                where=config.where(entry),
                expected="/axi/serial@ff000000, separated by blanks",
            )
    return paths, entry


def warn_of_passthrough(guest: Guest, tree: Tree, warnings: Warnings) -> None:
    """What is odd about the devices that a domain gets."""
    paths, entry = guest.passthrough
    if entry is None:
        return
    for path in paths:
        if tree.find(path) is None:
            warnings.of(entry, f"DEVICE_TREE has no node {path}; U-Boot's fdt set will fail")
    if not any(one.role.endswith("-dtb") for one in guest.items):
        warnings.of(
            entry,
            "ImageBuilder would make the partial device tree; here it is missing: the nodes are "
            "taken from dom0, and the domain does not get them without DOMU_PASSTHROUGH_DTB",
        )
