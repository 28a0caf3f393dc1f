"""The callers of a function, from the words on its stack.

Release builds of Xen have no frame pointers, so that the return addresses have to be told from
other words. A word is one if a call stands before the place where it points; it belongs to this
chain if that call goes to the function that is known to be the next one inside. What earlier calls
left behind on the stack rarely does both.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.symbols.calls import Call, Code, call_before, jumps_to
from harness.symbols.table import Place, SymbolTable

_DEEPEST = 40
# Calls through these are calls through a register: the compiler's answer to Spectre v2.
_THUNK = "__x86_indirect_thunk"
# A call may skip the instruction that marks an entry (endbr64, bti).
_ENTRY = 16
# Functions that pass their own call on are small; larger ones are searched only so far.
_LARGE = 0x2000


@dataclass(frozen=True, slots=True)
class Frame:
    """A caller.

    Attributes:
        address: where it goes on after the call.
        sure: its call goes to the frame below it; else a call stands there, to somewhere.
    """

    address: int
    place: Place
    sure: bool

    @property
    def name(self) -> str:
        return self.place.name


@dataclass(frozen=True, slots=True)
class _Candidate:
    address: int
    place: Place
    call: Call


def callers(
    table: SymbolTable,
    code: Code,
    arch: str,
    pc: int,
    stack: bytes,
    link: int | None = None,
) -> tuple[Frame, ...]:
    """Who called the function at `pc`, innermost first; empty if its address is not known.

    Args:
        stack: the bytes from the stack pointer on, upwards.
        link: the link register, if there is one: the return address of a function that has not
            saved it.
    """
    here = table.code_at(pc)
    if here is None:
        return ()
    size = 4 if arch == "arm" else 8
    words = [
        int.from_bytes(stack[at : at + size], "little")
        for at in range(0, len(stack) - size + 1, size)
    ]
    found = [
        one
        for word in ([] if link is None else [link]) + words
        if (one := _candidate(table, code, arch, word)) is not None
    ]
    frames: list[Frame] = []
    current, start = here, 0
    while start < len(found) and len(frames) < _DEEPEST:
        index, sure = _next(table, code, arch, found, start, current)
        one = found[index]
        # Link register and its copy on the stack are one frame.
        if not (frames and frames[-1].address == one.address and index == 1):
            frames.append(Frame(one.address, one.place, sure))
        current, start = one.place, index + 1
    return tuple(frames)


def _candidate(table: SymbolTable, code: Code, arch: str, word: int) -> _Candidate | None:
    place = table.code_at(word)
    call = call_before(arch, code, word) if place is not None else None
    return _Candidate(word, place, call) if place is not None and call is not None else None


def _next(
    table: SymbolTable, code: Code, arch: str, found: list[_Candidate], start: int, current: Place
) -> tuple[int, bool]:
    """The nearest call to the current function; else the nearest to who knows; else the nearest."""
    indirect: int | None = None
    for index in range(start, len(found)):
        target = found[index].call.target
        entry = None if target is None else table.code_at(target)
        if entry is not None and entry.offset <= _ENTRY:
            if entry.symbol == current.symbol:
                return index, True
            first, end = table.extent(entry.symbol)
            if jumps_to(arch, code, first, min(end, first + _LARGE), current.symbol.address):
                return index, True
        through = target is None or (entry is not None and entry.name.startswith(_THUNK))
        if through and indirect is None:
            indirect = index
    return (start if indirect is None else indirect), False
