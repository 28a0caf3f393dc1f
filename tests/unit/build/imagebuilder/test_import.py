"""A configuration of ImageBuilder becomes a profile that loads, and whose script says the same."""

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path

import pytest

from harness.board import Board, load
from harness.build.bootscript import render_script
from harness.build.imagebuilder import Imported, check, import_config
from harness.devicetree.tree import Node, Tree, build_dtb
from harness.errors import InputError, ProfileError
from harness.formats import cpio, zimage

MIB = 1 << 20


def arm64_image(size: int, in_memory: int = 0) -> bytes:
    header = struct.pack("<QQQQ", 0, 0, in_memory, 0) + bytes(24) + b"ARM\x64" + bytes(4)
    return header.ljust(size, b"\0")


def strings(*texts: str) -> bytes:
    return b"".join(text.encode() + b"\0" for text in texts)


def cells(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def tree(*children: Node, reserved: tuple[int, int] | None = None) -> bytes:
    two = {"#address-cells": cells(2), "#size-cells": cells(2)}
    memory = Node(
        "memory@40000000",
        {"device_type": strings("memory"), "reg": cells(0, 0x40000000, 0, 0x40000000)},
    )
    uart = Node("serial@9000000", {"compatible": strings("arm,pl011")})
    chosen = Node("chosen", {"stdout-path": strings("/serial@9000000:9600n8")})
    nodes = [memory, uart, chosen, *children]
    if reserved:
        region = Node("r@0", {"reg": cells(0, reserved[0], 0, reserved[1])})
        nodes.append(Node("reserved-memory", dict(two), (region,)))
    properties = {
        "model": strings("Acme Board: 2"),
        "compatible": strings("acme,board2", "acme,soc7"),
        **two,
    }
    return build_dtb(Tree(Node("/", properties, tuple(nodes))))


CONFIG = """\
MEMORY_START="0x40000000"
MEMORY_END="0x80000000"
LOAD_CMD="load scsi 0:2"
DEVICE_TREE="board.dtb"
XEN="xen"
XEN_CMD="console=dtuart dom0_mem=256M loglvl=all"
DOM0_KERNEL="Image-dom0"
DOM0_RAMDISK="dom0.cpio.gz"
DOM0_CMD="console=hvc0 root=/dev/ram0"
NUM_DOMUS=2
DOMU_KERNEL[0]="one/Image"
DOMU_RAMDISK[0]="one/ramdisk"
DOMU_PASSTHROUGH_DTB[0]="one/part.dtb"
DOMU_PASSTHROUGH_PATHS[0]="/serial@9000000"
DOMU_MEM[0]=256
DOMU_VCPUS[0]=2
DOMU_CMD[0]="console=ttyAMA0 who='one'"
DOMU_KERNEL[1]="two/Image"
DOMU_VPL011[1]=0
DOMU_ENHANCED[1]=2
"""

# Written by hand from the rule of ImageBuilder: the script at 0x40200000, the first file 2 MiB
# behind it, each next one at the next multiple of 2 MiB. dom0's kernel has 3 MiB in its file and
# says that it takes 5 MiB.
ADDRESSES = {
    "zImage": 0x40400000,
    "initrd": 0x40A00000,
    "domU1-kernel": 0x40C00000,
    "domU1-ramdisk": 0x41000000,
    "domU1-dtb": 0x41200000,
    "domU2-kernel": 0x41400000,
    "xen": 0x41600000,
    "board.dtb": 0x41800000,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All files that CONFIG names."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    etc = [cpio.Entry("etc", 0o40755), cpio.Entry("etc/hostname", 0o100644, b"acme\n")]
    for name, data in {
        "config": CONFIG.encode(),
        "board.dtb": tree(),
        "xen": arm64_image(900_000, 1_200_000),
        "Image-dom0": arm64_image(3 * MIB, 5 * MIB),
        "dom0.cpio.gz": gzip.compress(cpio.build(etc)),
        "one/Image": arm64_image(2 * MIB + 1),
        "one/ramdisk": bytes(2 * MIB),
        "one/part.dtb": tree(),
        "two/Image": arm64_image(100),
    }.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def imported(
    folder: Path, text: str = CONFIG, name: str = "acme", parent: Board | None = None
) -> Imported:
    (folder / "config").write_text(text)
    return import_config(folder / "config", name, parent)


def loaded(folder: Path, made: Imported) -> Board:
    """As a user would have it, from the file."""
    file = folder / f"{made.name}.yaml"
    file.write_text(made.text)
    return load(str(file))


def script_of(board: Board) -> str:
    return render_script(board, board.xen.cmdline, board.dom0.cmdline)


def loads(script: str) -> dict[str, int]:
    return {m[2]: int(m[1], 16) for m in re.finditer(r"^load \S+ \S+ (\S+) /(\S+)", script, re.M)}


def refused(folder: Path, text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        check(imported(folder, text))
    return caught.value


def changed(key: str, value: str) -> str:
    """CONFIG with another value, in the same line."""
    text, count = re.subn(rf"(?m)^{re.escape(key)}=.*$", f"{key}={value}", CONFIG)
    assert count == 1
    return text


def test_the_script_loads_the_same_files_at_the_addresses_of_imagebuilder(folder: Path) -> None:
    board = loaded(folder, imported(folder))
    script = script_of(board)
    assert loads(script) == ADDRESSES
    assert re.search(r"(?m)^ *booti 0x41600000 - 0x41800000$", script)
    assert "load scsi 0:2 " in script
    assert board.binaries["domU1-kernel"].file == str(folder / "one" / "Image")


def test_the_script_has_the_same_nodes(folder: Path) -> None:
    script = script_of(loaded(folder, imported(folder)))
    for line in (
        'setenv bootargs "console=dtuart dom0_mem=256M loglvl=all"',
        "fdt set /chosen/module@0 reg <0x0 0x40400000 0x0 0x${filesize}>",
        'fdt set /chosen/module@0 bootargs "console=hvc0 root=/dev/ram0"',
        "fdt set /chosen/module@1 reg <0x0 0x40a00000 0x0 0x${filesize}>",
        "fdt set /chosen/domU1 memory <0x0 0x40000>",
        "fdt set /chosen/domU1 cpus <2>",
        "fdt set /chosen/domU1 vpl011",
        'fdt set /chosen/domU1 xen,enhanced "enabled"',
        "fdt set /serial@9000000 xen,passthrough",
        'fdt set /chosen/domU1/module@40c00000 compatible "multiboot,kernel" "multiboot,module"',
        "fdt set /chosen/domU1/module@40c00000 bootargs \"console=ttyAMA0 who='one'\"",
        'fdt set /chosen/domU1/module@41000000 compatible "multiboot,ramdisk" "multiboot,module"',
        'fdt set /chosen/domU1/module@41200000 compatible "multiboot,device-tree" '
        '"multiboot,module"',
        "fdt set /chosen/domU2 memory <0x0 0x80000>",  # the default: 512 MiB
        "fdt set /chosen/domU2 cpus <1>",
        'fdt set /chosen/domU2 xen,enhanced "no-xenstore"',
    ):
        assert line in script.splitlines()
    assert "fdt set /chosen/domU2 vpl011" not in script
    assert "/chosen/domU2/module@41400000 bootargs" not in script


def test_a_full_profile_takes_its_identity_from_the_device_tree(folder: Path) -> None:
    made = imported(folder)
    board = loaded(folder, made)
    assert made.warnings == ()
    assert (board.title, board.arch, board.targets.qemu) == ("Acme Board: 2", "aarch64", None)
    assert (board.identity.vendor, board.identity.soc) == ("acme", "acme,soc7")
    assert (board.console.port, board.console.baud) == ("/serial@9000000", 9600)
    assert board.dom0.hostname == "acme"
    assert "XEN_CMD, line 6" in made.text
    assert "DOMU_MEM[0], line 15" in made.text


def test_a_variant_keeps_the_machine_of_its_parent(folder: Path) -> None:
    parent = load("virt-arm64")
    text = CONFIG.replace("XEN=", "#") + 'XEN="xen"\n'
    made = imported(folder, text, parent=parent)
    board = loaded(folder, made)
    assert board.targets == parent.targets
    assert board.boot.uboot is not None
    assert parent.boot.uboot is not None
    assert board.boot.uboot.device == "virtio 0"
    assert board.boot.uboot.before == parent.boot.uboot.before
    assert loads(script_of(board)) == ADDRESSES
    assert board.binaries["xen"].package is None
    assert board.binaries["uboot"] == parent.binaries["uboot"]
    assert [one.name for one in board.domains] == ["domU1", "domU2"]
    assert any("the card as virtio 0" in warning for warning in made.warnings)


def test_without_dom0_only_domains_are_started(folder: Path) -> None:
    text = re.sub(r"(?m)^DOM0_.*\n", "", CONFIG)
    for parent in (None, load("virt-arm64")):
        board = loaded(folder, imported(folder, text, parent=parent))
        script = script_of(board)
        assert not board.dom0.present
        assert board.xen.cmdline == "console=dtuart loglvl=all"
        assert board.domains[0].enhanced is None
        assert loads(script)["domU1-kernel"] == 0x40400000
        assert "zImage" not in loads(script)
        orders = [step for e in board.expectations for step in e.order or ()]
        assert orders
        assert "LOADING DOMAIN 0" not in orders


def test_a_32_bit_xen_is_started_with_bootz(folder: Path) -> None:
    (folder / "xen").write_bytes(zimage.build(bytes(1000)))
    text = CONFIG + "BOOT_CMD=booti\n"
    made = imported(folder, text)
    board = loaded(folder, made)
    assert board.arch == "arm"
    assert re.search(r"(?m)^ *bootz 0x41600000 - ", script_of(board))
    assert any("BOOT_CMD: Xen's image is one for bootz" in text for text in made.warnings)


def test_defaults_are_those_of_imagebuilder(folder: Path) -> None:
    text = re.sub(r"(?m)^(XEN_CMD|DOM0_CMD|DOM0_RAMDISK)=.*\n", "", CONFIG) + "DOM0_MEM=700\n"
    board = loaded(folder, imported(folder, text))
    assert board.xen.cmdline == (
        "console=dtuart dtuart=serial0 dom0_mem=700M dom0_max_vcpus=1 bootscrub=0 vwfi=native "
        "sched=null"
    )
    assert board.dom0.cmdline == (
        "console=hvc0 earlycon=xen earlyprintk=xen clk_ignore_unused root=/dev/ram0"
    )
    assert loads(script_of(board))["domU1-kernel"] == 0x40A00000
    low = changed("MEMORY_START", "0x0")
    assert loads(script_of(loaded(folder, imported(folder, low))))["zImage"] == 0xE00000


def test_the_last_two_mib_are_left_free(folder: Path) -> None:
    assert check(imported(folder, changed("MEMORY_END", "0x41c00000")))


def test_reserved_memory_is_left_alone(folder: Path) -> None:
    (folder / "board.dtb").write_bytes(tree(reserved=(0x40B00000, 0x180000)))
    addresses = loads(script_of(loaded(folder, imported(folder))))
    assert addresses["initrd"] == 0x40A00000
    assert addresses["domU1-kernel"] == 0x40E00000


def test_the_card_grows_with_the_files(folder: Path) -> None:
    with (folder / "Image-dom0").open("r+b") as file:
        file.truncate(100 * MIB)
    card = loaded(folder, imported(folder)).boot.card
    assert card is not None
    assert card.size_mib == 256


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("DOMU_COLORS[0]=1-2", "DOMU_COLORS[0]: cache colouring"),
        ("DOMU_STATIC_MEM[1]='0x50000000 0x10000000'", "no fixed addresses"),
        ("DOMU_KERNEL[7]=x", "DOMU_KERNEL[7]: the domain is not in the profile"),
        ("BITSTREAM=x", "BITSTREAM: a bitstream"),
        ("DT_OVERLAY[0]=x", "overlays are not applied"),
        ("UBOOT_SCRIPT=boot.scr", "names the script itself"),
        ("DOMU_VCPU=1", "unknown key; did you mean DOMU_VCPUS?"),
        ("QQQQ=1", "QQQQ: unknown key"),
        ("DOM0_VCPUS=2", "only without XEN_CMD"),
        ("XEN[3]=x", "XEN is no array"),
        ("DOMU_PASSTHROUGH_PATHS[1]=/nowhere@1", "has no node /nowhere@1"),
        ("DOMU_PASSTHROUGH_PATHS[1]=/serial@9000000", "without DOMU_PASSTHROUGH_DTB"),
    ],
)
def test_what_goes_into_no_profile_is_told_with_its_line(
    folder: Path, line: str, says: str
) -> None:
    made = imported(folder, CONFIG + line + "\n")
    assert any(says in one and "config:21, " in one for one in made.warnings), made.warnings
    check(made)


def test_a_variable_that_others_use_is_not_unknown(folder: Path) -> None:
    made = imported(folder, "DIR=one\n" + CONFIG.replace('"one/Image"', '"${DIR}/Image"'))
    assert made.warnings == ()


def test_a_domain_that_is_not_booted_gives_its_number_to_the_next(folder: Path) -> None:
    made = imported(folder, CONFIG + "DOMU_NOBOOT[0]=1\n")
    board = loaded(folder, made)
    assert [(one.name, one.memory_mib) for one in board.domains] == [("domU1", 512)]
    assert any("DOMU_NOBOOT[0]: domain 0" in warning for warning in made.warnings)


def test_static_memory_gives_the_size(folder: Path) -> None:
    text = CONFIG + "DOMU_STATIC_MEM[1]='0x50000000 0x4000000 0x60000000 0x4000000'\n"
    assert loaded(folder, imported(folder, text)).domains[1].memory_mib == 128


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        (changed("XEN", "nothing"), "config:5, XEN", "is not there"),
        (changed("XEN", "one"), "config:5, XEN", "is not a file"),
        (changed("XEN", "board.dtb"), "config:5, XEN", "no image that U-Boot can start"),
        (changed("DEVICE_TREE", "xen"), "config:4, DEVICE_TREE", "the magic is"),
        (changed("NUM_DOMUS", "3"), "config:10, NUM_DOMUS", "no DOMU_KERNEL[2]"),
        (changed("NUM_DOMUS", "99999999999"), "config:10, NUM_DOMUS", "no DOMU_KERNEL[2]"),
        (changed("NUM_DOMUS", "two"), "config:10, NUM_DOMUS", "not a number"),
        (changed("MEMORY_END", "0x41bfffff"), "config:2, MEMORY_END", "DEVICE_TREE would reach"),
        (changed("MEMORY_END", "0x40000000"), "config:2, MEMORY_END", "MEMORY_START is"),
        (changed("MEMORY_END", "0x1" + "0" * 17), "config:2, MEMORY_END", "MEMORY_START is"),
        (changed("MEMORY_START", "1G"), "config:1, MEMORY_START", "not a number"),
        (changed("DOMU_MEM[0]", "0"), "config:15, DOMU_MEM[0]", "not possible"),
        (changed("DOMU_VPL011[1]", "2"), "config:19, DOMU_VPL011[1]", "not possible"),
        (changed("DOMU_ENHANCED[1]", "3"), "config:20, DOMU_ENHANCED[1]", "not possible"),
        (changed("DOMU_PASSTHROUGH_PATHS[0]", "uart"), "config:14", "not the path"),
        (changed("XEN_CMD", "'a;b'"), "config:6, XEN_CMD", "would change the ';'"),
        (changed("DOMU_CMD[0]", "'\u00e9'"), "config:17, DOMU_CMD[0]", "not ASCII"),
        (changed("DOM0_CMD", "x" * 1024), "config", "characters"),
        (CONFIG.replace("XEN=", "#"), "config", "XEN is not set"),
        ("XEN=$(ls)\n", "config:1", "command substitution"),
    ],
)
def test_bad_input_is_refused_with_its_line(folder: Path, text: str, where: str, says: str) -> None:
    bad = refused(folder, text)
    assert says in str(bad)
    assert where in str(bad)


