"""A configuration as the text of a board profile, each value with the variable it is from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.board import Board
from harness.build.imagebuilder.domains import Guest
from harness.build.imagebuilder.files import ImageArch
from harness.build.imagebuilder.layout import Item, Layout
from harness.formats.imagebuilder import Config, Entry

Told = tuple[str, Entry | None, str]

_MIB = 1 << 20
_BOOT_MIB = 16
_SMALLEST_CARD = 64
_OF_DOM0 = "LOADING DOMAIN 0"


@dataclass(frozen=True)
class Hardware:
    """What the device tree says of the board; texts for people."""

    vendor: str
    model: str
    soc: str
    port: str
    baud: int


@dataclass(frozen=True)
class Import:
    """All that goes into the profile.

    Attributes:
        parent: the board that it is a variant of; None for a full profile.
        items: all files, in the order in which they lie in memory.
        device: of U-Boot, where the files are: "mmc 0".
        hostname: with a remark where it is from; None: not known.
    """

    name: str
    config: Config
    parent: Board | None
    arch: ImageArch
    hardware: Hardware
    items: Sequence[Item]
    layout: Layout
    guests: Sequence[Guest]
    xen: Told
    dom0: Told
    device: tuple[str, Entry | None]
    hostname: tuple[str, str] | None

    @property
    def with_dom0(self) -> bool:
        """Whether there is a dom0."""
        return any(item.role == "kernel" for item in self.items)


class _Text:
    """Collects lines; a comment stands behind its value."""

    def __init__(self, config: Config) -> None:
        self.lines: list[str] = []
        self._config = config

    def add(self, text: str, entry: Entry | None = None, remark: str = "") -> None:
        source = f"{entry.name}, line {entry.line}" if entry else ""
        comment = "; ".join(part for part in (source, remark) if part)
        self.lines.append(f"{text}  # {comment}" if comment else text)


def profile_text(what: Import) -> str:
    """The profile, as YAML."""
    text = _Text(what.config)
    _head(text, what)
    _boot(text, what)
    _command_lines(text, what)
    _binaries(text, what)
    _domains(text, what)
    _end(text, what)
    return "\n".join(text.lines) + "\n"


def _head(text: _Text, what: Import) -> None:
    text.add("# Imported from a configuration of ImageBuilder: the comments name its keys.")
    text.add("# Files are named with their full paths: this profile belongs to one machine.")
    text.add("schema: 1")
    if what.parent is not None:
        text.add(f"extends: {what.parent.name}")
    text.add(f"name: {what.name}")
    hardware = what.hardware
    if what.parent is not None:
        text.add(f"title: {quoted(f'{what.parent.title} ({what.name})')}")
        return
    text.add(f"title: {quoted(hardware.model)}", remark="model of the device tree")
    text.add(f"arch: {what.arch}", _entry(what, "xen"), "from its header")
    text.add("")
    text.add("identity:", remark="from the device tree")
    text.add(f"  vendor: {quoted(hardware.vendor)}")
    text.add(f"  model: {quoted(hardware.model)}")
    text.add(f"  soc: {quoted(hardware.soc)}")
    text.add("  firmware: U-Boot")
    text.add("")
    text.add("console:", remark="/chosen/stdout-path of the device tree")
    text.add(f"  port: {quoted(hardware.port)}")
    text.add(f"  baud: {hardware.baud}")


def _boot(text: _Text, what: Import) -> None:
    at, free = what.layout.addresses, what.layout.free
    text.add("")
    text.add("boot:")
    text.add("  method: sdcard")
    text.add(f"  goal: {'login' if what.with_dom0 else 'smp'}")
    text.add("  uboot:")
    device, entry = what.device
    if what.parent is None:
        text.add(f"    device: {device}", entry)
    command = "booti" if what.arch == "aarch64" else "bootz"
    text.add(f"    command: {command}", _entry(what, "xen"), "the image is for " + what.arch)
    text.add("    addresses:", remark="from MEMORY_START upward, as ImageBuilder lays them out")
    for field, role in (
        ("kernel", "kernel"),
        ("ramdisk", "initrd"),
        ("xen", "xen"),
        ("fdt", "dtb"),
    ):
        if role in at:
            text.add(f"      {field}: {at[role]:#x}", _entry(what, role))
        else:
            text.add(f"      {field}: {free:#x}", remark="not in the configuration; the free end")
    if what.parent is None:
        text.add("    before:")
        high = "0xffffffffffffffff" if what.arch == "aarch64" else "0xffffffff"
        text.add(f"      - setenv fdt_high {high}", remark="the tree stays where it is")
    text.add("  card:")
    text.add(f"    size_mib: {_card_mib(what)}", remark="so that all files fit")
    if what.parent is None:
        text.add("    # The configuration does not say where the loader is. Is it on the card, add")
        text.add("    # loader_kib here, and binaries.uboot.")


def _card_mib(what: Import) -> int:
    """A power of two; the file system takes under a tenth (see `harness.build.sdcard`)."""
    card = what.parent.boot.card if what.parent else None
    boot = card.boot_mib if card else _BOOT_MIB
    size = card.size_mib if card else _SMALLEST_CARD
    need = sum(item.size for item in what.items)
    # A file of the parent that stays besides; and an initrd that is built.
    while (size - boot - 1) * _MIB * 8 // 10 < need + 4 * _MIB:
        size *= 2
    return size


def _command_lines(text: _Text, what: Import) -> None:
    cmdline, entry, remark = what.xen
    text.add("")
    text.add("xen:")
    text.add(f"  cmdline: {quoted(cmdline)}", entry, remark)
    cmdline, entry, remark = what.dom0
    text.add("")
    text.add("dom0:")
    text.add(f"  present: {str(what.with_dom0).lower()}")
    text.add(f"  cmdline: {quoted(cmdline)}", entry, remark)
    if what.hostname is not None:
        text.add(f"  hostname: {what.hostname[0]}", remark=what.hostname[1])


def _binaries(text: _Text, what: Import) -> None:
    text.add("")
    text.add("binaries:")
    for item in what.items:
        text.add(f"  {item.role}:")
        text.add(f"    file: {quoted(str(item.path))}", item.entry)
        source = what.parent.binaries.get(item.role) if what.parent else None
        if source is not None and source.package is not None:
            text.add("    package: null", remark=f"instead of the package of {_parent(what)}")
            text.add("    build: null")


def _domains(text: _Text, what: Import) -> None:
    text.add("")
    if not what.guests:
        text.add("domains: []", what.config.get("NUM_DOMUS"))
        return
    text.add("domains:", what.config.get("NUM_DOMUS"))
    for guest in what.guests:
        text.add(f"  - name: {guest.name}", remark=f"domain {guest.index} of the configuration")
        text.add(f"    memory_mib: {guest.memory_mib[0]}", *_said(guest.memory_mib[1]))
        text.add(f"    cpus: {guest.cpus[0]}", *_said(guest.cpus[1]))
        for item in guest.items:
            kind = item.role.rpartition("-")[2]
            place = f"{{role: {item.role}, address: {what.layout.addresses[item.role]:#x}}}"
            text.add(f"    {kind}: {place}", item.entry)
        text.add(f"    cmdline: {quoted(guest.cmdline[0])}", *_said(guest.cmdline[1]))
        text.add(f"    vpl011: {str(guest.vpl011[0]).lower()}", *_said(guest.vpl011[1]))
        if guest.enhanced[0] is not None:
            text.add(f"    enhanced: {guest.enhanced[0]}", *_said(guest.enhanced[1]))
        if guest.passthrough[0]:
            text.add("    passthrough:", guest.passthrough[1])
            for path in guest.passthrough[0]:
                text.add(f"      - {quoted(path)}")


def _end(text: _Text, what: Import) -> None:
    if what.parent is not None:
        if not what.with_dom0:
            _without_dom0(text, what.parent)
        return
    start, end = what.config.get("MEMORY_START"), what.config.get("MEMORY_END")
    if start is None or end is None:
        return
    first, size = what.config.number(start), what.config.number(end) - what.config.number(start)
    text.add("")
    text.add("hardware:")
    text.add("  ram:", start, f"to MEMORY_END, line {end.line}")
    text.add(f"    - {{start: {first:#x}, size: {size:#x}}}")
    text.add("")
    text.add("expectations:")
    text.add("  - id: progress")
    text.add("    order:")
    steps = [r"U-Boot \d", "Xen version "]
    steps += [_OF_DOM0] if what.with_dom0 else []
    for step in steps:
        text.add(f"      - {quoted(step)}")
    text.add("    why: each step hands over to the next")


def _without_dom0(text: _Text, parent: Board) -> None:
    """The parent's expectations, without what only a dom0 lets Xen say."""
    changed = [e for e in parent.expectations if e.order and _OF_DOM0 in e.order]
    if not changed:
        return
    text.add("")
    text.add("expectations:", remark="there is no dom0")
    for one in changed:
        steps = [step for step in one.order or () if step != _OF_DOM0]
        text.add(f"  - id: {one.id}")
        if len(steps) < 2:
            text.add("    remove: true")
            continue
        text.add("    order:")
        for step in steps:
            text.add(f"      - {quoted(step)}")


def _said(entry: Entry | None) -> tuple[Entry | None, str]:
    return entry, "" if entry else "ImageBuilder's default"


def _entry(what: Import, role: str) -> Entry | None:
    return next((item.entry for item in what.items if item.role == role), None)


def _parent(what: Import) -> str:
    return what.parent.name if what.parent else ""


def quoted(text: str) -> str:
    """A text in double quotes, as YAML reads it."""
    return '"' + "".join(_letter(c) for c in text) + '"'


def _letter(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"
