"""Device trees: flattened (.dtb) to frozen nodes and back, paths, addresses.

    tree = parse_dtb(data)
    path = resolve(tree, "serial0:115200n8")

`node.py` has the nouns, `flat.py` the format of the file, `addresses.py` reads `reg`.
"""

from harness.devicetree.tree.addresses import cpu_address, pairs, reg
from harness.devicetree.tree.flat import build_dtb, parse_dtb
from harness.devicetree.tree.node import (
    Node,
    Tree,
    join,
    parent_of,
    phandles,
    resolve,
    with_node,
)

__all__ = [
    "Node",
    "Tree",
    "build_dtb",
    "cpu_address",
    "join",
    "pairs",
    "parent_of",
    "parse_dtb",
    "phandles",
    "reg",
    "resolve",
    "with_node",
]
