from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.devicetree.tree import Node, Tree, build_dtb, parse_dtb, phandles
from harness.devicetree.xen import (
    COMPATIBLE,
    Chosen,
    CpuPool,
    Domain,
    EventChannel,
    Module,
    ModuleKind,
    Port,
    SharedMemory,
    read_chosen,
    with_chosen,
)
from harness.errors import FormatError
from tests.unit.devicetree.conftest import Dtc

KERNEL = Module("kernel", 0x4600_0000, 0x53_2200, "console=hvc0")
RAMDISK = Module("ramdisk", 0x4A00_0000, 0xD_7E8F)
CPUS = Node(
    "cpus",
    {"#address-cells": b"\0\0\0\1", "#size-cells": bytes(4)},
    (
        Node("cpu@0", {"reg": bytes(4), "phandle": b"\0\0\0\x05"}),
        Node("cpu@1", {"reg": b"\0\0\0\1"}),
        Node("cpu@2", {"reg": b"\0\0\0\2"}),
    ),
)
BOARD = Tree(
    Node(
        "/",
        {"#address-cells": b"\0\0\0\1", "#size-cells": b"\0\0\0\1"},
        (
            CPUS,
            Node(
                "chosen",
                {"stdout-path": b"serial0\0", "ranges": b""},
                (Node("framebuffer@0", {"reg": bytes.fromhex("7f00000000100000")}),),
            ),
        ),
    )
)
FULL = Chosen(
    bootargs="console=dtuart",
    dom0_bootargs="console=hvc0",
    modules=(KERNEL, RAMDISK, Module("xsm", 0x4B00_0000, 77)),
    domains=(
        Domain(
            "domU1",
            131_072,
            2,
            (
                Module("kernel", 0x4C00_0000, 0x1000, "earlycon"),
                Module("dtb", 0x4D00_0000, 0x200),
            ),
            vpl011=True,
            enhanced="no-xenstore",
            passthrough="enabled",
            cpupool="fast",
            static_mem=((0x6000_0000, 0x800_0000),),
            direct_map=True,
            nr_spis=64,
            p2m_mem_mb=3,
            max_grant_version=1,
            max_grant_frames=32,
            max_maptrack_frames=1024,
            llc_colors="0-3",
            shared_memory=(SharedMemory("ring", 0x5000_0000, 0x1000, 0x7000_0000, "borrower"),),
            extra={"sve": b"\0\0\0\x80"},
            nodes=(Node("vcpu0", {"compatible": b"xen,vcpu\0"}),),
        ),
        Domain("domU2", 65_536, 1, (Module("kernel", 0x4E00_0000, 0x1000),), enhanced="enabled"),
    ),
    cpupools=(
        CpuPool("fast", ("/cpus/cpu@1", "/cpus/cpu@2"), "null"),
        CpuPool("rest", ("/cpus/cpu@0",)),
    ),
    shared_memory=(SharedMemory("ring", 0x7000_0000, 0x1000, 0x7000_0000, "owner"),),
    event_channels=(
        EventChannel((Port("", 10), Port("domU1", 11))),
        EventChannel((Port("domU1", 12), Port("domU2", 13))),
    ),
    static_heap=((0x7800_0000, 0x100_0000),),
)


def child(tree: Tree, path: str) -> Node:
    node = tree.find(path)
    assert node is not None, path
    return node


def tree_of(dtc: Dtc, chosen: str, root: str = "#address-cells = <1>; #size-cells = <1>;") -> Tree:
    source = f"/dts-v1/; / {{ {root} c0: cpu {{ }}; chosen {{ {chosen} }}; }};"
    return parse_dtb(dtc("dts:dtb", source.encode()))


# --- writing, and reading what was written ------------------------------------------------


def test_everything_that_is_written_is_read_back() -> None:
    written = with_chosen(BOARD, FULL)
    assert read_chosen(written) == FULL
    assert read_chosen(parse_dtb(build_dtb(written))) == FULL
    assert with_chosen(written, FULL) == written


