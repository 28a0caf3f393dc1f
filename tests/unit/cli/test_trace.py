"""`harness trace`: what it reads, what it refuses, and that it says what the boot did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from harness.cli import main

DATA = Path(__file__).resolve().parents[2] / "data" / "xenalyze"
HVM = DATA / "xen-4.17.7-svm-hvm-guest.txt"


def test_a_recorded_summary_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "--read", str(HVM)]) == 0
    said = capsys.readouterr().out
    assert "span 12.31 s, CPU at 2.70 GHz" in said
    assert "Domain-3: exits VMEXIT_IOIO 331 (7.81s)" in said


def test_an_excerpt_says_that_it_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "--read", str(DATA / "tutorial-vmx-hvm-excerpt.txt")]) == 0
    said = capsys.readouterr().out
    assert "it was cut in 4 places" in said
    assert "1 rows are not known, the first in line" in said
    assert "IO_INSTRUCTION 40647 (5.48s)" in said


def test_a_recorded_summary_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "--read", str(HVM), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [domain["id"] for domain in said["domains"]] == [0, 3, 32767]


def test_a_file_that_is_no_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "other"
    file.write_bytes(b"\xff\x00 hello\n" * 5)
    assert main(["trace", "--read", str(file)]) == 2
    assert "no summary of xenalyze" in capsys.readouterr().err


def test_a_folder_is_no_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "--read", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert main(["trace", "--read", str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seconds", "0"], "0 seconds"),
        (["--seconds", "99999"], "99999 seconds"),
        (["--events", "everything"], "event mask 'everything'"),
        (["--buffer-pages", "-1"], "-1 pages"),
        (["--guest", "/nonexistent.cfg"], "/nonexistent.cfg"),
        (["--guest", str(HVM), "--run", "ls"], "--guest and --run"),
        (["--until", "xen"], "--until xen"),
        (["--read", str(HVM), "--run", "ls"], "--run"),
        (["--read", str(HVM), "--guest", str(HVM)], "--guest"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], state: Path
) -> None:
    assert main(["trace", "apu2", *words]) == 2
    assert message in capsys.readouterr().err
    assert not state.exists()


@pytest.mark.usefixtures("panicking")
def test_a_boot_that_fails_has_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "apu2"]) == 1
    assert "CRASHED" in capsys.readouterr().out
    assert main(["trace", "apu2", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "CRASHED"


def test_a_reader_that_is_gone(shell: Callable[..., CompletedProcess[str]]) -> None:
    done = shell(f"trace --read {HVM} | true")
    assert done.stderr == ""
