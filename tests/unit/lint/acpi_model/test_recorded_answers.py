"""The model against what the real Xen 4.14, 4.17 and 4.20 answered (QEMU 7.2, direct boot)."""

from __future__ import annotations

import pytest

from harness.acpi.builder import Spec, build
from harness.acpi.mutations import apply
from harness.formats.acpi import ivrs
from harness.formats.acpi.header import Header
from harness.formats.acpi.ivrs import Ivhd, Ivrs, entries
from harness.formats.acpi.madt import IoApic
from harness.formats.acpi.tableset import TableSet
from harness.lint.acpi_model import Machine, Region, predict

WIDTHS = 0x00142800  # IVinfo: 40 address bits
E820 = (
    Region(0, 0x9FC00, 1),
    Region(0x9FC00, 0x100000, 2),
    Region(0x100000, 0x3FFE0000, 1),
    Region(0x3FFE0000, 0x40000000, 2),
    Region(0xB0000000, 0xC0000000, 2),
    Region(0xFED1C000, 0xFED20000, 2),
    Region(0xFFFC0000, 0x100000000, 2),
)
MACHINE = Machine(e820=E820)
INIT = "AMD-Vi: Error initialization"
ERROR = "AMD-Vi: Error: "
WARN = "AMD-Vi: Warning: "
WAIT = "AMD IOMMU 0000:00:01.0: completion wait taking too long"


def baseline() -> TableSet:
    """One 10h IVHD: range 08-ff, IOAPIC 0 and HPET 0 at 00:14.0."""
    devices = (*entries.device_range(8, 0xFF), entries.ioapic(0, 0xA0), entries.hpet(0, 0xA0))
    block = Ivhd(0x10, 0, 0, 0x08, 0x40, 0xFED80000, entries=devices)
    header = Header("IVRS", 0, 2, 0, "OEM", "TABLE", 1, "ME", 1)
    made = ivrs.build(ivrs.finish(Ivrs(header, WIDTHS, 0, (block,))))
    return build(Spec(ivrs=made))


BASELINE = baseline()

