"""Options as words: parsed once more, in another folder, they give the same boot."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from harness.cli.hang import add_hang_options
from harness.cli.options import add_boot_options, request_from
from harness.cli.words import absolute_board, words_of


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_boot_options(made)
    add_hang_options(made)
    return made


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--method", "multiboot", "--until", "smp", "--deadline-scale", "2.5"],
        ["--cmdline-xen=-loglvl +iommu=debug", "--cmdline-dom0", "=quiet"],
        ["--use", "xen=4.14", "--use", "kernel=trixie", "--root", "initramfs"],
        ["--xen", "4.20", "--kernel", "6.12", "--offline", "--own-binaries"],
        ["--no-forensics"],
        ["--nmi", "--dump", "none", "--symbols", "a", "--symbols", "b"],
        ["--board-path", "boards", "--ivrs", "IVRS.bin", "--acpi", "tables"],
        ["--target", "serial:/dev/x", "--power-on", "pdu on 7", "--bind", "192.0.2.1"],
    ],
)
def test_the_words_give_the_same_options(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boards").mkdir()
    asked = parser().parse_args(words)
    again = words_of(parser(), asked)
    monkeypatch.chdir("/")
    given, other = vars(asked), vars(parser().parse_args(list(again)))
    for name, value in given.items():
        if isinstance(value, Path):
            assert other[name] == tmp_path / value
        elif isinstance(value, list) and value and isinstance(value[0], Path):
            assert other[name] == [tmp_path / one for one in value]
        else:
            assert other[name] == value
    # Written once more, they are the same words.
    assert words_of(parser(), parser().parse_args(list(again))) == again


def test_files_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "xen.gz").touch()
    (tmp_path / "vmlinuz").touch()
    asked = parser().parse_args(["--xen", "xen.gz", "--use", "kernel=vmlinuz", "--initrd", "./x"])
    assert set(words_of(parser(), asked)) == {
        f"--xen={tmp_path}/xen.gz",
        f"--use=kernel={tmp_path}/vmlinuz",
        f"--initrd={tmp_path}/x",
    }
    asked.board = "apu2"
    asked = parser().parse_args(list(words_of(parser(), asked)))
    asked.board = "apu2"
    assert request_from(asked).uses["xen"] == f"{tmp_path}/xen.gz"


def test_boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_board("apu2") == "apu2"
    assert absolute_board("mine.yaml") == f"{tmp_path}/mine.yaml"
    assert absolute_board("x/mine.yaml") == f"{tmp_path}/x/mine.yaml"
