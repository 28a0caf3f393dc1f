"""A symbol table: which function or object an address is in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Labels at the edges of sections: another name at the same address says more.
_EDGES = ("_stext", "_start", "_etext", "_sinittext", "_einittext", "__image_base__", "_text")
# The edges of code, where a map has no sections: Xen's linker scripts and Linux's name them so.
_CODE = (("_stext", "_etext"), ("_sinittext", "_einittext"))
# A symbol without size and without a next one.
_LAST = 0x1000


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol.

    Attributes:
        name: without the file: "idle_loop".
        file: "arch/x86/domain.c" for a static symbol whose table says so, else "".
        code: a function, not an object.
        size: in bytes; 0: not known.
    """

    address: int
    name: str
    file: str = ""
    code: bool = True
    size: int = 0
    static: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """An address in a symbol: "idle_loop+0x138"."""

    symbol: Symbol
    offset: int

    @property
    def name(self) -> str:
        return self.symbol.name

    def __str__(self) -> str:
        return f"{self.symbol.name}+{self.offset:#x}"


class SymbolTable:
    """Symbols, searched by address and by name.

    Args:
        symbols: in any order; several may have one address.
        code: the ranges (first address, end) of code; empty: by the symbols at their edges.
    """

    def __init__(self, symbols: Iterable[Symbol], code: Sequence[tuple[int, int]] = ()) -> None:
        every = sorted(symbols, key=lambda one: (one.address, _rank(one)))
        self._named: dict[str, Symbol] = {}
        for one in every:
            self._named.setdefault(one.name, one)
        self._symbols: list[Symbol] = []
        for one in every:
            if not self._symbols or self._symbols[-1].address != one.address:
                self._symbols.append(one)
        self._addresses = [one.address for one in self._symbols]
        self.code = tuple(code) or self._code_by_edges(every)

    def __len__(self) -> int:
        return len(self._named)

    def _code_by_edges(self, every: Sequence[Symbol]) -> tuple[tuple[int, int], ...]:
        pairs = [(self.find(first), self.find(end)) for first, end in _CODE]
        found = [(a.address, b.address) for a, b in pairs if a and b and a.address < b.address]
        if found:
            return tuple(found)
        inside = [one.address for one in every if one.code]
        return ((inside[0], inside[-1] + _LAST),) if inside else ()

    def find(self, name: str) -> Symbol | None:
        """The symbol of this name; one of them if there are several static ones."""
        return self._named.get(name)

    def is_code(self, address: int) -> bool:
        return any(first <= address < end for first, end in self.code)

    def at(self, address: int) -> Place | None:
        """What is at this address; None: nothing that the table knows."""
        index = bisect_right(self._addresses, address) - 1
        if index < 0:
            return None
        symbol = self._symbols[index]
        following = index + 1 < len(self._symbols)
        end = self._addresses[index + 1] if following else symbol.address + (symbol.size or _LAST)
        return Place(symbol, address - symbol.address) if address < end else None

    def code_at(self, address: int) -> Place | None:
        """The function that this address is in; None: it is no code of this table."""
        return self.at(address) if self.is_code(address) else None

    def extent(self, symbol: Symbol) -> tuple[int, int]:
        """Its first address, and the end: by its size, else where the next symbol begins."""
        if symbol.size:
            return symbol.address, symbol.address + symbol.size
        index = bisect_right(self._addresses, symbol.address)
        following = self._addresses[index] if index < len(self._addresses) else None
        return symbol.address, following or symbol.address + _LAST

    @property
    def of_xen(self) -> bool:
        """Whether these are the symbols of a Xen (and not of a kernel)."""
        return self.find("startup_cpu_idle_loop") is not None or (
            self.find("idle_loop") is not None and self.find("domain_crash") is not None
        )


def _rank(symbol: Symbol) -> tuple[bool, bool, bool, str]:
    """Of several names for one address, which to show: the lowest."""
    name = symbol.name
    edge = name in _EDGES or name.startswith((".", "$", "__2M_", "__init_"))
    return edge, not symbol.size, symbol.static, name
