"""Real hangs of Xen 4.17 in QEMU, taken apart before they are torn down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.acpi.builder import coreboot_ivrs
from harness.acpi.mutations import NAMED, apply_to_ivrs
from harness.board import load
from harness.boot import booted
from harness.forensics import Options, on_hang
from harness.request import BootRequest
from harness.sources import DebianFile, Sources
from harness.symbols import SymbolTable, read_symbols
from tests.boot.frozen import Freezer

GOOD = coreboot_ivrs(base=0xFEB00000, functions=(0x100, 0x200, 0x300))
# The silence of a hang is waited for in full; a busy host stretches it by itself.
SCALE = 0.4


def hung(
    folder: Path,
    options: Options,
    ivrs: str | None = None,
    observer: Freezer | None = None,
    **asked: Any,
) -> tuple[dict[str, Any], Path]:
    """What was found out about a boot that hangs, and its run folder."""
    table = None
    if ivrs is not None:
        data = apply_to_ivrs(GOOD, NAMED[ivrs])
        assert data
        table = folder / "IVRS.bin"
        table.write_bytes(data)
    out = folder / "run"
    request = BootRequest(
        board=load("apu2"), method="multiboot", ivrs=table, out=out, scale=SCALE, **asked
    )
    with booted(request, observer, on_hang=on_hang(options)) as session:
        assert session.result["verdict"] == "HUNG", session.result["cause"]
    if observer is not None:
        assert observer.failed is None
    found: dict[str, Any] = json.loads((out / "forensics.json").read_text())
    return found, out


def test_a_block_of_length_zero_is_named_with_its_callers(tmp_path: Path) -> None:
    edits = "+nmi=fatal +noreboot"
    found, out = hung(tmp_path, Options(keys="d"), "ivhd-length-zero", xen_edits=edits)
    assert found["signature"] == "CPU0 in get_supported_ivhd_type"
    assert (found["progress"], found["xen_alive"]) == ("none", False)
    said = (out / "forensics.txt").read_text()
    assert "CPU0 spins in get_supported_ivhd_type (called by acpi_table_parse <- " in said
    assert "6 of 6 samples" in said
    assert "CPU1-3 not started" in said
    first = found["cpus"][0]
    ours = [spot["address"] for spot in first["callers"]]
    # Xen itself names the same callers, when an NMI makes it.
    trace = (out / "nmi.txt").read_text().partition("Xen call trace:")[2]
    assert ours
    assert all(f"[<{address:016x}>]" in trace for address in ours)
    assert (out / "registers-0.txt").read_text().startswith("\nCPU#0")
    assert (out / "stack-cpu0.bin").stat().st_size > 0
    assert not list(out.rglob(".memory-*"))
    short = json.loads((out / "result.json").read_text())["forensics"]
    assert short["summary"] == found["summary"]


def test_an_iommu_that_does_not_answer(tmp_path: Path) -> None:
    found, out = hung(tmp_path, Options(keys="", dump="none"), "iommu-twice")
    assert found["signature"] == "CPU0 in flush_command_buffer"
    assert "completion wait" in found["summary"][0]
    assert not list(out.glob("xen-data-*"))


@pytest.fixture(scope="module")
def symbols() -> SymbolTable:
    file = "usr/lib/debug/boot/xen-syms-*.map"
    request = DebianFile("xen-hypervisor-4.17-amd64-dbg", None, file, "bookworm", "amd64")
    return read_symbols(Sources().debian("xen-symbols", request).path.read_bytes())


def test_frozen_cpus_are_who_is_waited_for(tmp_path: Path, symbols: SymbolTable) -> None:
    at, loop = symbols.find("mtrr_aps_sync_end"), symbols.find("_stext")
    assert at
    assert loop
    freezer = Freezer(at.address, loop.address, tmp_path)
    found, _ = hung(tmp_path, Options(keys="d"), observer=freezer)
    assert freezer.frozen == ["CPU1", "CPU2", "CPU3"]
    assert found["signature"] == "CPU0 in on_selected_cpus"
    first = found["cpus"][0]
    assert first["answers"] == [1, 2, 3]
    assert "CPU0 " in found["summary"][0]
    assert "(still to answer: CPU1-3)" in found["summary"][0]


def test_without_symbols_there_are_addresses_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "bad.map").write_text("nothing")
    sources = Sources()
    file = DebianFile(
        "xen-system-amd64", "xen-hypervisor-*-amd64", "boot/xen-*-amd64.gz", "bookworm", "amd64"
    )
    own = sources.debian("xen", file).path
    found, _ = hung(
        tmp_path,
        Options(symbols=(tmp_path / "bad.map",), keys=""),
        "ivhd-length-zero",
        uses={"xen": str(own)},
    )
    assert found["cpus"][0]["where"].startswith("0xffff82d04")
    assert found["signature"] == "CPU0 in Xen"
    assert any("--symbols" in note for note in found["notes"])


def test_a_dom0_that_sleeps_is_told_from_a_xen_that_hangs(tmp_path: Path) -> None:
    edits = "+rdinit=/bin/sleep +-- +100000"
    found, out = hung(tmp_path, Options(keys="d0q"), dom0_edits=edits)
    assert found["signature"] == "CPU0 asleep"
    assert found["xen_alive"] is True
    assert found["dom0"].startswith("dom0 sleeps")
    assert "CPU0-3 asleep" in found["summary"][0]
    assert (out / "debug-key-d.txt").exists()
