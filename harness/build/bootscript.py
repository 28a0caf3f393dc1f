"""boot.cmd of a board: what U-Boot loads, where, and what it writes into the device tree.

U-Boot's shell expands `$`, and ends words at blanks, `;`, `&`, `|` and quotes; a text that would
not arrive as it is written is refused here.
"""

from __future__ import annotations

from harness.board import Board
from harness.board.booting import Uboot
from harness.board.domains import Domain
from harness.build.render import render
from harness.errors import ProfileError

FILES_PARTITION = 2
"""The partition of the card that holds the files; the first one is the loader's."""

LONGEST_TEXT = 1023
"""Characters of a command line: `fdt set` builds it, with its NUL, in 1024 bytes (cmd/fdt.c,
SCRATCHPAD). How long the line is matters only at U-Boot's prompt (CONFIG_SYS_CBSIZE)."""

_WRITES = ("fdt chosen", "fdt set", "fdt mknod")
_NOT_IN_TEXT = '"\\$;&|`\n'


def render_script(
    board: Board, xen_cmdline: str, kernel_cmdline: str, *, dtb: bool | None = None
) -> str:
    """boot.cmd of `board`.

    Args:
        dtb: whether a device tree is on the card; None = where the board has one.

    Raises:
        ProfileError: a command line that U-Boot's shell would change, or that is too long for it;
            an address that has no place in 32 bits.
    """
    uboot = uboot_of(board)
    _check_text("xen.cmdline", xen_cmdline)
    _check_text("dom0.cmdline", kernel_cmdline)
    for domain in board.domains:
        _check_text(f"domains.{domain.name}.cmdline", domain.cmdline)
    cells = 2 if board.arch == "aarch64" else 1

    def reg(address: int) -> str:
        if cells == 1:
            if address >> 32:
                raise ProfileError(
                    f"{address:#x} is no address of a 32-bit board",
                    where=f"board {board.name}",
                    expected="less than 0x100000000",
                )
            return f"{address:#x} 0x${{filesize}}"
        return f"{address >> 32:#x} {address & 0xFFFFFFFF:#x} 0x0 0x${{filesize}}"

    text = render(
        "xen.cmd.j2",
        title=f"Boots Xen on {board.title}",
        device=uboot.device,
        part=FILES_PARTITION,
        before=uboot.before,
        command=uboot.command,
        xen=uboot.addresses.xen,
        fdt=uboot.addresses.fdt,
        fdt_room=uboot.fdt_room,
        dtb="dtb" in board.binaries if dtb is None else dtb,
        xen_cmdline=xen_cmdline,
        dom0=_dom0(board, uboot, kernel_cmdline),
        domains=[_domain(domain) for domain in board.domains],
        reg=reg,
        cells=cells,
    )
    if uboot.chosen == "static":  # it stands in the tree on the card
        text = "".join(row for row in text.splitlines(True) if not row.startswith(_WRITES))
    return text


def uboot_of(board: Board) -> Uboot:
    """The profile's section boot.uboot.

    Raises:
        ProfileError: there is none.
    """
    if board.boot.uboot is None:
        raise ProfileError(f"board {board.name} has no boot.uboot section")
    return board.boot.uboot


def _dom0(board: Board, uboot: Uboot, cmdline: str) -> dict[str, object] | None:
    if not board.dom0.present:
        return None
    return {
        "cmdline": cmdline,
        "kernel": uboot.addresses.kernel,
        "ramdisk": uboot.addresses.ramdisk if "initrd" in board.binaries else None,
    }


def _domain(domain: Domain) -> dict[str, object]:
    return {
        "name": domain.name,
        "memory_kib": domain.memory_mib * 1024,
        "cpus": domain.cpus,
        "vpl011": domain.vpl011,
        "enhanced": domain.enhanced,
        "passthrough": domain.passthrough,
        "cmdline": domain.cmdline,
        "modules": [
            {"kind": kind, "address": load.address, "file": file_of(load.role)}
            for kind, load in domain.loads
        ],
    }


def file_of(role: str) -> str:
    """The name on the card of the file of a role."""
    return {"kernel": "zImage", "dtb": "board.dtb"}.get(role, role)


def _check_text(field: str, text: str) -> None:
    bad = next((c for c in text if c in _NOT_IN_TEXT or not c.isprintable()), None)
    if bad is not None:
        raise ProfileError(
            f"U-Boot's shell would change the {bad!r} in it: {text!r}",
            where=field,
            expected=f"printable characters, without {_NOT_IN_TEXT.strip()}",
        )
    if len(text) > LONGEST_TEXT:
        raise ProfileError(
            f"it has {len(text)} characters: {text[:60]}...",
            where=field,
            expected=f"at most {LONGEST_TEXT}: U-Boot's fdt set writes behind its buffer",
        )