# number, mutation, outcome, messages of 4.17.7
ROWS: list[tuple[str, str, str, tuple[str, ...]]] = [
    ("00", "good", "enabled", ()),
    ("01", "no-ivrs", "absent", ()),
    ("03", "ioapic-missing", "failed", ("IVHD Error: no information for IO-APIC 0", INIT)),
    ("04", "hpet-missing", "enabled", ()),
    ("05", "ioapic[0].handle=4", "failed", ("IVHD Error: Invalid IO-APIC 0x4", INIT)),
    (
        "06",
        "ioapic-not-southbridge",
        "failed",
        ("No southbridge IO-APIC found in IVRS table", INIT),
    ),
    ("07", "ioapic-duplicate", "enabled", (WARN + "IVHD: duplicate IO-APIC 0 entries",)),
    (
        "08",
        "ioapic-conflicting",
        "failed",
        (ERROR + "IVHD: conflicting IO-APIC 0 entries", INIT),
    ),
    ("09", "hpet-twice", "enabled", ("Only one IVHD HPET entry is supported.",)),
    ("10", "special-variety", "failed", ("Unrecognized IVHD special variety 0x7", INIT)),
    ("11", "base-zero", "failed", (ERROR + "invalid IVHD block",)),
    ("12", "base-wrong", "hang", (WAIT,)),
    ("13", "iommu-id-zero", "failed", (ERROR + "invalid IVHD block",)),
    ("14", "ivhd[0].device_id=2", "absent", ()),
    ("15", "capability-zero", "failed", (ERROR + "invalid IVHD block",)),
    ("16", "capability-wrong", "absent", ()),
    ("17", "ivhd-length-zero", "hang", ()),
    ("18", "ivhd-length-short", "hang", ()),
    (
        "19",
        "ivhd[0].length=0x200",
        "failed",
        (ERROR + "IVRS: table length exceeded: 0x60 -> 0x230",),
    ),
    ("20", "table-short", "failed", (ERROR + "IVRS: table length exceeded: 0x58 -> 0x60",)),
    ("21", "table-without-blocks", "failed", ("Cannot find supported IVHD type.",)),
    (
        "22",
        "range-reversed",
        "failed",
        (ERROR + "IVHD: invalid range: First Dev_Id 0xff", INIT),
    ),
    ("23", "range-without-end", "failed", (ERROR + "IVHD: invalid range: End_Type 0x2", INIT)),
    ("24", "entry-unknown", "failed", (WARN + "IVHD: unknown device type 0x99", INIT)),
    ("25", "only-padding", "failed", ("IVHD Error: no information for IO-APIC 0", INIT)),
    ("26", "select-last-bus", "enabled", ()),
    (
        "27",
        "alias-out-of-range",
        "failed",
        (ERROR + "IVHD: invalid Alias Dev_Id 0xfff8", INIT),
    ),
    ("28", "ranges-overlapping", "enabled", ()),
    (
        "29",
        "iommu-twice",
        "hang",
        (
            WARN + "IVHD: duplicate IO-APIC 0 entries",
            "Only one IVHD HPET entry is supported.",
            WAIT,
        ),
    ),
    ("30", "iommu-absent-second", "absent", ()),
    ("31", "only-type-11", "failed", ("Cannot find supported IVHD type.",)),
    ("32", "types-10-and-11", "enabled", ()),
    ("33", "only-type-40", "failed", ("Cannot find supported IVHD type.",)),
    ("34", "efr-sup-no-features", "enabled", ()),
    (
        "35",
        "special-truncated",
        "failed",
        (ERROR + "IVHD: invalid Device_Entry length", INIT),
    ),
    ("40", "ivmd-reserved", "enabled", ()),
    (
        "41",
        "add ivmd 0x21 device_id=0x10 start=0x10000000",
        "failed",
        (
            WARN + "IVMD: [10000000,10001000) is not (entirely) in reserved memory",
            ERROR + "IVMD: page at 10000000 can't be converted",
            INIT,
        ),
    ),
    ("42", "ivmd-id-out-of-range", "failed", (ERROR + "IVMD: invalid Dev_Id 0xfff8", INIT)),
    (
        "43",
        "ivmd-range-reversed",
        "failed",
        (ERROR + "IVMD: invalid Range_Last Dev_Id 0x10", INIT),
    ),
    (
        "44",
        "ivmd-overlapping",
        "failed",
        (ERROR + "IVMD: overlap [fed1d000,fed1f000) vs [fed1c000,fed1e000)", INIT),
    ),
    ("45", "ivmd-flags-zero", "failed", (ERROR + "IVMD: invalid flag field", INIT)),
    ("46", "ivmd-exclusion", "enabled", ()),
    ("47", "ivmd-length-short", "failed", (ERROR + "IVMD: invalid block length", INIT)),
    (
        "48",
        "ivmd-beyond-width",
        "enabled",
        (WARN + "IVMD: [10000000000000,10000000001000) is not IOMMU addressable",),
    ),
    ("49", "ivmd-without-iommu", "failed", (ERROR + "IVMD: no IOMMU for Dev_Id 0x88", INIT)),
    (
        "50",
        "ivmd-empty",
        "enabled",
        (WARN + "IVMD: [fed1c000,fed1c000) is not (entirely) in reserved memory",),
    ),
    ("51", "ivmd-nothing", "panic", ()),
]


@pytest.mark.parametrize(
    ("mutation", "outcome", "messages"),
    [row[1:] for row in ROWS],
    ids=[f"{row[0]} {row[1]}" for row in ROWS],
)
def test_row_of_417(mutation: str, outcome: str, messages: tuple[str, ...]) -> None:
    got = predict(apply(BASELINE, mutation), MACHINE, "4.17.7")
    assert (got.outcome, got.messages) == (outcome, messages)
    # The truncated entry is read to its end all the same, behind the table.
    assert got.basis == ("source" if mutation == "special-truncated" else "run")


def test_a_bad_checksum_is_told_twice() -> None:
    tables = apply(BASELINE, "checksum=bad")
    table = tables.find("IVRS")
    assert table is not None
    stored = table.data[9]
    assert predict(tables, MACHINE, "4.17").messages == (
        f"ACPI Warning (tbutils-0189): Incorrect checksum in table [IVRS] - {stored:02X}, "
        f"should be {stored - 0x3A & 0xFF:02X} [20070126]",
        ERROR + "IVRS: invalid checksum 0x3a",
    )


