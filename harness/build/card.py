"""Board and binaries -> what goes onto its card: boot.scr, uboot.env, Xen and its modules."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from harness.board import Board
from harness.board.booting import Card
from harness.build.bootscript import file_of, render_script, uboot_of
from harness.build.initrd import InitrdSpec, dom0_initrd
from harness.build.loader import Piece, check_kinds
from harness.build.root import Root, ext4_of
from harness.build.sdcard import write_card
from harness.build.statictree import chosen_of, static_tree
from harness.errors import FormatError, InputError, ProfileError
from harness.formats import ubootenv, uimage
from harness.lint.engine import Finding, lint
from harness.lint.of_board import facts_of
from harness.sources import Binary

SCRIPT, SOURCE = "boot.scr", "boot.cmd"
_ENVIRONMENT = "uboot.env"
_UBOOT_KIB = 40
_LOADER = ("spl", "uboot")


def make_card(
    board: Board,
    binaries: Mapping[str, Binary],
    image: Path,
    xen_cmdline: str,
    kernel_cmdline: str,
    root: Root | None = None,
) -> dict[str, Path]:
    """Write the card of `board` to `image`, and boot.cmd next to it.

    `root`: what dom0 finds on the third partition. Gives the files of partition 2, by role.

    Raises:
        ProfileError: the profile has no card, or something does not fit on it.
        InputError: a binary that is not what its role needs.
        ToolMissing, ToolFailed: mtools or e2fsprogs.
    """
    card = card_of(board)
    files = _files(board, binaries, image.parent)
    own = binaries.get("script")
    if own is None or uboot_of(board).chosen == "static":
        _check_loaded(board, files)
    source, script = _script(board, own, xen_cmdline, kernel_cmdline, dtb="dtb" in files)
    image.with_name(SOURCE).write_bytes(source)
    boot = {SCRIPT: script, SOURCE: source}
    loader = _loader(card, binaries)
    environment = uboot_of(board).environment
    if environment is not None and loader:
        boot[_ENVIRONMENT] = _environment(
            loader[-1], environment.size, environment.set, binaries["uboot"]
        )
    if uboot_of(board).chosen == "static":
        files["dtb"] = _static_tree(board, files, image.parent, xen_cmdline, kernel_cmdline)
    named = {file_of(role): path for role, path in files.items()}
    if root is None:
        write_card(image, card, loader, boot, named)
        return files
    system = image.with_name("root.ext4")
    try:
        ext4_of(root, system)
        write_card(image, card, loader, boot, named, system)
    finally:
        system.unlink(missing_ok=True)
    return files


def lint_card(board: Board, script: Path, files: Mapping[str, Path]) -> tuple[Finding, ...]:
    """What lint says of boot.cmd and the files that it loads, errors and warnings.

    Args:
        script: boot.cmd.
        files: by role.
    """
    with tempfile.TemporaryDirectory(prefix=".lint-", dir=script.parent) as folder:
        # Under the names that they have on the card: the script loads them by these.
        named = [Path(folder) / SOURCE]
        named[0].symlink_to(script.resolve())
        for role, path in files.items():
            named.append(Path(folder) / file_of(role))
            named[-1].symlink_to(path.resolve())
        try:
            linted = lint(named, facts_of(board, "qemu"))
        except InputError as bad:  # a file of the user's that is none of its kind
            name = Path(bad.where.split(",")[0]).name if bad.where else SOURCE
            needs = bad.expected or ""
            return (Finding("input", "error", name, bad.message, "it cannot be loaded", needs, ""),)
        found = [one for each in linted for one in each.findings if one.severity != "note"]
    return tuple(replace(one, where=one.where.removeprefix(f"{folder}/")) for one in found)


def card_of(board: Board) -> Card:
    """The profile's section boot.card.

    Raises:
        ProfileError: there is none.
    """
    if board.boot.card is None:
        raise ProfileError(
            f"board {board.name} boots from no card",
            expected="a profile with the sections boot.card and boot.uboot",
        )
    return board.boot.card


def _check_loaded(board: Board, files: Mapping[str, Path]) -> None:
    """What boot.cmd loads in any case is there: a missing file would only show at the boot."""
    needed = {"xen": "Xen", **({"kernel": "dom0"} if board.dom0.present else {})}
    for role, what in needed.items():
        if role not in files:
            raise ProfileError(
                f"board {board.name} names no binary for role {role}, and boots {what}",
                where="binaries",
                expected=f"binaries.{role}",
            )


def _script(
    board: Board, own: Binary | None, xen_cmdline: str, kernel_cmdline: str, *, dtb: bool
) -> tuple[bytes, bytes]:
    """boot.cmd and boot.scr; `own` is the user's, in either form."""
    arch: Literal["arm", "arm64"] = "arm64" if board.arch == "aarch64" else "arm"
    if own is None:
        text = render_script(board, xen_cmdline, kernel_cmdline, dtb=dtb).encode()
    else:
        text = own.path.read_bytes()
        if text[:4] == uimage.MAGIC.to_bytes(4, "big"):
            try:
                return uimage.script_text(uimage.parse(text)), text
            except FormatError as bad:
                raise InputError(bad.message, where=str(own.path)) from None
    return text, uimage.script_image(text, time=0, arch=arch)


