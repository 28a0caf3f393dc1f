"""`harness import-imagebuilder`: where the profile goes, and what is never written over."""

from __future__ import annotations

import argparse
import struct
from pathlib import Path

import pytest

from harness.board import load
from harness.cli import imagebuilder
from harness.devicetree.tree import Node, Tree, build_dtb
from harness.errors import InputError, ProfileError, UsageError

CONFIG = """\
MEMORY_START=0x40000000
MEMORY_END=0x80000000
DEVICE_TREE=board.dtb
XEN=xen
DOM0_KERNEL=xen
UBOOT_SCRIPT=boot.scr
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    image = struct.pack("<QQQQ", 0, 0, 0, 0) + bytes(24) + b"ARM\x64" + bytes(4)
    (tmp_path / "xen").write_bytes(image)
    (tmp_path / "board.dtb").write_bytes(build_dtb(Tree(Node("/"))))
    (tmp_path / "My Config.txt").write_text(CONFIG)
    return Path("My Config.txt")


def run(*words: object) -> int:
    top = argparse.ArgumentParser()
    imagebuilder.add(top.add_subparsers(required=True))
    options = top.parse_args(["import-imagebuilder", *map(str, words)])
    code: int = options.run(options)
    return code


def test_the_profile_is_printed_and_the_warnings_are_not_in_it(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config) == 0
    said = capsys.readouterr()
    assert said.err == (
        "harness: warning: My Config.txt:6, UBOOT_SCRIPT: the harness names the script itself "
        "(boot.cmd, boot.scr)\n"
    )
    (tmp_path / "my-config.yaml").write_text(said.out)
    board = load("my-config.yaml")
    assert board.binaries["xen"].file == str(tmp_path / "xen")


def test_a_file_is_written_once_and_never_over(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "-o", "acme.yaml") == 0
    assert capsys.readouterr().out == "written: acme.yaml\n"
    first = (tmp_path / "acme.yaml").read_text()
    assert load("acme.yaml").name == "acme"
    with pytest.raises(UsageError, match="not written over"):
        run(config, "-o", "acme.yaml")
    assert (tmp_path / "acme.yaml").read_text() == first
    (tmp_path / "dangling.yaml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="not written over"):
        run(config, "-o", "dangling.yaml")


def test_nothing_is_written_if_something_is_wrong(config: Path, tmp_path: Path) -> None:
    (tmp_path / config).write_text(CONFIG + "XEN_CMD='a;b'\n")
    with pytest.raises(InputError, match="would change"):
        run(config, "-o", "acme.yaml")
    assert not (tmp_path / "acme.yaml").exists()


def test_a_variant_loads_beside_its_parent(config: Path, tmp_path: Path) -> None:
    assert run(config, "-o", "acme.yaml", "--extends", "virt-arm64") == 0
    board = load("acme.yaml")
    assert board.targets.qemu is not None
    assert board.domains == ()
    assert run(config, "-o", "next.yaml", "--extends", "./acme.yaml") == 0
    assert load("next.yaml").targets == board.targets


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-o", "acme.txt"], "a file NAME.yaml"),
        (["-o", "Acme.yaml"], "cannot be the name"),
        (["-o", "nowhere/acme.yaml"], "no folder nowhere"),
        (["-o", "acme.yaml", "--name", "other"], "-o other.yaml"),
        (["--name", "a b"], "cannot be the name"),
        (["--name", "virt-arm64", "--extends", "virt-arm64"], "the one that it extends"),
    ],
)
def test_wrong_usage(config: Path, words: list[str], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(config, *words)
    assert says in str(caught.value)


@pytest.mark.parametrize("folder", [".", "Up"])
def test_a_folder_is_said_to_be_one(config: Path, folder: str) -> None:
    config.parent.joinpath(folder).mkdir(exist_ok=True)
    with pytest.raises(InputError, match="is a folder"):
        run(folder)


def test_a_parent_that_is_not_there(config: Path) -> None:
    with pytest.raises(ProfileError, match="did you mean 'virt-arm64'"):
        run(config, "--extends", "virt-arm46")
