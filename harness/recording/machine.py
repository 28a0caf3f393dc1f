"""A board's emulated machine with another number of CPUs, and what is expected of it."""

from __future__ import annotations

from dataclasses import replace

from harness.board import Board
from harness.board.hardware import Arm, Cpu
from harness.board.targets import Difference
from harness.errors import UsageError
from harness.request import BootRequest
from harness.target.icount import Icount
from harness.target.qemu_command import qemu_of

_ONE = "QEMU records a machine with one CPU only"
_USUAL = Icount()


def on_cpus(board: Board, count: int, why: str = _ONE) -> Board:
    """The board with `count` CPUs in its emulated machine; that it has fewer is a difference.

    Raises:
        UsageError: its machine does not have so many, or there is no machine.
    """
    machine = qemu_of(board)
    if not 1 <= count <= machine.smp:
        raise UsageError(f"{count} CPUs", expected=f"1 to {machine.smp}, as {board.name} has")
    if count == machine.smp:
        return board
    facts = board.hardware_of("qemu")
    changed: dict[str, Cpu | Arm] = {}
    if facts.cpu is not None:
        changed["cpu"] = facts.cpu.model_copy(update={"count": count})
    if facts.arm is not None and facts.arm.cpus is not None:
        changed["arm"] = facts.arm.model_copy(update={"cpus": count})
    fewer = Difference(what="CPUs", board=str(machine.smp), here=str(count), why=why)
    other = machine.model_copy(
        update={
            "smp": count,
            "hardware": machine.hardware.model_copy(update=changed),
            "differs": (*machine.differs, fewer),
        }
    )
    targets = board.targets.model_copy(update={"qemu": other})
    return board.model_copy(update={"targets": targets})


def recordable(request: BootRequest, icount: Icount = _USUAL) -> BootRequest:
    """The request, to be recorded: one CPU, and on x86 the fast path if no method is asked for.

    Raises:
        UsageError: such a boot cannot be recorded; says why.
    """
    fast = request.method is None and request.board.arch == "x86_64"
    method = "multiboot" if fast and request.target_kind == "qemu" else request.method
    one = on_cpus(request.board, 1) if request.target_kind == "qemu" else request.board
    return replace(request, board=one, method=method, icount=icount)
