from __future__ import annotations

import gzip
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from harness import tools
from harness.build.guest import MODULES, GuestSpec, guest_initrd
from harness.errors import InputError, ProfileError
from harness.formats import cpio

PARTS = (("xen-blkfront.ko", b"block"), ("xen-netfront.ko", b"net"))


@pytest.fixture
def busybox(tmp_path: Path) -> Path:
    """The smallest ELF file that needs no libraries: a header, and no program header."""
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    path = tmp_path / "busybox"
    path.write_bytes(
        head + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 0, 0, 0, 0)
    )
    return path


def files(data: bytes) -> dict[str, cpio.Entry]:
    return {entry.path: entry for entry in cpio.parse(gzip.decompress(data))}


def test_the_same_arguments_give_the_same_bytes(busybox: Path) -> None:
    assert guest_initrd(GuestSpec(PARTS), busybox) == guest_initrd(GuestSpec(PARTS), busybox)


def test_modules_are_loaded_in_their_order(busybox: Path) -> None:
    made = files(guest_initrd(GuestSpec(PARTS), busybox))
    assert made["lib/modules/xen-blkfront.ko"].data == b"block"
    assert b"for module in xen-blkfront.ko xen-netfront.ko; do" in made["init"].data
    other = files(guest_initrd(GuestSpec(PARTS[::-1]), busybox))
    assert b"for module in xen-netfront.ko xen-blkfront.ko; do" in other["init"].data


def test_nothing_is_left_to_fill_in_but_the_console(busybox: Path) -> None:
    made = files(guest_initrd(GuestSpec(PARTS, hostname="one"), busybox))
    assert b"name=one\n" in made["init"].data
    texts = [entry.data for path, entry in made.items() if path != "bin/busybox"]
    words = {word for text in texts for word in text.split() if b"@" in word}
    assert words == {b'"s/@TTY@/$console/g"', b"@TTY@::respawn:-/bin/sh"}


def test_a_guest_without_modules_has_a_loop_that_does_nothing(busybox: Path) -> None:
    assert b"for module in ; do" in files(guest_initrd(GuestSpec(), busybox))["init"].data


def test_scripts_are_sh(busybox: Path, tmp_path: Path) -> None:
    made = files(guest_initrd(GuestSpec(PARTS), busybox))
    shell = shutil.which("dash") or "/bin/sh"
    for path in ("init", "sbin/dhcp", "etc/udhcpc.script", "etc/profile"):
        script = tmp_path / "script"
        script.write_bytes(made[path].data)
        tools.run([shell, "-n", str(script)])


def test_more_files(busybox: Path) -> None:
    extra = (("opt/deep/file", 0o755, b"x"),)
    made = files(guest_initrd(GuestSpec(extra=extra), busybox))
    assert made["opt/deep/file"].mode == 0o100755
    assert made["opt/deep"].mode == made["opt"].mode == 0o040755
    assert (
        list(made).index("opt") < list(made).index("opt/deep") < list(made).index("opt/deep/file")
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"hostname": "a b"},
        {"console": "../x"},
        {"modules": (("a.ko", b""), ("a.ko", b""))},
        {"modules": (("a.ko.xz", b""),)},
        {"modules": (("a b.ko", b""),)},
        {"extra": (("/etc/x", 0o644, b""),)},
        {"extra": (("etc/x", 0o100644, b""),)},
    ],
    ids=str,
)
def test_what_its_files_cannot_express(wrong: dict[str, Any], busybox: Path) -> None:
    with pytest.raises(ProfileError):
        guest_initrd(GuestSpec(**wrong), busybox)


def test_a_busybox_that_cannot_run_there(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    for name in ("script", "missing"):
        with pytest.raises(InputError):
            guest_initrd(GuestSpec(), tmp_path / name)


def test_every_kind_of_disk_and_card_has_its_driver() -> None:
    assert {"xen-blkfront", "xen-netfront", "xen-pcifront", "ata_piix", "8139cp"} <= set(MODULES)
