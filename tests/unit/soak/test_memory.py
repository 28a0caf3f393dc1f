"""A warning before memory runs out."""

from __future__ import annotations

from pathlib import Path

from harness.board import load
from harness.soak.memory import memory_note


def test_machines_that_do_not_fit(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       24000000 kB\nMemAvailable:   10000000 kB\n")
    apu2 = load("apu2")
    assert memory_note(apu2, 2, meminfo) == ""
    said = memory_note(apu2, 3, meminfo)
    assert said.startswith("memory may run out: 3 machines of 4096 MiB, and 9765 MiB are free")
    assert memory_note(apu2, 3, tmp_path / "none") == ""
    meminfo.write_text("nothing\n")
    assert memory_note(apu2, 3, meminfo) == ""
