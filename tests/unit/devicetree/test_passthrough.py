from __future__ import annotations

import pytest

from harness.devicetree.passthrough import (
    AssignedDevice,
    assigned,
    passed_through,
    with_passed_through,
)
from harness.devicetree.tree import Node, Tree, parse_dtb
from harness.errors import FormatError
from tests.unit.devicetree.conftest import Dtc

PARTIAL = b"""/dts-v1/;
/ {
    #address-cells = <2>; #size-cells = <2>;
    gic: gic { #interrupt-cells = <3>; interrupt-controller; };
    passthrough {
        compatible = "simple-bus"; ranges; #address-cells = <2>; #size-cells = <1>;
        pio: gpio@1c20800 {
            reg = <0x0 0x01c20000 0x1000>;
            xen,path = "/soc/pinctrl@1c20800";
            xen,reg = <0x0 0x01c20000 0x1000 0x0 0x21c20000>, <0x1 0x0 0x10 0x0 0x0>;
            xen,force-assign-without-iommu;
        };
        clock { #clock-cells = <0>; };
        lost { xen,path = "/soc/lost"; };
        bus { mac { xen,reg = <0x0 0x5 0x10 0x0 0x6>; }; };
    };
};"""


def test_the_devices_of_a_partial_tree(dtc: Dtc) -> None:
    assert assigned(parse_dtb(dtc("dts:dtb", PARTIAL))) == (
        AssignedDevice(
            "/passthrough/gpio@1c20800",
            "/soc/pinctrl@1c20800",
            ((0x1C2_0000, 0x1000, 0x21C2_0000), (0x1_0000_0000, 0x10, 0)),
            force=True,
        ),
        AssignedDevice("/passthrough/lost", "/soc/lost", (), force=False),
        # `bus` does not say how it counts, so the default holds: 2 and 1.
        AssignedDevice("/passthrough/bus/mac", None, ((5, 0x10, 6),), force=False),
    )


@pytest.mark.parametrize("value", [b"", bytes(4), bytes(24)])
def test_registers_that_do_not_fit_are_refused(value: bytes) -> None:
    device = Node("dev", {"xen,reg": value})
    tree = Tree(Node("/", {}, (Node("passthrough", {}, (device,)),)))
    with pytest.raises(FormatError) as caught:
        assigned(tree)
    assert caught.value.field == "/passthrough/dev xen,reg"


def test_a_tree_that_passes_nothing_is_refused() -> None:
    with pytest.raises(FormatError, match="/passthrough"):
        assigned(Tree(Node("/")))


def test_devices_are_hidden_from_dom0() -> None:
    board = Tree(Node("/", {}, (Node("soc", {}, (Node("gpio@1", {"reg": b""}), Node("b"))),)))
    marked = with_passed_through(board, ["/soc/gpio", "/soc/b"])
    assert passed_through(board) == ()
    assert passed_through(marked) == ("/soc/gpio@1", "/soc/b")
    gpio = marked.find("/soc/gpio@1")
    assert gpio is not None
    assert dict(gpio.properties) == {"reg": b"", "xen,passthrough": b""}
    with pytest.raises(FormatError, match="/soc/none"):
        with_passed_through(board, ["/soc/none"])
