"""The first bad version and the first bad commit, found by real boots that hang."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.acpi.builder import coreboot_ivrs
from harness.acpi.mutations import NAMED, apply_to_ivrs
from tests.boot.conftest import command

Run = Callable[..., subprocess.CompletedProcess[str]]

GOOD = coreboot_ivrs(base=0xFEB00000, functions=(0x100, 0x200, 0x300))
# Xen speaks within three seconds or never; the silence of a hang is waited for in full.
FAST = ("--method", "multiboot", "--until", "smp", "--deadline-scale", "0.3", "--no-forensics")


def hanging() -> bytes:
    """A table that Xen 4.14 rejects, and later versions hang on."""
    data = apply_to_ivrs(GOOD, NAMED["ivhd-length-zero"])
    assert data
    return data


def test_the_first_xen_that_hangs_on_a_block_of_length_zero(harness: Run, tmp_path: Path) -> None:
    (tmp_path / "IVRS.bin").write_bytes(hanging())
    which = ("--good", "4.14", "--bad", "4.20", "--bad-if", "HUNG", "--boots-per-step", "1")
    out = tmp_path / "out"
    done = harness(
        "bisect", "apu2", *which, "--ivrs", tmp_path / "IVRS.bin", *FAST, "--json", "--out", out
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["how"], answer["first_bad"], answer["last_good"]) == ("found", "4.17", "4.14")
    told = {one["version"]: one["answer"] for one in answer["tested"]}
    assert told == {"4.14": "good", "4.17": "bad", "4.20": "bad"}
    assert answer["skipped"] == []
    # 4.14 fails too, but it comes to its goal: it does not hang.
    kept = json.loads((out / "runs" / "001-4.14" / "0001" / "result.json").read_text())
    assert (kept["verdict"], kept["ending"]["kind"]) == ("FAIL", "goal")
    kept = json.loads((out / "runs" / "002-4.17" / "0001" / "result.json").read_text())
    assert " IVRS Block: Found type 0x10 flags 0 len 0 " in kept["last_line"]
    rows = [json.loads(row) for row in (out / "bisect.jsonl").read_text().splitlines()]
    kinds = [row["kind"] for row in rows]
    assert kinds == ["begin", *["boot", "answer"] * 3, "end"]
    assert "step 1 of about 3: 4.20, boot 1 of 1: HUNG" in done.stderr


def test_the_first_bad_commit(tmp_path: Path, environment: dict[str, str]) -> None:
    program = shutil.which("git")
    if program is None:
        pytest.skip("git is not installed")
    repository = tmp_path / "firmware"
    who = {
        f"GIT_{one}_{what}": "x@example.org"
        for one in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}

    def git(*arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments],
            cwd=repository,
            env={**environment, **who, **nobody},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    repository.mkdir()
    git("init", "--quiet")
    tables = {"first": GOOD, "second": GOOD, "third": hanging(), "fourth": hanging()}
    for name, data in tables.items():
        (repository / "IVRS.bin").write_bytes(data)
        (repository / "name").write_text(name)
        git("add", ".")
        git("commit", "--quiet", "--message", name)
    git("bisect", "start", "HEAD", "HEAD~3")
    boot = ["boot", "apu2", "--ivrs", "IVRS.bin", *FAST, "--bisect", "--bad-if", "HUNG"]
    said = git("bisect", "run", *command([*boot, "--boots", "2"]))
    [first] = re.findall(r"^([0-9a-f]{40}) is the first bad commit", said, re.MULTILINE)
    assert git("show", "--format=%s", "--no-patch", first).strip() == "third"
    assert "good: 2 boots passed" in said
    assert "bad: HUNG after 0 boots passed" in said
