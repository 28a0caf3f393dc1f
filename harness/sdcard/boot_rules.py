"""What must hold of the files that U-Boot and boot.scr load from a card.

Sources: U-Boot include/config_distro_bootcmd.h (where boot.scr is looked for, and the variables
that are set then), env/fat.c (`env_fat_load`), disk/part.c (DEVICE:PARTITION, in hexadecimal).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.devicetree.tree import parse_dtb
from harness.errors import FormatError, InputError, ToolFailed
from harness.formats import ubootenv, uimage
from harness.lint.engine import Finding, NotRun
from harness.lint.rule import Severity
from harness.lint.script_run import follow
from harness.lint.script_trace import Load
from harness.sdcard import finding
from harness.sdcard.finding import found
from harness.sdcard.image import Image, Volume

_ENVIRONMENT = "uboot.env"
_PREFIXES = ("/", "/boot/")
_SCRIPTS = ("boot.scr.uimg", "boot.scr")
_FDT_MAGIC = b"\xd0\x0d\xfe\xed"
_LOAD = re.compile(r"\b\w*load\s+\S+\s+(\S+)\s+\S+\s+([^\s;&|]+)")
_TRIED = re.compile(r"\s*(el)?if\b")
_PARTITION = re.compile(r"[0-9a-f]+(?:\.\d+)?:([0-9a-f]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Loaded:
    """A file of a card."""

    volume: Volume
    path: str
    data: bytes

    @property
    def where(self) -> str:
        return f"partition {self.volume.number}: {self.path}"


@dataclass(frozen=True)
class Script:
    """A boot script of a card.

    Attributes:
        raw: the file boot.scr.
        loaded: by base name, the files that it loads and that are there.
    """

    where: str
    raw: bytes
    loaded: Mapping[str, Loaded] = field(default_factory=dict)


@dataclass
class BootFiles:
    """What was found, what is wrong with it, and what could not be judged."""

    findings: list[Finding] = field(default_factory=list)
    scripts: list[Script] = field(default_factory=list)
    not_run: list[NotRun] = field(default_factory=list)


class Reader:
    """Reads files of volumes once; a volume that cannot be read is one finding.

    Attributes:
        failed: the numbers of such volumes.
    """

    def __init__(self, findings: list[Finding]) -> None:
        self.failed: set[int] = set()
        self._findings = findings
        self._read: dict[tuple[int, str], bytes | None] = {}

    def read(self, volume: Volume, path: str) -> bytes | None:
        """The content; None if there is no such file, or it cannot be read."""
        key = (volume.number, path)
        if key not in self._read:
            self._read[key] = self._fetch(volume, path)
        return self._read[key]

    def _fetch(self, volume: Volume, path: str) -> bytes | None:
        if volume.filesystem is None or volume.number in self.failed:
            return None
        try:
            return volume.filesystem.read(path)
        except (ToolFailed, InputError) as bad:
            said = bad.stderr.strip() if isinstance(bad, ToolFailed) else bad.message
            message = (said.splitlines() or ["it cannot be read"])[-1]
            where = f"partition {volume.number}: {path}"
            self._findings.append(found(finding.UNREADABLE, where, message))
            self.failed.add(volume.number)
            return None


def look_at_files(image: Image, uboot: bytes, env_size: int | None) -> BootFiles:
    """Follow U-Boot over the card: environment, script, files.

    Args:
        uboot: the loader on the card; its own environment counts where the card has none.
        env_size: what the board's loader was built for; None if that is not known.
    """
    seen = BootFiles()
    reader = Reader(seen.findings)
    variables = _environment(image, uboot, env_size, reader, seen)
    command = _boot_command(variables)
    scripts = list(_searched(image, reader))
    if command and image.searched:
        scripts = _own_scripts(image, command, reader, seen) or scripts
    elif not scripts and not reader.failed & {volume.number for volume in image.searched}:
        places = ", ".join(f"partition {v.number}" for v in image.searched) or "no partition"
        elsewhere = [
            file.where
            for volume in image.volumes
            if volume not in image.searched
            for file in _candidates(volume, reader)
        ]
        hint = f"mark the partition as bootable: {elsewhere[0]}" if elsewhere else ""
        message = f"no boot.scr on the partitions where U-Boot looks: {places}"
        seen.findings.append(found(finding.SCRIPT, "card", message, hint=hint))
    for script in scripts:
        _script(image, script, reader, seen)
    return seen


def _environment(
    image: Image, uboot: bytes, size: int | None, reader: Reader, seen: BootFiles
) -> Mapping[str, str]:
    """The variables that U-Boot starts with, as far as they are known."""
    for volume in image.searched[:1]:
        data = reader.read(volume, f"/{_ENVIRONMENT}")
        if data is None:
            continue
        where = f"partition {volume.number}: /{_ENVIRONMENT}"
        try:
            stored = ubootenv.parse(data)
        except FormatError as bad:
            seen.findings.append(
                found(finding.ENVIRONMENT, where, bad.message, hint=bad.hint or "")
            )
            break
        wanted = size or ubootenv.SUNXI_SIZE
        if stored.redundant or stored.size != wanted:
            what = (
                "it has the flag byte of boards that keep two"
                if stored.redundant
                else (f"it has {stored.size:#x} bytes, U-Boot reads {wanted:#x}")
            )
            hint = f"mkenvimage -s {wanted:#x}, without -r"
            seen.findings.append(found(finding.ENVIRONMENT, where, what, hint=hint))
            break
        return stored.variables
    try:
        return ubootenv.defaults_in(uboot)
    except FormatError:
        return {}


def _boot_command(variables: Mapping[str, str]) -> str:
    """U-Boot's bootcmd, if it is one that does not search all partitions for boot.scr."""
    command = variables.get("bootcmd", "")
    standard = ("distro_bootcmd", "bootflow", "scan_dev_for")
    return "" if any(word in command for word in standard) else command


