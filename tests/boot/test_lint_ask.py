"""`harness lint --ask-xen` with the real Xen: the same words as predicted, for good and for bad."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.acpi.builder import Spec, build, coreboot_ivrs
from harness.acpi.mutations import apply
from harness.acpi.writing import write
from harness.formats.acpi.madt import IoApic

IOAPICS = (IoApic(4, 0, 0xFEC00000, 0), IoApic(5, 0, 0xFEC20000, 24))


@pytest.mark.parametrize(
    ("mutation", "outcomes"),
    [("good", ["enabled", "enabled"]), ("ivhd-length-zero", ["failed", "hang"])],
)
def test_the_apu2s_tables(mutation: str, outcomes: list[str], tmp_path: Path) -> None:
    ivrs = coreboot_ivrs(base=0xF7F00000)
    write(apply(build(Spec(cpus=4, ioapics=IOAPICS, ivrs=ivrs)), mutation), tmp_path / "tables")
    argv = [sys.executable, "-m", "harness", "lint", "tables", "--ask-xen=4.14,4.17"]
    argv += ["--format", "json"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    (one,) = json.loads(done.stdout)["inputs"]
    both = [one["asked"][f"xen-{version}"] for version in ("4.14", "4.17")]
    assert [each["measured"]["outcome"] for each in both] == outcomes
    assert [each["agrees"] for each in both] == [True, True], json.dumps(both, indent=1)
    # Of a block without a length nobody knows what is in it: it is asked about as it is.
    moved = any("base address 0xf7f00000" in change for change in both[0]["rebased"])
    assert moved is (mutation == "good")
    assert "asked 2 of 2" in done.stderr
