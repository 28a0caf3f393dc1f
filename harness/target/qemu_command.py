"""The QEMU command line: a pure function of a board and its artifacts.

So it can be golden-tested, and printed for a person to paste.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.board import Board
from harness.board.booting import Pxe
from harness.board.targets import QemuTarget
from harness.build.files import ROOT_TAG, Files
from harness.errors import UsageError
from harness.formats.acpi import fwcfg
from harness.target.icount import Icount


@dataclass(frozen=True)
class Wiring:
    """How the harness holds the machine; without both, the user's terminal does.

    Args:
        serial: the name of two pipes (`harness.target.channels`) in QEMU's folder.
        qmp_fd: an inherited socket.
        incoming: it waits for a saved state instead of power-on (`harness.target.qemu_state`).
    """

    serial: str | None = None
    qmp_fd: int | None = None
    incoming: bool = False


def escape(text: str) -> str:
    """QEMU's own quoting: a comma in a value is written twice."""
    return text.replace(",", ",,")


def qemu_of(board: Board) -> QemuTarget:
    """The board's emulated machine.

    Raises:
        UsageError: the profile has none.
    """
    if board.targets.qemu is None:
        raise UsageError(
            f"board {board.name} has no qemu target",
            hint="boot it over a line (--target serial:URL), or add targets.qemu to its profile",
        )
    return board.targets.qemu


def qemu_command(
    board: Board,
    method: str,
    files: Files,
    *,
    xen_cmdline: str,
    kernel_cmdline: str,
    wiring: Wiring,
    icount: Icount | None = None,
) -> list[str]:
    """The argv that boots `board` by `method` ("pxe", "multiboot", "sdcard" or "direct").

    With `icount` its network cards are on no network: what came from there could not be repeated.
    """
    machine = qemu_of(board)
    cpu = ",".join([machine.cpu, *(q.cpu for q in machine.quirks if q.cpu)])
    argv = [machine.emulator, "-nodefaults", "-no-user-config"]
    tables = _tables(files)
    # Without, QEMU makes tables of its own, of which none can be exchanged.
    kind = machine.machine + (",acpi=off" if tables else "")
    argv += ["-machine", kind, "-accel", machine.accel]
    argv += ["-cpu", cpu, "-smp", str(machine.smp), "-m", f"{machine.memory_mib}M"]
    argv += ["-display", "none", "-vga", "none"]
    # A reset or shutdown by the guest stops the machine and is an event, never QEMU's end.
    argv += ["-action", "reboot=shutdown,shutdown=pause"]
    if files.firmware:
        argv += ["-bios", files.firmware]
    if files.uboot:
        argv += ["-bios", files.uboot]
    argv += tables
    argv += _card(machine, files) if icount is None else _card_kept(files)
    for device in machine.devices:
        argv += ["-device", device]
    argv += _root_9p(machine, files)
    if icount is None:
        argv += _network(machine, board.boot.pxe, method, files)
    else:
        argv += _cards_alone(machine)
    argv += [word for q in machine.quirks if q.argument for word in shlex.split(q.argument)]
    if method == "multiboot":
        if not (files.xen and files.kernel and files.initrd):
            raise UsageError("multiboot needs the xen, kernel and initrd binaries")
        module = escape(f"{files.kernel} {kernel_cmdline}".strip())
        argv += ["-kernel", files.xen, "-initrd", f"{module},{files.initrd}"]
        argv += ["-append", xen_cmdline]
    if method == "direct":
        # QEMU's trace goes beside the run; a replay has no such place.
        argv += _direct(machine, files if icount is None else replace(files, trace=None))
    if icount is not None:
        argv += icount.words()
    return argv + wires(wiring)


def _direct(machine: QemuTarget, files: Files) -> list[str]:
    """QEMU takes Xen for Linux (Image, zImage), and hands it the tree, which names the modules."""
    if not (files.xen and files.dtb):
        raise UsageError("direct needs the xen and dtb binaries")
    argv = ["-kernel", files.xen, "-dtb", files.dtb]
    for file, address in files.modules:
        # Without force-raw, QEMU would unpack a file that has a format of its own (ELF, uImage).
        argv += ["-device", f"loader,file={escape(file)},addr={address:#x},force-raw=on"]
    return argv + _trace(machine, files)


