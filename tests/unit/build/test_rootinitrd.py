from __future__ import annotations

import gzip
import lzma
import stat
import struct
from pathlib import Path

import pytest

from harness.build.rootinitrd import (
    APPLETS,
    KINDS,
    RootInitrdSpec,
    modules_for,
    read_modules,
    root_argument,
    root_initrd,
)
from harness.build.rootinitrd.modules import read_module
from harness.errors import InputError, ProfileError, UsageError
from harness.formats.cpio import Entry, parse

RELEASE = "6.1.0-56-amd64"
# A real kernel's, as far as the order of loading goes.
NEEDS = {
    "overlay": "",
    "sunrpc": "",
    "lockd": "sunrpc",
    "nfs": "sunrpc,lockd",
    "dns_resolver": "",
    "nfsv4": "sunrpc,nfs,dns_resolver",
    "e1000e": "",
    "i2c-algo-bit": "",
    "igb": "i2c-algo-bit",
    "9pnet": "",
    "9p": "9pnet",
    "9pnet_virtio": "9pnet",
    "ext4": "jbd2",
    "jbd2": "",
    "crc32c_generic": "",
    "virtio_blk": "",
}


def elf(depends: str) -> bytes:
    """A kernel module with nothing but its .modinfo."""
    content = f"depends={depends}\0".encode()
    names = b"\0.modinfo\0.shstrtab\0"
    table = 64 + len(content) + len(names)
    head = b"\x7fELF\x02\x01\x01" + b"\0" * 9
    head += struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 2)
    rows = b"\0" * 64
    for name, start, size in ((1, 64, len(content)), (10, 64 + len(content), len(names))):
        rows += struct.pack("<IIQQQQ", name, 1, 0, 0, start, size) + b"\0" * 24
    return head + content + names + rows


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree" / "usr" / "lib" / "modules" / RELEASE
    (folder / "kernel").mkdir(parents=True)
    (folder / "modules.builtin").write_text("kernel/drivers/virtio/virtio_pci.ko\n")
    for name, depends in NEEDS.items():
        (folder / "kernel" / f"{name}.ko").write_bytes(elf(depends))
    return tmp_path / "tree"


@pytest.fixture
def busybox(tmp_path: Path) -> Path:
    path = tmp_path / "busybox"
    path.write_bytes(
        b"\x7fELF\x02\x01\x01"
        + b"\0" * 9
        + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 0, 0, 0, 0)
    )
    return path


def unpacked(tree: Path, busybox: Path, *kinds: str, **more: tuple[str, ...]) -> dict[str, Entry]:
    spec = RootInitrdSpec(kinds, "x86_64", **more)
    made = root_initrd(spec, busybox, read_modules(tree))
    assert made == root_initrd(spec, busybox, read_modules(tree))
    return {entry.path: entry for entry in parse(gzip.decompress(made))}


def loaded(init: str, kind: str) -> list[str]:
    """The modules that /init loads for a kind of root."""
    (row,) = [line for line in init.splitlines() if line.strip().startswith(f"{kind}) modules=")]
    return row.split('"')[1].replace(".ko", "").split()


# --- modules -----------------------------------------------------------------------------------


def test_each_module_comes_after_what_it_needs(tree: Path) -> None:
    names = [path.stem for path in modules_for(read_modules(tree), ["nfsv4", "igb", "sunrpc"])]
    assert names == ["sunrpc", "lockd", "nfs", "dns_resolver", "nfsv4", "i2c-algo-bit", "igb"]


def test_what_is_built_in_is_left_out_and_dashes_do_not_matter(tree: Path) -> None:
    modules = read_modules(tree, RELEASE)
    assert modules_for(modules, ["virtio-pci", "virtio_pci"]) == []
    assert [path.name for path in modules_for(modules, ["i2c_algo_bit"])] == ["i2c-algo-bit.ko"]


def test_a_module_that_the_kernel_does_not_have(tree: Path) -> None:
    with pytest.raises(InputError, match=r"has no module nosuch\n"):
        modules_for(read_modules(tree), ["nosuch"])
    (tree / "usr/lib/modules" / RELEASE / "kernel" / "sunrpc.ko").unlink()
    with pytest.raises(InputError, match="has no module sunrpc, which nfsv4 needs"):
        modules_for(read_modules(tree), ["nfsv4"])


def test_modules_that_need_each_other_do_not_hang(tree: Path) -> None:
    kernel = tree / "usr/lib/modules" / RELEASE / "kernel"
    (kernel / "sunrpc.ko").write_bytes(elf("nfs"))
    with pytest.raises(InputError, match="need each other: nfs -> sunrpc -> nfs"):
        modules_for(read_modules(tree), ["nfs"])


