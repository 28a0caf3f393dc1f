from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from harness.acpi.machine import Q35
from harness.ask.command import ask_command
from harness.ask.consumer import consumer_of, consumers, short_version
from harness.board.load import load
from harness.errors import InputError, UsageError
from harness.sources import Sources
from harness.target.qemu_command import Wiring

TABLES = [("etc/acpi/tables", "acpi_tables"), ("etc/table-loader", "table-loader")]


def test_the_command_gives_the_tables_and_leaves_acpi_to_them() -> None:
    xen = consumer_of("xen", Path("/images/xen"))
    argv = ask_command(Q35, xen, 2, TABLES, Wiring("serial", 7))
    line = " ".join(argv)
    assert "acpi=off" in argv[argv.index("-machine") + 1]
    assert "-fw_cfg name=etc/acpi/tables,file=acpi_tables" in line
    assert "-smp 2 " in line
    assert "-kernel /images/xen" in line
    assert "-initrd module" in line
    assert "iommu=verbose,debug" in line
    assert argv[-1] == "-S"


def test_what_a_person_pastes_is_not_paused_and_speaks_on_the_terminal() -> None:
    argv = ask_command(Q35, consumer_of("xen", Path("/xen")), 1, TABLES, Wiring())
    assert argv[-2:] == ["-serial", "stdio"]
    assert "-S" not in argv


def test_linux_is_asked_without_xen_and_without_a_root() -> None:
    linux = consumer_of("linux", Path("/vmlinuz"))
    argv = ask_command(Q35, linux, 1, TABLES, Wiring())
    assert "-initrd" not in argv
    assert "amd_iommu_dump iommu=pt" in argv[argv.index("-append") + 1]
    assert "amd_iommu=on" not in " ".join(argv)


@pytest.mark.parametrize(
    ("version", "short"),
    [("4.17.7+13-g2445b30a44-0+deb12u1", "4.17"), ("1:6.1.192-2", "6.1"), ("unknown", "unknown")],
)
def test_a_consumer_is_called_by_two_numbers_of_its_version(version: str, short: str) -> None:
    assert short_version(version) == short


@pytest.mark.parametrize("name", ["", "bsd-14", "xen-", "xen4.17", "xen-foo"])
def test_nobody_of_that_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names nobody"):
        consumers([name], load("apu2"), Sources(cache=tmp_path, offline=True), tmp_path)


def test_a_file_is_unpacked_once(tmp_path: Path) -> None:
    image = tmp_path / "xen.gz"
    image.write_bytes(gzip.compress(b"Xen"))
    sources = Sources(cache=tmp_path / "cache", offline=True)
    one, other = consumers([f"xen={image}"] * 2, load("apu2"), sources, tmp_path)
    assert one.kernel.read_bytes() == b"Xen"
    assert one.kernel == other.kernel
    assert re.fullmatch(r"xen-\w+", one.name)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    image = tmp_path / "xen.gz"
    image.write_bytes(gzip.compress(b"Xen" * 1000)[:-12])
    with pytest.raises(InputError, match="not a whole gzip file"):
        consumers(
            [f"xen={image}"],
            load("apu2"),
            Sources(cache=tmp_path / "cache", offline=True),
            tmp_path,
        )
