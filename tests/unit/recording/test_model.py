"""recording.json, and the files that it names: whole, damaged, missing, changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.recording.model import FILE, Description, kept, load, read_description, write
from harness.target.icount import FOLDER, LOG

MACHINE = ["qemu-system-x86_64", "-m", "32M", "-bios", "firmware"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "firmware").write_bytes(b"code")
    (tmp_path / FOLDER / LOG).write_bytes(b"log" * 100)
    (tmp_path / "console.raw").write_bytes(b"said\r\n")
    told = {
        "schema": "harness-recording/1",
        "harness": "1",
        "state": "complete",
        "board": "apu2",
        "verdict": "HUNG",
        "machine": MACHINE,
        "shift": 5,
        "emulator": {"path": "/usr/bin/q", "version": "7.2.22", "sha256": None},
        "files": {"firmware": kept(tmp_path / FOLDER / "firmware").model_dump()},
        "log": kept(tmp_path / FOLDER / LOG).model_dump(),
        "console": kept(tmp_path / "console.raw").model_dump(),
        "instructions": {"quiet": 10, "verdict": 20, "end": 30},
    }
    (tmp_path / FILE).write_text(json.dumps(told))
    return tmp_path


@pytest.fixture
def change(run: Path) -> Callable[..., None]:
    def change(**fields: Any) -> None:
        told = json.loads((run / FILE).read_text())
        (run / FILE).write_text(json.dumps({**told, **fields}))

    return change


def test_a_whole_one(run: Path) -> None:
    recording = load(run)
    assert recording.description.machine == tuple(MACHINE)
    assert recording.description.instructions.quiet == 10
    assert recording.folder == run / FOLDER


def test_it_is_read_as_it_was_written(run: Path) -> None:
    told = read_description(run)
    write(run, told)
    assert read_description(run) == told
    assert [path.name for path in run.glob(".*")] == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"state": "recording"}, "never ended"),
        ({"state": "broken", "why": "the disk was full"}, "the disk was full"),
        ({"log": None}, "no log"),
        ({"schema": "harness-recording/2"}, "schema"),
        ({"machine": []}, "machine"),
        ({"machine": ["/bin/sh", "-c", "true"]}, "its emulator is '/bin/sh'"),
        ({"shift": 11}, "shift"),
        ({"seed": -1}, "seed"),
        ({"files": {"../../etc/passwd": {"bytes": 1, "sha256": "0" * 64}}}, "files"),
        ({"files": {"firmware": {"bytes": 4, "sha256": "0" * 64}}}, "changed since"),
        ({"files": {"other": {"bytes": 4, "sha256": "0" * 64}}}, "missing"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_cannot_be_replayed_says_why(
    run: Path, change: Callable[..., None], fields: dict[str, Any], said: str
) -> None:
    change(**fields)
    with pytest.raises(InputError) as caught:
        load(run)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", [f"{FOLDER}/{LOG}", f"{FOLDER}/firmware", "console.raw"])
def test_a_file_that_is_not_as_it_was(run: Path, name: str) -> None:
    path = run / name
    data = path.read_bytes()
    for other, said in (
        (data[:-1], "truncated"),
        (data + b"x", "longer"),
        (b"X" + data[1:], "chan"),
    ):
        path.write_bytes(other)
        with pytest.raises(InputError, match=said) as caught:
            load(run)
        assert str(path) in str(caught.value)
    path.unlink()
    with pytest.raises(InputError, match="missing"):
        load(run)


def test_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no recording is here") as caught:
        load(tmp_path)
    assert "harness record" in str(caught.value)


def test_a_pipe_instead_of_one_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(InputError, match="no regular file"):
        load(tmp_path)


@given(data=st.binary(max_size=200))
def test_garbage_is_an_error_of_the_input(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    run = tmp_path_factory.mktemp("run")
    (run / FILE).write_bytes(data)
    with pytest.raises(InputError):
        read_description(run)


@given(
    field=st.sampled_from(sorted(Description.model_fields)),
    value=st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
)
def test_any_field_may_be_anything(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: Any
) -> None:
    told: dict[str, Any] = {
        "schema": "harness-recording/1",
        "harness": "1",
        "state": "complete",
        "board": "apu2",
        "machine": MACHINE,
        "shift": 5,
        "emulator": {"path": "q", "version": "7", "sha256": None},
        "files": {},
    }
    told["schema" if field == "schema_" else field] = value
    run = tmp_path_factory.mktemp("run")
    (run / FILE).write_text(json.dumps(told))
    with pytest.raises(InputError):
        load(run)