def test_what_is_not_xens_stays() -> None:
    written = with_chosen(BOARD, FULL)
    chosen = child(written, "/chosen")
    assert chosen.text("stdout-path") == "serial0"
    assert chosen.properties["ranges"] == b""
    assert chosen.find("framebuffer@0") == child(BOARD, "/chosen/framebuffer@0")
    assert child(written, "/cpus/cpu@0") == child(BOARD, "/cpus/cpu@0")


def test_what_xen_read_before_is_gone() -> None:
    bare = with_chosen(with_chosen(BOARD, FULL), Chosen())
    assert read_chosen(bare) == Chosen()
    assert [node.name for node in child(bare, "/chosen").children] == ["framebuffer@0"]


def test_a_chosen_is_made_where_there_is_none() -> None:
    tree = with_chosen(Tree(Node("/")), Chosen("x", modules=(KERNEL,)))
    chosen = child(tree, "/chosen")
    assert (chosen.address_cells, chosen.size_cells) == (2, 1)  # as they hold for the root
    assert read_chosen(tree) == Chosen("x", modules=(KERNEL,))


def test_the_static_build_is_what_the_binding_shows(dtc: Dtc) -> None:
    """The nodes as the boot script of a Cubieboard2 makes them, written by hand."""
    by_hand = tree_of(
        dtc,
        """#address-cells = <1>; #size-cells = <1>;
        bootargs = "console=dtuart";
        module@46000000 { compatible = "multiboot,kernel", "multiboot,module";
            reg = <0x46000000 0x532200>; bootargs = "console=hvc0"; };
        domU1 { compatible = "xen,domain"; #address-cells = <1>; #size-cells = <1>;
            memory = <0 65536>; cpus = <1>; vpl011; xen,enhanced = "no-xenstore";
            module@4c000000 { compatible = "multiboot,kernel", "multiboot,module";
                reg = <0x4c000000 0x1000>; }; };""",
    )
    chosen = Chosen(
        "console=dtuart",
        modules=(KERNEL,),
        domains=(
            Domain(
                "domU1",
                65_536,
                1,
                (Module("kernel", 0x4C00_0000, 0x1000),),
                vpl011=True,
                enhanced="no-xenstore",
            ),
        ),
    )
    bare = tree_of(dtc, "")
    assert with_chosen(bare, chosen) == by_hand
    assert read_chosen(by_hand) == chosen


def test_dtc_has_nothing_against_the_static_build(dtc: Dtc) -> None:
    """An error of dtc is a failure of the conversion."""
    blob = build_dtb(with_chosen(BOARD, FULL))
    text = dtc("dtb:dts", blob).decode()
    assert "module@46000000" in text
    assert dtc("dts:dtb", text.encode())[:4] == blob[:4]


def test_addresses_above_4_gib_take_two_cells() -> None:
    far = Module("kernel", 0x8_8000_0000, 0x1000)
    tree = with_chosen(BOARD, Chosen(modules=(far,)))
    chosen = child(tree, "/chosen")
    assert (chosen.address_cells, chosen.size_cells) == (2, 1)
    assert child(tree, "/chosen/module@880000000").cells("reg") == (8, 0x8000_0000, 0x1000)
    assert child(tree, "/chosen/framebuffer@0").cells("reg") == (0, 0x7F00_0000, 0x10_0000)
    assert read_chosen(tree).modules == (far,)


def test_a_domain_counts_its_own_cells() -> None:
    domain = Domain(
        "domU1",
        1024,
        1,
        (Module("kernel", 0x8_8000_0000, 0x1000),),
        static_mem=((0x4000_0000, 0x10_0000),),
    )
    tree = with_chosen(BOARD, Chosen(domains=(domain,)))
    assert child(tree, "/chosen").address_cells == 1
    assert child(tree, "/chosen/domU1").address_cells == 2
    assert child(tree, "/chosen/domU1").cells("xen,static-mem") == (0x4000_0000, 0x10_0000)
    assert child(tree, "/chosen/domU1").cells("memory") == (0, 1024)
    assert read_chosen(tree).domains == (domain,)


def test_cells_are_not_changed_around_ranges_that_count_in_them() -> None:
    chosen = replace(child(BOARD, "/chosen"), properties={"ranges": bytes(12)})
    tree = Tree(replace(BOARD.root, children=(chosen,)))
    assert read_chosen(with_chosen(tree, Chosen("x"))).bootargs == "x"
    with pytest.raises(FormatError, match="ranges"):
        with_chosen(tree, Chosen(modules=(Module("kernel", 1 << 32, 1),)))


