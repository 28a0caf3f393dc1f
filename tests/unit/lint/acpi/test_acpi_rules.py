"""Every rule for ACPI tables finds what it is for, and nothing in good tables."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest

from harness.acpi.named_mutations import NAMED
from harness.acpi.random_mutations import random_mutation
from harness.formats.acpi.header import sealed, with_checksum
from harness.formats.acpi.ivrs import DeviceEntry, entries
from harness.formats.acpi.tableset import RawTable, TableSet
from harness.lint.acpi_all import RULES
from harness.lint.acpi_model import Machine, predict
from harness.lint.facts import Facts
from harness.lint.rule import Severity
from tests.unit.lint.acpi.tables import FACTS, damaged, found, good, missing, severities

_RESERVED = "ivrs.ivinfo=0x00203000; add ivmd 0x21 device_id=0x10 start=0xfed1c000"
_TWO_TYPES = (
    "dup ivhd[0]; retype ivhd[1] 0x11; ivrs.ivinfo|=1; ivhd[1].efr=0x29d3; ivhd[1].flags&=0x3f"
)
_WITH_40H = f"{_TWO_TYPES}; dup ivhd[1]; retype ivhd[2] 0x40"


def _entry(*made: DeviceEntry) -> str:
    return "add entry " + b"".join(one.raw for one in made).hex()


# Rule, damage, severity, a word of the message.
BAD: list[tuple[str, str, Severity, str]] = [
    ("acpi.checksum", "checksum=bad", "error", "sum up to 0x3a"),
    ("acpi.length", "truncate 80", "error", "there are 80"),
    ("acpi.length", "header.length=47", "error", "needs 48"),
    ("ivrs.block-length", "ivhd[0].length=0", "error", "length 0"),
    ("ivrs.block-length", "ivhd[0].length=0x2000", "error", "ends at"),
    ("ivrs.block-length", "drop entry[0]; drop entry[0]; drop entry[0]", "error", "Xen asks"),
    ("ivrs.block-length", "byte[0]=0x4a", "error", "signature"),
    ("ivrs.block-type", "add block 5100080000000000", "warning", "type 51h"),
    ("ivrs.block-type", "add block 2300080000000000", "error", "type 23h"),
    ("ivrs.no-supported-block", "retype ivhd[0] 0x40", "error", "type 40h only"),
    ("ivrs.no-supported-block", "cut to 48", "error", "no IVHD block"),
    (
        "ivrs.no-supported-block",
        "retype ivhd[0] 0x11; ivrs.ivinfo|=1",
        "error",
        "no IVHD of type 10h",
    ),
    ("ivrs.reserved", "ivrs.ivinfo|=0x80000000", "note", "0x80000000"),
    ("ivrs.reserved", f"{_TWO_TYPES}; ivhd[1].flags|=0x80", "note", "0x80"),
    ("ivrs.reserved", f"{_RESERVED} reserved=1", "note", "not 0"),
    ("ivrs.reserved", f"{_RESERVED} flags=0x17", "note", "0x10"),
    ("ivrs.alignment", "add entry 00000000; " + _entry(entries.pad8()), "note", "8 bytes starts"),
    ("ivrs.trailing", "add block 0000", "warning", "2 bytes follow"),
    ("ivrs.entry-length", "cut entry[-1] 4", "error", "are left in its block"),
    ("ivrs.entry-type", "entry[0].type=0x99", "error", "type 153"),
    ("ivrs.entry-type", _entry(entries.all_devices()), "error", "all devices"),
    ("ivrs.range-pair", "range[0].end_type=2", "error", "has no end"),
    ("ivrs.range-pair", _entry(entries.range_end(0x20)), "error", "follows no start"),
    ("ivrs.range-order", "range[0].device_id=0xff; range[0].end=8", "error", "reversed"),
    ("ivrs.range-order", "range[0].end=8", "error", "one device"),
    (
        "ivrs.range-overlap",
        "dup ivhd[0]; ivhd[1].device_id=0xf8; ivhd[1].base=0xfee80000",
        "warning",
        "behind 00:1f.0 here",
    ),
    ("ivrs.range-overlap", _entry(*entries.device_range(0x10, 0x20)), "note", "overlaps"),
    ("ivrs.duplicate-entry", "dup range[0]", "note", "the same"),
    ("ivrs.alias", _entry(entries.alias_select(0x10, 0xFFF8)), "error", "highest id"),
    ("ivrs.alias", _entry(entries.alias_select(0x10, 0)), "error", "no entry is about"),
    ("ivrs.alias", _entry(entries.alias_select(0x10, 8)), "error", "is an IOMMU"),
    ("ivrs.alias", _entry(entries.alias_select(0x10, 0x10)), "note", "itself"),
    ("ivrs.acpi-hid", _entry(entries.acpi_hid(0x98, "AMDI0020")), "error", "type 10h"),
    (
        "ivrs.acpi-hid",
        f"{_WITH_40H}; {_entry(entries.acpi_hid(0x98, ''))} to ivhd[2]",
        "warning",
        "no HID",
    ),
    (
        "ivrs.acpi-hid",
        f"{_WITH_40H}; {_entry(replace(entries.acpi_hid(0x98, 'A', uid=1), uid_format=7))}"
        " to ivhd[2]",
        "warning",
        "format is 7",
    ),
    ("ivrs.iommu-device", "ivhd[0].device_id=0", "error", "00:00.0"),
    ("ivrs.iommu-device", "ivhd[0].device_id=3", "warning", "no PCI function 00:00.3"),
    ("ivrs.iommu-base", "ivhd[0].base=0", "error", "at 0x0"),
    ("ivrs.iommu-base", "ivhd[0].base=0xfed80400", "error", "16 KiB"),
    ("ivrs.iommu-base", "ivhd[0].base=0xfed84000", "note", "512 KiB"),
    ("ivrs.iommu-base", "ivhd[0].base=0x8000000", "error", "RAM"),
    ("ivrs.iommu-base", "ivhd[0].base=0x20000000000000", "error", "beyond"),
    ("ivrs.iommu-capability", "ivhd[0].capability=0", "error", "0x0"),
    ("ivrs.iommu-capability", "ivhd[0].capability=0x100", "error", "0x100"),
    ("ivrs.iommu-capability", "ivhd[0].capability=0x42", "warning", "0x42"),
    ("ivrs.iommu-twice", "dup ivhd[0]", "error", "00:01.0"),
    ("ivrs.iommu-twice", "dup ivhd[0]; ivhd[1].device_id=0xf8", "error", "registers of 00:1f.0"),
    ("ivrs.device-not-covered", "range[0].end=0x80", "warning", "0000:00:1f.0"),
    ("ivrs.ioapic-missing", "drop ioapic[*]", "error", "have none"),
    ("ivrs.ioapic-missing", f"{_TWO_TYPES}; drop ioapic[0]", "warning", "not read"),
    ("ivrs.ioapic-unknown", "ioapic[0].handle=4", "error", "IOAPIC 4; the MADT has 0"),
    ("ivrs.ioapic-twice", "dup ioapic[0]", "warning", "already"),
    ("ivrs.ioapic-conflict", "dup ioapic[0]; ioapic[1].source_id=0xf8", "error", "00:1f.0"),
    ("ivrs.southbridge-ioapic", "ioapic[0].source_id=0xf8", "error", "none at 00:14.0"),
    ("ivrs.hpet-missing", "drop hpet[*]", "warning", "HPET 0"),
    ("ivrs.hpet-twice", "dup hpet[0]", "warning", "another HPET"),
    ("ivrs.hpet-id", "hpet[0].handle=2", "warning", "its number is 0"),
    ("ivrs.special-variety", "hpet[0].variety=7", "error", "variety 7"),
    ("ivrs.ivmd-length", "ivmd-length-short", "error", "not 32"),
    (
        "ivrs.ivmd-length",
        f"{_RESERVED}; add block 0000000000000000; ivmd[0].length=40",
        "warning",
        "40 bytes",
    ),
    ("ivrs.ivmd-alignment", f"{_RESERVED} size=1", "warning", "0x1 bytes"),
    ("ivrs.ivmd-alignment", f"{_RESERVED}; ivmd[0].start=0xfed1c800", "warning", "within a page"),
    ("ivrs.ivmd-flags", f"{_RESERVED} flags=0", "error", "neither a mapping"),
    ("ivrs.ivmd-flags", f"{_RESERVED} flags=1", "warning", "neither to read"),
    ("ivrs.ivmd-flags", f"{_RESERVED} flags=15", "warning", "and for an exclusion"),
    ("ivrs.ivmd-range", f"{_RESERVED}; ivmd[0].type=0x22; ivmd[0].aux=8", "error", "to 00:01.0"),
    ("ivrs.ivmd-range", f"{_RESERVED}; ivmd[0].device_id=0xfff8", "error", "highest id"),
    ("ivrs.ivmd-device", "ivmd-without-iommu", "error", "behind no IOMMU"),
    ("ivrs.ivmd-device", f"{_RESERVED}; ivmd[0].device_id=8", "error", "about 00:01.0"),
    ("ivrs.ivmd-overlap", "ivmd-overlapping", "error", "overlaps"),
    ("ivrs.ivmd-size", "ivmd-nothing", "error", "0x0 bytes"),
    ("ivrs.ivmd-size", f"{_RESERVED} size=0", "warning", "empty"),
    (
        "ivrs.ivmd-size",
        f"{_RESERVED}; ivmd[0].start=0xfffffffffffff000; ivmd[0].size=0x3000",
        "warning",
        "beyond 2^64",
    ),
    ("ivrs.ivmd-width", "ivmd-beyond-width", "warning", "PASize 40"),
    ("ivrs.ivmd-memory", "ivmd-ram", "error", "is RAM at 0x8000000"),
    ("ivrs.ivmd-memory", f"{_RESERVED}; ivmd[0].start=0xfed30000", "warning", "not all"),
    ("ivrs.types-differ", f"{_TWO_TYPES}; drop hpet[0]", "warning", "does not have"),
    ("ivrs.types-differ", f"{_TWO_TYPES}; ivhd[1].base=0xfee80000", "error", "0xfee80000"),
    ("ivrs.types-differ", f"{_TWO_TYPES}; ivhd[1].flags^=0x10", "warning", "bits 0x10"),
    (
        "ivrs.types-differ",
        f"{_TWO_TYPES}; dup ivhd[0]; ivhd[1].device_id=0xf8; ivhd[1].base=0xfee80000",
        "error",
        "no IVHD of type 11h for the IOMMU 0000:00:1f.0",
    ),
    ("ivrs.efr", f"{_TWO_TYPES}; ivrs.ivinfo=0", "warning", "EFRSup is not set"),
    ("ivrs.efr", f"{_TWO_TYPES}; ivhd[1].efr=0", "warning", "is 0"),
    ("ivrs.efr", f"{_WITH_40H}; ivhd[2].efr=0x29d7", "warning", "0x29d7"),
    ("ivrs.efr", f"{_TWO_TYPES}; ivhd[0].features=1", "note", "XTSup is 1"),
]


@pytest.mark.parametrize(
    ("rule", "damage", "severity", "word"), BAD, ids=[f"{at}-{c[0]}" for at, c in enumerate(BAD)]
)
def test_a_rule_finds_what_it_is_for(rule: str, damage: str, severity: Severity, word: str) -> None:
    hits = found(damaged(damage))
    assert (rule, severity) in severities(hits), severities(hits)
    ours = [hit for one, hit in hits if one.id == rule]
    assert any(
        any(each in hit.message for each in word.replace("\\", "").split("|")) for hit in ours
    ), ours
    for hit in ours:
        assert hit.table is not None
        assert hit.hint or rule in ("ivrs.trailing",)
        assert hit.offset is None or (hit.field and hit.size > 0)


def test_a_broken_madt() -> None:
    tables = good()
    madt = tables.find("APIC")
    assert madt is not None
    data = bytearray(madt.data)
    data[45] = 0
    broken = replace(madt, data=with_checksum(bytes(data)))
    changed = TableSet(tuple(broken if one is madt else one for one in tables.tables))
    ((rule, hit),) = [each for each in found(changed) if each[0].id == "acpi.structure"]
    assert (hit.table, hit.offset, hit.field) == ("APIC", 45, "Length")
    assert rule.severity == "error"
    assert "ivrs.ioapic-missing" in missing(changed, FACTS)


def test_a_second_ivrs() -> None:
    tables = good()
    ivrs = tables.find("IVRS")
    assert ivrs is not None
    both = TableSet((*tables.tables, replace(ivrs, origin="other")))
    assert {rule.id for rule, _ in found(both)} == {"ivrs.second-table"}


def test_every_rule_has_a_bad_table() -> None:
    elsewhere = {"acpi.structure", "ivrs.second-table"}
    assert {case[0] for case in BAD} | elsewhere == {rule.id for rule in RULES}


@pytest.mark.parametrize(
    "damage",
    [
        "",
        _RESERVED,
        _TWO_TYPES,
        _WITH_40H,
        _entry(entries.alias_select(0x10, 0x20)),
        f"{_WITH_40H}; {_entry(entries.acpi_hid(0x98, 'AMDI0020', uid='FUR0'))} to ivhd[2]",
    ],
)
def test_good_tables_have_no_findings(damage: str) -> None:
    assert [(rule.id, hit.message) for rule, hit in found(damaged(damage))] == []
    assert missing(damaged(damage), FACTS) == set()


def test_a_good_table_shows_each_rule_that_can_fire() -> None:
    """Every rule is silent about the good table, and not for want of input."""
    assert found(good()) == []
    assert missing(good(), Facts()) == {
        "ivrs.iommu-device",
        "ivrs.iommu-base",
        "ivrs.device-not-covered",
    }


def test_rules_that_need_a_memory_map_say_so() -> None:
    assert "ivrs.ivmd-memory" in missing(damaged(_RESERVED), Facts())
    assert "ivrs.ivmd-memory" not in missing(damaged(_RESERVED), FACTS)


def test_an_ivrs_alone_has_rules_that_need_the_madt() -> None:
    ivrs = good().find("IVRS")
    assert ivrs is not None
    assert missing(TableSet((ivrs,)), FACTS) == {
        "ivrs.ioapic-missing",
        "ivrs.ioapic-unknown",
        "ivrs.hpet-missing",
        "ivrs.hpet-id",
    }


class TestAgainstTheModel:
    """What the model of Xen refuses, a rule calls an error."""

    @pytest.mark.parametrize("name", sorted(NAMED))
    def test_named(self, name: str) -> None:
        self.judge(damaged(name), name)

    @pytest.mark.parametrize("first", range(0, 200, 20))
    def test_random(self, first: int) -> None:
        base = damaged(_WITH_40H)
        for seed in range(first, first + 20):
            text, tables = random_mutation(seed, base)
            self.judge(tables, text)

    def judge(self, tables: TableSet, text: str) -> None:
        if tables.find("IVRS") is None:
            return
        hits = severities(found(tables, Facts()))
        machine = Machine.described_by(tables)
        for version in ("4.14", "4.17", "4.20"):
            said = predict(tables, machine, version)
            if said.outcome != "enabled":
                assert any(severity == "error" for _, severity in hits), (text, said, hits)


class TestHostile:
    def test_every_truncation(self) -> None:
        tables = damaged(f"{_WITH_40H}; {_RESERVED}")
        ivrs = tables.find("IVRS")
        assert ivrs is not None
        for size in range(len(ivrs.data)):
            hits = found(TableSet((RawTable("IVRS", ivrs.data[:size]),)))
            assert any((hit.severity or rule.severity) == "error" for rule, hit in hits), size

    def test_random_bytes(self) -> None:
        rng = random.Random(1)  # noqa: S311 -- not for secrets
        for _ in range(200):
            data = b"IVRS" + rng.randbytes(rng.randrange(200))
            assert found(TableSet((RawTable("IVRS", data),)))

    @pytest.mark.parametrize(
        "body",
        [
            bytes(0xFF00),
            b"\x10\0\0\0" * 0x3FC0,
            b"\x20\x01\x20\0" * 0x3FC0,
            b"\x10\0\xe8\xfe\x02\0\x40\0" + bytes(16) + b"\x03\x08\0\0\x04\xff\xff\0" * 0x1FDA,
            b"\x10\0\xe8\xfe\x02\0\x40\0" + bytes(16) + b"\x42\0\0\0\0\x09\0\0" * 0x1FDA,
        ],
    )
    def test_64_kib(self, body: bytes) -> None:
        head = bytearray(48)
        head[:4] = b"IVRS"
        started = time.monotonic()
        hits = found(TableSet((RawTable("IVRS", sealed(bytes(head) + body)),)))
        assert time.monotonic() - started < 10
        assert 0 < len(hits) < 400
