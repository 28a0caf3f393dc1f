"""What the tests of device trees share: dtc, trees made up by Hypothesis, the recorded /chosen."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st

from harness import tools
from harness.devicetree.tree import Node, Tree
from harness.errors import ToolMissing

ROOT = Path(__file__).resolve().parents[3]
RECORDED = "qemu-orangepi-pc-xen-4.17.5-armhf-dom0.log"

Dtc = Callable[[str, bytes], bytes]


@pytest.fixture(scope="session")
def dtc() -> Dtc:
    """`dtc("dtb:dts", data)` converts; without the tool the test is skipped, and on CI fails."""
    try:
        program = tools.find("dtc")
    except ToolMissing as bad:
        if os.environ.get("CI"):
            pytest.fail(str(bad), pytrace=False)
        pytest.skip(str(bad))

    def convert(forms: str, data: bytes) -> bytes:
        source, target = forms.split(":")
        argv = [str(program), "-q", "-I", source, "-O", target]
        done = subprocess.run(argv, input=data, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return convert


@pytest.fixture(scope="session")
def recorded() -> str:
    """The recorded boot in which U-Boot edited /chosen and printed it."""
    file = ROOT.parent / "shared" / "logs" / RECORDED
    if not file.is_file():
        pytest.skip(f"{RECORDED} is in ../shared/logs only, which is not here")
    return file.read_bytes().decode("utf-8", "replace")


NAMES = st.from_regex(r"[a-z][a-z0-9,._+-]{0,11}(@[0-9a-f]{1,8})?", fullmatch=True)
PROPERTY_NAMES = st.from_regex(r"[#a-z][a-z0-9,._+?#-]{0,14}", fullmatch=True).filter(
    lambda name: not name.endswith("_with_references")
)
VALUES = st.one_of(
    st.binary(max_size=24),
    st.lists(st.from_regex(r"[ -~]{0,8}", fullmatch=True), max_size=3).map(
        lambda words: b"".join(word.encode() + b"\0" for word in words)
    ),
)
PROPERTIES = st.dictionaries(PROPERTY_NAMES, VALUES, max_size=4)


def _node(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    siblings = st.lists(children, max_size=3, unique_by=lambda node: node.name).map(tuple)
    return st.builds(Node, NAMES, PROPERTIES, siblings)


NODES = st.recursive(st.builds(Node, NAMES, PROPERTIES), _node, max_leaves=8)
U64 = st.integers(0, (1 << 64) - 1)
TREES = st.builds(
    Tree,
    st.builds(
        Node,
        st.just("/"),
        PROPERTIES,
        st.lists(NODES, max_size=3, unique_by=lambda node: node.name).map(tuple),
    ),
    st.lists(st.tuples(U64, U64.filter(bool)), max_size=3).map(tuple),
    st.integers(0, (1 << 32) - 1),
)
