"""What lint finds in the tables of real machines, all of it, each with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lint.engine import Linted, lint

CORPUS = Path(__file__).resolve().parents[5] / "shared" / "acpi-corpus"
LOGS = CORPUS.parent / "logs"

_HPET_2 = "ivrs.hpet-id"  # the HPET table says number 2, the IVRS has handle 0
EXPECTED = {
    # IOAPIC 0 is there as 00:14.0 and as 00:00.1; the MADT has 0 and 1.
    ("7CFE191333A8", "ivrs.ioapic-conflict"),
    ("7CFE191333A8", "ivrs.ioapic-missing"),
    # No IOAPIC entry at all.
    ("5A86CF3EECC0", "ivrs.ioapic-missing"),
    # IOAPICs 33 and 34; the MADT has 4 and 5.
    ("E273887C5E08", "ivrs.ioapic-unknown"),
    ("E273887C5E08", "ivrs.ioapic-missing"),
    # Five exclusion ranges of one byte, for 00:00.0 and on: the IVHDs begin at 00:01.0.
    ("9249A3556422", "ivrs.ivmd-alignment"),
    ("9249A3556422", "ivrs.ivmd-device"),
    # A block of type 51h.
    ("405067A82A69", "ivrs.block-type"),
    ("696E48381F84", "ivrs.block-type"),
    # Two IOMMUs; the alias range of the first is in the range of the second.
    ("73EDB0DDFF0E", "ivrs.range-overlap"),
}
HPET_2 = 11


def machines() -> list[Path]:
    found = sorted(path for path in CORPUS.glob("*") if path.is_dir())
    if not found:
        pytest.skip(f"the collection of real ACPI tables is not at {CORPUS}")
    return found


@pytest.fixture(scope="module")
def linted() -> dict[str, Linted]:
    return {path.name: lint([path])[0] for path in machines()}


def test_what_is_found(linted: dict[str, Linted]) -> None:
    found = {
        (name, finding.rule)
        for name, one in linted.items()
        for finding in one.findings
        if finding.severity != "note"
    }
    assert {each for each in found if each[1] != _HPET_2} == EXPECTED
    assert len([each for each in found if each[1] == _HPET_2]) == HPET_2
    assert len(linted) == 86


def test_errors_are_where_xen_refuses(linted: dict[str, Linted]) -> None:
    bad = {
        name
        for name, one in linted.items()
        if any(finding.severity == "error" for finding in one.findings)
    }
    refused = {
        name
        for name, one in linted.items()
        if any(said["outcome"] != "enabled" for said in (one.predicted or {}).values())
    }
    assert bad == refused == {"7CFE191333A8", "5A86CF3EECC0", "E273887C5E08", "9249A3556422"}


def test_a_finding_tells_bytes(linted: dict[str, Linted]) -> None:
    data = (CORPUS / "E273887C5E08" / "IVRS.bin").read_bytes()
    findings = [f for f in linted["E273887C5E08"].findings if f.rule == "ivrs.ioapic-unknown"]
    assert {data[f.offset] for f in findings if f.offset} == {33, 34}
    assert all((f.table, f.field, f.size) == ("IVRS", "Handle", 1) for f in findings)


def test_a_file_and_its_madt_beside_it() -> None:
    folder = machines()[0].parent / "E273887C5E08"
    alone, *_ = lint([folder / "IVRS.bin"])
    assert "ivrs.ioapic-unknown" in {each.rule for each in alone.not_run}
    both, other = lint([folder / "IVRS.bin", folder / "APIC.bin"])
    assert "ivrs.ioapic-unknown" in {finding.rule for finding in both.findings}
    assert other.findings == ()
    assert other.not_run == ()
    assert other.predicted == {}


@pytest.mark.parametrize(
    ("name", "rules", "outcomes"),
    [
        ("qemu-q35-xen-4.20-iommu-enabled.log", set(), {"enabled"}),
        ("qemu-q35-amd-iommu-xen-4.17.7-dom0.log", {"ivrs.alignment"}, {"enabled"}),
        ("qemu-q35-xen-4.17.7-ivhd-length-0-hang.log", {"ivrs.block-length"}, {"failed", "hang"}),
        ("qemu-q35-xen-4.17.7-ivrs-wrong-base-hang.log", set(), {"enabled"}),
    ],
)
def test_a_log(name: str, rules: set[str], outcomes: set[str]) -> None:
    if not (LOGS / name).exists():
        pytest.skip(f"there is no {LOGS / name}")
    (one,) = lint([LOGS / name])
    assert {finding.rule for finding in one.findings} == rules
    assert {said["outcome"] for said in (one.predicted or {}).values()} == outcomes
    assert {said["basis"] for said in (one.predicted or {}).values()} == {"source"}
    assert one.machine is not None
    assert one.machine["reconstructed"]
    assert one.machine["e820"]
    assert one.notes
