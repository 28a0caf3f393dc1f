from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import tools
from harness.errors import HarnessError, InputError
from harness.sdcard import filesystems
from harness.sdcard.filesystems import Ext4, Fat, FileSystem, kind_of

FAT_OFFSET, EXT4_OFFSET = 1 << 20, 9 << 20
CONTENT = bytes(range(256)) * 300


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """An image with a FAT at 1 MiB and an ext4 at 9 MiB that have the same files."""
    folder = tmp_path / "files"
    (folder / "boot" / "deep").mkdir(parents=True)
    (folder / "boot" / "deep" / "zImage").write_bytes(CONTENT)
    (folder / "boot" / "Long name with blanks.dtb").write_bytes(b"dtb")
    (folder / "boot.scr").write_bytes(b"script")
    (folder / "empty").touch()
    image = tmp_path / "image"
    with image.open("wb") as out:
        out.truncate(24 << 20)
    place = f"image@@{FAT_OFFSET}"
    geometry = ["-T", "16384", "-h", "255", "-s", "63", "-H", "2048"]
    tools.run(["mformat", "-i", place, *geometry, "::"], cwd=tmp_path)
    names = ["files/boot", "files/boot.scr", "files/empty"]
    tools.run(["mcopy", "-s", "-i", place, *names, "::"], cwd=tmp_path)
    (folder / "link").symlink_to("boot/deep/zImage")
    (folder / "up").symlink_to("/boot/deep/../../boot.scr")
    (folder / "round").symlink_to("round")
    (folder / "dangling").symlink_to("nothing")
    (folder / "far").symlink_to("boot/" + "./" * 100 + "deep")
    tools.run(
        [
            *("mke2fs", "-q", "-t", "ext4", "-d", "files", "-E", f"offset={EXT4_OFFSET}"),
            *("image", "15360k"),
        ],
        cwd=tmp_path,
    )
    return tmp_path


MAKERS: list[Callable[[Path], FileSystem]] = [
    lambda work: Fat("image", FAT_OFFSET, work),
    lambda work: Ext4("image", EXT4_OFFSET, work),
]
both = pytest.mark.parametrize("make", MAKERS, ids=["fat", "ext4"])


@both
def test_files(work: Path, make: Callable[[Path], FileSystem]) -> None:
    system = make(work)
    assert system.read("/boot/deep/zImage") == CONTENT
    assert system.size("/boot/deep/zImage") == len(CONTENT)
    assert system.read("/boot/Long name with blanks.dtb") == b"dtb"
    assert system.read("/empty") == b""
    assert dict(system.sizes()) == {"boot.scr": 6, "empty": 0}


@both
@pytest.mark.parametrize(
    "path",
    [
        *("/nothing", "/boot", "/boot.scr/x", "/no/such/folder", "/", "", "/boot*", "/[b]oot.scr"),
        *('/a"b', "/a\nb", "/<2>", "/-x", "/boot.scr; quit", "/::", "/\u00e4"),
    ],
)
def test_no_such_file(work: Path, make: Callable[[Path], FileSystem], path: str) -> None:
    assert make(work).read(path) is None
    assert make(work).size(path) is None


def test_fat_has_no_case(work: Path) -> None:
    fat = Fat("image", FAT_OFFSET, work)
    assert fat.read("/BOOT/Deep/ZIMAGE") == CONTENT
    assert Ext4("image", EXT4_OFFSET, work).read("/Boot.scr") is None


def test_links_of_ext4(work: Path) -> None:
    ext4 = Ext4("image", EXT4_OFFSET, work)
    assert ext4.read("/link") == CONTENT
    assert ext4.read("/up") == b"script"
    assert ext4.read("/far/zImage") == CONTENT
    assert ext4.read("/round") is None
    assert ext4.read("/dangling") is None


@both
def test_a_file_that_is_too_large(
    work: Path, make: Callable[[Path], FileSystem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystems, "LARGEST", len(CONTENT) - 1)
    with pytest.raises(InputError, match="/boot/deep/zImage has 76800 bytes"):
        make(work).read("/boot/deep/zImage")


@both
def test_damage_is_an_error_and_not_a_file_that_is_missing(
    work: Path, make: Callable[[Path], FileSystem]
) -> None:
    with (work / "image").open("r+b") as out:
        out.seek(FAT_OFFSET)
        out.write(b"\xff" * (23 << 20))
    with pytest.raises(HarnessError):
        make(work).read("/boot.scr")


def test_the_kind_is_seen(work: Path) -> None:
    data = (work / "image").read_bytes()
    assert kind_of(data[FAT_OFFSET:]) == "fat"
    assert kind_of(data[EXT4_OFFSET:]) == "ext4"
    assert kind_of(data) is None
    assert kind_of(b"") is None
