from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from harness.errors import HarnessError, InfraError, UsageError
from harness.sdcard.output import bmap_line, dd_line, new_file


def test_a_new_file_appears_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "sd.img"
    with new_file(out, force=False) as part:
        part.write_bytes(b"card")
        assert not out.exists()
        assert part.parent.parent == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["sd.img"]
    assert out.read_bytes() == b"card"


@pytest.mark.parametrize("bad", [KeyboardInterrupt, InfraError("x"), MemoryError])
@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_left_after_an_error(
    tmp_path: Path, force: bool, bad: type[BaseException] | BaseException
) -> None:
    out = tmp_path / "sd.img"
    if force:
        out.write_bytes(b"before")
    with pytest.raises((KeyboardInterrupt, InfraError, MemoryError)):  # noqa: SIM117, PT012
        with new_file(out, force=force) as part:
            part.write_bytes(b"half")
            (part.parent / "boot.cmd").touch()
            raise bad
    assert [path.name for path in tmp_path.iterdir()] == (["sd.img"] if force else [])
    assert not force or out.read_bytes() == b"before"


def test_what_is_there_stays(tmp_path: Path) -> None:
    out = tmp_path / "sd.img"
    out.write_bytes(b"precious")
    with pytest.raises(UsageError, match="there already"), new_file(out, force=False):
        pytest.fail("it must not come to that")
    assert out.read_bytes() == b"precious"


def make_while_somebody_else_does(out: Path) -> None:
    with new_file(out, force=False) as part:
        part.write_bytes(b"ours")
        out.write_bytes(b"of somebody else")


def test_what_comes_while_we_work_stays(tmp_path: Path) -> None:
    out = tmp_path / "sd.img"
    with pytest.raises(UsageError, match="there already"):
        make_while_somebody_else_does(out)
    assert out.read_bytes() == b"of somebody else"
    assert [path.name for path in tmp_path.iterdir()] == ["sd.img"]


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    out = tmp_path / "sd.img"
    with new_file(out, force=False) as part:
        part.write_bytes(b"card")
    assert out.read_bytes() == b"card"
    with pytest.raises(UsageError, match="there already"):
        make_while_somebody_else_does(tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"of somebody else"


def test_force_replaces_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "sd.img"
    out.write_bytes(b"old")
    with new_file(out, force=True) as part:
        part.write_bytes(b"new")
        assert out.read_bytes() == b"old"
    assert out.read_bytes() == b"new"


def test_force_goes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with new_file(tmp_path / "link", force=True) as part:
        part.write_bytes(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_dangling_link_is_there_already(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nothing")
    with pytest.raises(UsageError, match="there already"), new_file(tmp_path / "link", force=False):
        pytest.fail("it must not come to that")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", [".", "/dev/null", "no/such/folder", "fifo", "file/x"])
def test_no_place_for_a_file(tmp_path: Path, name: str, force: bool) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError), new_file(tmp_path / name, force=force):
        pytest.fail("it must not come to that")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "file"]


def test_the_line_that_makes_the_folder_is_told_where_it_can_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    hints = []
    for name in ("no such/x", "file/x"):
        with pytest.raises(UsageError) as caught, new_file(tmp_path / name, force=False):
            pytest.fail("it must not come to that")
        hints.append(caught.value.hint)
    assert hints == [f"mkdir -p '{tmp_path}/no such'", None]


@pytest.mark.parametrize("force", [False, True])
def test_a_device_is_refused_with_the_line_that_copies(
    tmp_path: Path, force: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "mmcblk0"
    monkeypatch.setattr(Path, "is_block_device", lambda path: path == device)
    with pytest.raises(UsageError) as error, new_file(device, force=force):
        pytest.fail("it must not come to that")
    assert f"sudo dd if=sd.img of={device} bs=4M conv=fsync status=progress" in str(error.value)
    assert f"sudo bmaptool copy --bmap sd.img.bmap sd.img {device}" in str(error.value)


def test_a_full_disk_is_our_side(tmp_path: Path) -> None:
    with (
        pytest.raises(InfraError, match=r"cannot write .*sd.img: No space left on device"),
        new_file(tmp_path / "sd.img", force=False),
    ):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_named_itself(tmp_path: Path) -> None:
    with (
        pytest.raises(InfraError, match=r"^/cache/xen: Input/output error$"),
        new_file(tmp_path / "sd.img", force=False),
    ):
        raise OSError(5, "Input/output error", "/cache/xen")


def test_an_error_of_ours_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"^as it is$"), new_file(tmp_path / "x", force=False):
        raise HarnessError("as it is")


def test_the_file_has_the_usual_mode(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        with new_file(tmp_path / "sd.img", force=False) as part:
            part.touch()
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "sd.img").stat().st_mode) == 0o644


def test_a_long_name(tmp_path: Path) -> None:
    out = tmp_path / ("x" * 255)
    with new_file(out, force=False) as part:
        part.touch()
    assert out.exists()


def test_lines_for_a_shell() -> None:
    assert "if='a b.img' of=/dev/sdX" in dd_line(Path("a b.img"))
    assert "'a b.img.bmap' 'a b.img' /dev/sdX" in bmap_line(Path("a b.img"))
