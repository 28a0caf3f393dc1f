"""Every rule finds what it is for, and nothing in good files."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.lint import acpi_all
from harness.lint.engine import rules
from tests.unit.lint import good
from tests.unit.lint.conftest import Lint
from tests.unit.lint.good import (
    BOARD,
    CHOSEN,
    DOMAIN,
    FILES,
    GIC,
    KERNEL,
    ONE_AND_ONE,
    PSCI,
    RAMDISK,
    TIMER,
    alone,
    cells,
    cfg,
    dtb,
    module,
    node,
    script,
    texts,
)

Files = Mapping[str, bytes | str]


def changed(one: good.Node, without: str = "", **properties: bytes) -> good.Node:
    kept = {name: value for name, value in one.properties.items() if name != without}
    more = {name.replace("__", ",").replace("_", "-"): value for name, value in properties.items()}
    return node(one.name, {**kept, **more}, *one.children)


NO_CELLS = {"bootargs": CHOSEN["bootargs"]}
POOL = node("pool", {"compatible": texts("xen,cpupool"), "cpupool-cpus": cells(10)})
SHARED = node(
    "shm@60000000",
    {
        "compatible": texts("xen,domain-shared-memory-v1"),
        "xen,shm-id": texts("one"),
        "xen,shared-mem": cells(0x60000000, 0x60000000, 0x1000),
    },
)
CHANNEL = node("evtchn@1", {"compatible": texts("xen,evtchn-v1"), "xen,evtchn": cells(10, 77)})
STATIC = {"xen,static-mem": cells(0x60000000, 0x4000000)}
RESERVED_TOP = "load mmc 0:1 0x7fa00000 /zImage"

# Rule -> (files, where the finding is, a word of its message).
BAD: list[tuple[str, Files, str, str]] = [
    ("script.syntax", script("fdt chosen", "if true; fdt chosen"), ":7", "if without its then"),
    ("script.syntax", script('console=hvc0"', "console=hvc0"), "", "never closed"),
    ("script.syntax", script("fdt chosen", "fdt chosen | cat"), ":7", "pipe"),
    ("script.syntax", script("setenv fdt_high ", "setenv fdt_high="), ":1", "by a blank"),
    ("script.usage", script("fdt mknod /chosen module@1", "fdt mknod /chosen"), ":16", "name"),
    ("script.line-ends", script("fdt chosen\n", "fdt chosen\r\n"), ":7", "carriage return"),
    ("script.characters", script("bootz 0x50000000 -", "bootz 0x50000000 \u2013"), ":19", "U+2013"),
    ("script.comment", script("\\#address", "#address"), ":8", "comment"),
    ("script.no-fdt-addr", script("fdt addr 0x4f000000\n", ""), ":5", "before any fdt addr"),
    ("script.node", script("fdt mknod /chosen module@0\n", ""), ":11", "module@0"),
    ("script.node", script("module@1\n", "module@0\n"), ":16", "there already"),
    ("script.cells", script("<0x46000000 0x${filesize}>", "<0x46000000 ${filesize}>"), ":13", "0x"),
    ("script.cells", script("<0x46000000 0x", "<46000000 0x"), ":13", "decimal"),
    ("script.scratchpad", script("console=hvc0", "x" * 1025), ":14", "1026 bytes"),
    ("script.no-room", script("fdt resize 0x2000\n", ""), ":6", "no room"),
    ("script.room", alone("fdt resize 0x2000\n", ""), ":5", "nothing made room"),
    (
        "script.room",
        alone("4f000000\nfdt resize 0x2000", "4f000000 40000\nfdt resize"),
        ":6",
        "gone",
    ),
    ("script.long-line", script("console=hvc0", "x" * 1000), ":14", "characters"),
    ("script.unknown-command", script("fdt chosen", "fdt chosen; frob"), ":7", "frob"),
    (
        "script.branches",
        script("fdt chosen", "if test -e mmc 0:1 /a; then true; fi; fdt chosen"),
        ":7",
        "all of its arms",
    ),
    (
        "script.no-boot-command",
        script("bootz 0x50000000 - 0x4f000000", "true"),
        "boot.cmd",
        "no com",
    ),
    ("script.tree-as-initrd", script("0x50000000 - 0x4f", "0x50000000 0x4f"), ":19", "initrd's"),
    ("script.no-tree", script(" - 0x4f000000\n", "\n"), ":19", "no third argument"),
    ("script.other-tree", script("- 0x4f000000", "- 0x4e000000"), ":19", "0x4e000000"),
    ("script.other-tree", script("fdt addr 0x4f", "fdt addr 0x4e"), ":5", "board.dtb"),
    ("script.not-loaded", script("bootz 0x5", "bootz 0x51"), ":19", "nothing was loaded"),
    ("script.image", {**FILES, "xen": good.image()}, ":19", "64-bit ARM Image"),
    (
        "script.image",
        {**FILES, "xen": b"\x7fELF" + bytes(14) + b"\x28\0"},
        ":19",
        "an ELF file for ARM",
    ),
    ("script.fdt-high", script("setenv fdt_high 0xffffffff\n", ""), ":18", "not set"),
    ("script.fdt-high", script("0x4f000000", "0x4f000004"), ":19", "multiple of 8"),
    ("script.module-address", script("<0x46000000 0x", "<0x47000000 0x"), ":13", "zImage"),
    (
        "script.module-address",
        script("load mmc 0:1 0x4a000000 /initrd.gz\n", ""),
        ":17",
        "that of zImage",
    ),
    ("script.overlap", script("0x4a000000", "0x46010000"), ":15", "lies over zImage"),
    ("script.overlap", script("0x46000000", "0x50001000"), ":10", "lies over xen"),
    ("script.overlap", script("0x4a000000", "0x4f004000"), ":15", "the device tree"),
    ("script.outside-ram", script("0x4a000000", "0x2a000000"), ":15", "not in RAM"),
    (
        "script.over-uboot",
        script("load mmc 0:1 0x46000000 /zImage", RESERVED_TOP),
        ":10",
        "80000000",
    ),
    ("modules.kernel", script('"multiboot,kernel"', '"multiboot,ramdisk"'), ":19", "no kernel"),
    ("modules.kernel", dtb(RAMDISK), "/chosen", "no kernel"),
    ("modules.compatible", script('" "multiboot,module"', '"'), ":12", "multiboot,kernel"),
    (
        "modules.compatible",
        dtb(changed(KERNEL, compatible=texts("xen,linux-zimage", "xen,multibootmodule"))),
        "/chosen/module@46000000",
        "hyphens",
    ),
    ("modules.kind", script('"multiboot,kernel"', '"xen,linuxzimage"'), ":12", "xen,linux-zimage"),
    (
        "modules.kind",
        dtb(changed(KERNEL, compatible=texts("multiboot,module"))),
        "/chosen",
        "guess",
    ),
    ("modules.legacy-names", script("multiboot,module", "xen,multiboot-module"), ":12", "Xen 4.4"),
    (
        "modules.cells",
        alone("fdt set /chosen \\#size-cells <1>\n", ""),
        ":7 /chosen",
        "#size-cells",
    ),
    ("modules.cells", dtb(KERNEL, chosen_properties=NO_CELLS), "/chosen", "#address-cells"),
    ("modules.reg", dtb(changed(KERNEL, without="reg")), "/chosen/module", "no reg"),
    ("modules.reg", dtb(changed(KERNEL, reg=cells(0, 1, 2))), "/chosen/module", "3 cells"),
    ("modules.reg", dtb(changed(KERNEL, reg=cells(0x46000000, 0))), "/chosen/module", "is 0"),
    (
        "modules.overlap",
        dtb(KERNEL, module("module@1", "ramdisk", 0x46100000, 0x1000)),
        "/chosen/module@1",
        "lies over",
    ),
    ("modules.outside-ram", dtb(KERNEL, module("m@1", "ramdisk", 0x1000, 1)), "/chosen/m@1", "RAM"),
    ("xen.cmdline", dtb(KERNEL, chosen_properties=ONE_AND_ONE), "/chosen", "no bootargs"),
    ("xen.cmdline", dtb(changed(KERNEL, without="bootargs")), "/chosen", "for dom0's"),
    ("xen.dtuart", script("/soc/serial@", "/soc@01c00000/serial@0"), "", "no such node"),
    ("xen.dtuart", alone("/soc/serial@", "/soc@01c00000/serial@0"), "", "leading zeros"),
    ("xen.placeholder", script("vcpus=1", "vcpus=X"), "", "dom0_max_vcpus=X"),
    ("xen.placeholder", script("256M", "<SIZE>"), "", "no value"),
    ("xen.dom0-cpus", script("vcpus=1", "vcpus=3"), "", "the board has 2"),
    ("xen.dom0-mem", script("dom0_mem=256M ", ""), "", "no dom0_mem"),
    ("domain.memory", dtb(changed(DOMAIN, without="memory")), "/chosen/domU1", "no memory"),
    ("domain.memory", dtb(changed(DOMAIN, memory=cells(0x10000))), "/chosen/domU1", "1 cells"),
    ("domain.cpus", dtb(changed(DOMAIN, without="cpus")), "/chosen/domU1", "no cpus"),
    ("domain.cpus", dtb(changed(DOMAIN, cpus=cells(9))), "/chosen/domU1", "the board has 2"),
    ("domain.kernel", dtb(node("domU1", DOMAIN.properties)), "/chosen/domU1", "no kernel"),
    ("domain.cells", dtb(changed(DOMAIN, without="#size-cells")), "/chosen/domU1", "#size-cells"),
    ("domain.values", dtb(changed(DOMAIN, xen__enhanced=texts("yes"))), "/chosen/domU1", '"yes"'),
    ("domain.cpupool", dtb(KERNEL, changed(POOL, cpupool_cpus=b"")), "/chosen/pool", "missing"),
    (
        "domain.cpupool",
        dtb(KERNEL, changed(POOL, cpupool_cpus=cells(10, 10))),
        "/chosen/pool",
        "too",
    ),
    (
        "domain.cpupool",
        dtb(KERNEL, changed(POOL, cpupool_cpus=cells(99))),
        "/chosen/pool",
        "phandle",
    ),
    (
        "domain.static-memory",
        dtb(changed(DOMAIN, xen__static_mem=cells(0x60000000, 0x1000))),
        "/chosen/domU1",
        "memory says",
    ),
    (
        "domain.static-memory",
        dtb(changed(DOMAIN, xen__static_mem=cells(0x20000000, 0x4000000))),
        "/chosen/domU1",
        "not in RAM",
    ),
    (
        "domain.shared-memory",
        dtb(KERNEL, changed(SHARED, xen__shm_id=texts("a" * 16))),
        "/chosen/shm",
        "too long",
    ),
    ("domain.shared-memory", dtb(KERNEL, changed(SHARED, role=texts("x"))), "/chosen/shm", "role"),
    ("domain.event-channel", dtb(KERNEL, CHANNEL), "/chosen/evtchn", "names this one back"),
    ("domain.configuration", dtb(KERNEL, POOL), "/chosen/pool", "CONFIG_BOOT_TIME_CPUPOOLS"),
    ("tree.psci", dtb(KERNEL, without=("psci",)), "x.dtb", "no PSCI node"),
    ("tree.psci", dtb(KERNEL, instead=(changed(PSCI, method=texts("hvc")),)), "/psci", "hvc"),
    (
        "tree.psci",
        dtb(KERNEL, instead=(changed(PSCI, compatible=texts("arm,psci")),)),
        "/psci",
        "cpu_on",
    ),
    ("tree.gic", dtb(KERNEL, without=("gic",)), "x.dtb", "missing"),
    (
        "tree.gic",
        dtb(KERNEL, instead=(changed(GIC, reg=good.GIC_REG[:16]),)),
        "/soc/interrupt",
        "hypervisor",
    ),
    (
        "tree.gic",
        dtb(KERNEL, instead=(changed(GIC, without="interrupts"),)),
        "/soc/int",
        "maintenance",
    ),
    ("tree.timer", dtb(KERNEL, without=("timer",)), "x.dtb", "no timer"),
    (
        "tree.timer",
        dtb(KERNEL, instead=(changed(TIMER, interrupts=cells(1, 13, 8, 1, 14, 8, 1, 11, 8)),)),
        "/timer",
        "3 interrupts",
    ),
    ("tree.memory", dtb(KERNEL, without=("memory@40000000",)), "x.dtb", "no memory node"),
    ("tree.dtc", {"x.dts": "/dts-v1/;\n/ {\n  a = <1>\n};\n"}, "x.dts:4", "syntax error"),
    ("cfg.syntax", cfg("memory = 64", "memory = 8 * 8"), ":3", "behind the value of memory"),
    ("cfg.syntax", cfg('"guest.bin"', "guest.bin"), ":2", "value of kernel"),
    ("cfg.unknown-key", cfg("memory", "memroy"), ":3", "memroy"),
    ("cfg.twice", cfg("vcpus = 1", "vcpus = 1\nvcpus = 1"), ":5", "line 4"),
    ("cfg.name", cfg('name = "guest"\n', ""), "guest.cfg", "no name"),
    ("cfg.kernel", cfg('kernel = "guest.bin"\n', ""), "guest.cfg", "no kernel"),
    ("cfg.kernel", cfg("guest.bin", "other.bin"), ":2", "no file other.bin"),
    ("cfg.memory", cfg("memory = 64", "memory = 0"), ":3", "memory = 0"),
    ("cfg.memory", cfg("memory = 64", "memory = 2048"), ":3", "the board has 1024"),
    ("cfg.number", cfg("memory = 64", 'memory = "64M"'), ":3", "whole number"),
    ("cfg.vcpus", cfg("vcpus = 1", "vcpus = 0"), ":4", "vcpus = 0"),
    ("cfg.vcpus", cfg("vcpus = 1", "vcpus = 2\nmaxvcpus = 1"), ":4", "maxvcpus"),
    ("cfg.cpus", cfg('["0", "1"]', '"2"'), ":5", "the board has 2"),
    ("cfg.cpus", cfg('["0", "1"]', '"one"'), ":5", "no CPU"),
    ("cfg.action", cfg("'destroy'", "'destory'"), ":6", "destory"),
    ("cfg.iomem", cfg('["1c20,2"]', '"1c20,2"'), ":7", "no list"),
    ("cfg.iomem", cfg("1c20,2", "1c20"), ":7", "1c20"),
    ("cfg.iomem-range", cfg("1c20,2", "40000,2"), ":7", "is RAM"),
    ("cfg.iomem-range", cfg("1c20,2", "1c20800,2"), ":7", "no device"),
    ("zimage.magic", {"guest.bin": bytes(0x1000)}, "guest.bin", "magic"),
    ("zimage.arch", {**FILES, "zImage": good.image()}, ":10", "arm64"),
    ("zimage.compressed", {**FILES, "zImage": b"\x1f\x8b\x08" + bytes(100)}, ":10", "gzip"),
    ("zimage.uimage", {**FILES, "zImage": b"\x27\x05\x19\x56" + bytes(80)}, ":10", "U-Boot image"),
    ("zimage.end", {"guest.bin": good.zimage(end=0x900)}, "guest.bin", "end is"),
    ("zimage.start", {"guest.bin": good.zimage(start=0x1000)}, "guest.bin", "start is"),
    ("zimage.start-old", {"guest.bin": good.zimage(start=0x80008000)}, "guest.bin", "0x80008000"),
]


@pytest.mark.parametrize(
    ("rule", "files", "where", "word"), BAD, ids=[f"{at}-{case[0]}" for at, case in enumerate(BAD)]
)
def test_a_rule_finds_what_it_is_for(
    linted: Lint, rule: str, files: Files, where: str, word: str
) -> None:
    done = linted(files, BOARD)
    found = [f for one in done.values() for f in one.findings if f.rule == rule]
    assert found, [f"{f.rule} {f.where} {f.message}" for o in done.values() for f in o.findings]
    assert any(where in f.where and word in f"{f.message} {f.hint}" for f in found), found
    assert all(f.consequence and f.reference for f in found)


def test_every_rule_has_a_bad_input() -> None:
    tables = {rule.id for rule in acpi_all.RULES}  # theirs are in acpi/
    assert {case[0] for case in BAD} == {rule.id for rule in rules()} - tables


def test_ids_are_unique_and_of_a_family() -> None:
    names = [rule.id for rule in rules()]
    assert len(set(names)) == len(names)
    assert {name.partition(".")[0] for name in names} == {
        "script", "modules", "xen", "domain", "zimage", "tree", "cfg", "acpi", "ivrs",
    }  # fmt: skip


class TestGoodFiles:
    """Nothing at all is found in them, and nothing is left out for want of input."""

    def test_together(self, linted: Lint) -> None:
        done = linted(FILES, BOARD)
        assert [f for one in done.values() for f in one.findings] == []
        not_run = {n.rule for name in ("boot.cmd", "guest.cfg") for n in done[name].not_run}
        assert not_run == set()

    def test_a_tree_that_has_its_modules(self, linted: Lint) -> None:
        (done,) = linted(dtb(KERNEL, RAMDISK, DOMAIN), BOARD).values()
        assert done.findings == ()
        assert done.not_run == ()

    def test_domains_without_dom0(self, linted: Lint) -> None:
        (done,) = linted(dtb(DOMAIN), BOARD).values()
        assert done.findings == ()

    def test_what_a_tree_divides_up(self, linted: Lint) -> None:
        first = node("evtchn@1", {**CHANNEL.properties, "phandle": cells(76)})
        second = changed(CHANNEL, xen__evtchn=cells(10, 76), phandle=cells(77))
        domain = node("domU1", {**DOMAIN.properties, **STATIC}, *DOMAIN.children, second)
        (done,) = linted(dtb(KERNEL, POOL, SHARED, first, domain), BOARD).values()
        assert {f.rule for f in done.findings} == {"domain.configuration"}
        assert len(done.findings) == 4

    def test_an_image_by_itself(self, linted: Lint) -> None:
        done = linted({"guest.bin": FILES["guest.bin"], "xen": FILES["xen"], "Image": good.image()})
        assert [f for one in done.values() for f in one.findings] == []
        assert [n for one in done.values() for n in one.not_run] == []

    def test_two_domains_may_share_a_kernel(self, linted: Lint) -> None:
        other = node("domU2", DOMAIN.properties, *DOMAIN.children)
        (done,) = linted(dtb(DOMAIN, other), BOARD).values()
        assert done.findings == ()


class TestWhatIsNotKnown:
    """Without the board and the other files, rules say what they need instead of passing."""

    def test_a_script_alone(self, linted: Lint) -> None:
        (done,) = linted(alone()).values()
        assert done.findings == ()
        assert {n.rule for n in done.not_run} >= {
            "script.image", "script.overlap", "script.outside-ram", "script.over-uboot",
            "modules.outside-ram", "xen.dtuart", "xen.dom0-cpus",
        }  # fmt: skip
        assert all(n.why and n.needs for n in done.not_run)

    def test_a_configuration_alone(self, linted: Lint) -> None:
        (done,) = linted({"guest.cfg": good.CFG.replace("guest.bin", "/boot/guest.bin")}).values()
        assert done.findings == ()
        assert {n.rule for n in done.not_run} == {"cfg.kernel", "cfg.cpus", "cfg.iomem-range"}

    def test_a_tree_beside_a_script_need_not_have_modules(self, linted: Lint) -> None:
        done = linted(FILES, BOARD)["board.dtb"]
        assert [n.rule for n in done.not_run] == ["modules.kernel"]

    def test_psci_that_u_boot_brings_is_a_note(self, linted: Lint) -> None:
        plain = good.parse_dtb(good.tree(KERNEL, without=("psci",)))
        root = {**plain.root.properties, "compatible": texts("allwinner,sun7i-a20")}
        data = good.build_dtb(good.Tree(good.Node("/", root, plain.root.children)))
        (done,) = linted({"x.dtb": data}, BOARD).values()
        assert [(f.rule, f.severity) for f in done.findings] == [("tree.psci", "note")]

    def test_the_part_of_a_tree_for_a_guest_is_no_board(self, linted: Lint) -> None:
        part = node("/", ONE_AND_ONE, node("passthrough", ONE_AND_ONE))
        done = linted({"part.dtb": good.build_dtb(good.Tree(part))}, BOARD)["part.dtb"]
        assert {n.rule for n in done.not_run} >= {"tree.psci", "tree.gic", "tree.timer"}
