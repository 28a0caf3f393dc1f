"""The device tree that boot.cmd makes, built without U-Boot: for loaders that cannot edit one,
and for a Xen that the emulator loads itself.

Source: Xen, docs/misc/arm/device-tree/booting.txt; what is written is what bootscripts/xen.cmd.j2
lets U-Boot write, and a test of the board suite compares the two.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import replace

from harness.board import Board
from harness.board.booting import Addresses, Direct
from harness.board.domains import Domain as ProfileDomain
from harness.board.targets import TreeEdit
from harness.build.bootscript import uboot_of
from harness.devicetree.passthrough import with_passed_through
from harness.devicetree.tree import Tree, build_dtb, parse_dtb, with_node
from harness.devicetree.xen import Chosen, Domain, Module, ModuleKind, with_chosen
from harness.errors import FormatError, InputError

_KINDS: Mapping[str, ModuleKind] = {"kernel": "kernel", "ramdisk": "ramdisk", "device-tree": "dtb"}


def chosen_of(
    board: Board,
    sizes: Mapping[str, int],
    xen_cmdline: str,
    kernel_cmdline: str,
    addresses: Addresses | Direct | None = None,
) -> Chosen:
    """What Xen is to find in /chosen.

    Args:
        sizes: of the files, in bytes, by role; a role without one has no module.
        addresses: where dom0's modules are; None = where U-Boot puts them.
    """
    addresses = addresses or uboot_of(board).addresses
    modules: list[Module] = []
    if board.dom0.present:
        modules.append(Module("kernel", addresses.kernel, sizes["kernel"], kernel_cmdline))
        if "initrd" in sizes:
            modules.append(Module("ramdisk", addresses.ramdisk, sizes["initrd"]))
    return Chosen(
        bootargs=xen_cmdline,
        xen_bootargs=None if board.dom0.present else xen_cmdline,
        modules=tuple(modules),
        domains=tuple(_domain(domain, sizes) for domain in board.domains),
    )


def _domain(domain: ProfileDomain, sizes: Mapping[str, int]) -> Domain:
    return Domain(
        name=domain.name,
        memory_kib=domain.memory_mib * 1024,
        cpus=domain.cpus,
        vpl011=domain.vpl011,
        enhanced=domain.enhanced,
        modules=tuple(
            Module(
                _KINDS[kind],
                load.address,
                sizes[load.role],
                (domain.cmdline or None) if kind == "kernel" else None,
            )
            for kind, load in domain.loads
        ),
    )


def static_tree(
    board: Board, dtb: bytes, chosen: Chosen, where: str, edits: Iterable[TreeEdit] = ()
) -> bytes:
    """A board's tree with `chosen` in it, as a DTB.

    Args:
        where: the file of `dtb`, for messages.
        edits: what else is changed in it.

    Raises:
        InputError: `dtb` is none, or lacks a node that a domain is to get, or that is changed.
    """
    paths = [path for domain in board.domains for path in domain.passthrough]
    try:
        tree = _edited(with_passed_through(parse_dtb(dtb), paths), edits)
        return build_dtb(with_chosen(tree, chosen))
    except FormatError as bad:
        raise InputError(bad.message, where=where, expected=bad.expected) from None


def _edited(tree: Tree, edits: Iterable[TreeEdit]) -> Tree:
    for edit in edits:
        found = tree.root.locate(edit.node)
        if found is None:
            raise FormatError(f"there is no node {edit.node}, which a quirk of the profile changes")
        full, node = found
        value = struct.pack(f">{len(edit.cells)}I", *edit.cells)
        tree = with_node(
            tree, full, replace(node, properties={**node.properties, edit.property: value})
        )
    return tree
