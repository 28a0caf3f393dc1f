"""The real archive, through the apt of this machine: every version that the boards name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import SourceError
from harness.sources import Binary, DebianFile, Sources

pytestmark = pytest.mark.network

XEN = DebianFile(
    "xen-system-amd64",
    "xen-hypervisor-*-amd64",
    "boot/xen-*-amd64.gz",
    "bookworm",
    "amd64",
    suites=("bullseye", "trixie"),
)
KERNEL = DebianFile(
    "linux-image-amd64", "linux-image-[0-9]*", "boot/vmlinuz-*", "bookworm", "amd64"
)
SEABIOS = DebianFile("seabios", None, "usr/share/seabios/bios-256k.bin", "bookworm", "amd64")
XEN_VERSIONS = ("4.14", "4.17", "4.20")
REQUESTS = [
    *(replace(XEN, version=version) for version in XEN_VERSIONS),
    *(
        replace(XEN, package=f"xen-hypervisor-{version}-amd64", follow=None, version=version)
        for version in XEN_VERSIONS
    ),
    KERNEL,
    replace(SEABIOS, package="busybox-static", file="bin/busybox"),
    SEABIOS,
    replace(SEABIOS, package="ipxe-qemu", file="usr/lib/ipxe/qemu/pxe-e1000e.rom"),
]


def test_the_binaries_of_the_boards_resolve_and_stay_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = Sources(tmp_path)
    try:
        online.prefetch(REQUESTS)
    except SourceError as bad:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs the archive, which does not answer: {bad.message}")
    binaries = [online.debian("part", request) for request in REQUESTS]
    xens = binaries[: len(XEN_VERSIONS)]
    for version, xen in zip(XEN_VERSIONS, xens, strict=True):
        assert xen.version.startswith(f"{version}.")
        assert online.file("xen", xen.path).version == xen.version
    assert [xen.detail["suite"] for xen in xens] == ["bullseye", "bookworm", "trixie"]
    assert binaries[len(XEN_VERSIONS) : 2 * len(XEN_VERSIONS)] == xens
    kernel = binaries[2 * len(XEN_VERSIONS)]
    assert online.file("kernel", kernel.path).version in kernel.path.name

    def refuse(argv: Sequence[str | Path], **_: object) -> str:
        pytest.fail(f"ran {argv}")

    monkeypatch.setattr("harness.tools.run", refuse)
    offline = Sources(tmp_path, offline=True)
    again: list[Binary] = [offline.debian("part", request) for request in REQUESTS]
    assert [one.sha256 for one in again] == [one.sha256 for one in binaries]
