"""The command lines of recordings: what goes with what, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = 2) -> str:
    assert main([str(word) for word in words]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["record", "apu2", "--method", "pxe"], "cannot be repeated"),
        (["record", "cubieboard2"], "cannot be repeated"),
        (["record", "apu2", "--target", "serial:/dev/null"], "cannot be repeated"),
        (["record", "apu2", "--root", "9p"], "--root 9p"),
        (["record", "apu2", "--nmi"], "NMI"),
        (["record", "apu2", "--seed", "1"], "--explore"),
        (["record", "apu2", "--schedule", "shift=5"], "--schedule"),
        (["record", "apu2", "--schedule", "shift=5,cpus=5"], "1 to 4"),
        (["record", "apu2", "--explore", "0"], "1 to 10000"),
        (["record", "apu2", "--explore", "1", "--schedule", "shift=5,cpus=1"], "one of them"),
        (["record", "cubieboard2", "--explore", "5"], "cannot be repeated"),
        (["record", "apu2", "--no-forensics", "--symbols", "x"], "--no-forensics"),
        (["boot", "apu2", "--record", "--print-command"], "one of them"),
        (["boot", "apu2", "--record", "--method", "pxe"], "cannot be repeated"),
        (["rerun", "no/such/run"], "no such run folder"),
        (["rerun", ".", "--at", "hang"], "goes with --gdb"),
        (["rerun", ".", "--offline"], "goes with --gdb"),
        (["rerun", ".", "--gdb", "--json"], "one of them"),
        (["rerun", ".", "--gdb", "--symbols", "no/such"], "no such file"),
    ],
)
def test_what_does_not_go_together(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert said in refused(capsys, *words)


def test_a_commit_is_not_judged_by_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, "boot", "apu2", "--record", "--bisect", code=125)


def test_a_folder_without_a_recording(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "no recording is here" in refused(capsys, "rerun", tmp_path)


def test_a_run_is_found_by_its_name(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    run = state / "20260101-000000-apu2"
    run.mkdir(parents=True)
    assert str(run) in refused(capsys, "rerun", run.name)


@pytest.mark.parametrize("what", ["recording", "broken"])
def test_one_that_was_not_ended(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, what: str
) -> None:
    told: dict[str, Any] = {
        "schema": "harness-recording/1",
        "harness": "1",
        "state": what,
        "why": "QEMU did not end its log",
        "board": "apu2",
        "machine": ["qemu-system-x86_64"],
        "shift": 5,
        "emulator": {"path": "q", "version": "7", "sha256": None},
        "files": {},
    }
    (tmp_path / "recording.json").write_text(json.dumps(told))
    said = refused(capsys, "rerun", tmp_path)
    assert "record again" in said
