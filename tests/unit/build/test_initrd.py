from __future__ import annotations

import gzip
import hashlib
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from harness.build.initrd import APPLETS, InitrdSpec, dom0_initrd
from harness.errors import InputError, ProfileError
from harness.formats.cpio import Entry, parse
from harness.formats.shacrypt import sha512_crypt

GOLDEN = Path(__file__).parents[2] / "golden" / "initrd.txt"


def elf(*kinds: int, order: str = "<", wide: bool = True) -> bytes:
    """An ELF file of nothing but program headers of these types."""
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + b"\0" * 9
    if wide:
        head = struct.pack(
            order + "HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, len(kinds), 0, 0, 0
        )
    else:
        head = struct.pack(
            order + "HHIIIIIHHHHHH", 2, 40, 1, 0, 52, 0, 0, 52, 32, len(kinds), 0, 0, 0
        )
    size = 52 if wide else 28
    return ident + head + b"".join(struct.pack(order + "I", kind) + b"\0" * size for kind in kinds)


@pytest.fixture
def busybox(tmp_path: Path) -> Path:
    path = tmp_path / "busybox"
    path.write_bytes(elf(1, 1))
    return path


def unpacked(spec: InitrdSpec, busybox: Path) -> dict[str, Entry]:
    entries = parse(gzip.decompress(dom0_initrd(spec, busybox)))
    files = {entry.path: entry for entry in entries}
    assert len(files) == len(entries)
    return files


def test_golden_listing(busybox: Path) -> None:
    archive = gzip.decompress(dom0_initrd(InitrdSpec(), busybox))
    rows = [
        f"{stat.filemode(entry.mode)} {entry.uid} {len(entry.data):5} {entry.path}"
        + (f" -> {entry.data.decode()}" if stat.S_ISLNK(entry.mode) else "")
        for entry in parse(archive)
    ]
    assert "\n".join([*rows, hashlib.sha256(archive).hexdigest(), ""]) == GOLDEN.read_text()


