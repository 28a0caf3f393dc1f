"""Compiles the source of a device tree with dtc."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from harness import tools
from harness.errors import InputError, ToolFailed
from harness.lint.rule import Hit

# dtc takes well under a second; a source that includes a device file has no end.
TIMEOUT_S = 20.0
_PLACE = re.compile(r":(\d+)\.\d+(?:-[\d.]+)?:?")


def compile_dts(path: Path, source: str) -> bytes | tuple[Hit, ...]:
    """The flattened tree, or what dtc says against the source.

    Raises:
        ToolMissing: dtc is not installed.
        InputError: dtc did not come to an end.
    """
    with tempfile.TemporaryDirectory(prefix="harness-lint-") as folder:
        flat = Path(folder) / "tree.dtb"
        try:
            tools.run(
                ["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", flat, path.absolute()],
                timeout=TIMEOUT_S,
            )
        except ToolFailed as bad:
            if bad.returncode < 0:
                raise InputError(
                    f"dtc does not come to an end with it in {TIMEOUT_S:.0f} s",
                    where=str(path),
                    expected="a source whose /include/ and /incbin/ name files: no device, no FIFO",
                ) from None
            return _hits(bad.stderr, source)
        return flat.read_bytes()


def _hits(said: str, source: str) -> tuple[Hit, ...]:
    found: list[Hit] = []
    for line in said.splitlines():
        if "ERROR" not in line and not line.startswith("Error:"):
            continue
        place = _PLACE.search(line)
        if place is None and found:
            continue  # "FATAL ERROR: Unable to parse input tree"
        text = line[place.end() :] if place else line
        at = int(place[1]) if place else None
        found.append(Hit(text.strip() or line, at, hint=_hint(source, at)))
    return tuple(found) or (Hit(said.strip().splitlines()[-1] if said.strip() else "dtc failed"),)


def _hint(source: str, line: int | None) -> str:
    if line is None:
        return ""
    lines = source.split("\n")
    text = lines[line - 1].strip() if line <= len(lines) else ""
    if text.startswith("#include"):
        return "the C preprocessor has to run first: cpp -nostdinc -undef -x assembler-with-cpp"
    return f"the line is: {text} (or a ; is missing in the line before)" if text else ""
