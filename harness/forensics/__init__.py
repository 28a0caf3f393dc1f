"""What a hung machine is doing: where each CPU is, since when, and what it waits for.

`booted(request, on_hang=on_hang())` does it at every HUNG. From the outside in: `collecting.py`
goes through the parts, `machine.py` and `xen.py` ask, `samples.py` looks, `diagnosis.py` concludes,
`spots.py` knows what a function waits for, `telling.py` says it.
"""

from __future__ import annotations

from harness.forensics.collecting import Options, collect, on_hang
from harness.forensics.model import CpuDiagnosis, Forensics, Spot

__all__ = ["CpuDiagnosis", "Forensics", "Options", "Spot", "collect", "on_hang"]
