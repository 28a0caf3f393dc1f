"""A boot that is given ACPI tables: which boots take them, and what the result says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.acpi.builder import coreboot_ivrs
from harness.board import load
from harness.board.base import MethodName
from harness.build.artifacts import build
from harness.errors import FormatError, InfraError, InputError, UsageError
from harness.report.text import text_report
from harness.request import BootRequest
from harness.result import failure


@pytest.fixture
def ivrs(tmp_path: Path) -> Path:
    path = tmp_path / "IVRS"
    path.write_bytes(coreboot_ivrs(base=0xFEB00000))
    return path


def test_without_the_options_the_emulator_has_its_own() -> None:
    assert BootRequest(load("apu2")).tables is None


@pytest.mark.parametrize("method", ["pxe", "multiboot"])
def test_both_ways_to_xen_take_tables(ivrs: Path, method: MethodName) -> None:
    request = BootRequest(load("apu2"), method=method, ivrs=ivrs)
    assert request.tables
    assert request.tables is request.tables
    assert request.tables.files == (str(ivrs),)


@pytest.mark.parametrize("option", ["ivrs", "acpi"])
@pytest.mark.parametrize(
    ("board", "more"),
    [("apu2", {"target": "serial:/dev/ttyS0"}), ("cubieboard2", {}), ("virt-arm64", {})],
)
def test_other_boots_take_none(ivrs: Path, board: str, more: dict[str, Any], option: str) -> None:
    with pytest.raises(UsageError, match=f"--{option}") as caught:
        BootRequest(load(board), **{**more, option: ivrs})
    assert "takes no ACPI tables" in str(caught.value)


def test_a_board_without_an_iommu_takes_none(ivrs: Path) -> None:
    with pytest.raises(UsageError, match=r"no IOMMU at 00:01\.0"):
        BootRequest(load("apu2-no-iommu"), ivrs=ivrs)


def test_what_is_no_table_is_refused_before_anything_starts(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_bytes(bytes(64))
    with pytest.raises(FormatError) as caught:
        BootRequest(load("apu2"), ivrs=garbage)
    assert caught.value.offset == 0
    with pytest.raises(InputError, match="No such file"):
        BootRequest(load("apu2"), acpi=tmp_path / "nothing")


def test_the_artifacts_have_them(ivrs: Path, tmp_path: Path) -> None:
    request = BootRequest(load("apu2"), ivrs=ivrs)
    work = tmp_path / "work"
    work.mkdir()
    files = build(request.board, "pxe", {}, work, "", "", acpi=request.tables).files
    named = (files.acpi_tables, files.acpi_rsdp, files.acpi_loader)
    assert all(name and (work / name).is_file() for name in named)
    bare = tmp_path / "bare"
    bare.mkdir()
    assert build(request.board, "pxe", {}, bare, "", "").files.acpi_tables is None


def test_the_result_lists_each_change(ivrs: Path) -> None:
    request = BootRequest(load("apu2"), ivrs=ivrs)
    result = failure(request, InfraError("no power"), None)
    acpi = json.loads(json.dumps(result))["acpi"]
    assert acpi["files"] == [str(ivrs)]
    assert "IVRS" in acpi["tables"]
    assert "IVRS: device id 00:00.2 of the IOMMU is now 00:01.0" in acpi["rebased"]
    assert failure(BootRequest(load("apu2")), InfraError("no power"), None)["acpi"] is None


def report(ivrs: Path, state: str, predicted: dict[str, Any] | None) -> str:
    request = BootRequest(load("apu2"), ivrs=ivrs)
    result = failure(request, InfraError("no power"), None)
    result["acpi"]["predicted"] = predicted
    result["xen"] = {"version": "4.17.7", "iommu": {"state": state, "messages": []}}
    return text_report(result)


def test_the_report_says_what_was_changed_and_what_was_to_be_expected(ivrs: Path) -> None:
    decided = {"text": "no entry describes IOAPIC 5", "offset": 0x32}
    failed = {"outcome": "failed", "decided": decided}
    text = report(ivrs, "failed", failed)
    assert str(ivrs) in text
    assert "device id 00:00.2 of the IOMMU is now 00:01.0" in text
    assert "predicted: IOMMU failed: no entry describes IOAPIC 5 (IVRS offset 0x32)" in text
    good = {"outcome": "enabled", "decided": None}
    assert "predicted" not in report(ivrs, "enabled", good)
    assert "predicted: IOMMU enabled" in report(ivrs, "failed", good)
    assert "predicted" not in report(ivrs, "failed", None)
