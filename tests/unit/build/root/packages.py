"""The least packages that make a root, and specs of it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.build.root import RootSpec
from harness.sources import Deb
from tests.unit.build.root.elves import elf, module

XL = "usr/lib/xen-4.17/bin/xl"
LOADER = "/lib64/ld-linux.so"
LIBRARY = "usr/lib/x86_64-linux-gnu/libc.so.6"

PACKAGES: Mapping[str, Mapping[str, bytes]] = {
    "bash": {"bin/bash": elf("libc.so.6", interpreter=LOADER)},
    "busybox-static": {"bin/busybox": elf(), "usr/share/doc/busybox/README": b"read"},
    "libc6": {"lib/x86_64-linux-gnu/libc.so.6": elf(), "lib64/ld-linux.so": elf()},
    "procps": {"bin/ps": elf("libc.so.6", interpreter=LOADER)},
    "xen-utils-4.17": {XL: elf("libc.so.6", interpreter=LOADER)},
    "xen-utils-common": {"etc/xen/scripts/vif-bridge": b"#!/bin/bash\n"},
}
SPEC = RootSpec("amd64", "bookworm", "4.17")


def build_deb(folder: Path, name: str, files: Mapping[str, bytes]) -> Deb:
    """A package with these files; those of folders "bin" can be executed."""
    work = folder / name
    for path, data in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(data)
        (work / path).chmod(0o755 if "bin/" in path or "scripts/" in path else 0o644)
    (work / "DEBIAN").mkdir(parents=True)
    (work / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: amd64\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: for a test\n"
    )
    deb = folder / f"{name}.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(work), str(deb)]
    subprocess.run(command, check=True, capture_output=True)
    return Deb(name, "1", "amd64", hashlib.sha256(deb.read_bytes()).hexdigest(), deb)


def with_modules(spec: RootSpec, folder: Path, *paths: str) -> RootSpec:
    """`spec` with a kernel 6.1 that has these modules below kernel/."""
    base = folder / "lib/modules/6.1"
    base.mkdir(parents=True)
    (base / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    (base / "modules.order").write_text("")
    for path in paths:
        file = base / "kernel" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(module())
    return replace(spec, modules=folder)
