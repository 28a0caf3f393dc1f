"""What Xen on ARM reads in a device tree: read from a tree, and written into one.

    chosen = read_chosen(parse_dtb(data))
    data = build_dtb(with_chosen(tree, Chosen(bootargs="console=dtuart", modules=(kernel,))))

`model.py` has the nouns, `reading.py` and `writing.py` are inverse to each other.
"""

from harness.devicetree.xen.model import (
    COMPATIBLE,
    SINCE,
    Chosen,
    CpuPool,
    Domain,
    EventChannel,
    Module,
    ModuleKind,
    Port,
    SharedMemory,
)
from harness.devicetree.xen.reading import read_chosen
from harness.devicetree.xen.writing import with_chosen

__all__ = [
    "COMPATIBLE",
    "SINCE",
    "Chosen",
    "CpuPool",
    "Domain",
    "EventChannel",
    "Module",
    "ModuleKind",
    "Port",
    "SharedMemory",
    "read_chosen",
    "with_chosen",
]
