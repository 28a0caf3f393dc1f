from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.devicetree.tree import Node, Tree, build_dtb
from harness.errors import FormatError
from harness.sdcard.fit import parse

CODE = bytes(range(256)) * 20
ITS = """/dts-v1/;
/ {
    description = "a loader";
    #address-cells = <1>;
    images {
        uboot {
            data = /incbin/("code");
            type = "standalone"; arch = "arm64"; compression = "none"; load = <0x4a000000>;
            hash-1 { algo = "crc32"; };
            hash-2 { algo = "sha256"; };
        };
        fdt-1 {
            data = /incbin/("code");
            type = "flat_dt"; compression = "none";
            hash { algo = "sha1"; };
        };
    };
    configurations {
        default = "c";
        c { firmware = "uboot"; fdt = "fdt-1"; };
    };
};
"""


def made(folder: Path, *more: str) -> bytes:
    mkimage = shutil.which("mkimage")
    if mkimage is None or not shutil.which("dtc"):
        reason = "mkimage and dtc are not on this machine, to compare with"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    (folder / "code").write_bytes(CODE)
    (folder / "x.its").write_text(ITS)
    argv = [mkimage, *more, "-f", "x.its", "x.itb"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    return (folder / "x.itb").read_bytes()


@pytest.mark.parametrize("more", [(), ("-E",), ("-E", "-p", "0x3000")], ids=" ".join)
def test_what_mkimage_makes(tmp_path: Path, more: tuple[str, ...]) -> None:
    data = made(tmp_path, *more)
    found = parse(data + b"what follows")
    assert (found.size, found.hashes, found.description) == (len(data), 3, "a loader")


@pytest.mark.parametrize("more", [(), ("-E",)], ids=["inside", "behind"])
def test_one_byte_of_it_is_wrong(tmp_path: Path, more: tuple[str, ...]) -> None:
    data = bytearray(made(tmp_path, *more))
    data[data.index(CODE) + 1000] ^= 1
    with pytest.raises(FormatError, match="hash-1: the crc32 of uboot is "):
        parse(bytes(data))


def test_a_cut_one(tmp_path: Path) -> None:
    data = made(tmp_path, "-E")
    with pytest.raises(FormatError, match="ends at"):
        parse(data[:-1])


def test_a_tree_that_is_no_fit() -> None:
    with pytest.raises(FormatError, match="a device tree without images"):
        parse(build_dtb(Tree(Node("/"))))
    with pytest.raises(FormatError, match="uboot has no data"):
        parse(build_dtb(Tree(Node("/", {}, (Node("images", {}, (Node("uboot"),)),)))))


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse(b"\xd0\x0d\xfe\xed" + data)
