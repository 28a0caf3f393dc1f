"""Memory maps and PCI functions for the rules; files and folders of tables as inputs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import FormatError, InputError
from harness.lint.acpi_inputs import (
    parse_e820,
    parse_lspci,
    parse_pci,
    pci_function,
    read_e820,
    read_pci,
)
from harness.lint.acpi_model import Region
from harness.lint.engine import lint
from harness.lint.given import read
from harness.lint.report import as_json, as_text
from tests.unit.lint.acpi.tables import damaged, good

XEN = b"""(XEN) Xen version 4.17.7 (Debian) (x) gcc debug=n Mon Jan  1 00:00:00 UTC 2024
(XEN) Xen-e820 RAM map:
(XEN)  [0000000000000000, 000000000009fbff] (usable)
(XEN)  [00000000fed1c000, 00000000fed1ffff] (reserved)
(XEN)  [0000000100000000, 00000001000fffff] (ACPI NVS)
(XEN) PCI add device 0000:00:00.0
(XEN) PCI add device 0000:00:01.0
"""
LINUX = b"""[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
[    0.000000] BIOS-e820: [mem 0x00000000fed1c000-0x00000000fed1ffff] reserved
"""
LSPCI = """00:00.0 Host bridge: Advanced Micro Devices, Inc. [AMD] Device 1566
00:00.2 IOMMU: Advanced Micro Devices, Inc. [AMD] Device 1567
0001:02:00.0 Ethernet controller: Intel Corporation I210
"""


def test_memory_maps() -> None:
    assert parse_e820(XEN) == (
        Region(0, 0x9FC00, 1),
        Region(0xFED1C000, 0xFED20000, 2),
        Region(0x100000000, 0x100100000, 4),
    )
    assert parse_e820(LINUX) == (Region(0, 0x9FC00, 1), Region(0xFED1C000, 0xFED20000, 2))
    with pytest.raises(FormatError, match="no memory map"):
        parse_e820(b"hello\n")


def test_pci_functions() -> None:
    assert parse_lspci(LSPCI) == {0x2, 0x10200}
    assert parse_pci(LSPCI.encode()) == {0x2, 0x10200}
    assert parse_pci(b"00:00.0 0600: 1022:1566\n00:14.3 0601: 1022:780e\n") == {0xA3}
    assert parse_pci(XEN) == {0x8}
    assert pci_function("0000:00:14.3") == pci_function("00:14.3") == 0xA3
    assert pci_function("00:20.0") is None
    with pytest.raises(FormatError, match="no PCI functions"):
        parse_pci(b"hello\n")


@pytest.mark.parametrize("reads", [read_e820, read_pci])
def test_files_that_are_none(reads: object, tmp_path: Path) -> None:
    assert callable(reads)
    (tmp_path / "a").write_text("hello")
    os.mkfifo(tmp_path / "fifo")
    os.truncate(os.open(tmp_path / "large", os.O_CREAT | os.O_RDWR), 1 << 30)
    for name in ("a", "fifo", "large", "missing", "."):
        with pytest.raises(InputError) as caught:
            reads(tmp_path / name)
        assert caught.value.where is not None


def _dump(data: bytes) -> str:
    rows = (f"    {at:04X}: {data[at : at + 16].hex(' ')}\n" for at in range(0, len(data), 16))
    return f"IVRS @ 0x00000000CFFE0000\n{''.join(rows)}"


class TestFiles:
    def ivrs(self, mutation: str = "") -> bytes:
        table = damaged(mutation).find("IVRS")
        assert table is not None
        return table.data

    def test_kinds(self, tmp_path: Path) -> None:
        (tmp_path / "firmware.bin").write_bytes(self.ivrs())
        (tmp_path / "dump.txt").write_text(_dump(self.ivrs()))
        for name in ("firmware.bin", "dump.txt"):
            assert read(tmp_path / name).kind == "acpi"
            (one,) = lint([tmp_path / name])
            assert one.findings == ()
        assert read(tmp_path).kind == "acpi"

    def test_a_folder(self, tmp_path: Path) -> None:
        for table in good().tables:
            if table.signature != "RSD PTR ":
                (tmp_path / table.signature).write_bytes(table.data)
        (one,) = lint([tmp_path])
        assert one.findings == ()
        assert one.machine is not None
        assert one.machine["ioapics"] == [{"id": 0, "address": 0xFEC00000, "gsi_base": 0}]
        assert one.predicted is not None
        assert {key: said["outcome"] for key, said in one.predicted.items()} == dict.fromkeys(
            ("xen-4.14", "xen-4.17", "xen-4.20"), "enabled"
        )

    def test_json_and_text(self, tmp_path: Path) -> None:
        (tmp_path / "IVRS").write_bytes(self.ivrs("ivhd[0].length=0"))
        done = lint([tmp_path / "IVRS"])
        (one,) = as_json(done)["inputs"]
        assert one["kind"] == "acpi"
        assert one["predicted"]["xen-4.17"]["outcome"] == "hang"
        assert one["predicted"]["xen-4.14"]["outcome"] == "failed"
        (finding,) = one["findings"]
        assert (finding["rule"], finding["table"], finding["offset"], finding["size"]) == (
            "ivrs.block-length",
            "IVRS",
            0x32,
            2,
        )
        assert set(finding["then"]) == {"Xen 4.8-4.15", "Xen 4.16+", "Linux"}
        text = as_text(done)
        assert "IVRS at 0x32, Length: error: a block of type 10h with length 0" in text
        assert "xen-4.17: hang" in text

    def test_other_kinds_have_no_machine_in_json(self, tmp_path: Path) -> None:
        (tmp_path / "boot.cmd").write_text("boot\n")
        (one,) = as_json(lint([tmp_path / "boot.cmd"]))["inputs"]
        assert not {"machine", "predicted", "notes"} & set(one)
        assert not {"table", "then"} & {key for each in one["findings"] for key in each}

    def test_every_truncation_of_a_file(self, tmp_path: Path) -> None:
        data = self.ivrs()
        file = tmp_path / "IVRS.bin"
        for size in range(len(data)):
            file.write_bytes(data[:size])
            if size < 6:  # a text, as far as anyone can see
                with pytest.raises(InputError, match=r"IVRS\.bin"):
                    lint([file])
                continue
            (one,) = lint([file])
            assert any(finding.severity == "error" for finding in one.findings), size

    def test_a_file_of_a_gib(self, tmp_path: Path) -> None:
        file = tmp_path / "IVRS.bin"
        file.write_bytes(self.ivrs())
        os.truncate(file, 1 << 30)
        with pytest.raises(InputError, match="too many"):
            lint([file])
