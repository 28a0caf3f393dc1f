"""Run folders of a soak: small if they passed, whole if they failed, brought home from afar."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.soak import kept

TASK: dict[str, Any] = {"number": 7, "seed": 9, "injected": None, "binaries": {"xen": "aa"}}
RECIPE = {"id": "no-iommu", "title": "no IOMMU", "verdict": "CRASHED", "says": "x"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "00007"
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "initrd.gz").write_bytes(bytes(1000))
    (folder / "console.raw").write_bytes(b"(XEN) Xen version 4.17\r\n" * 100)
    (folder / "console.log").write_text("0.1 (XEN) Xen version 4.17\n")
    (folder / "result.json").write_text("{}")
    return folder


def result(verdict: str, sha256: str = "aa") -> dict[str, Any]:
    return {"verdict": verdict, "cause": "", "binaries": {"xen": {"sha256": sha256}}}


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_run_that_passed_is_compressed_and_can_be_judged_again(run: Path) -> None:
    raw = (run / "console.raw").read_bytes()
    made = kept.keep(run, TASK, result("PASS"))
    assert names(run) == ["console.log.gz", "console.raw.gz", "result.json"]
    assert gzip.decompress((run / "console.raw.gz").read_bytes()) == raw
    assert json.loads((run / "result.json").read_text()) == made
    assert made["soak"] == {"boot": 7, "seed": 9, "injected": None}
    assert kept.keep(run, TASK, made) == made
    assert names(run) == ["console.log.gz", "console.raw.gz", "result.json"]


@pytest.mark.parametrize("verdict", ["HUNG", "CRASHED", "INFRA"])
def test_a_run_that_failed_stays_whole(run: Path, verdict: str) -> None:
    before = names(run)
    made = kept.keep(run, {**TASK, "injected": RECIPE}, result(verdict))
    assert names(run) == before
    injected = json.loads((run / "result.json").read_text())["soak"]["injected"]
    assert injected == {"id": "no-iommu", "title": "no IOMMU", "verdict": "CRASHED"}
    assert made["verdict"] == verdict


def test_other_binaries_than_those_of_the_soak_are_our_failure(run: Path) -> None:
    made = kept.keep(run, TASK, result("HUNG", "bb"))
    assert made["verdict"] == "INFRA"
    assert "another xen" in made["cause"]
    assert kept.adopted(run, TASK) is None


def test_what_had_ended_is_adopted(run: Path) -> None:
    (run / "result.json").write_text(json.dumps(result("PASS")))
    (run / "owner.lock").touch()
    assert kept.adopted(run, TASK) is not None
    assert "console.raw.gz" in names(run)
    assert "owner.lock" not in names(run)
    (run / "result.json").write_text(json.dumps(result("PASS", "bb")))
    assert kept.adopted(run, TASK) is None
    assert kept.adopted(run / "none", TASK) is None


def test_a_run_comes_home(run: Path, tmp_path: Path) -> None:
    (run / "link").symlink_to("/etc/passwd")
    home = tmp_path / "home" / "00007"
    home.mkdir(parents=True)
    (home / "old").touch()
    made = kept.brought_home(kept.packed(run), home, TASK, result("HUNG"))
    assert names(home) == ["console.log", "console.raw", "result.json"]
    assert made["run_folder"] == str(home)
    assert (home / "console.raw").read_bytes() == (run / "console.raw").read_bytes()
    assert names(home.parent) == ["00007", *(f"00007/{name}" for name in names(home))]


def test_a_file_too_large_to_be_sent_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_LARGEST", 1000)
    with tarfile.open(fileobj=io.BytesIO(kept.packed(run))) as tar:
        assert "console.raw" not in tar.getnames()
        left = tar.extractfile("left-behind.txt")
        assert left is not None
        assert left.read() == b"console.raw: 2400 bytes\n"


def test_damaged_or_hostile_files_do_not_come_home(run: Path, tmp_path: Path) -> None:
    home = tmp_path / "home" / "00007"
    data = kept.packed(run)
    hostile = (
        _with("../out"),
        _with("/out"),
        _with("a/b"),
        _with(".."),
        _with("x", tarfile.SYMTYPE),
    )
    for bad in (b"", b"no tar", data[: len(data) // 2], *hostile):
        with pytest.raises(InputError, match="damaged"):
            kept.unpack(bad, home)
        assert not (tmp_path / "home" / "out").exists()
        assert not home.exists()
    kept.unpack(data, home)
    assert (home / "console.log").exists()


def _with(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, "/etc/passwd"
        tar.addfile(entry, io.BytesIO())
    return made.getvalue()


def test_room_is_made_for_a_boot_that_is_done_again(run: Path) -> None:
    kept.scratch_of(run)
    kept.clear(run)
    kept.clear(run)
    assert names(run.parent) == []
