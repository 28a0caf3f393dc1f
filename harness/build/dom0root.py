"""dom0's root of one boot: what it is made of, and the files that bring the board to it.

`gather` fetches, in the step "sources"; `make` writes, in the step "build".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.board import Board
from harness.board.base import RootKind
from harness.build.files import ROOT_TAG
from harness.build.root import Root, RootSpec, debs_of, initramfs_of, make_root
from harness.build.rootinitrd import (
    RootInitrdSpec,
    read_modules,
    root_argument,
    root_initrd,
)
from harness.errors import InputError, ProfileError, UsageError
from harness.sources import Binary, Deb, Sources

# The names of Debian for what the profiles call the architecture.
_DEBIAN = {"x86_64": "amd64", "arm": "armhf", "aarch64": "arm64"}


@dataclass(frozen=True)
class Dom0Files:
    """What a root is made of, fetched and verified.

    Args:
        spec: what the root is to be.
        debs: its packages.
        cache: the folder that roots are kept in.
    """

    kind: RootKind
    spec: RootSpec
    debs: tuple[Deb, ...]
    cache: Path


@dataclass(frozen=True)
class Dom0Root:
    """The Debian system that dom0 lives in.

    Args:
        kind: how it gets there.
        root: unpacked in the cache; it is not written to.
        initrd: what the boot loader loads: the root itself, or what mounts it.
        where: dom0 finds it, as `root_argument` takes it; None: a server of ours says, or
            dom0 has it.
    """

    kind: RootKind
    root: Root
    initrd: Binary
    where: str | None

    def arguments(self, where: str | None = None) -> list[str]:
        """What dom0's kernel is told: a list with a word, or an empty one if it has its root.

        Args:
            where: of a root that a server of ours has.
        """
        where = where or self.where
        return [] if where is None else [root_argument(self.kind, where)]

    @property
    def on_card(self) -> Root | None:
        """The root, if it is to be on the card."""
        return self.root if self.kind == "ext4" else None


def gather(
    board: Board, kind: RootKind | None, binaries: Mapping[str, Binary], sources: Sources
) -> Dom0Files | None:
    """Fetch what a root of this kind is made of; None where dom0 needs none.

    The tools of Xen are those of the Xen that is booted, the modules those of its kernel.

    Raises:
        InputError: a Xen or a kernel of the user's, of which the release is not known.
        SourceError, UsageError, ToolMissing, ToolFailed: packages that cannot be had.
    """
    if kind is None or kind == "busybox":
        return None
    xen, kernel = binaries["xen"], binaries["kernel"]
    series = ".".join(xen.version.split(".")[:2])
    known = board.binaries["xen"]
    suite = xen.detail.get("suite") or known.versions.get(series) or known.suite
    if suite is None:
        raise InputError(
            f"which suite has the tools of Xen {xen.version} is not known",
            where=str(xen.path),
            expected="a Xen of a Debian package, or one whose version the profile names "
            "(binaries.xen.versions)",
        )
    package = sources.package_of(kernel)
    account = board.dom0
    spec = RootSpec(
        _DEBIAN[board.arch],
        suite,
        series,
        hostname=account.hostname,
        user=account.user,
        password=account.password or "",
        banner=account.banner,
        modules=package.path if package else None,
        guest_kernel=kernel.path,
    )
    return Dom0Files(kind, spec, debs_of(spec, sources), sources.cache.folder)


def make(
    board: Board,
    files: Dom0Files,
    busybox: Binary,
    initrd: Path,
    progress: Callable[[str], None],
) -> Dom0Root:
    """The root, unpacked in the cache, and what the boot loader loads as dom0's initrd.

    Args:
        busybox: of dom0's architecture, linked statically.
        initrd: where it is written if it is made for this boot.

    Raises:
        As `make_root`, `initramfs_of` and `root_initrd`.
        UsageError: the root is to be mounted, and the kernel has no modules to do it with.
        ProfileError: the profile does not say how dom0's kernel names the card.
    """
    root = make_root(files.spec, files.debs, files.cache, progress)
    if files.kind == "initramfs":
        initrd = initramfs_of(root, progress)
    elif root.release is None:
        raise UsageError(
            f"--root {files.kind} with a kernel of yours: its modules are not known, and without "
            "them the root cannot be mounted",
            expected="--root initramfs, or the kernel of a Debian package",
        )
    else:
        modules = read_modules(root.folder, root.release)
        spec = RootInitrdSpec((files.kind,), board.arch)
        initrd.write_bytes(root_initrd(spec, busybox.path, modules))
    made = Binary("initrd", initrd, busybox.version, busybox.sha256, "built", busybox.detail)
    return Dom0Root(files.kind, root, made, _where(board, files.kind))


def _where(board: Board, kind: RootKind) -> str | None:
    if kind == "9p":
        return ROOT_TAG
    if kind != "ext4":
        return None
    if board.boot.card is None or board.boot.card.root is None:
        raise ProfileError(
            f"board {board.name} does not say how dom0's kernel names the root's partition",
            where="boot.card.root",
            expected="as /dev/mmcblk0p3",
        )
    return board.boot.card.root