def _tables(files: Files) -> list[str]:
    """SeaBIOS takes ACPI tables, and puts them where they belong, from these three."""
    named = {
        fwcfg.TABLES: files.acpi_tables,
        fwcfg.RSDP: files.acpi_rsdp,
        fwcfg.LOADER: files.acpi_loader,
    }
    argv: list[str] = []
    for name, file in named.items():
        if file is not None:
            argv += ["-fw_cfg", f"name={name},file={escape(file)}"]
    return argv


def _network(machine: QemuTarget, pxe: Pxe | None, method: str, files: Files) -> list[str]:
    argv: list[str] = []
    for index, nic in enumerate(machine.nics):
        boots = nic.boots and method == "pxe"
        backend = f"user,id=net{index}"
        if nic.boots and pxe is not None:
            backend += f",net={pxe.network},host={pxe.server}"
            if boots and files.tftp:
                backend += f",tftp={files.tftp},bootfile={pxe.script}"
        elif nic.network is not None:
            backend += f",net={nic.network},host={nic.server}"
        else:
            backend += ",restrict=on"
        # An empty romfile keeps firmware from trying to boot from this card.
        rom = escape(files.ipxe or "") if boots else ""
        device = f"{nic.device},netdev=net{index},mac={nic.mac},romfile={rom}"
        argv += ["-netdev", backend, "-device", device + (",bootindex=0" if boots else "")]
        if boots and files.capture:
            dump = f"filter-dump,id=capture,netdev=net{index},file={files.capture},maxlen=640"
            argv += ["-object", dump]
    return argv


def _cards_alone(machine: QemuTarget) -> list[str]:
    """The network cards, where the machine has them, on no network."""
    devices = (f"{nic.device},mac={nic.mac},romfile=" for nic in machine.nics)
    return [word for device in devices for word in ("-device", device)]


def _card(machine: QemuTarget, files: Files) -> list[str]:
    if files.card is None:
        return []
    drive = f"format=raw,file={escape(files.card)}"
    argv = ["-drive", f"if=sd,{drive}"]
    if machine.card == "virtio":
        argv = ["-drive", f"if=none,id=card,{drive}", "-device", "virtio-blk-device,drive=card"]
    return argv + _trace(machine, files)


def _card_kept(files: Files) -> list[str]:
    """The card on virtio, recorded; what is written to it is gone with the machine."""
    if files.card is None:
        return []
    image = f"if=none,id=image,snapshot=on,format=raw,file={escape(files.card)}"
    card = "if=none,id=card,driver=blkreplay,image=image"
    return ["-drive", image, "-drive", card, "-device", "virtio-blk-device,drive=card"]


def _trace(machine: QemuTarget, files: Files) -> list[str]:
    if not (machine.trace and files.trace):
        return []
    return ["-d", machine.trace, "-D", files.trace]


def _root_9p(machine: QemuTarget, files: Files) -> list[str]:
    """A folder of the host that the machine reads over virtio: owners and modes as they are."""
    if files.root_9p is None or machine.share is None:
        return []
    folder = f"local,id=root,path={escape(files.root_9p)},security_model=none,readonly=on"
    return ["-fsdev", folder, "-device", f"{machine.share},fsdev=root,mount_tag={ROOT_TAG}"]


def wires(wiring: Wiring) -> list[str]:
    """The options that connect a machine: serial line, QMP, and that it waits."""
    if wiring.serial is None:
        return [
            *("-chardev", "stdio,id=serial0,mux=on,signal=off"),
            *("-serial", "chardev:serial0", "-mon", "chardev=serial0"),
        ]
    argv = ["-chardev", f"pipe,id=serial0,path={wiring.serial}", "-serial", "chardev:serial0"]
    if wiring.qmp_fd is not None:
        argv += [
            "-chardev",
            f"socket,id=qmp,fd={wiring.qmp_fd}",
            "-mon",
            "chardev=qmp,mode=control",
        ]
    if wiring.incoming:
        argv += ["-incoming", "defer"]
    # Paused: the console is attached before the first instruction.
    return [*argv, "-S"]


def paste(argv: Sequence[str], folder: Path) -> str:
    """The command as a person pastes it: in its folder, one option a line."""
    lines: list[str] = []
    for word in argv:
        if word.startswith("-") or not lines:
            lines.append(shlex.quote(word))
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return f"cd {shlex.quote(str(folder))} && \\\n" + " \\\n    ".join(lines)
