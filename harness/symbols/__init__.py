"""Addresses to names: symbol tables of Xen and Linux, calls in machine code, callers on a stack.

From a file to a name: `read_symbols(data).at(address)`. From a stack to callers: `callers`.
"""

from __future__ import annotations

from harness.symbols.calls import Call, Code, call_before, is_wait
from harness.symbols.reading import read_symbols
from harness.symbols.stack import Frame, callers
from harness.symbols.table import Place, Symbol, SymbolTable

__all__ = [
    "Call",
    "Code",
    "Frame",
    "Place",
    "Symbol",
    "SymbolTable",
    "call_before",
    "callers",
    "is_wait",
    "read_symbols",
]