def test_cpus_get_phandles_that_no_other_node_has() -> None:
    tree = with_chosen(BOARD, FULL)
    handles = [
        node.properties["phandle"] for _, node in tree.walk() if "phandle" in node.properties
    ]
    assert len(set(handles)) == len(handles) == len(phandles(tree))
    assert child(tree, "/cpus/cpu@0").cells("phandle") == (5,)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (Chosen(bootargs="a\0b"), "NUL"),
        (Chosen(modules=(Module("kernel", 1 << 64, 1),)), "does not fit in 2 cells"),
        (Chosen(modules=(Module("kernel", -1, 1),)), "does not fit"),
        (Chosen(modules=(KERNEL, replace(KERNEL, kind="ramdisk"))), "two nodes"),
        (Chosen(domains=(Domain("d", 1, 1), Domain("d", 1, 1))), "two nodes"),
        (Chosen(domains=(Domain("d", 1, 1 << 32),)), "cpus: 0x100000000 does not fit"),
        (Chosen(domains=(Domain("d", 1, 1, cpupool="none"),)), "no cpupool none"),
        (Chosen(cpupools=(CpuPool("p", ("/cpus/cpu@9",)),)), "/cpus/cpu@9"),
        (Chosen(event_channels=(EventChannel((Port("", 1), Port("none", 2))),)), "ends at none"),
        (Chosen(static_heap=((1 << 32, 1),)), "does not fit in 1 cells"),
    ],
)
def test_what_cannot_be_written_is_refused(chosen: Chosen, words: str) -> None:
    with pytest.raises(FormatError) as caught:
        with_chosen(BOARD, chosen)
    assert words in str(caught.value)


ADDRESSES = st.one_of(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1))
TEXTS = st.none() | st.text(st.characters(min_codepoint=1, codec="utf-8"), max_size=12)
KINDS: st.SearchStrategy[ModuleKind] = st.sampled_from(["kernel", "ramdisk", "dtb", "xsm"])
MODULES = st.lists(
    st.builds(Module, KINDS, ADDRESSES, ADDRESSES, TEXTS),
    max_size=3,
    unique_by=lambda module: module.address,
).map(tuple)
DOMAINS = st.lists(
    st.builds(
        Domain,
        st.sampled_from(["domU1", "domU2", "rtos"]),
        st.integers(0, 1 << 50),
        st.integers(0, 200),
        MODULES,
        vpl011=st.booleans(),
        enhanced=st.none() | st.sampled_from(["enabled", "no-xenstore", "disabled", "legacy"]),
        static_mem=st.lists(st.tuples(ADDRESSES, ADDRESSES), max_size=2).map(tuple),
        nr_spis=st.none() | st.integers(0, 960),
    ),
    max_size=3,
    unique_by=lambda domain: domain.name,
).map(tuple)


@settings(max_examples=60)
@given(st.builds(Chosen, TEXTS, TEXTS, TEXTS, MODULES, DOMAINS))
def test_any_chosen_is_read_back(chosen: Chosen) -> None:
    assert read_chosen(parse_dtb(build_dtb(with_chosen(BOARD, chosen)))) == chosen


# --- reading what others wrote ------------------------------------------------------------


def test_the_names_of_xen_4_4_are_read(dtc: Dtc) -> None:
    tree = tree_of(
        dtc,
        """module@0 { compatible = "xen,linux-zimage", "xen,multiboot-module"; reg = <1 2>; };
        module@1 { compatible = "xen,linux-initrd", "xen,multiboot-module"; reg = <3 4>; };""",
    )
    kernel, ramdisk = read_chosen(tree).modules
    assert (kernel.kind, kernel.address, kernel.size, kernel.name) == ("kernel", 1, 2, "module@0")
    assert (ramdisk.kind, ramdisk.compatible[0]) == ("ramdisk", "xen,linux-initrd")


