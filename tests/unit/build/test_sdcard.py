from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from harness import tools
from harness.board.booting import Card
from harness.build.loader import Piece
from harness.build.sdcard import write_card
from harness.errors import HarnessError, InputError, ProfileError
from harness.formats import mbr

CARD = Card(size_mib=64, loader_kib=8)
LOADER = (Piece("spl", 8192, b"S" * 600), Piece("u-boot", 40960, b"U" * 900))
BOOT = {"boot.scr": b"script", "A long name.txt": b"x" * 70000}
EXT4_OFFSET = 17 << 20


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "real").write_bytes(b"kernel" * 1000 + bytes(40000) + b"end")
    (folder / "link").symlink_to("real")
    (folder / "empty").touch()
    return {"zImage": folder / "link", "xen": folder / "real", "none": folder / "empty"}


def part(image: Path, number: int) -> Path:
    with image.open("rb") as data:
        entry = mbr.parse(data.read(512)).partitions[number - 1]
        data.seek(entry.start * 512)
        path = image.with_name(f"part{number}")
        path.write_bytes(data.read(entry.sectors * 512))
    return path


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "files")


def test_what_lies_where(tmp_path: Path, files: dict[str, Path]) -> None:
    image = tmp_path / "sd.img"
    write_card(image, CARD, LOADER, BOOT, files)
    data = image.read_bytes()
    assert len(data) == 64 << 20
    assert data[512:8192] == bytes(7680)
    assert data[8192:8792] == b"S" * 600
    assert data[40960:41860] == b"U" * 900
    assert data[41860 : 1 << 20] == bytes((1 << 20) - 41860)
    table = mbr.parse(data)
    assert [(p.start, p.end, p.bootable) for p in table.partitions] == [
        (2048, 34816, True),
        (34816, 131072, False),
    ]
    assert mbr.problems(table, 131072) == ()
    assert image.stat().st_blocks * 512 < 4 << 20  # sparse
    assert left_in(tmp_path) == ["sd.img"]


def test_the_file_systems_are_sound_and_hold_the_files(
    tmp_path: Path, files: dict[str, Path]
) -> None:
    image = tmp_path / "sd.img"
    write_card(image, CARD, LOADER, BOOT, files)
    fat, ext4 = part(image, 1), part(image, 2)
    for name, data in BOOT.items():
        tools.run(["mcopy", "-n", "-i", fat, f"::{name}", tmp_path / "copy"])
        assert (tmp_path / "copy").read_bytes() == data
        (tmp_path / "copy").unlink()
    tools.run(["e2fsck", "-fn", ext4])
    for name, path in files.items():
        tools.run(["debugfs", "-R", f"dump /{name} {tmp_path}/copy", ext4])
        assert (tmp_path / "copy").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("boot_mib", [8, 16, 40, 100])
def test_the_fat_is_sound_at_any_size(tmp_path: Path, boot_mib: int) -> None:
    if shutil.which("fsck.fat", path="/usr/sbin:/sbin:/usr/bin") is None:
        pytest.skip("fsck.fat (dosfstools) is not on this machine, to compare with")
    image = tmp_path / "sd.img"
    write_card(image, Card(size_mib=128, boot_mib=boot_mib), (), BOOT, {})
    tools.run(["fsck.fat", "-n", part(image, 1)])


