"""The script of 2014 as it was printed, and one for today: what lint says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lint.engine import Finding, Linted
from harness.lint.facts import Facts
from tests.unit.lint import good
from tests.unit.lint.conftest import Lint

PRINTED = (good.DATA / "erika-cubieboard2-boot.cmd").read_text()
TODAY = (good.DATA / "good-boot.cmd").read_text()


def line_of(text: str) -> int:
    return next(at for at, line in enumerate(PRINTED.split("\n"), 1) if text in line)


def by_rule(one: Linted) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in one.findings:
        found.setdefault(finding.rule, []).append(finding)
    return found


def at(finding: Finding) -> int:
    return int(finding.where.partition(".cmd:")[2].partition(" ")[0])


class TestAsPrinted:
    def test_what_a_board_would_stumble_over(self, linted: Lint) -> None:
        found = by_rule(linted({"boot.cmd": PRINTED}, good.BOARD)["boot.cmd"])
        errors = {rule for rule, each in found.items() if each[0].severity == "error"}
        assert errors == {"script.tree-as-initrd", "script.over-uboot"}

    def test_bootz_has_the_tree_in_the_place_of_the_initrd(self, linted: Lint) -> None:
        found = by_rule(linted({"boot.cmd": PRINTED})["boot.cmd"])
        (finding,) = found["script.tree-as-initrd"]
        assert at(finding) == line_of("bootz")
        assert finding.hint == "bootz 0x7ea00000 - 0x7ec00000"

    def test_its_addresses_are_where_u_boot_is_today(self, linted: Lint) -> None:
        found = by_rule(linted({"boot.cmd": PRINTED}, good.BOARD)["boot.cmd"])
        assert [at(finding) for finding in found["script.over-uboot"]] == [
            line_of("/xen"),
            line_of("ext4load mmc 0 ${fdt_addr}"),
            line_of("/zImage"),
        ]

    def test_the_compatible_that_lost_its_hyphen(self, linted: Lint) -> None:
        found = by_rule(linted({"boot.cmd": PRINTED})["boot.cmd"])
        (finding,) = found["modules.kind"]
        assert at(finding) == line_of("xen,linuxzimage")
        assert '"xen,linux-zimage"' in finding.hint
        assert "multiboot,kernel" in finding.hint

    def test_the_path_of_the_uart(self, linted: Lint) -> None:
        found = by_rule(linted({"boot.cmd": PRINTED})["boot.cmd"])
        (finding,) = found["xen.dtuart"]
        assert finding.severity == "warning"
        assert "/soc/serial@1c28000" in finding.hint
        files = {"boot.cmd": PRINTED, "sun7i-a20-cubieboard2.dtb": good.tree()}
        (finding,) = by_rule(linted(files)["boot.cmd"])["xen.dtuart"]
        assert finding.severity == "error"
        assert finding.hint == "dtuart=/soc/serial@1c28000"

    def test_the_resize_that_takes_the_room_away(self, linted: Lint) -> None:
        found = by_rule(linted({"boot.cmd": PRINTED})["boot.cmd"])
        (finding,) = found["script.room"]
        assert at(finding) == line_of("fdt resize")

    def test_the_placeholder_of_the_pinning_section(self, linted: Lint) -> None:
        text = PRINTED.replace("dom0_mem=256M", "dom0_mem=256M dom0_max_vcpus=X dom0_vcpus_pin")
        (finding,) = by_rule(linted({"boot.cmd": text})["boot.cmd"])["xen.placeholder"]
        assert "dom0_max_vcpus=X" in finding.message

    def test_the_fragment_of_its_device_tree(self, linted: Lint) -> None:
        def ruin(one: good.Node, kind: str) -> good.Node:
            names = good.texts(f"xen,linux{kind}", "xen,multibootmodule")
            return good.node(one.name, {**one.properties, "compatible": names})

        modules = good.node(
            "modules", good.ONE_AND_ONE, ruin(good.KERNEL, "zimage"), ruin(good.RAMDISK, "initrd")
        )
        found = by_rule(linted({"x.dtb": good.tree(modules)}, good.BOARD)["x.dtb"])
        assert len(found["modules.compatible"]) == 2
        assert len(found["modules.kind"]) == 2
        assert "multibootmodule" in found["modules.compatible"][0].message
        assert "modules.kernel" in found


class TestToday:
    @pytest.mark.parametrize("board", [None, good.BOARD], ids=["alone", "board"])
    def test_no_error_and_no_warning(self, linted: Lint, board: Facts | None) -> None:
        (done,) = linted({"boot.cmd": TODAY}, board).values()
        assert {f.rule for f in done.findings} == {"modules.legacy-names"}
        assert {f.severity for f in done.findings} == {"note"}

    def test_nor_with_all_its_files(self, linted: Lint) -> None:
        files = {**good.FILES, "boot.cmd": TODAY}
        done = linted(files, good.BOARD)
        assert [f.rule for one in done.values() for f in one.findings] == ["modules.legacy-names"]
        assert done["boot.cmd"].not_run == ()


def test_the_addresses_of_an_allwinner_board_end_80_mib_below_its_ram(linted: Lint) -> None:
    text = "load mmc 0 {} /sun8i-h3-orangepi-pc.dtb\nbootz 1 - 2\n"
    for address, expected in (("0x7afff000", 0), ("0x7b000000", 1), ("0x7f000000", 1)):
        found = by_rule(linted({"boot.cmd": text.format(address)}, good.BOARD)["boot.cmd"])
        assert len(found.get("script.over-uboot", [])) == expected, address


def test_the_data_is_where_the_tests_look() -> None:
    assert Path(good.DATA, "README.md").is_file()