# mutation, version, outcome, messages: where a release differs from 4.17
DIFFERENT: list[tuple[str, str, str, tuple[str, ...]]] = [
    ("no-ivrs", "4.12", "absent", ("AMD-Vi: IOMMU not found!",)),
    ("no-ivrs", "4.13", "absent", ()),
    ("ivhd-length-zero", "4.14", "failed", ("AMD-Vi: Invalid IVHD Block Length!",)),
    ("ivhd-length-short", "4.14", "failed", ("AMD-Vi: Invalid IVHD Block Length!",)),
    ("ivhd-length-zero", "4.20", "hang", ()),
    ("base-zero", "4.14", "failed", ("AMD-Vi: Invalid IVHD Block!",)),
    ("only-type-11", "4.14", "absent", ()),
    ("only-type-40", "4.14", "absent", ()),
    ("table-without-blocks", "4.14", "absent", ()),
    ("table-short", "4.14", "absent", ()),
    (
        "range-reversed",
        "4.14",
        "failed",
        ("AMD-Vi: IVHD Error: Invalid Range: First Dev_Id 0xff", INIT),
    ),
    (
        "ioapic-conflicting",
        "4.14",
        "failed",
        ("IVHD Error: Conflicting IO-APIC 0 entries", INIT),
    ),
    ("entry-unknown", "4.14", "failed", ("AMD-Vi: IVHD Error: Invalid Device Type!", INIT)),
    ("add ivmd 0x21 device_id=0x10 start=0x10000000", "4.14", "enabled", ()),
    # By the source only: 4.16 tests the pages the wrong way round.
    (
        "add ivmd 0x21 device_id=0x10 start=0x10000000",
        "4.16",
        "enabled",
        (WARN + "IVMD: [10000000,10001000) is not (entirely) in reserved memory",),
    ),
    (
        "add ivmd 0x21 device_id=0x10 start=0x10000000",
        "4.20",
        "failed",
        (
            "IVMD: [0x10000000, 0x10000000] is not (entirely) in reserved memory",
            "IVMD: page at 0x10000 can't be converted",
            INIT,
        ),
    ),
    (
        "ivmd-without-iommu",
        "4.20",
        "enabled",
        (WARN + "IVMD: no IOMMU for device 0000:00:11.0 - ignoring constrain",),
    ),
    (
        "ivmd-without-iommu",
        "4.14",
        "failed",
        ("AMD-Vi: IVMD Error: No IOMMU for Dev_Id 0x88!", INIT),
    ),
    ("ivmd-beyond-width", "4.14", "enabled", ()),
    ("ivmd-nothing", "4.14", "panic", ()),
    ("ivmd-nothing", "4.12", "enabled", ()),
    ("ivmd-overlapping", "4.12", "enabled", ()),
    (
        "iommu-twice",
        "4.14",
        "enabled",
        (
            "AMD-Vi: IVHD Warning: Duplicate IO-APIC 0 entries",
            "Only one IVHD HPET entry is supported.",
        ),
    ),
    ("base-wrong", "4.14", "hang", (WAIT,)),
    ("base-wrong", "4.12", "enabled", ("AMD-Vi: Warning: ComWaitInt bit did not assert!",)),
    # In RAM, the status register of 4.14 reads back what was written.
    ("ivhd[0].base=0x8000000", "4.14", "enabled", ()),
    ("ivhd[0].base=0x8000000", "4.17", "hang", (WAIT,)),
]


@pytest.mark.parametrize(("mutation", "version", "outcome", "messages"), DIFFERENT)
def test_other_releases(
    mutation: str, version: str, outcome: str, messages: tuple[str, ...]
) -> None:
    got = predict(apply(BASELINE, mutation), MACHINE, version)
    assert (got.outcome, got.messages) == (outcome, messages)


@pytest.mark.parametrize("version", ["4.14", "4.17", "4.20"])
def test_the_source_of_an_alias_without_an_iommu_panics(version: str) -> None:
    """As in a laptop's real table: FATAL PAGE FAULT in amd_iommu_intremap_table_order()."""
    tables = apply(BASELINE, "range[0].device_id=0x20; add entry 4230000000100000")
    got = predict(tables, MACHINE, version)
    assert got.outcome == "panic"
    assert got.decided is not None
    assert got.decided.check == "alias-target"
    covered = apply(tables, "add entry 02100000")
    assert predict(covered, MACHINE, version).outcome == "enabled"


