from __future__ import annotations

import hashlib
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.build.root.unpack import NOW, globs, merged, merged_target, settle, unpack
from harness.errors import SourceError, ToolFailed
from harness.sources import Deb

MakeDeb = Callable[..., Deb]


@pytest.fixture
def make_deb(tmp_path: Path) -> MakeDeb:
    def make(name: str, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> Deb:
        work = tmp_path / "packages" / name
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)
            (work / path).chmod(0o4755 if text.startswith("suid") else 0o644)
        for path, target in (links or {}).items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).symlink_to(target)
        (work / "DEBIAN").mkdir(parents=True)
        (work / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: 1\nArchitecture: amd64\n"
            "Maintainer: Nobody <nobody@example.org>\nDescription: for a test\n"
        )
        deb = tmp_path / f"{name}.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(work), str(deb)]
        subprocess.run(command, check=True, capture_output=True)
        sha256 = hashlib.sha256(deb.read_bytes()).hexdigest()
        return Deb(name, "1", "amd64", sha256, deb)

    return make


def unpacked(tmp_path: Path, *debs: Deb, drop: tuple[str, ...] = ()) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    unpack(debs, tmp_path / "tree", work, globs(drop))
    settle(tmp_path / "tree")
    return tmp_path / "tree"


def test_files_of_bin_and_lib_are_in_usr(tmp_path: Path, make_deb: MakeDeb) -> None:
    deb = make_deb(
        "mount",
        {"bin/mount": "m", "usr/bin/less": "l", "lib64/ld.so": "ld"},
        {"sbin/mount": "../bin/mount", "lib/ld.so": "../usr/lib/real.so"},
    )
    tree = unpacked(tmp_path, deb)
    assert (tree / "usr/bin/mount").read_text() == "m"
    assert str((tree / "usr/sbin/mount").readlink()) == "../bin/mount"
    assert str((tree / "usr/lib/ld.so").readlink()) == "real.so"
    assert str((tree / "bin").readlink()) == "usr/bin"
    assert str((tree / "lib64").readlink()) == "usr/lib64"
    assert not (tree / "lib32").is_symlink()


def test_what_is_dropped_leaves_no_folder(tmp_path: Path, make_deb: MakeDeb) -> None:
    deb = make_deb("less", {"usr/share/doc/less/README": "r", "usr/bin/less": "l"})
    tree = unpacked(tmp_path, deb, drop=("usr/share/doc/**",))
    assert not (tree / "usr/share/doc").exists()
    assert (tree / "usr/bin/less").is_file()


def test_no_set_user_id_and_one_time(tmp_path: Path, make_deb: MakeDeb) -> None:
    tree = unpacked(tmp_path, make_deb("su", {"bin/su": "suid"}))
    state = (tree / "usr/bin/su").stat()
    assert stat.S_IMODE(state.st_mode) == 0o755
    assert {path.lstat().st_mtime for path in tree.rglob("*")} == {NOW}


def test_two_packages_with_the_same_file(tmp_path: Path, make_deb: MakeDeb) -> None:
    debs = make_deb("one", {"bin/x": "1"}), make_deb("two", {"usr/bin/x": "2"})
    with pytest.raises(SourceError, match="two and one both have /usr/bin/x"):
        unpacked(tmp_path, *debs)


def test_a_package_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(b"!<arch>\n")
    with pytest.raises(ToolFailed, match="dpkg-deb"):
        unpacked(tmp_path, Deb("x", "1", "amd64", "0" * 64, tmp_path / "x.deb"))


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("usr/share/doc/**", "usr/share/doc", True),
        ("usr/share/doc/**", "usr/share/doc/a/b", True),
        ("usr/share/doc/**", "usr/share/docs", False),
        ("usr/*/doc", "usr/share/doc", True),
        ("usr/*/doc", "usr/share/x/doc", False),
        ("a/b?[cd].ko", "a/b.c.ko", True),
        ("a/b?[!cd].ko", "a/b.c.ko", False),
        ("a/b", "xa/b", False),
        ("a/[b", "a/[b", True),
    ],
)
def test_globs(pattern: str, path: str, fits: bool) -> None:
    assert globs(["nothing", pattern])(path) is fits


def test_no_globs_match_nothing() -> None:
    assert not globs([])("")


@given(st.text(alphabet="ab/*?[]!.+(", max_size=12), st.text(alphabet="ab/.[", max_size=12))
def test_any_pattern_is_a_pattern(pattern: str, path: str) -> None:
    globs([pattern])(path)


_NAMES = st.lists(st.sampled_from(["bin", "lib", "usr", "a", "b"]), min_size=1, max_size=4)


@given(_NAMES, _NAMES)
def test_a_link_leads_to_what_it_led_to(where: list[str], target: list[str]) -> None:
    path = "/".join([*where, "link"])
    up = "/".join([*[".."] * len(where), *target])
    moved = merged_target(path, up)
    depth = len(merged(path).split("/")) - 1
    parts = [*merged(path).split("/")[:depth], *moved.split("/")]
    seen: list[str] = []
    for part in parts:
        if part == "..":
            seen.pop()
        elif part != ".":
            seen.append(part)
    assert merged("/".join(seen)) == merged("/".join(target))