def _loader(card: Card, binaries: Mapping[str, Binary]) -> tuple[Piece, ...]:
    """SPL and U-Boot in one file, or the two files of a U-Boot build tree."""
    if card.loader_kib is None:
        return ()
    pieces = [role for role in _LOADER if role in binaries]
    if not pieces:
        raise ProfileError("the card has a place for a loader, and binaries has no uboot")
    places = [card.loader_kib, _UBOOT_KIB]
    loader = tuple(
        Piece(binaries[role].path.name, kib * 1024, binaries[role].path.read_bytes())
        for role, kib in zip(pieces, places, strict=False)
    )
    check_kinds(loader)
    return loader


def _environment(loader: Piece, size: int, changes: Mapping[str, str], binary: Binary) -> bytes:
    """The loader's own variables with `changes`; one that is changed to nothing is left out."""
    try:
        variables = ubootenv.defaults_in(loader.data)
    except FormatError as bad:
        raise InputError(
            f"no default environment is found in it: {bad.message}",
            where=str(binary.path),
            hint="leave out boot.uboot.environment in the profile; U-Boot then uses its own",
        ) from None
    variables.update(changes)
    return ubootenv.build({k: v for k, v in variables.items() if v}, size=size)


def _files(board: Board, binaries: Mapping[str, Binary], folder: Path) -> dict[str, Path]:
    """The files of partition 2, by role."""
    skip = {*_LOADER, "script"}
    if not board.dom0.present:
        of_domains = {load.role for domain in board.domains for _, load in domain.loads}
        skip |= {"kernel", "initrd"} - of_domains
    files = {role: binary.path for role, binary in binaries.items() if role not in skip}
    for role in files:
        if role.endswith(("initrd", "ramdisk")):
            files[role] = initrd_of(board, binaries[role], folder / f"{role}.gz")
    return files


def _static_tree(
    board: Board, files: Mapping[str, Path], folder: Path, xen_cmdline: str, kernel_cmdline: str
) -> Path:
    if "dtb" not in files:
        raise ProfileError(
            "a static /chosen needs a device tree on the card",
            where="boot.uboot.chosen",
            expected="binaries.dtb",
        )
    sizes = {role: path.stat().st_size for role, path in files.items()}
    chosen = chosen_of(board, sizes, xen_cmdline, kernel_cmdline)
    tree = static_tree(board, files["dtb"].read_bytes(), chosen, str(files["dtb"]))
    written = folder / "board.dtb"
    written.write_bytes(tree)
    return written


def initrd_of(board: Board, binary: Binary, name: Path) -> Path:
    """The initrd of dom0 or a domain: built from the profile's busybox, or the user's own file."""
    here = board.targets.qemu.binaries if board.targets.qemu else {}
    source = board.binaries.get(binary.role) or here.get(binary.role)
    if binary.origin in {"file", "built"} or source is None or source.build is None:
        return binary.path
    spec = InitrdSpec(
        hostname=board.dom0.hostname,
        user=board.dom0.user,
        password=board.dom0.password or "",
        banner=board.dom0.banner,
        console="hvc0",
    )
    name.write_bytes(dom0_initrd(spec, binary.path))
    return name