def test_bits_of_the_base_above_52_do_not_count() -> None:
    assert (
        predict(apply(BASELINE, "ivhd[0].base|=0x0200000000000000"), MACHINE).outcome == "enabled"
    )
    beyond = predict(apply(BASELINE, "ivhd[0].base|=0x10000000000"), MACHINE)
    assert (beyond.outcome, beyond.trail[-1].check) == ("panic", "base-unreachable")


def test_a_length_of_gigabytes_is_summed_up() -> None:
    assert predict(apply(BASELINE, "header.length|=0x80000000"), MACHINE).outcome == "hang"


def test_every_ioapic_of_the_madt_counts() -> None:
    second = build(
        Spec(
            ioapics=(IoApic(0, 0, 0xFEC00000, 0), IoApic(5, 0, 0xFEC20000, 24)),
            ivrs=_ivrs(BASELINE),
        )
    )
    missing = "IVHD Error: no information for IO-APIC 0x5"
    assert predict(second, MACHINE).messages == (missing, INIT)
    mute = MACHINE.with_(mute_ioapics=frozenset({0xFEC20000}))
    assert predict(second, mute).outcome == "enabled"
    described = apply(second, "add entry 4800000005010001")
    assert predict(described, MACHINE).outcome == "enabled"


def test_without_interrupt_remapping_no_ioapic_is_asked_for() -> None:
    tables = apply(BASELINE, "ioapic-missing")
    assert predict(tables, MACHINE.with_(interrupt_remapping=False)).outcome == "enabled"


def test_an_ioapic_on_the_iommu_itself_is_not_remapped() -> None:
    tables = apply(BASELINE, "add entry 4800000000080001; ioapic[0].source_id=0x08")
    conflicting = predict(apply(tables, "drop ioapic[1]"), MACHINE)
    assert conflicting.outcome == "failed"  # no southbridge IOAPIC


def test_the_trail_names_offset_and_field() -> None:
    got = predict(apply(BASELINE, "ivhd-length-zero"), MACHINE)
    assert got.decided is not None
    assert (got.decided.check, got.decided.offset, got.decided.field) == (
        "zero-length",
        50,
        "Length",
    )
    assert "get_supported_ivhd_type" in got.decided.source


def test_each_block_and_entry_is_printed() -> None:
    lines = [said.text for said in predict(BASELINE, MACHINE, "4.20").lines]
    assert lines == [
        "AMD-Vi: IVRS Block: Found type 0x10 flags 0 len 0x30 id 0x8",
        "AMD-Vi: Using IVHD type 0x10",
        "AMD-Vi: EFRSup not set in ACPI table; will fall back to hardware",
        "AMD-Vi: Found MSI capability block at 0x60",
        "AMD-Vi: IVRS Block: type 0x10 flags 0 len 0x30 id 0x8",
        "AMD-Vi: IVHD: IOMMU @ 0xfed80000 cap @ 0x40 seg 0x0000 info 0 attr 0",
        "AMD-Vi: IVHD Device Entry: type 0x3 id 0x8 flags 0",
        "AMD-Vi:  Dev_Id Range: 0x8 -> 0xff",
        "AMD-Vi: IVHD Device Entry: type 0x48 id 0 flags 0",
        "AMD-Vi: IVHD Special: 0000:00:14.0 variety 0x1 handle 0",
        "AMD-Vi: IVHD Device Entry: type 0x48 id 0 flags 0",
        "AMD-Vi: IVHD Special: 0000:00:14.0 variety 0x2 handle 0",
        "AMD-Vi: Disabled HAP memory map sharing with IOMMU",
        "AMD-Vi: IOMMU 0 Enabled.",
    ]


def test_with_x2apic_a_refused_table_is_a_panic_by_the_source() -> None:
    x2apic = MACHINE.with_(x2apic=True)
    assert predict(BASELINE, x2apic).outcome == "enabled"
    got = predict(apply(BASELINE, "ioapic-missing"), x2apic)
    assert (got.outcome, got.decided and got.decided.check) == ("panic", "x2apic-bug")


def _ivrs(tables: TableSet) -> bytes:
    table = tables.find("IVRS")
    assert table is not None
    return table.data
