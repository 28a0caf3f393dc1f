"""`harness sdcard`: what it writes, what it refuses, and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.build.card import make_card
from harness.cli import main
from harness.sdcard import making

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def parts(card_parts: dict[str, Path]) -> list[str]:
    """Options that give every binary as a file."""
    roles = ("uboot", "xen", "kernel", "dtb", "initrd")
    return [word for role in roles for word in ("--use", f"{role}={card_parts[role]}")]


def left_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name not in {"parts", "state"})


def test_a_card_is_written_and_described(
    tmp_path: Path, parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sd.img"
    assert main(["sdcard", "cubieboard2", "-o", str(out), *parts]) == 0
    assert left_in(tmp_path) == ["sd.img"]
    said = capsys.readouterr().out
    rows = [line.split() for line in said.splitlines()]
    assert ["0x2000", "24,576", "SPL"] in [row[:3] for row in rows]
    assert ["0xa000", "131,584", "U-Boot"] in [row[:3] for row in rows]
    assert ["0x100000", "16,777,216", "partition", "1,", "fat,", "bootable"] in rows
    assert any(row[1:2] == ["boot.scr"] for row in rows)
    assert any(row[1:2] == ["xen"] and "sha256" in row for row in rows)
    assert f"sudo dd if={out} of=/dev/sdX bs=4M conv=fsync status=progress" in said
    assert main(["sdcard", "--verify", str(out), "--board", "cubieboard2"]) == 0


def test_two_cards_of_the_same_are_the_same(tmp_path: Path, parts: list[str]) -> None:
    for name in ("one", "two"):
        assert main(["sdcard", "cubieboard2", "-o", str(tmp_path / name), *parts]) == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_loader_in_two_files(
    tmp_path: Path, parts: list[str], card_parts: dict[str, Path]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(["sdcard", "cubieboard2", "-o", str(one), *parts]) == 0
    parts[1] = f"uboot={card_parts['proper']}"
    spl = ["--use", f"spl={card_parts['spl']}"]
    assert main(["sdcard", "cubieboard2", "-o", str(two), *parts, *spl]) == 0
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("uboot", "spl", "says"),
    [
        ("proper", None, "U-Boot without an SPL"),
        ("uboot", "spl", "begins with an SPL, and spl is one already"),
        ("proper", "uboot", "uboot at 0x2000 ends at 0x2a040, and proper begins at 0xa000"),
    ],
)
def test_a_loader_in_the_wrong_pieces(
    tmp_path: Path,
    parts: list[str],
    card_parts: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
    uboot: str,
    spl: str | None,
    says: str,
) -> None:
    parts[1] = f"uboot={card_parts[uboot]}"
    more = ["--use", f"spl={card_parts[spl]}"] if spl else []
    assert main(["sdcard", "cubieboard2", "-o", str(tmp_path / "x"), *parts, *more]) == 2
    assert says in capsys.readouterr().err
    assert left_in(tmp_path) == []


def test_the_binaries_are_the_boards_or_those_of_the_emulated_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def record(*arguments: object) -> dict[str, object]:
        known = arguments[4]
        assert isinstance(known, dict)
        asked.append(known["dtb"].file.rpartition("/")[2])
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "resolve", record)
    out = ["-o", str(tmp_path / "x"), "--offline"]
    for more in ([], ["--for", "board"], ["--for", "qemu"]):
        assert main(["sdcard", "cubieboard2", *out, *more]) == 3
    assert asked == ["sun7i-a20-cubieboard2.dtb"] * 2 + ["sun8i-h3-orangepi-pc.dtb"]
    assert left_in(tmp_path) == []


def test_the_command_lines_are_on_the_card(
    tmp_path: Path, parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sd.img"
    edits = ["--cmdline-xen", "+sync_console", "--cmdline-dom0", "=console=hvc0 quiet"]
    assert main(["sdcard", "cubieboard2", "-o", str(out), *parts, *edits]) == 0
    data = out.read_bytes()
    assert b" sync_console" in data
    assert b"console=hvc0 quiet" in data


class TestTheOutput:
    def test_that_is_there_stays(
        self, tmp_path: Path, parts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "sd.img"
        out.write_bytes(b"precious")
        assert main(["sdcard", "cubieboard2", "-o", str(out), *parts]) == 2
        assert "--force" in capsys.readouterr().err
        assert out.read_bytes() == b"precious"
        assert main(["sdcard", "cubieboard2", "-o", str(out), *parts, "--force"]) == 0
        assert out.stat().st_size == 64 << 20
        assert left_in(tmp_path) == ["sd.img"]

    def test_that_is_refused_is_refused_before_anything_is_fetched(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(making, "resolve", lambda *_: pytest.fail("it must not come to that"))
        for name in (".", "no/folder"):
            assert main(["sdcard", "cubieboard2", "-o", str(tmp_path / name)]) == 2

    def test_a_limit_of_size_is_our_side_and_leaves_nothing(
        self, tmp_path: Path, parts: list[str], shell: Shell
    ) -> None:
        out = tmp_path / "sd.img"
        command = f"sdcard cubieboard2 -o {out} {' '.join(parts)}"
        done = shell(f"--version >&2; ulimit -f 4096; {sys.executable} -m harness {command}")
        assert (done.returncode, "cannot write" in done.stderr) == (3, True), done.stderr
        assert "File too large" in done.stderr
        assert left_in(tmp_path) == []

    def test_ctrl_c_leaves_nothing(
        self, tmp_path: Path, parts: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*arguments: object) -> None:
            make_card(*arguments)  # type: ignore[arg-type]
            raise KeyboardInterrupt

        monkeypatch.setattr(making, "make_card", interrupted)
        assert main(["sdcard", "cubieboard2", "-o", str(tmp_path / "x"), *parts]) == 3
        assert left_in(tmp_path) == []

    def test_a_reader_that_went_away_keeps_the_image(
        self, tmp_path: Path, parts: list[str], shell: Shell
    ) -> None:
        out = tmp_path / "sd.img"
        shell(f"sdcard cubieboard2 -o {out} {' '.join(parts)} | true")
        assert left_in(tmp_path) == ["sd.img"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("sdcard", "-o/--output --verify"),
        ("sdcard cubieboard2", "-o/--output --verify"),
        ("sdcard -o x", "which board?"),
        ("sdcard apu2 -o x", "board apu2 boots from no card"),
        ("sdcard nothing -o x", "nothing"),
        ("sdcard cubieboard2 -o x --board apu2", "--board goes with --verify"),
        ("sdcard cubieboard2 -o x --verify y", "not allowed with"),
        ("sdcard cubieboard2 -o x --use firmware=y", "no firmware"),
        ("sdcard cubieboard2 --verify x", "BOARD says what is written"),
        ("sdcard --verify x --use xen=y", "--use says what is written"),
        ("sdcard --verify x --cmdline-xen +y", "--cmdline-xen says what is written"),
        ("sdcard --verify x --force", "--force says what is written"),
        ("sdcard --verify x", "x: cannot be read: No such file or directory"),
        ("sdcard --verify x --board apu2", "board apu2 boots from no card"),
    ],
)
def test_what_cannot_be(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) == 2
    assert says in capsys.readouterr().err
    assert left_in(tmp_path) == []


class TestVerify:
    @pytest.fixture
    def image(self, tmp_path: Path, parts: list[str], capsys: pytest.CaptureFixture[str]) -> Path:
        out = tmp_path / "sd.img"
        assert main(["sdcard", "cubieboard2", "-o", str(out), *parts]) == 0
        capsys.readouterr()
        return out

    def test_damage_is_exit_code_1(self, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with image.open("r+b") as file:
            file.seek(9000)
            file.write(b"?")
        assert main(["sdcard", "--verify", str(image)]) == 1
        said = capsys.readouterr().out
        assert f"{image}: offset 0x200c: error: the SPL is damaged" in said
        assert "then: the boot ROM passes over the card" in said

    def test_warnings_count_if_asked(self, image: Path) -> None:
        with image.open("r+b") as file:
            file.truncate(65 << 20)
        check = ["sdcard", "--verify", str(image), "--board", "cubieboard2"]
        assert main(check) == 0
        assert main([*check, "--fail-on", "warning"]) == 1

    def test_the_other_machine(self, image: Path) -> None:
        check = ["sdcard", "--verify", str(image), "--board", "cubieboard2", "--for", "qemu"]
        assert main(check) == 1

    def test_json(self, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["sdcard", "--verify", str(image), "--format", "json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["inputs"][0]["kind"] == "sdcard"
        assert document["inputs"][0]["path"] == str(image)
        assert document["inputs"][0]["findings"] == []
        assert document["inputs"][1]["path"] == f"{image}: partition 1: /boot.scr"