def test_modules_without_a_kind_are_guessed_in_the_order_of_the_tree(dtc: Dtc) -> None:
    module = 'compatible = "multiboot,module"; reg = <1 2>;'
    tree = tree_of(
        dtc,
        f"""a {{ {module} }};
        d {{ compatible = "xen,domain"; memory = <0 1>; cpus = <1>; b {{ {module} }}; }};
        c {{ {module} }};""",
    )
    chosen = read_chosen(tree)
    assert [module.kind for module in chosen.modules] == ["kernel", "unknown"]
    assert [module.kind for module in chosen.domains[0].modules] == ["ramdisk"]


def test_the_ruins_of_an_old_manual_are_no_modules(dtc: Dtc) -> None:
    tree = tree_of(
        dtc, 'module@0 { compatible = "xen,linuxzimage", "xen,multibootmodule"; reg = <1 2>; };'
    )
    assert read_chosen(tree) == Chosen()


def test_a_module_one_level_down_is_dom0s(dtc: Dtc) -> None:
    tree = tree_of(
        dtc,
        """modules { #address-cells = <2>; #size-cells = <1>;
        m@0 { compatible = "multiboot,kernel", "multiboot,module"; reg = <1 0 2>; }; };""",
    )
    chosen = read_chosen(tree)
    assert [(module.kind, module.address) for module in chosen.modules] == [("kernel", 1 << 32)]
    assert read_chosen(with_chosen(tree, chosen)) == chosen


def test_missing_cells_are_those_of_the_node_above(dtc: Dtc) -> None:
    """Xen does not know the default of the specification below the root."""
    module = 'm { compatible = "multiboot,kernel", "multiboot,module"; reg = <1 2>; };'
    assert read_chosen(tree_of(dtc, module)).modules[0].address == 1
    with pytest.raises(FormatError, match="2 \\+ 1 cells"):
        read_chosen(tree_of(dtc, module, root=""))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", None),
        ("xen,enhanced;", "enabled"),
        ("xen,enhanced = <1>;", "enabled"),
        ('xen,enhanced = "no-xenstore";', "no-xenstore"),
        ('xen,enhanced = "legacy";', "legacy"),
    ],
)
def test_enhanced_without_a_value_is_enabled(dtc: Dtc, source: str, expected: str | None) -> None:
    domain = f'd {{ compatible = "xen,domain"; memory = <0 1>; cpus = <1>; {source} }};'
    assert read_chosen(tree_of(dtc, domain)).domains[0].enhanced == expected


def test_shared_memory_without_the_hosts_address(dtc: Dtc) -> None:
    tree = tree_of(
        dtc,
        """s { compatible = "xen,domain-shared-memory-v1"; xen,shm-id = "x";
        xen,shared-mem = <0x80000000 0x1000>; };""",
    )
    shared = read_chosen(tree).shared_memory
    assert shared == (SharedMemory("x", 0x8000_0000, 0x1000),)
    assert read_chosen(with_chosen(BOARD, Chosen(shared_memory=shared))).shared_memory == shared


DOMAIN = 'd {{ compatible = "xen,domain"; memory = <0 1>; cpus = <1>; {} }};'


