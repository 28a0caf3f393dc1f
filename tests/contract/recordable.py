"""A machine for tests that can be recorded: a firmware of our own, and nothing else in it.

Machine code of the 8086. It prints on COM1, may echo what is typed until an Enter, and then spins.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from harness.board import load
from harness.console import Console
from harness.recording.machine import recordable
from harness.recording.making import Recorder
from harness.request import BootRequest
from harness.session import Observer, Session
from harness.target.icount import FOLDER, Icount
from harness.target.qemu import QemuTarget
from harness.target.qemu_command import Wiring, wires
from harness.verdict import Kind

_SIZE = 0x10000
_RESET = 0xFFF0
_TEXT = 0x8000
QEMU = "qemu-system-x86_64"
SPIN = bytes.fromhex("eb fe")
# in al, 0x3fd until data is ready; in al, 0x3f8; out 0x3f8, al; until it was an Enter.
_ECHO = bytes.fromhex("ba fd 03 ec a8 01 74 fb ba f8 03 ec ee 3c 0d 75 ef")


def firmware(said: bytes, *, echo: bool = False) -> bytes:
    """64 KiB at the top of memory."""
    # mov ax, 0xf000; mov ds, ax; mov si, text; mov cx, length
    code = bytes.fromhex("b8 00 f0 8e d8") + b"\xbe" + _TEXT.to_bytes(2, "little")
    code += bytes.fromhex("ba fa 03 b0 01 ee")  # out 0x3fa, 1: the FIFO
    code += b"\xb9" + len(said).to_bytes(2, "little")
    # in al, 0x3fd until the transmitter is empty; lodsb; out 0x3f8, al; loop
    code += bytes.fromhex("ba fd 03 ec a8 20 74 fb ba f8 03 ac ee e2 f1")
    code += (_ECHO if echo else b"") + SPIN
    rom = bytearray(_SIZE)
    rom[: len(code)] = code
    rom[_TEXT : _TEXT + len(said)] = said
    rom[_RESET : _RESET + 5] = bytes.fromhex("ea 00 00 00 f0")  # jmp f000:0000
    return bytes(rom)


@contextlib.contextmanager
def recorded_machine(
    run: Path, said: bytes, *, echo: bool = False, verdict: Kind = Kind.HUNG
) -> Iterator[tuple[QemuTarget, Console, Recorder]]:
    """A machine that is recorded into a run folder until the `with` ends."""
    work = run / "work"
    work.mkdir(parents=True)
    (run / FOLDER).mkdir()
    (work / FOLDER).symlink_to(run / FOLDER)
    (work / "firmware").write_bytes(firmware(said, echo=echo))
    request = recordable(BootRequest(load("apu2")))
    icount = cast("Icount", request.icount)

    def command(wiring: Wiring) -> list[str]:
        argv = [QEMU, "-nodefaults", "-no-user-config", "-machine", "pc", "-accel", "tcg"]
        argv += ["-m", "32M", "-display", "none", "-vga", "none", "-bios", "firmware"]
        argv += ["-action", "reboot=shutdown,shutdown=pause"]
        return [*argv, *icount.words(), *wires(wiring)]

    recorder = Recorder(request, Observer())
    target = QemuTarget(command, work, run / "qemu.log", recording=True)
    console = Console(target.channel, raw=run / "console.raw", log=None)
    session: Any = types.SimpleNamespace(
        console=console, verdict=types.SimpleNamespace(kind=verdict)
    )
    try:
        recorder.attached(console, target)
        target.power_on()
        yield target, console, recorder
        recorder.tick()
        recorder.finished(cast("Session", session))
        recorder.hold(cast("Session", session))
    finally:
        console.close()
        target.close()
        recorder.complete()


def read_until(console: Console, end: bytes, limit: float = 20.0) -> bytes:
    """What came, until it ends so."""
    came = bytearray()
    console.on_bytes.append(came.extend)
    until = console.now + limit
    while not bytes(came).endswith(end) and console.now < until:
        console.pump(0.1)
    console.on_bytes.pop()
    return bytes(came)