@pytest.mark.parametrize(("ending", "pack"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_a_compressed_module_is_stored_as_it_is_loaded(
    tree: Path, ending: str, pack: type[bytes]
) -> None:
    kernel = tree / "usr/lib/modules" / RELEASE / "kernel"
    plain = (kernel / "igb.ko").read_bytes()
    (kernel / "igb.ko").unlink()
    (kernel / f"igb.ko{ending}").write_bytes(pack(plain))
    path = modules_for(read_modules(tree), ["igb"])[-1]
    assert path.name == f"igb.ko{ending}"
    assert read_module(path) == plain
    path.write_bytes(pack(plain)[:-9])
    with pytest.raises(InputError, match="cannot read the kernel module"):
        modules_for(read_modules(tree), ["igb"])


def test_a_file_that_is_no_module_is_refused(tree: Path) -> None:
    (tree / "usr/lib/modules" / RELEASE / "kernel" / "igb.ko").write_bytes(b"<html>")
    with pytest.raises(InputError, match="no kernel module"):
        modules_for(read_modules(tree), ["igb"])


def test_a_tree_without_modules_of_the_release(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"there is {RELEASE}"):
        read_modules(tree, "6.12.0")
    with pytest.raises(InputError, match="there is none"):
        read_modules(tmp_path / "nowhere")
    other = tree / "usr/lib/modules" / "6.12.0"
    other.mkdir()
    (other / "modules.builtin").write_text("")
    with pytest.raises(InputError, match="not clear"):
        read_modules(tree)


# --- the initrd --------------------------------------------------------------------------------


def test_it_holds_busybox_the_modules_and_init(tree: Path, busybox: Path) -> None:
    files = unpacked(tree, busybox, "nfs", "9p")
    init = files["init"].data.decode()
    assert init.startswith("#!/bin/sh\n")
    assert stat.S_IMODE(files["init"].mode) == stat.S_IMODE(files["dhcp"].mode) == 0o755
    assert loaded(init, "nfs")[-2:] == ["i2c-algo-bit", "igb"]
    assert loaded(init, "9p") == ["overlay", "9pnet", "9p", "9pnet_virtio"]
    for kind in ("nfs", "9p"):
        assert {f"modules/{name}.ko" for name in loaded(init, kind)} <= set(files)
    assert "ext4) modules=" not in init
    assert "mount_ext4" not in init
    assert f'"$release" = {RELEASE} ]' in init


def test_what_init_calls_is_there(tree: Path, busybox: Path) -> None:
    files = unpacked(tree, busybox, *KINDS)
    for name in APPLETS:
        assert files[f"bin/{name}"].data == b"busybox"
        scripts = files["init"].data + files["dhcp"].data
        assert name.encode() in scripts


def test_modules_of_the_user_are_loaded_first(tree: Path, busybox: Path) -> None:
    files = unpacked(tree, busybox, "9p", extra_modules=("igb",))
    assert loaded(files["init"].data.decode(), "9p")[:2] == ["i2c-algo-bit", "igb"]


def test_no_list_of_modules(tree: Path, busybox: Path) -> None:
    with pytest.raises(ProfileError, match=r"over nfs on riscv64"):
        root_initrd(RootInitrdSpec(("nfs",), "riscv64"), busybox, read_modules(tree))
    with pytest.raises(ProfileError, match="over nbd on x86_64"):
        root_initrd(RootInitrdSpec(("nbd",), "x86_64"), busybox, read_modules(tree))
    with pytest.raises(ProfileError, match="no kind of root"):
        root_initrd(RootInitrdSpec((), "x86_64"), busybox, read_modules(tree))


# --- the kernel command line -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "where", "word"),
    [
        ("nfs", "192.168.42.1:2049:/dom0", "harness.root=nfs:192.168.42.1:2049:/dom0"),
        ("9p", "root", "harness.root=9p:root"),
        ("ext4", "/dev/mmcblk0p2", "harness.root=ext4:/dev/mmcblk0p2"),
    ],
)
def test_the_root_on_the_command_line(kind: str, where: str, word: str) -> None:
    assert root_argument(kind, where) == word


def test_the_network_card_on_the_command_line() -> None:
    word = root_argument("nfs", "h:1:/dom0", nic="00:0D:B9:43:3f:bc")
    assert word == "harness.root=nfs:h:1:/dom0 harness.nic=00:0d:b9:43:3f:bc"
    with pytest.raises(UsageError, match="no address of a network card"):
        root_argument("nfs", "h:1:/dom0", nic="eth0")


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("nfs", "192.168.42.1:/dom0"),
        ("nfs", "h:1:/a b"),
        ("9p", "root quiet"),
        ("ext4", "mmcblk0p2"),
        ("iscsi", "x"),
    ],
)
def test_a_root_that_cannot_be_named(kind: str, where: str) -> None:
    with pytest.raises(UsageError):
        root_argument(kind, where)