def test_the_same_input_gives_the_same_bytes(
    tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one.img", tmp_path / "two.img"
    write_card(one, CARD, LOADER, BOOT, files)
    # Another time, another clock, another mask, another configuration of mke2fs.
    time.sleep(max(0.0, 1.01 - time.time() % 1))
    config = tmp_path / "mke2fs.conf"
    config.write_text(
        "[defaults]\nbase_features = sparse_super,filetype\nblocksize = 1024\ninode_size = 128\n"
        "[fs_types]\next4 = {\nfeatures = has_journal,metadata_csum,64bit\n}\n"
    )
    monkeypatch.setenv("MKE2FS_CONFIG", str(config))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.chdir(tmp_path)
    mask = os.umask(0o077)
    try:
        write_card(Path("two.img"), CARD, LOADER, BOOT, files)
    finally:
        os.umask(mask)
    assert one.read_bytes() == two.read_bytes()


def test_the_owner_of_the_files_does_not_matter(tmp_path: Path, files: dict[str, Path]) -> None:
    image = tmp_path / "sd.img"
    write_card(image, CARD, (), {}, files)
    said = tools.run(["debugfs", "-R", "ls -l -p /", part(image, 2)])
    assert [line.split("/")[2:6] for line in said.splitlines() if "/xen/" in line] == [
        ["100644", "0", "0", "xen"]
    ]


@pytest.mark.parametrize("folder", ["a@@5", "what?offset=1", "a:b", "x y", "[z]*"])
def test_folders_with_names_that_the_tools_take_for_theirs(
    tmp_path: Path, files: dict[str, Path], folder: str
) -> None:
    place = tmp_path / folder
    place.mkdir()
    write_card(place / "sd?.img", CARD, LOADER, BOOT, files)
    assert left_in(place) == ["sd?.img"]
    tools.run(["e2fsck", "-fn", part(place / "sd?.img", 2).rename(tmp_path / "ext4")])


class TestNothingIsWritten:
    def test_without_room_on_the_fat(self, tmp_path: Path) -> None:
        with pytest.raises(ProfileError, match=r"15.0 MiB of files .* partition 1 of 16 MiB"):
            write_card(tmp_path / "sd.img", CARD, (), {"big": bytes(15 << 20)}, {})
        assert left_in(tmp_path) == []

    def test_without_room_on_the_ext4(self, tmp_path: Path, files: dict[str, Path]) -> None:
        big = tmp_path / "files" / "big"
        with big.open("wb") as out:
            out.truncate(43 << 20)
        with pytest.raises(ProfileError) as error:
            write_card(tmp_path / "sd.img", CARD, (), {}, {**files, "initrd": big})
        assert "43.1 MiB of files do not fit on partition 2 of 47 MiB (the biggest: initrd" in str(
            error.value
        )
        assert left_in(tmp_path) == []

    @pytest.mark.parametrize(
        ("loader", "boot", "file"),
        [
            ((Piece("long", 8192, bytes(1 << 20)),), {}, "xen"),
            ((), {"a:b": b""}, "xen"),
            ((), {}, "x/en"),
            ((), {}, "gone"),
        ],
        ids=["loader", "FAT name", "ext4 name", "no file"],
    )
    def test_of_bad_input(
        self, tmp_path: Path, loader: tuple[Piece, ...], boot: dict[str, bytes], file: str
    ) -> None:
        there = tmp_path / "files"
        if file != "gone":
            there.write_bytes(b"x")
        with pytest.raises((ProfileError, InputError)):
            write_card(tmp_path / "sd.img", CARD, loader, boot, {file: there})
        assert left_in(tmp_path) == []


def test_what_nearly_fills_the_card_fits(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"\x5a" * (42 << 20))
    write_card(tmp_path / "sd.img", CARD, (), {"big": bytes(14 << 20)}, {"initrd": big})
    tools.run(["e2fsck", "-fn", part(tmp_path / "sd.img", 2)])


@pytest.mark.parametrize("bad", [KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("program", ["mformat", "mcopy", "mke2fs", "debugfs"])
def test_nothing_is_left_when_a_step_ends_badly(
    tmp_path: Path,
    files: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    bad: BaseException,
) -> None:
    run = tools.run

    def fail(argv: list[str | Path], **more: object) -> str:
        if argv[0] == program:
            raise bad
        return run(argv, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(tools, "run", fail)
    with pytest.raises(type(bad)):
        write_card(tmp_path / "sd.img", CARD, LOADER, BOOT, files)
    assert left_in(tmp_path) == []


def test_an_image_that_is_there_stays(tmp_path: Path, files: dict[str, Path]) -> None:
    image = tmp_path / "sd.img"
    image.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        write_card(image, CARD, LOADER, BOOT, files)
    assert image.read_bytes() == b"precious"


def test_a_tool_that_is_missing_is_named(
    tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "_SBIN", str(tmp_path))
    with pytest.raises(HarnessError, match=r"mformat is not installed[\s\S]*apt-get .* mtools"):
        write_card(tmp_path / "sd.img", CARD, LOADER, BOOT, files)
    assert left_in(tmp_path) == []
