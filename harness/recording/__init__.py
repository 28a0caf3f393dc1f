"""A boot that can be executed again, instruction by instruction.

machine.py      a board's machine as it can be recorded
making.py       records a boot: `recorded(request)` as `booted(request)`
model.py        recording.json: what a recording is, read and checked
replaying.py    the machine of a recording, started again
rerun.py        replays it, and compares what it prints with what it printed
debugging.py    a replay that stops at the hang, for gdb
exploring.py    many schedules, until one fails
"""

from __future__ import annotations

from harness.recording.machine import on_cpus
from harness.recording.making import recorded
from harness.recording.model import Recording, load
from harness.recording.rerun import Rerun, rerun

__all__ = ["Recording", "Rerun", "load", "on_cpus", "recorded", "rerun"]