def test_two_processes_make_the_same_bytes(busybox: Path) -> None:
    program = (
        "import sys, hashlib, pathlib, harness.build.initrd as i;"
        "made = i.dom0_initrd(i.InitrdSpec(), pathlib.Path(sys.argv[1]));"
        "print(hashlib.sha256(made).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program, str(busybox)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert said == {hashlib.sha256(dom0_initrd(InitrdSpec(), busybox)).hexdigest()}


@pytest.mark.parametrize("size", [0, 1, 0xFFFF, 3 * 0xFFFF + 7])
def test_the_gzip_file_is_whole_at_any_size(tmp_path: Path, size: int) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(elf(1) + b"\xa5" * size)
    assert unpacked(InitrdSpec(), busybox)["bin/busybox"].data == busybox.read_bytes()


def test_the_login_shows_and_takes_the_credentials(busybox: Path) -> None:
    files = unpacked(InitrdSpec(), busybox)
    assert files["etc/issue"].data == b"Debian GNU/Linux 12 apu2 @TTY@ [root:debian]\n\n"
    name, hashed, *ages = files["etc/shadow"].data.decode().strip().split(":")
    assert (name, len(ages)) == ("root", 7)
    assert hashed == sha512_crypt("debian", hashed.split("$")[2])
    assert stat.S_IMODE(files["etc/shadow"].mode) == 0o600
    assert b"@TTY@::respawn:/sbin/getty -L 0 @TTY@ dumb\n" in files["etc/inittab"].data


def test_the_spec_reaches_every_file(busybox: Path) -> None:
    spec = InitrdSpec(
        hostname="board-7",
        user="tester",
        password="50%\\",  # noqa: S106
        banner='My "OS" $1',
        console="ttyS0",
        extra=(("opt/a/b.sh", 0o755, b"#!/bin/sh\n"), ("etc/motd", 0o644, b"mine\n")),
    )
    files = unpacked(spec, busybox)
    assert files["etc/issue"].data == b'My "OS" $1 board-7 @TTY@ [tester:50%%\\\\]\n\n'
    assert b'\nPRETTY_NAME="My \\"OS\\" \\$1 (busybox' in files["etc/os-release"].data
    assert files["etc/hostname"].data == b"board-7\n"
    assert b"hostname board-7 " in files["init"].data
    assert b"console=ttyS0\n[ -c /dev/$console ]" in files["init"].data
    # The console is filled in when it is known: without Xen it is another.
    assert b's/@TTY@/$console/g" /etc/inittab /etc/issue' in files["init"].data
    assert files["init"].data.count(b"@") == 2
    assert files["etc/shadow"].data.startswith(b"root:*:")
    assert (files["home/tester"].uid, files["home/tester"].gid) == (1000, 1000)
    assert (files["opt/a/b.sh"].mode, files["opt/a/b.sh"].data) == (0o100755, b"#!/bin/sh\n")
    assert stat.S_ISDIR(files["opt"].mode)
    assert stat.S_ISDIR(files["opt/a"].mode)
    assert files["etc/motd"].data == b"mine\n"


def test_every_parent_comes_before_its_child(busybox: Path) -> None:
    seen: set[str] = {"."}
    for path in unpacked(InitrdSpec(user="u", extra=(("a/b/c", 0o644, b""),)), busybox):
        assert str(Path(path).parent) in seen, path
        seen.add(path)


def test_every_command_of_init_is_a_link_before_install_has_run(busybox: Path) -> None:
    linked = {name for names in APPLETS.values() for name in names}
    assert {"sh", "mount", "mkdir", "hostname", "sleep", "cat", "init", "getty", "login"} <= linked
    files = unpacked(InitrdSpec(), busybox)
    for folder, names in APPLETS.items():
        for name in names:
            assert files[f"{folder}/{name}"].data == b"/bin/busybox"


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="needs a shell")
def test_init_is_a_script_that_a_shell_can_read(busybox: Path, tmp_path: Path) -> None:
    script = tmp_path / "init"
    script.write_bytes(unpacked(InitrdSpec(), busybox)["init"].data)
    done = subprocess.run(["/bin/sh", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        (InitrdSpec(hostname="a b"), "initrd.hostname"),
        (InitrdSpec(hostname="$(reboot)"), "initrd.hostname"),
        (InitrdSpec(hostname="apu2\n"), "initrd.hostname"),
        (InitrdSpec(user="Root"), "initrd.user"),
        (InitrdSpec(user="a:b"), "initrd.user"),
        (InitrdSpec(console="/dev/hvc0"), "initrd.console"),
        (InitrdSpec(console="hvc0 x"), "initrd.console"),
        (InitrdSpec(password=""), "initrd.password"),
        (InitrdSpec(password="a\nb"), "initrd.password"),  # noqa: S106
        (InitrdSpec(banner="a\x1b[2J"), "initrd.banner"),
        (InitrdSpec(extra=(("/etc/x", 0o644, b""),)), "initrd.extra"),
        (InitrdSpec(extra=(("a/../../x", 0o644, b""),)), "initrd.extra"),
        (InitrdSpec(extra=(("x\0", 0o644, b""),)), "initrd.extra"),
        (InitrdSpec(extra=(("etc", 0o644, b""),)), "initrd.extra"),
        (InitrdSpec(extra=(("bin/sh/x", 0o644, b""),)), "initrd.extra, bin/sh/x"),
        (InitrdSpec(extra=(("x", 0o100644, b""),)), "initrd.extra, x"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(spec: InitrdSpec, where: str, busybox: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        dom0_initrd(spec, busybox)
    assert caught.value.where == where


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("wide", [True, False])
def test_only_a_static_busybox_is_taken(tmp_path: Path, order: str, wide: bool) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(elf(1, 0x6474E551, order=order, wide=wide))
    assert dom0_initrd(InitrdSpec(), busybox)
    busybox.write_bytes(elf(1, 3, 1, order=order, wide=wide))
    with pytest.raises(InputError, match="shared libraries"):
        dom0_initrd(InitrdSpec(), busybox)


@pytest.mark.parametrize("length", range(len(elf(1, 1))))
def test_a_busybox_that_is_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(elf(1, 1)[:length])
    if length >= 64 + 56 + 4:
        assert dom0_initrd(InitrdSpec(), busybox)
    else:
        with pytest.raises(InputError):
            dom0_initrd(InitrdSpec(), busybox)


def test_a_missing_busybox_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        dom0_initrd(InitrdSpec(), tmp_path / "none")
    assert "busybox-static" in str(caught.value)
