from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.build.root import Root
from harness.build.root.modules import choose, name_of, parse_dep
from harness.errors import InputError
from tests.unit.build.root.elves import module
from tests.unit.build.root.packages import SPEC, build_deb, with_modules

NEEDS = parse_dep(
    "kernel/drivers/xen/xenfs/xenfs.ko: kernel/drivers/xen/xen-privcmd.ko\n"
    "kernel/drivers/xen/xen-privcmd.ko:\n"
    "kernel/net/bridge/bridge.ko.xz: kernel/net/802/stp.ko.xz kernel/net/llc/llc.ko.xz\n"
    "kernel/net/802/stp.ko.xz: kernel/net/llc/llc.ko.xz\n"
    "kernel/net/llc/llc.ko.xz:\n"
)
BUILTIN = ["kernel/fs/ext4/ext4.ko"]

needs_depmod = pytest.mark.skipif(
    shutil.which("depmod", path="/usr/sbin:/sbin:/usr/bin") is None, reason="no depmod (kmod)"
)


def test_a_module_comes_with_what_it_needs() -> None:
    paths, absent = choose(NEEDS, BUILTIN, ["xenfs", "bridge", "ext4"])
    assert [name_of(path) for path in paths] == ["xen_privcmd", "xenfs", "stp", "bridge", "llc"]
    assert absent == []


def test_both_ways_to_write_a_name() -> None:
    assert choose(NEEDS, [], ["xen_privcmd"]) == choose(NEEDS, [], ["xen-privcmd"])


def test_globs_with_and_without_the_ending() -> None:
    every = [path for path in sorted(NEEDS) if "/xen/" in path]
    assert choose(NEEDS, [], ["drivers/xen/**"])[0] == every
    assert choose(NEEDS, [], ["net/llc/l*"])[0] == ["kernel/net/llc/llc.ko.xz"]
    assert choose(NEEDS, [], ["net/llc/llc"])[0] == ["kernel/net/llc/llc.ko.xz"]


def test_what_the_kernel_does_not_have_is_named() -> None:
    assert choose(NEEDS, BUILTIN, ["ext4", "xen-evtchn", "drivers/none/*"]) == ([], ["xen-evtchn"])


@given(st.text())
def test_any_text_is_a_list_of_needs(text: str) -> None:
    for path, needs in parse_dep(text).items():
        assert choose({path: needs, **dict.fromkeys(needs, ())}, [], ["x"])


@needs_depmod
def test_those_of_the_description_are_in_the_root(
    make: Callable[..., Root], tmp_path: Path, said: list[str]
) -> None:
    spec = with_modules(SPEC, tmp_path / "k", "drivers/xen/xenfs/xenfs.ko", "sound/ac97.ko")
    root = make(spec)
    base = root.folder / "usr/lib/modules/6.1"
    assert root.release == "6.1"
    assert (base / "kernel/drivers/xen/xenfs/xenfs.ko").is_file()
    assert not (base / "kernel/sound").exists()
    assert "xenfs" in (base / "modules.dep").read_text()
    assert (base / "modules.dep.bin").is_file()
    [said_absent] = [text for text in said if text.startswith("kernel 6.1 has no ")]
    assert "bridge" in said_absent
    assert "ext4" not in said_absent
    assert not (tmp_path / "k/lib/modules/6.1/modules.dep").exists()


@needs_depmod
def test_a_package_holds_them_as_well(make: Callable[..., Root], tmp_path: Path) -> None:
    files = {"lib/modules/6.1/kernel/drivers/xen/xen-evtchn.ko": module()}
    (tmp_path / "d").mkdir()
    deb = build_deb(tmp_path / "d", "linux-image-6.1", files)
    root = make(replace(SPEC, modules=deb.path))
    assert (root.folder / "lib/modules/6.1/kernel/drivers/xen/xen-evtchn.ko").is_file()


def test_a_folder_without_modules(make: Callable[..., Root], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="modules of no kernels") as caught:
        make(replace(SPEC, modules=tmp_path))
    assert caught.value.expected == "lib/modules/RELEASE"


def test_modules_of_two_kernels(make: Callable[..., Root], tmp_path: Path) -> None:
    for release in ("6.1", "6.2"):
        (tmp_path / "k/lib/modules" / release).mkdir(parents=True)
    spec = replace(SPEC, modules=tmp_path / "k")
    with pytest.raises(InputError, match="modules of 2 kernels") as caught:
        make(spec)
    assert caught.value.expected == "it has: 6.1, 6.2"
    with pytest.raises(InputError, match=r"no modules of kernel 6\.3"):
        make(replace(spec, release="6.3"))
