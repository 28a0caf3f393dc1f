from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.board import Board
from harness.board.binaries import ROLES
from harness.build.binaries import edit_cmdline, parse_uses, resolve
from harness.errors import UsageError
from harness.sources import Binary, DebianFile, Sources

# --- --use ROLE=... ----------------------------------------------------------------------------


def test_uses_are_a_mapping() -> None:
    assert parse_uses([]) == {}
    assert parse_uses(["xen=4.14", "kernel=/a/b=c", "dtb= x"]) == {
        "xen": "4.14",
        "kernel": "/a/b=c",
        "dtb": " x",
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["xen"], "--use xen"),
        (["xen="], "ROLE=FILE, ROLE=VERSION"),
        (["=4.14"], "no role ''"),
        (["zen=4.14"], "did you mean 'xen'?"),
        (["Xen=4.14"], "did you mean 'xen'?"),
        (["xen=4.14", "xen=4.17"], "role xen is given twice: 4.14 and 4.17"),
    ],
)
def test_uses_that_are_none(options: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_uses(options)
    assert said in str(caught.value)


@given(st.lists(st.text(max_size=12)))
def test_any_options_are_uses_or_a_usage_error(options: list[str]) -> None:
    try:
        uses = parse_uses(options)
    except UsageError:
        return
    assert set(uses) <= set(ROLES)
    assert len(uses) == len(options)
    assert all(uses.values())


# --- which file it is --------------------------------------------------------------------------

PROFILE: dict[str, Any] = {
    "schema": 1,
    "name": "some",
    "title": "Some board",
    "arch": "x86_64",
    "identity": {"vendor": "v", "model": "m", "soc": "s", "firmware": "f"},
    "console": {"port": "com1"},
    "boot": {"method": "multiboot"},
    "xen": {"cmdline": ""},
    "dom0": {"cmdline": "", "hostname": "some"},
    "binaries": {
        "xen": {
            "package": "xen-system-amd64",
            "follow": "xen-hypervisor-*-amd64",
            "file": "boot/xen-*",
            "suite": "bookworm",
            "versions": {"4.14": "bullseye", "4.17": "bookworm", "4.1": "wheezy", "4.2": "trixie"},
        },
        "kernel": {"package": "linux", "file": "boot/vmlinuz", "suite": "sid", "version": "6.1"},
        "firmware": {"file": "/firmware.bin"},
    },
}
BOARD = Board.model_validate_json(json.dumps(PROFILE))


class FakeSources:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.files: list[tuple[str, Path]] = []
        self.packages: list[DebianFile] = []

    def file(self, role: str, path: Path) -> Binary:
        self.files.append((role, path))
        return Binary(role, path, "unknown", "0" * 64, "file")

    def debian(self, role: str, request: DebianFile) -> Binary:
        self.packages.append(request)
        return Binary(role, Path("/cache"), "1", "0" * 64, "debian")


def resolved(role: str, use: str | None) -> Path | tuple[str, str | None]:
    """The file that a `--use` leads to, or the suite and version of the package."""
    sources = FakeSources()
    uses = {} if use is None else {role: use}
    found = resolve(BOARD, [role], uses, cast(Sources, sources))
    assert set(found) == {role}
    assert found[role].role == role
    if sources.files:
        assert sources.packages == []
        assert sources.files[0][0] == role
        return sources.files[0][1]
    (request,) = sources.packages
    return request.suite, request.version


@pytest.mark.parametrize(
    ("role", "use", "found"),
    [
        ("xen", None, ("bookworm", None)),
        ("kernel", None, ("sid", "6.1")),
        ("firmware", None, Path("/firmware.bin")),
        # A version, in the suite that the profile knows to have it.
        ("xen", "4.14", ("bullseye", "4.14")),
        ("xen", "4.14.6", ("bullseye", "4.14.6")),
        ("xen", "4.17.7+13-g2445b30a44-0+deb12u1", ("bookworm", "4.17.7+13-g2445b30a44-0+deb12u1")),
        ("xen", "4.17-1", ("bookworm", "4.17-1")),
        ("xen", "4.1", ("wheezy", "4.1")),
        ("xen", "4.1.2", ("wheezy", "4.1.2")),
        ("xen", "4.19", ("bookworm", "4.19")),
        ("xen", "4.20", ("bookworm", "4.20")),
        ("kernel", "5.10", ("sid", "5.10")),
        # A suite, whatever version it has.
        ("xen", "trixie", ("trixie", None)),
        ("kernel", "bookworm-backports", ("bookworm-backports", None)),
        # A file, there or not: whoever writes a slash means one.
        ("xen", "./build/xen.gz", Path("build/xen.gz")),
        ("xen", "4.14/xen.gz", Path("4.14/xen.gz")),
        ("firmware", "/other.bin", Path("/other.bin")),
    ],
)
def test_file_version_or_suite(
    role: str, use: str | None, found: Path | tuple[str, str | None]
) -> None:
    assert resolved(role, use) == found


@pytest.mark.parametrize("name", ["trixie", "4.14", "xen.gz"])
def test_a_file_that_is_there_is_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not isinstance(resolved("xen", "trixie"), Path)
    (tmp_path / name).write_bytes(b"x")
    assert resolved("xen", name) == Path(name)


@pytest.mark.parametrize(
    ("role", "use", "said"),
    [
        ("xen", "xen.gz", "neither a file that exists, nor a version, nor a suite"),
        ("xen", "Trixie", "neither a file"),
        ("xen", "-", "neither a file"),
        ("firmware", "1.16", "role firmware comes from a file"),
        ("firmware", "trixie", "--use firmware=FILE"),
        ("dtb", "x/y", "board some has no dtb"),
    ],
)
def test_what_cannot_be_had(role: str, use: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolved(role, use)
    assert said in str(caught.value)


def test_a_role_that_the_board_does_not_name() -> None:
    with pytest.raises(UsageError, match="names no binary for role initrd"):
        resolved("initrd", None)


def test_a_use_of_a_role_that_is_not_booted_is_checked_too() -> None:
    with pytest.raises(UsageError, match="has no uboot"):
        resolve(BOARD, ["xen"], {"uboot": "1"}, cast(Sources, FakeSources()))


def test_the_package_is_described_whole() -> None:
    sources = FakeSources()
    resolve(BOARD, ["xen", "kernel"], {"xen": "4.14"}, cast(Sources, sources))
    assert sources.packages[0] == DebianFile(
        package="xen-system-amd64",
        follow="xen-hypervisor-*-amd64",
        file="boot/xen-*",
        suite="bullseye",
        arch="amd64",
        version="4.14",
        suites=("bookworm", "wheezy", "trixie"),
    )
    assert sources.packages[1].suites == ()


# --- edits of a command line -------------------------------------------------------------------

LINE = "dom0_mem=512M loglvl=all quiet com1=115200,8n1 console=com1 console=vga"


@pytest.mark.parametrize(
    ("edits", "line"),
    [
        (None, LINE),
        ("", LINE),
        ("+iommu=debug", f"{LINE} iommu=debug"),
        ("+console=hvc0", f"{LINE} console=hvc0"),
        ("+quiet", f"{LINE} quiet"),
        ("-loglvl", LINE.replace("loglvl=all ", "")),
        ("-loglvl=all", LINE.replace("loglvl=all ", "")),
        ("-quiet", LINE.replace("quiet ", "")),
        ("-console", LINE.replace(" console=com1 console=vga", "")),
        ("-console=vga", LINE.replace(" console=vga", "")),
        ("dom0_mem=1G", LINE.replace("512M", "1G")),
        ("console=none", LINE.replace("console=com1 console=vga", "console=none")),
        ("quiet=no", LINE.replace("quiet", "quiet=no")),
        ("noreboot", f"{LINE} noreboot"),
        ("+a -loglvl  b=c", LINE.replace("loglvl=all ", "") + " a b=c"),
        ("-quiet +quiet", LINE.replace("quiet ", "") + " quiet"),
        ("=only  this", "only this"),
        ("=", ""),
        ("+a=b=c", f"{LINE} a=b=c"),
    ],
)
def test_edits(edits: str | None, line: str) -> None:
    assert edit_cmdline(LINE, edits) == line


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ("-nothing", "there is no 'nothing' to remove"),
        ("-loglvl=debug", "there is no 'loglvl=debug' to remove"),
        ("-quiet -quiet", "there is no 'quiet' to remove"),
        ("-log", "there is no 'log' to remove"),
        ("+a\n+b", "a command line is one line"),
        ("=a\x00", "a command line is one line"),
        ("+", "'+' without a word"),
        ("+a - +b", "'-' without a word"),
    ],
)
def test_edits_that_cannot_be(edits: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        edit_cmdline(LINE, edits)
    assert said in str(caught.value)


def test_blanks_are_single() -> None:
    assert edit_cmdline("  a \t b\n", None) == "a b"


NAMES = st.text("abc_.", min_size=1, max_size=3)
WORDS = st.builds(
    lambda name, value: name if value is None else f"{name}={value}",
    NAMES,
    st.none() | st.text("abc=,-+.1", max_size=4),
)
EDITS = st.builds(lambda sign, word: sign + word, st.sampled_from(["+", "-", ""]), WORDS)


def name_of(word: str) -> str:
    return word.split("=", 1)[0]


@given(words=st.lists(WORDS, max_size=6), edits=st.lists(EDITS, max_size=4))
def test_edits_leave_other_words_and_their_order_alone(words: list[str], edits: list[str]) -> None:
    touched = {name_of(edit.removeprefix("+").removeprefix("-")) for edit in edits}
    try:
        after = edit_cmdline(" ".join(words), " ".join(edits)).split(" ")
    except UsageError:
        assert any(edit.startswith("-") for edit in edits)
        return
    kept = [word for word in words if name_of(word) not in touched]
    assert [word for word in after if word and name_of(word) not in touched] == kept


@given(words=st.lists(WORDS, max_size=6), word=WORDS)
def test_what_is_added_last_is_there_and_what_is_removed_is_not(
    words: list[str], word: str
) -> None:
    line = " ".join(words)
    assert edit_cmdline(line, f"+{word}").split() == [*words, word]
    replaced = edit_cmdline(line, word).split()
    assert [w for w in replaced if name_of(w) == name_of(word)] == [word]
    assert edit_cmdline(f"{line} {word}", f"-{name_of(word)}").split() == [
        w for w in words if name_of(w) != name_of(word)
    ]
