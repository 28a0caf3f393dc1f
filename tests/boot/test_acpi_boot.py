"""Boots with the user's ACPI tables, through Xen to dom0."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.acpi.builder import coreboot_ivrs
from harness.acpi.mutations import NAMED, apply_to_ivrs

Run = Callable[..., subprocess.CompletedProcess[str]]

# As coreboot makes it for an apu2: the NICs are behind bridges. The base is somewhere else here.
GOOD = coreboot_ivrs(base=0xFEB00000, functions=(0x100, 0x200, 0x300))


def boot(harness: Run, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    done = harness("boot", "apu2", *arguments, "--json")
    assert done.stdout.startswith("{"), done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, result


def ivrs(folder: Path, data: bytes | None) -> Path:
    assert data
    path = folder / "IVRS.bin"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("method", ["multiboot", "pxe"])
def test_a_good_table_of_the_board_comes_to_dom0(harness: Run, tmp_path: Path, method: str) -> None:
    code, result = boot(harness, "--method", method, "--ivrs", ivrs(tmp_path, GOOD))
    assert (code, result["verdict"]) == (0, "PASS"), result["cause"]
    assert result["xen"]["iommu"]["state"] == "enabled"
    assert [one["id"] for one in result["xen"]["ioapics"]] == [4, 5]
    states = {one["id"]: one["state"] for one in result["expectations"]}
    assert {s for name, s in states.items() if name.startswith("acpi.")} == {"met"}
    assert "acpi.ivhd.0.7" in states
    assert "IVRS: device id 00:00.2 of the IOMMU is now 00:01.0" in result["acpi"]["rebased"]
    assert result["acpi"]["predicted"]["outcome"] == "enabled"
    assert "IOAPIC" not in {one["what"] for one in result["differs"]}


def test_a_missing_ioapic_fails_with_what_xen_says(harness: Run, tmp_path: Path) -> None:
    bad = apply_to_ivrs(GOOD, NAMED["ioapic-missing"])
    arguments = ("--method", "multiboot", "--until", "smp", "--ivrs", ivrs(tmp_path, bad))
    code, result = boot(harness, *arguments)
    assert (code, result["verdict"]) == (1, "FAIL")
    assert result["cause"].startswith("amd-vi-error: ")
    assert "no information for IO-APIC" in result["cause"]
    failed = {one["id"] for one in result["expectations"] if one["state"] == "failed"}
    assert "hardware.iommu.state" in failed
    assert result["acpi"]["predicted"]["outcome"] == result["xen"]["iommu"]["state"] == "failed"


def test_a_table_that_hangs_xen_is_a_hang(harness: Run, tmp_path: Path) -> None:
    bad = apply_to_ivrs(GOOD, NAMED["ivhd-length-zero"])
    arguments = ("--method", "multiboot", "--until", "smp", "--ivrs", ivrs(tmp_path, bad))
    code, result = boot(harness, *arguments, "--deadline-scale", "0.5")
    assert (code, result["verdict"]) == (1, "HUNG")
    assert result["acpi"]["predicted"]["outcome"] == result["xen"]["iommu"]["state"] == "hang"


def test_a_device_without_an_entry_fails_the_boot(harness: Run, tmp_path: Path) -> None:
    without = coreboot_ivrs(base=0xFEB00000, functions=(0x100, 0x200))
    arguments = ("--method", "multiboot", "--ivrs", ivrs(tmp_path, without))
    code, result = boot(harness, *arguments)
    assert (code, result["verdict"]) == (1, "FAIL")
    assert result["cause"].startswith("acpi.devices: ")
    assert "03:00.0" in result["cause"]
