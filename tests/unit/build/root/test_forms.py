from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.build.root import Root, ext4_of, initramfs_of
from harness.build.root.ext4 import size_of
from harness.build.root.initramfs import entries
from harness.errors import InputError, SourceError
from harness.formats.cpio import parse
from tests.unit.build.root.packages import LIBRARY, SPEC, XL, with_modules

Make = Callable[..., Root]

needs_e2fsprogs = pytest.mark.skipif(
    shutil.which("mke2fs", path="/usr/sbin:/sbin:/usr/bin") is None, reason="no e2fsprogs"
)


def test_the_small_root_has_what_xl_needs(make: Make) -> None:
    root = make(replace(SPEC, extra=(("opt/mine", 0o755, b"mine"),)))
    found = {entry.path: entry for entry in parse(gzip.decompress(initramfs_of(root).read_bytes()))}
    for path in (XL, LIBRARY, "usr/lib64/ld-linux.so", "etc/inittab", "opt/mine", "usr/bin/bash"):
        assert path in found
    assert found["init"].data == b"usr/sbin/init"
    assert found["lib64"].data == b"usr/lib64"
    assert found["dev/console"].rdev == (5, 1)
    assert (found["proc"].mode, found["tmp"].mode) == (0o040755, 0o041777)
    assert list(found) == sorted(found)


def test_busybox_does_what_only_the_large_root_has_a_program_for(make: Make) -> None:
    root = make()
    assert not (root.folder / "usr/bin/ps").is_symlink()
    found = {entry.path: entry for entry in entries(root)}
    assert (found["usr/bin/ps"].mode, found["usr/bin/ps"].data) == (0o120777, b"busybox")


def test_all_of_it_belongs_to_root_but_the_home(make: Make) -> None:
    found = {entry.path: entry for entry in entries(make(replace(SPEC, user="pi")))}
    assert {path for path, entry in found.items() if entry.uid} == {"home/pi"}
    assert found["etc/shadow"].mode == 0o100600


@pytest.mark.skipif(
    shutil.which("depmod", path="/usr/sbin:/sbin:/usr/bin") is None, reason="no depmod (kmod)"
)
def test_modules_but_the_large_ones(make: Make, tmp_path: Path) -> None:
    spec = with_modules(SPEC, tmp_path / "k", "net/bridge/bridge.ko", "fs/nfs/nfsv4.ko")
    root = make(spec)
    paths = {entry.path for entry in entries(root)}
    assert "usr/lib/modules/6.1/kernel/net/bridge/bridge.ko" in paths
    assert "usr/lib/modules/6.1/modules.dep.bin" in paths
    assert (root.folder / "usr/lib/modules/6.1/kernel/fs/nfs/nfsv4.ko").is_file()
    assert "usr/lib/modules/6.1/kernel/fs/nfs/nfsv4.ko" not in paths


def test_the_same_root_gives_the_same_archive(make: Make) -> None:
    one, other = initramfs_of(make()), initramfs_of(make(cache="other"))
    assert one != other
    assert one.read_bytes() == other.read_bytes()


def test_an_archive_is_made_once_and_again_when_it_is_damaged(make: Make) -> None:
    root, said = make(), list[str]()
    good = initramfs_of(root, said.append).read_bytes()
    assert initramfs_of(root, said.append).read_bytes() == good
    assert said == ["making the initramfs of dom0"]
    initramfs_of(root).write_bytes(good[:-1])
    assert initramfs_of(root, said.append).read_bytes() == good
    assert len(said) == 2
    assert make() == root  # beside the root, not in it


def test_a_library_that_is_not_there_is_named(make: Make) -> None:
    root = make()
    (root.folder / LIBRARY).unlink()
    with pytest.raises(SourceError, match=r"needs libc\.so\.6"):
        entries(root)


@needs_e2fsprogs
def test_a_disk_that_is_whole(make: Make, tmp_path: Path) -> None:
    root = make()
    ext4_of(root, tmp_path / "a ?disk.img")
    image = str(tmp_path / "disk.img")
    (tmp_path / "a ?disk.img").rename(image)
    check = ["/sbin/e2fsck", "-f", "-n", image]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0
    show = ["/sbin/debugfs", "-R", "stat /etc/shadow", image]
    said = subprocess.run(show, capture_output=True, check=True, text=True).stdout
    assert "Mode:  0600" in said
    assert "User:     0   Group:     0" in said
    assert "2000" in said
    assert (tmp_path / "disk.img").stat().st_size == size_of(root) << 20


@needs_e2fsprogs
def test_the_same_root_gives_the_same_disk(make: Make, tmp_path: Path) -> None:
    ext4_of(make(), tmp_path / "one.img", 40)
    ext4_of(make(cache="other"), tmp_path / "other.img", 40)
    assert (tmp_path / "one.img").read_bytes() == (tmp_path / "other.img").read_bytes()


def test_a_disk_that_is_too_small(make: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 MiB cannot hold the root"):
        ext4_of(make(), tmp_path / "disk.img", 1)
    assert not (tmp_path / "disk.img").exists()


def test_a_disk_that_is_there_is_not_touched(make: Make, tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        ext4_of(make(), tmp_path / "disk.img")
    assert (tmp_path / "disk.img").read_bytes() == b"mine"
