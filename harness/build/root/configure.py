"""Writes our files into an unpacked root: accounts, start scripts, links, busybox's applets."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.build.account import account_files, for_getty, os_release
from harness.build.guest import MODULES, GuestSpec, guest_initrd
from harness.build.render import render
from harness.build.root.description import Description
from harness.build.root.spec import RootSpec
from harness.build.root.unpack import make_folder, write_file
from harness.build.rootinitrd.modules import modules_for, read_module, read_modules
from harness.errors import ProfileError, SourceError

_SECRET = "etc/shadow"  # noqa: S105 - a path
_BUSYBOX = "usr/bin/busybox"


def configure(
    spec: RootSpec, description: Description, tree: Path, release: str | None
) -> list[str]:
    """Make an unpacked tree the root of `spec`.

    Args:
        release: of the kernel whose modules the tree has; None: it has none.

    Returns:
        The paths of what was written, for every form of the root to have.

    Raises:
        ProfileError: `spec.extra` has a file where a folder is, or below a file.
        SourceError: the packages do not have busybox.
    """
    if not (tree / _BUSYBOX).is_file():
        raise SourceError("the packages of the root have no busybox", where=f"/{_BUSYBOX}")
    made: list[str] = []

    def write(path: str, mode: int, data: bytes) -> None:
        write_file(tree / path, mode, data)
        made.append(path)

    for folder in description.folders:
        make_folder(tree / folder.path)
        (tree / folder.path).chmod(int(folder.mode, 8))
        made.append(folder.path)
    for path, target in description.links.items():
        make_folder((tree / path).parent)
        _unlink(tree / path)
        (tree / path).symlink_to(target)
        made.append(path)
    for path, text in _etc(spec).items():
        write(path, 0o600 if path == _SECRET else 0o644, text.encode())
    load = description.load
    for file in description.files:
        text = render(
            f"root/{file.template}",
            xen=spec.xen,
            hostname=spec.hostname,
            devices=load.devices,
            load=load.xen if file.path == "etc/init.d/xen" else load.always,
        )
        write(file.path, int(file.mode, 8), text.encode())
    if spec.user != "root":
        make_folder(tree / "home" / spec.user, 0o750)
        made.append(f"home/{spec.user}")
    if spec.guest_kernel is not None:
        write("boot/vmlinuz", 0o644, spec.guest_kernel.read_bytes())
        if release is not None:
            write("boot/guest-initrd.gz", 0o644, _guest_initrd(tree, release))
    for path, mode, data in spec.extra:
        _check_place(tree, path)
        write(path, mode, data)
    return made


def _guest_initrd(tree: Path, release: str) -> bytes:
    """What a Linux guest boots with: the drivers of a guest that this kernel has."""
    modules = read_modules(tree, release)
    known = modules.files.keys() | modules.builtin
    wanted = [name for name in MODULES if name.replace("-", "_") in known]
    files = modules_for(modules, wanted)
    named = tuple((f"{path.name.split('.ko', 1)[0]}.ko", read_module(path)) for path in files)
    return guest_initrd(GuestSpec(named), tree / _BUSYBOX)


def applets(names: Sequence[str], present: set[str]) -> dict[str, str]:
    """The links to busybox for what has no program, as path -> target.

    Args:
        present: the paths of the root.
    """
    folders = ("usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin")
    return {
        f"usr/bin/{name}": "busybox"
        for name in names
        if not any(f"{folder}/{name}" in present for folder in folders)
    }


def _etc(spec: RootSpec) -> dict[str, str]:
    return {
        **account_files(
            spec.user, spec.password, login_shell="/bin/bash", groups="disk:x:6:\nutmp:x:43:\n"
        ),
        "etc/hostname": f"{spec.hostname}\n",
        "etc/issue": f"{for_getty(spec.issue)}\n\n",
        "etc/os-release": os_release(spec.banner, "dom0 of the boot harness"),
    }


def _unlink(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


def _check_place(tree: Path, path: str) -> None:
    here = tree
    for part in path.split("/")[:-1]:
        here /= part
        if here.is_symlink():
            # Of a merged /usr: bin, sbin, lib. Others lead out of the tree when we write.
            if not (here.parent / here.readlink()).is_relative_to(tree / "usr"):
                raise ProfileError(f"/{path}: {part} is a link", where="root.extra")
        elif here.exists() and not here.is_dir():
            raise ProfileError(f"/{path}: {part} is no folder", where="root.extra")
    if (tree / path).is_dir():
        raise ProfileError(f"/{path} is a folder", where="root.extra")
