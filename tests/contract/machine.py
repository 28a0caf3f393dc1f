"""A machine for tests: a boot sector of our own in QEMU, up in a fraction of a second.

It prints bytes on COM1 (16550, I/O port 0x3f8), may wait for an Enter and print more, and then
ends in one of several ways. Machine code of the 8086; addresses are those of a PC.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from harness.target.qemu import QemuTarget
from harness.target.qemu_command import Wiring

End = Literal["exit", "reset", "triple-fault", "shutdown", "halt"]

# isa-debug-exit ends QEMU with (value << 1) | 1.
EXIT_CODE = 33

_LOAD = 0x7C00
_ZEROS = _LOAD + 504  # in front of the signature: an empty interrupt table
_HALT = bytes.fromhex("fa f4 eb fd")  # cli; hlt; jmp to the hlt
_ENDS: dict[End, bytes] = {
    "exit": bytes.fromhex("b0 10 e6 f4"),  # out 0xf4, 16: isa-debug-exit
    "reset": bytes.fromhex("b0 fe e6 64"),  # out 0x64, 0xfe: the keyboard controller
    "triple-fault": b"\x0f\x01\x1e" + _ZEROS.to_bytes(2, "little") + b"\xcc",  # lidt; int3
    "shutdown": bytes.fromhex("ba 04 06 b8 00 20 ef"),  # PM1a_CNT: SLP_EN, as SeaBIOS sets it up
    "halt": b"",
}
# in al, 0x3fd until data is ready; in al, 0x3f8 until it is an Enter.
_LISTEN = bytes.fromhex("ba fd 03 ec a8 01 74 fb ba f8 03 ec 3c 0d 75 f0")
_SAY_LENGTH = 21


def _say(address: int, length: int) -> bytes:
    # mov si, address; mov cx, length; in al, 0x3fd until the transmitter is empty; lodsb;
    # out 0x3f8, al; loop.
    head = b"\xbe" + address.to_bytes(2, "little") + b"\xb9" + length.to_bytes(2, "little")
    return head + bytes.fromhex("ba fd 03 ec a8 20 74 fb ba f8 03 ac ee e2 f1")


def boot_sector(said: bytes, answer: bytes | None, end: End) -> bytes:
    """512 bytes that say `said`, then, if there is an answer, wait for an Enter and say it."""
    start = bytes.fromhex("31 c0 8e d8")  # xor ax, ax; mov ds, ax
    finish = _ENDS[end] + _HALT
    text = _LOAD + len(start) + _SAY_LENGTH + len(finish)
    if answer is not None:
        text += len(_LISTEN) + _SAY_LENGTH
    code = start + _say(text, len(said))
    if answer is not None:
        code += _LISTEN + _say(text + len(said), len(answer))
    code += finish + said + (answer or b"")
    assert len(code) <= _ZEROS - _LOAD, "does not fit into a boot sector"
    return code.ljust(510, b"\0") + b"\x55\xaa"


def machine(
    qemu: str,
    folder: Path,
    said: bytes = b"",
    *,
    answer: bytes | None = None,
    end: End = "exit",
    options: tuple[str, ...] = (),
) -> QemuTarget:
    """The machine, paused, its serial line attached."""
    (folder / "boot.img").write_bytes(boot_sector(said, answer, end))
    return QemuTarget(command(qemu, options), folder, folder / "qemu.log")


def command(qemu: str, options: tuple[str, ...] = ()) -> Callable[[Wiring], list[str]]:
    def argv(wiring: Wiring) -> list[str]:
        return [
            *(qemu, "-nodefaults", "-no-user-config", "-machine", "pc", "-accel", "tcg"),
            *("-m", "32M", "-display", "none", "-vga", "none"),
            # As for a board: what the guest does to the machine is an event.
            *("-action", "reboot=shutdown,shutdown=pause"),
            *("-drive", "file=boot.img,format=raw,if=none,id=disk"),
            *("-device", "ide-hd,drive=disk,bootindex=0"),
            *("-device", "isa-debug-exit,iobase=0xf4,iosize=4"),
            *("-chardev", f"pipe,id=serial0,path={wiring.serial}"),
            *("-serial", "chardev:serial0"),
            *("-chardev", f"socket,id=qmp,fd={wiring.qmp_fd}"),
            *("-mon", "chardev=qmp,mode=control", "-S"),
            *options,
        ]

    return argv