def test_static_memory_that_is_no_pairs_is_refused(folder: Path) -> None:
    for value in ("0x50000000", "0x50000000 0x1000", "a b"):
        refused(folder, f"{CONFIG}DOMU_STATIC_MEM[0]='{value}'\n")


def test_a_binary_file_is_no_configuration(folder: Path) -> None:
    for data in (bytes(range(256)), b"\x7fELF\0\0\0", b"A=1\n" * 100_000, b""):
        (folder / "config").write_bytes(data)
        with pytest.raises(InputError):
            import_config(folder / "config", "acme")
    for path in (folder / "no", folder / "one", Path("/dev/zero")):
        with pytest.raises(InputError):
            import_config(path, "acme")


def test_an_empty_file_is_refused(folder: Path) -> None:
    (folder / "two" / "Image").write_bytes(b"")
    assert "is empty" in str(refused(folder, CONFIG))


def test_a_packed_xen_is_seen_through(folder: Path) -> None:
    (folder / "xen").write_bytes(gzip.compress(arm64_image(900_000)))
    made = imported(folder)
    assert loaded(folder, made).arch == "aarch64"
    assert any("packed with gzip" in warning for warning in made.warnings)
    (folder / "xen").write_bytes(gzip.compress(b"x" * 900)[:30])
    assert "no image" in str(refused(folder, CONFIG))


def test_a_parent_that_does_not_fit_is_refused(folder: Path) -> None:
    with pytest.raises(ProfileError, match="does not boot through U-Boot"):
        imported(folder, parent=load("apu2"))
    with pytest.raises(InputError, match="is for aarch64, and board orangepi-pc is arm"):
        imported(folder, parent=load("orangepi-pc"))


def test_a_stand_in_keeps_its_own_device_tree_and_says_so(folder: Path) -> None:
    (folder / "xen").write_bytes(zimage.build(bytes(1000)))
    made = imported(folder, parent=load("cubieboard2"))
    assert any("on QEMU cubieboard2 takes another dtb" in text for text in made.warnings)
    check(made)
