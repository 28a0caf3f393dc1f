"""Why a guest on 32-bit Arm that xl took says nothing, though it runs and runs.

xl loads a zImage 32 KiB into the guest's memory whatever its header says, and lets the CPU begin at
the start in the header. Where there is no memory, that is a prefetch abort; its vector, at 0, is
where there is no memory either, so it aborts there again, for ever: `xl list` shows state r and a
time that rises, the console nothing, Xen's log nothing.

Sources: Xen 4.17, tools/libs/guest/xg_dom_armzimageloader.c; xen/include/public/arch-arm.h (where
guests have memory); Arm Architecture Reference Manual ARMv7-A, B1.8.1 (vectors). Seen with Xen
4.17.5: PC 0000000c in mode ABT, IFAR the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.bootlog.debug_keys import CpuState
from harness.formats.zimage import parse
from harness.formats.zimage_problems import (
    GUEST_RAM_BASE,
    OLD_GUEST_RAM_BASE,
    XL_LOAD_ADDRESS,
)
from harness.shell.xen_keys import XenKeys

# The first bank of a guest's memory; what is beyond lies at 8 GiB (GUEST_RAM1_BASE).
_FIRST_BANK_MIB = 3072
_PREFETCH_ABORT = {0x0000000C, 0xFFFF000C}  # its vector: low, high (SCTLR.V)

# A CPU that several share shows one of them at a time.
_LOOKS = 3


@dataclass(frozen=True)
class Silence:
    """Why a guest is silent.

    Attributes:
        cause: what is wrong with it.
        seen: what its CPU does, so far as is known.
        hint: what to do.
    """

    cause: str
    seen: str
    hint: str

    def __str__(self) -> str:
        return "\n".join(part for part in (self.cause, self.seen, self.hint) if part)


def guest_state(states: Iterable[CpuState], domain: int) -> CpuState | None:
    """What the guest's CPU does, of an answer to debug key 'd'; None: it sleeps, or waits."""
    return next((state for state in states if state.vcpu == f"d{domain}v0"), None)


def without_vectors(state: CpuState) -> bool:
    """Whether a CPU takes prefetch aborts at their own vector, and does nothing else."""
    fault = state.registers.get("IFAR")
    return state.pc in _PREFETCH_ABORT and state.context.endswith("ABT") and fault == state.pc


def why_silent(image: bytes, memory_mib: int, state: CpuState | None = None) -> Silence | None:
    """Why a guest of this image says nothing; None: neither its header nor its CPU tells.

    Args:
        image: its kernel, a zImage, or the header of it.
        memory_mib: what it was given.
        state: of its first CPU (`guest_state`).

    Raises:
        FormatError: it is no zImage, so xl cannot have started it.
    """
    start = parse(image).start
    if state is not None and not without_vectors(state):
        return None
    seen = "" if state is None else _seen(state)
    if start not in (0, XL_LOAD_ADDRESS):
        return Silence(_misplaced(start, memory_mib), seen, _relink(start))
    if state is None:
        return None
    return Silence(
        "it took an exception before it had vectors of its own (VBAR)",
        seen,
        f"its header is right; the first fault is overwritten: follow it from its start,"
        f" {XL_LOAD_ADDRESS:#x}, by what it prints, or with a debugger",
    )


def ask_why_silent(keys: XenKeys, domain: int, image: bytes, memory_mib: int) -> Silence | None:
    """`why_silent` of a guest that runs now; Xen is asked for its registers.

    Raises:
        FormatError: as `why_silent`.
        ShellError, BoardStopped, ChannelClosed: as `XenKeys.press`.
    """
    for _ in range(_LOOKS):
        state = guest_state(keys.registers(), domain)
        if state is not None:
            return why_silent(image, memory_mib, state)
    return None


def _seen(state: CpuState) -> str:
    return (
        f"its CPU is at {state.pc:#010x}, the vector of prefetch aborts, where it has no memory:"
        " it aborts there again and again, without a word"
    )


def _misplaced(start: int, memory_mib: int) -> str:
    end = GUEST_RAM_BASE + (min(memory_mib, _FIRST_BANK_MIB) << 20)
    linked = f"the image is linked to {start:#010x}"
    if GUEST_RAM_BASE <= start < end:
        return (
            f"{linked}, xl loaded it to {XL_LOAD_ADDRESS:#010x}: the CPU began at {start:#010x},"
            " where its code is not"
        )
    return (
        f"{linked}, where this guest has no memory: it has {memory_mib} MiB from"
        f" {GUEST_RAM_BASE:#010x} on"
    )


def _relink(start: int) -> str:
    old = ""
    if start >= OLD_GUEST_RAM_BASE:
        old = f"up to Xen 4.4 the memory of guests began at {OLD_GUEST_RAM_BASE:#010x}; "
    return (
        f"{old}link it to {XL_LOAD_ADDRESS:#010x}; `harness lint` of its configuration finds this"
        " before a boot"
    )
