"""Whether this machine has the memory for so many emulated ones at a time."""

from __future__ import annotations

import re
from pathlib import Path

from harness.board import Board

_MEMINFO = Path("/proc/meminfo")
# QEMU itself, with the code that it has translated.
_BESIDE_MIB = 300


def memory_note(board: Board, jobs: int, meminfo: Path = _MEMINFO) -> str:
    """A warning, if the machines together may need more memory than there is; else empty.

    Linux then ends one of them, and its boot is DIED.
    """
    machine = board.targets.qemu
    try:
        said = re.search(r"^MemAvailable:\s*(\d+) kB", meminfo.read_text(), re.MULTILINE)
    except OSError:
        return ""
    if machine is None or said is None:
        return ""
    needed, there = jobs * (machine.memory_mib + _BESIDE_MIB), int(said[1]) >> 10
    if needed <= there:
        return ""
    return (
        f"memory may run out: {jobs} machines of {machine.memory_mib} MiB, and {there} MiB are "
        "free; fewer --jobs are safe"
    )