def _searched(image: Image, reader: Reader) -> Iterator[Loaded]:
    """The script that U-Boot runs: the first that is there."""
    for volume in image.searched:
        for file in _candidates(volume, reader):
            yield file
            return


def _candidates(volume: Volume, reader: Reader) -> Iterator[Loaded]:
    for prefix in _PREFIXES:
        for name in _SCRIPTS:
            data = reader.read(volume, prefix + name)
            if data is not None:
                yield Loaded(volume, prefix + name, data)


def _own_scripts(image: Image, command: str, reader: Reader, seen: BootFiles) -> list[Loaded]:
    """The scripts that a bootcmd loads by itself; what it loads must be there."""
    scripts = []
    for load in follow(command).loads:
        line = _line(command, load)
        one = _loaded(image, image.searched[0], load, line, "bootcmd", reader, seen)
        if one is not None and one.data[:4] == uimage.MAGIC.to_bytes(4, "big"):
            scripts.append(one)
    return scripts


def _script(image: Image, file: Loaded, reader: Reader, seen: BootFiles) -> None:
    try:
        text = uimage.script_text(uimage.parse(file.data))
    except FormatError as bad:
        place = file.where if bad.offset is None else f"{file.where}, offset {bad.offset:#x}"
        hint = "mkimage -C none -A arm -T script -d boot.cmd boot.scr"
        seen.findings.append(found(finding.SCRIPT, place, bad.message, hint=hint))
        return
    # What U-Boot has set when it runs a script that it found itself.
    known = {
        "devtype": "mmc",
        "devnum": "0",
        "distro_bootpart": f"{file.volume.number:x}",
        "prefix": file.path.rpartition("/")[0] + "/",
    }
    setup = "; ".join(f"setenv {name} {value}" for name, value in known.items())
    trace = follow(f"{setup}\n{text.decode(errors='replace')}")
    loaded: dict[str, Loaded] = {}
    for load in trace.loads:
        line = _expanded(_line(trace.text, load), known)
        place = f"{file.where}:{load.line - 1}"
        one = _loaded(image, file.volume, load, line, place, reader, seen)
        if one is None:
            continue
        loaded[load.base_name] = one
        if one.data[:4] == _FDT_MAGIC:
            _tree(one, seen)
    seen.scripts.append(Script(file.where, file.data, loaded))


def _line(text: str, load: Load) -> str:
    lines = text.splitlines()
    return lines[load.line - 1] if load.line <= len(lines) else ""


def _partition(line: str, load: Load) -> int | None:
    """The partition that a load names; None if it names none, or a variable."""
    for device, file in _LOAD.findall(line):
        if "$" in file or file.strip("\"'").endswith(load.base_name):
            number = _PARTITION.fullmatch(device.strip("\"'"))
            return int(number[1], 16) if number else None
    return None


def _expanded(line: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        line = line.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return line


def _loaded(
    image: Image,
    own: Volume,
    load: Load,
    line: str,
    where: str,
    reader: Reader,
    seen: BootFiles,
) -> Loaded | None:
    """The file of a load; None, with a finding, if it is not there."""
    path = "/" + load.file.lstrip("/")
    if "$" in path:
        why = f"{where}: {load.command} {load.file}: its name depends on the board"
        seen.not_run.append(NotRun(finding.LOADS.id, why, "the value of the variable"))
        return None
    number = _partition(line, load)
    if number is not None:
        wanted = image.volume(number)
        volumes = [wanted] if wanted else []
        named = f"partition {number}"
    else:
        volumes = [own, *(volume for volume in image.volumes if volume is not own)]
        named = "any partition"
    for volume in volumes:
        data = reader.read(volume, path)
        if data:
            return Loaded(volume, path, data)
        if data is not None:
            place = f"partition {volume.number}: {path}"
            seen.findings.append(found(finding.LOADS, place, "the file is empty"))
            return None
    if not reader.failed & {volume.number for volume in volumes}:
        there = _neighbours(image, path, reader)
        hint = f"it is on {there}" if there else ""
        message = f"{load.command} {load.file}: there is no such file on {named}"
        if number is not None and not volumes:
            message = f"{load.command} {load.file}: there is no {named}"
        # What a script tries, it may do without.
        tried = bool(load.branch) or _TRIED.match(line) is not None
        severity: Severity | None = "warning" if tried else None
        seen.findings.append(found(finding.LOADS, where, message, hint=hint, severity=severity))
    return None


def _neighbours(image: Image, path: str, reader: Reader) -> str:
    for volume in image.volumes:
        if reader.read(volume, path) is not None:
            return f"partition {volume.number}"
    return ""


def _tree(one: Loaded, seen: BootFiles) -> None:
    try:
        parse_dtb(one.data)
    except FormatError as bad:
        where = f"{one.where}, offset {bad.offset or 0:#x}"
        seen.findings.append(found(finding.DTB, where, bad.message))