@pytest.mark.parametrize(
    ("source", "field", "words"),
    [
        ('bootargs = "a", "b";', "/chosen bootargs", "2 strings"),
        ("bootargs = <1>;", "/chosen bootargs", "no string"),
        ("xen,xen-bootargs;", "/chosen xen,xen-bootargs", "no string"),
        ('m { compatible = "multiboot,module"; };', "/chosen/m", "no reg"),
        ('m { compatible = "multiboot,module"; reg = <1>; };', "/chosen/m reg", "4 bytes"),
        ('m { compatible = "multiboot,module"; reg = <1 2 3 4>; };', "/chosen/m", "2 ranges"),
        ('d { compatible = "xen,domain"; cpus = <1>; };', "/chosen/d memory", "missing"),
        ('d { compatible = "xen,domain"; memory = <9>; cpus = <1>; };', "/chosen/d memory", "4 by"),
        ('d { compatible = "xen,domain"; memory = <0 9>; };', "/chosen/d cpus", "missing"),
        (DOMAIN.format("nr_spis;"), "/chosen/d nr_spis", "0 bytes"),
        (DOMAIN.format("passthrough;"), "/chosen/d passthrough", "no string"),
        (DOMAIN.format("xen,static-mem = <1>;"), "/chosen/d xen,static-mem", "4 bytes"),
        (DOMAIN.format("domain-cpupool = <&c0>;"), "/chosen/d domain-cpupool", "no cpupool"),
        (DOMAIN.format("domain-cpupool = <99>;"), "/chosen/d domain-cpupool", "no cpupool"),
        (
            "x: x { }; " + DOMAIN.format("domain-cpupool = <&x>;"),
            "/chosen/d domain-cpupool",
            "x is",
        ),
        ('p { compatible = "xen,cpupool"; };', "/chosen/p cpupool-cpus", "no CPU"),
        ('p { compatible = "xen,cpupool"; cpupool-cpus = <9>; };', "/chosen/p cpupool-cpus", "0x9"),
        ('s { compatible = "xen,domain-shared-memory-v1"; };', "/chosen/s", "no xen,shm-id"),
        (
            's { compatible = "xen,domain-shared-memory-v1"; xen,shm-id = "x"; xen,shared-mem; };',
            "/chosen/s",
            "0 bytes",
        ),
        ('e { compatible = "xen,evtchn-v1"; };', "/chosen/e xen,evtchn", "no link"),
        (
            'e { compatible = "xen,evtchn-v1"; xen,evtchn = <1 &c0>; };',
            "/chosen/e xen,evtchn",
            "refers to /cpu",
        ),
        (
            """e: e { compatible = "xen,evtchn-v1"; xen,evtchn = <1 &f>; };
            f: f { compatible = "xen,evtchn-v1"; xen,evtchn = <1 &g>; };
            g: g { compatible = "xen,evtchn-v1"; xen,evtchn = <1 &f>; };""",
            "/chosen/e xen,evtchn",
            "refers to /chosen/f",
        ),
    ],
)
def test_what_xen_would_stop_at_is_refused_with_its_node(
    dtc: Dtc, source: str, field: str, words: str
) -> None:
    with pytest.raises(FormatError) as caught:
        read_chosen(tree_of(dtc, source))
    assert caught.value.field == field
    assert words in caught.value.message


def test_without_a_chosen_there_is_nothing_to_read() -> None:
    with pytest.raises(FormatError) as caught:
        read_chosen(Tree(Node("/")))
    assert caught.value.field == "/chosen"


BLOB = build_dtb(with_chosen(BOARD, FULL))


@settings(max_examples=300)
@given(st.integers(0, len(BLOB) - 1), st.integers(0, 255))
def test_any_wrong_byte_is_read_or_refused(offset: int, value: int) -> None:
    field: str | None = "nothing wrong"
    try:
        read_chosen(parse_dtb(BLOB[:offset] + bytes([value]) + BLOB[offset + 1 :]))
    except FormatError as bad:
        field = bad.field
    assert field


# --- command lines ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bootargs", "xen", "dom0", "kernel", "for_xen", "for_dom0"),
    [
        ("b", None, None, None, None, "b"),
        ("b", None, None, "k", "b", "k"),
        ("b", None, None, "", None, "b"),
        ("b", None, "d", None, "b", "d"),
        ("b", None, "d", "k", "b", "d"),
        ("b", "x", None, None, "x", "b"),
        ("b", "x", None, "k", "x", "k"),
        ("b", "x", "d", None, "x", "d"),
        (None, None, "d", None, None, "d"),
        (None, None, None, None, None, None),
    ],
)
def test_who_gets_which_command_line(
    bootargs: str | None,
    xen: str | None,
    dom0: str | None,
    kernel: str | None,
    for_xen: str | None,
    for_dom0: str | None,
) -> None:
    chosen = Chosen(bootargs, xen, dom0, (replace(KERNEL, bootargs=kernel),))
    assert (chosen.xen_command_line, chosen.dom0_command_line) == (for_xen, for_dom0)


@pytest.mark.parametrize("kind", list(COMPATIBLE))
def test_a_module_is_written_in_todays_spelling(kind: ModuleKind) -> None:
    module = Module(kind, 1, 2)
    assert module.compatible[-1] == "multiboot,module"
    (found,) = read_chosen(with_chosen(BOARD, Chosen(modules=(module,)))).modules
    assert found.kind == (kind if kind != "unknown" else "kernel")
