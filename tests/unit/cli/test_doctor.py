from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from harness.cli import doctor, main

BOARD = """\
schema: 1
name: {name}
title: A board
arch: {arch}
identity: {{vendor: v, model: m, soc: s, firmware: f}}
console: {{port: uart0}}
boot: {{method: multiboot}}
xen: {{cmdline: console=com1}}
dom0: {{cmdline: console=hvc0, hostname: h}}
binaries: {{}}
targets:
  qemu: {{emulator: {emulator}, machine: m, cpu: c, smp: 1, memory_mib: 64}}
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with all programs, each in its own file; its folder of programs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    names = {*doctor._ALWAYS, *doctor._FOR_CARDS, *doctor._BESIDES}
    for name in (*names, "qemu-system-x86_64", "qemu-system-arm", "qemu-system-aarch64"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr("harness.tools._SBIN", str(tmp_path / "sbin"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "_ROOM_MIB", 0)
    return programs


def row(text: str, name: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.split()[1:2] == [name])


def test_all_is_there(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "to mend it" not in said
    assert row(said, "mke2fs") == ["ok", "mke2fs", str(machine / "mke2fs"), "cards:", "ext4"]
    assert row(said, "qemu-system-arm")[0] == "ok"
    assert row(said, "qemu-system-arm")[3:] == ["boards", "of", "arm"]


def test_what_a_card_needs_is_missing(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (machine / "mformat").unlink()
    (machine / "qemu-system-arm").unlink()
    assert main(["doctor"]) == 3
    said = capsys.readouterr().out
    assert row(said, "mformat")[0] == "MISSING"
    assert row(said, "mcopy")[0] == "ok"
    assert "--no-install-recommends mtools qemu-system-arm\n" in said


def test_what_a_boot_does_without_is_told_and_no_failure(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine / "dtc").unlink()
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert row(said, "dtc")[0] == "absent"
    assert "--no-install-recommends device-tree-compiler\n" in said


def test_a_program_that_only_root_has_in_its_path(
    machine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sbin").mkdir()
    (machine / "mke2fs").rename(tmp_path / "sbin" / "mke2fs")
    assert main(["doctor"]) == 0
    assert row(capsys.readouterr().out, "mke2fs")[2] == str(tmp_path / "sbin" / "mke2fs")


def test_packages_are_only_their_names(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--packages"]) == 0
    assert capsys.readouterr().out == ""
    for name in ("mcopy", "mformat", "mke2fs"):
        (machine / name).unlink()
    assert main(["doctor", "--packages"]) == 0
    assert capsys.readouterr().out == "e2fsprogs mtools\n"


def test_boards_without_a_card_need_none_of_its_tools(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boards = tmp_path / "boards"
    boards.mkdir()
    text = BOARD.format(name="one", arch="x86_64", emulator="qemu-system-mine")
    (boards / "one.yaml").write_text(text)
    (boards / "broken.yaml").write_text("schema: 2\n")
    monkeypatch.setattr(doctor, "available", lambda _: ["broken", "one"])
    options = argparse.Namespace(board_path=[boards])
    programs = doctor.needed_programs(options)
    assert programs.keys() == {*doctor._ALWAYS, "qemu-system-mine"}
    assert programs["qemu-system-mine"] == "boards of x86_64"


def test_a_full_disk_is_said(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_ROOM_MIB", 1 << 40)
    assert main(["doctor"]) == 3
    said = capsys.readouterr().out
    assert row(said, "cache")[0] == "LOW"
    assert "free at least" in said
    assert os.environ["HARNESS_CACHE"] in said
