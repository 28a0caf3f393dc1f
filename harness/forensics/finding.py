"""Where the symbols of a hang come from: the user's files, else the -dbg package of this Xen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, InputError
from harness.regular import read_regular
from harness.sources import Binary, DebianFile, Sources
from harness.symbols import SymbolTable, read_symbols

# A vmlinux with all debug information has 700 MiB.
_MOST = 2 << 30
_IN_PACKAGE = "usr/lib/debug/boot/xen-syms-*"
# A mirror that does not answer must not keep the machine, and its owner, waiting.
_PATIENCE = 120.0


@dataclass(frozen=True)
class Found:
    """Symbol tables, and where they are from, for people."""

    xen: SymbolTable | None = None
    kernel: SymbolTable | None = None
    origin: str = ""


def find(
    given: Sequence[Path],
    xen: Binary | None,
    note: Callable[[str], None],
    *,
    offline: bool,
    patience: float = _PATIENCE,
) -> Found:
    """The symbols for a hang; what is missing is a note that says how to have it.

    Args:
        given: the user's files: xen-syms, its map, vmlinux, System.map.
        xen: the Xen under test; None if it is not known (a card of the user's).
    """
    found: dict[bool, SymbolTable] = {}
    origins: list[str] = []
    for path in given:
        try:
            table = read_file(path)
        except HarnessError as bad:
            note(f"no symbols from {path}: {bad.message}")
            continue
        found[table.of_xen] = table
        origins.append(str(path))
    if True not in found:
        own = _of_xen(xen, origins, note, offline, patience)
        found |= {} if own is None else {True: own}
    return Found(found.get(True), found.get(False), ", ".join(origins))


def read_file(path: Path) -> SymbolTable:
    """The symbols in a file of the user's.

    Raises:
        InputError, FormatError: it cannot be read, or has none.
    """
    try:
        return read_symbols(read_regular(path, _MOST, "file of symbols"), str(path))
    except (OSError, ValueError) as bad:
        said = bad.strerror if isinstance(bad, OSError) else str(bad)
        raise InputError(
            f"cannot be read: {said}", where=str(path), expected="xen-syms or its map"
        ) from None


def _of_xen(
    xen: Binary | None,
    origins: list[str],
    note: Callable[[str], None],
    offline: bool,
    patience: float,
) -> SymbolTable | None:
    if xen is None:
        note("no symbols: it is not known which Xen this is; give them with --symbols FILE")
        return None
    if xen.origin != "debian":
        beside = [xen.path.with_name(name) for name in ("xen-syms.map", "xen-syms")]
        for path in beside:
            if path.is_file():
                try:
                    table = read_file(path)
                except HarnessError as bad:
                    note(f"no symbols from {path}: {bad.message}")
                    continue
                origins.append(f"{path}, which is beside the Xen under test")
                return table
        note(
            f"no symbols: {xen.path} is your own; give its xen-syms or xen-syms.map with "
            "--symbols FILE"
        )
        return None
    package = f"{xen.detail['package']}-dbg"
    done: list[SymbolTable | HarnessError] = []

    def fetch() -> None:
        try:
            done.append(_from_package(xen, package, offline))
        except HarnessError as bad:
            done.append(bad)

    # Not to be waited for at our end either.
    thread = threading.Thread(target=fetch, name="symbols", daemon=True)
    thread.start()
    thread.join(patience)
    if not done:
        note(f"no symbols: {package} could not be fetched within {patience:.0f} s")
        return None
    if isinstance(done[0], HarnessError):
        hint = "run once without --offline, or give --symbols FILE" if offline else "--symbols FILE"
        note(f"no symbols: {package} {xen.version}: {done[0].message} ({hint})")
        return None
    origins.append(f"{package} {xen.version}")
    return done[0]


def _from_package(xen: Binary, package: str, offline: bool) -> SymbolTable:
    """Of the same version as the Xen: any other gives wrong names."""
    request = DebianFile(
        package, None, _IN_PACKAGE, xen.detail["suite"], xen.detail["arch"], xen.version
    )
    tree = Sources(offline=offline).tree("xen-symbols", request, [_IN_PACKAGE])
    # The map is the smaller one, and holds the same names.
    name = min(tree.files, key=lambda one: (not one.endswith(".map"), one))
    return read_file(tree.path / name)
