"""Symbol tables from files: an ELF file with symbols, or a map as `nm` prints it.

Xen: xen-syms and xen-syms.map; static symbols of a map carry their file, "sched.c#schedule".
Linux: vmlinux and System.map, and /proc/kallsyms. Formats: the System V ABI (chapter "Symbol
Table"), nm(1).
"""

from __future__ import annotations

import io
import re

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from harness.errors import FormatError
from harness.symbols.table import Symbol, SymbolTable

_ELF = b"\x7fELF"
_ROW = re.compile(
    rb"^(?:0x)?([0-9a-f]{1,16}) ([A-Za-z?]) (\S{1,300})(?:[ \t]+\[[^\]]*\])?\r?$", re.MULTILINE
)
_EXECUTABLE = 0x4  # SHF_EXECINSTR
_EXPECTED = "xen-syms, xen-syms.map, vmlinux or System.map"


def read_symbols(data: bytes, where: str | None = None) -> SymbolTable:
    """The symbols in the content of a file.

    Raises:
        FormatError: it is neither an ELF file with symbols nor a map.
    """
    return _elf(data, where) if data.startswith(_ELF) else _map(data, where)


def _map(data: bytes, where: str | None) -> SymbolTable:
    rows = _ROW.findall(data)
    symbols = [
        _symbol(int(address, 16), name.decode("utf-8", "replace"), chr(kind[0]))
        for address, kind, name in rows
        if kind not in b"UNa?"
    ]
    # kallsyms shows zeros to whoever may not see the addresses.
    if len({one.address for one in symbols}) < 2:
        raise FormatError(
            f"these {len(symbols)} symbols are at one address"
            if symbols
            else "there is no symbol in it",
            where=where,
            expected=_EXPECTED,
        )
    return SymbolTable(symbols)


def _symbol(address: int, text: str, kind: str) -> Symbol:
    file, sharp, name = text.rpartition("#")
    return Symbol(address, name if sharp else text, file, kind in "tTwW", 0, kind.islower())


def _elf(data: bytes, where: str | None) -> SymbolTable:
    try:
        elf = ELFFile(io.BytesIO(data))
        sections = list(elf.iter_sections())
        executable = [
            (one["sh_addr"], one["sh_addr"] + one["sh_size"])
            for one in sections
            if one["sh_flags"] & _EXECUTABLE and one["sh_size"]
        ]
        # Xen's symbols have "file.c#name" as in the map.
        found = [
            (entry["st_value"], entry.name, entry["st_info"], entry["st_size"])
            for one in sections
            if isinstance(one, SymbolTableSection)
            for entry in one.iter_symbols()
            if entry.name and entry["st_shndx"] not in {"SHN_UNDEF", "SHN_ABS"}
        ]
    # pyelftools lets errors of its helpers through for damaged files.
    except (ELFError, ConstructError, ValueError, LookupError, TypeError, AttributeError) as bad:
        reason = str(bad) or type(bad).__name__
        raise FormatError(f"no ELF file: {reason}", where=where, expected=_EXPECTED) from None
    except (AssertionError, OverflowError, MemoryError, OSError) as bad:
        raise FormatError("a damaged ELF file", where=where, expected=_EXPECTED) from bad
    symbols = []
    for address, text, info, size in found:
        if info["type"] in {"STT_SECTION", "STT_FILE"}:
            continue
        file, sharp, name = text.rpartition("#")
        code = any(first <= address < end for first, end in executable)
        static = info["bind"] == "STB_LOCAL"
        symbols.append(Symbol(address, name if sharp else text, file, code, size, static=static))
    if not symbols:
        raise FormatError(
            "this ELF file has no symbols: it was stripped", where=where, expected=_EXPECTED
        )
    return SymbolTable(symbols, executable)
