from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.build.root import Root
from harness.errors import InputError, ProfileError, SourceError
from harness.formats.shacrypt import sha512_crypt
from harness.sources import Deb
from tests.unit.build.root.packages import LIBRARY, SPEC, XL, build_deb

Make = Callable[..., Root]


def test_a_root_is_whole(make: Make) -> None:
    root = make()
    assert (root.folder / XL).is_file()
    assert (root.folder / "usr/bin/bash").is_file()
    assert not (root.folder / "usr/share/doc").exists()
    assert root.files == len(list(root.folder.rglob("*")))
    assert (root.arch, root.xen, root.release) == ("amd64", "4.17", None)
    for path, target in {
        "bin": "usr/bin",
        "var/run": "../run",
        "usr/sbin/init": "../bin/busybox",
    }.items():
        assert str((root.folder / path).readlink()) == target


def test_the_account_and_the_login_screen(make: Make) -> None:
    etc = make(replace(SPEC, hostname="board1", password="pa%s\\")).folder / "etc"  # noqa: S106
    assert (etc / "issue").read_text() == "Debian GNU/Linux 12 board1 @TTY@ [root:pa%%s\\\\]\n\n"
    assert (etc / "passwd").read_text() == "root:x:0:0:root:/root:/bin/bash\n"
    hashed = sha512_crypt("pa%s\\", "initramfs")
    assert (etc / "shadow").read_text().startswith(f"root:{hashed}:")
    assert stat.S_IMODE((etc / "shadow").stat().st_mode) == 0o600
    assert (etc / "hostname").read_text() == "board1\n"
    assert "127.0.1.1 board1\n" in (etc / "hosts").read_text()
    assert "PS1='\\u@\\h:\\w\\$ '" in (etc / "profile").read_text()


def test_another_user_has_a_home_and_root_is_locked(make: Make) -> None:
    root = make(replace(SPEC, user="pi"))
    assert "root:*:" in (root.folder / "etc/shadow").read_text()
    assert "pi:x:1000:1000::/home/pi:/bin/bash\n" in (root.folder / "etc/passwd").read_text()
    assert stat.S_IMODE((root.folder / "home/pi").stat().st_mode) == 0o750


def test_busybox_stands_in_for_what_has_no_program(make: Make) -> None:
    bin_ = make().folder / "usr/bin"
    assert str((bin_ / "vi").readlink()) == "busybox"
    assert not (bin_ / "ps").is_symlink()


def test_more_files_and_a_kernel_for_guests(make: Make, tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(b"kernel")
    extra = (("etc/motd", 0o600, b"mine"), ("opt/a/b", 0o755, b"ab"))
    root = make(replace(SPEC, guest_kernel=tmp_path / "kernel", extra=extra))
    assert (root.folder / "boot/vmlinuz").read_bytes() == b"kernel"
    assert (root.folder / "etc/motd").read_bytes() == b"mine"
    assert stat.S_IMODE((root.folder / "opt/a/b").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("usr/bin", "/usr/bin is a folder"),
        ("etc/motd/x", "motd is no folder"),
        ("var/run/x", "run is a link"),
        ("../x", "not a path inside"),
    ],
)
def test_a_file_that_has_no_place(make: Make, path: str, says: str) -> None:
    with pytest.raises(ProfileError, match=says):
        make(replace(SPEC, extra=((path, 0o644, b""),)))


def test_the_same_inputs_make_the_same_root(make: Make, debs: tuple[Deb, ...]) -> None:
    before = os.umask(0o077)
    try:
        one = make()
    finally:
        os.umask(before)
    other = make(cache="other cache", packages=tuple(reversed(debs)))
    assert one.folder != other.folder
    assert (one.sha256, one.files) == (other.sha256, other.files)


def test_what_goes_into_it_decides_which_it_is(
    make: Make, debs: tuple[Deb, ...], tmp_path: Path
) -> None:
    newer = build_deb(tmp_path, "xen-utils-4.17", {XL: b"newer"})
    roots = {
        make().folder,
        make(replace(SPEC, hostname="other")).folder,
        make(replace(SPEC, extra=(("x", 0o644, b"1"),))).folder,
        make(replace(SPEC, extra=(("x", 0o644, b"2"),))).folder,
        make(packages=(*(deb for deb in debs if deb.package != newer.package), newer)).folder,
    }
    assert len(roots) == 5


def test_it_is_made_once(make: Make, said: list[str]) -> None:
    first = make()
    assert len(said) == 1
    assert make() == first
    assert len(said) == 1


def _remove(tree: Path) -> None:
    (tree / LIBRARY).unlink()


def _shorten(tree: Path) -> None:
    (tree / XL).write_bytes(b"")


def _add(tree: Path) -> None:
    (tree / "etc/added").write_text("")


def _open(tree: Path) -> None:
    (tree / "etc/shadow").chmod(0o644)


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (_remove, f"/{LIBRARY} is missing"),
        (_shorten, f"/{XL} is not what it was"),
        (_add, "/etc/added was added"),
        (_open, "/etc/shadow is not what it was"),
        (lambda tree: (tree.parent / "manifest.json").unlink(), "its manifest is missing"),
        (lambda tree: (tree.parent / "manifest.json").write_text("{}"), "its manifest is missing"),
    ],
)
def test_a_damaged_root_is_said_and_made_again(
    make: Make, said: list[str], damage: Callable[[Path], None], fault: str
) -> None:
    first = make()
    damage(first.folder)
    assert make() == first
    assert any(fault in text and "making it again" in text for text in said)
    said.clear()
    make()
    assert said == []


def test_one_that_was_stopped_half_way_is_never_used(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("harness.build.root.making.settle", full)
        with pytest.raises(Exception, match="No space left on device") as caught:
            make()
    assert type(caught.value).__name__ == "InfraError"
    assert not list((tmp_path / "cache").glob("roots/*"))
    assert not list((tmp_path / "cache").glob("tmp/*"))
    assert make().files > 0


def test_packages_without_xl(make: Make, debs: tuple[Deb, ...]) -> None:
    with pytest.raises(SourceError, match=r"no xl of Xen 4\.17"):
        make(packages=tuple(deb for deb in debs if deb.package != "xen-utils-4.17"))


def test_packages_without_busybox(make: Make, debs: tuple[Deb, ...]) -> None:
    with pytest.raises(SourceError, match="no busybox"):
        make(packages=tuple(deb for deb in debs if deb.package != "busybox-static"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("arch", "x86_64"),
        ("suite", "Bookworm; rm"),
        ("xen", "4.17/.."),
        ("hostname", "a b"),
        ("user", "Root"),
        ("password", ""),
        ("banner", "a\nb"),
        ("release", "../6.1"),
    ],
)
def test_a_spec_that_cannot_be(make: Make, field: str, value: str) -> None:
    with pytest.raises(ProfileError) as caught:
        make(replace(SPEC, **{field: value}))  # type: ignore[arg-type]
    assert caught.value.where == f"root.{field}"


@pytest.mark.parametrize("field", ["modules", "guest_kernel"])
def test_a_file_that_is_not_there(make: Make, tmp_path: Path, field: str) -> None:
    with pytest.raises(InputError, match="cannot be read") as caught:
        make(replace(SPEC, **{field: tmp_path / "nothing"}))  # type: ignore[arg-type]
    assert caught.value.where == f"root.{field}: {tmp_path / 'nothing'}"
