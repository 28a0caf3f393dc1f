"""dom0's root from Debian packages: unpacked by us, configured by us, the same bytes every time.

    spec = RootSpec("amd64", "bookworm", "4.17")
    root = make_root(spec, debs_of(spec, sources), sources.cache.folder, print)
    root.folder            for NFS and 9p
    initramfs_of(root)     the part of it that runs in memory
    ext4_of(root, image)   a disk

`description.py` reads what the root is made of, `making.py` makes it and keeps it.
"""

from __future__ import annotations

from harness.build.root.description import Description, load_description
from harness.build.root.ext4 import ext4_of
from harness.build.root.initramfs import initramfs_of
from harness.build.root.making import Root, make_root
from harness.build.root.spec import RootSpec, debs_of

__all__ = [
    "Description",
    "Root",
    "RootSpec",
    "debs_of",
    "ext4_of",
    "initramfs_of",
    "load_description",
    "make_root",
]
