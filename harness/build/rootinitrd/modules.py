"""The kernel modules of an initrd: those that are wanted, and what they need, in load order.

Read from the modules themselves, so that neither depmod nor its files are needed.
Source: modules.builtin(5), depmod(8); `depends` of `harness.formats.modinfo`.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import FormatError, InputError
from harness.formats.modinfo import modinfo

_FOLDERS = ("lib/modules", "usr/lib/modules")
_KINDS = (".ko", ".ko.gz", ".ko.xz")


@dataclass(frozen=True)
class Modules:
    """The modules of one kernel, by name; the names of what is built in.

    In names - and _ are the same, as for modprobe(8): they are kept with _.
    """

    release: str
    files: Mapping[str, Path]
    builtin: frozenset[str]


def read_modules(tree: Path, release: str | None = None) -> Modules:
    """What a kernel package has below lib/modules, or usr/lib/modules.

    Args:
        tree: the folder that it was unpacked to.
        release: as `uname -r` says; None where there is but one.

    Raises:
        InputError: it has no modules, not of this release, or of several.
    """
    found = {
        folder.name: folder
        for parent in _FOLDERS
        if (tree / parent).is_dir()
        for folder in sorted((tree / parent).iterdir())
        if (folder / "modules.builtin").is_file()
    }
    if release is None and len(found) == 1:
        release = next(iter(found))
    if release is None or release not in found:
        raise InputError(
            f"no kernel modules of {release}" if release else "which kernel's modules is not clear",
            where=str(tree),
            expected=f"lib/modules/{release or 'RELEASE'} with modules.builtin; "
            f"there is {', '.join(sorted(found)) or 'none'}",
        )
    folder = found[release]
    try:
        rows = (folder / "modules.builtin").read_text(errors="replace").split()
        paths = sorted(path for path in folder.rglob("*.ko*") if path.name.endswith(_KINDS))
    except OSError as bad:
        raise InputError(f"cannot read: {bad.strerror}", where=str(folder)) from None
    files = {_name(path.name): path for path in paths}
    return Modules(release, files, frozenset(_name(Path(row).name) for row in rows))


def modules_for(modules: Modules, wanted: Sequence[str]) -> list[Path]:
    """The files of `wanted` and of all that they need, each after what it needs.

    What is built in is left out. The same arguments give the same order.

    Raises:
        InputError: a module that the kernel does not have, or that cannot be read.
    """
    order: dict[str, Path] = {}
    for name in wanted:
        _add(modules, _name(name), order, ())
    return list(order.values())


def read_module(path: Path) -> bytes:
    """A module, decompressed: not every busybox, and not every kernel, could.

    Raises:
        InputError: it cannot be read or decompressed.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".xz":
            return lzma.decompress(data)
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as bad:
        raise InputError(f"cannot read the kernel module: {bad}", where=str(path)) from None


def _add(modules: Modules, name: str, order: dict[str, Path], above: tuple[str, ...]) -> None:
    if name in order or name in modules.builtin:
        return
    path = modules.files.get(name)
    if path is None:
        needed = f", which {above[-1]} needs" if above else ""
        raise InputError(
            f"the kernel {modules.release} has no module {name}{needed}",
            hint="use the modules of the kernel that is booted",
        )
    if name in above:
        raise InputError(f"kernel modules need each other: {' -> '.join((*above, name))}")
    try:
        said = modinfo(read_module(path))
    except FormatError as bad:
        raise InputError(f"this is no kernel module: {bad}", where=str(path)) from None
    for needed in ",".join(said.get("depends", ())).split(","):
        if needed:
            _add(modules, _name(needed), order, (*above, name))
    order[name] = path


def _name(file: str) -> str:
    return file.split(".ko", 1)[0].replace("-", "_")
