from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.xl import (
    BlockDevice,
    NetworkDevice,
    parse_block_list,
    parse_network_list,
    parse_pci_assignable,
)

DATA = Path(__file__).parents[3] / "data/xl/x86-4.17"
NETWORK = """\
Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path
0   0  00:16:3E:57:db:c5     0     4     -1    -1/-1          /local/domain/0/backend/vif/2/0
"""
BLOCK = """\
Vdev  BE  handle state evt-ch ring-ref BE-path
51712 0   2      4     15     8        /local/domain/0/backend/vbd/2/51712
"""


def test_network_devices() -> None:
    assert parse_network_list(NETWORK) == (
        NetworkDevice(
            0, 0, "00:16:3e:57:db:c5", 0, "connected", -1, "/local/domain/0/backend/vif/2/0"
        ),
    )
    assert parse_network_list("") == ()


def test_disks() -> None:
    assert parse_block_list(BLOCK) == (
        BlockDevice(51712, 0, 2, "connected", 15, "/local/domain/0/backend/vbd/2/51712"),
    )
    assert parse_block_list((DATA / "block-list-none.txt").read_text()) == ()
    with pytest.raises(FormatError, match="xl block-list"):
        parse_block_list("")


@pytest.mark.parametrize(
    ("number", "word"), [("1", "initialising"), ("6", "closed"), ("99", "unknown")]
)
def test_states(number: str, word: str) -> None:
    (one,) = parse_block_list(BLOCK.replace("2      4 ", f"2      {number} "))
    assert one.state == word


def test_pci_devices() -> None:
    assert parse_pci_assignable((DATA / "pci-assignable-list.txt").read_text()) == ("0000:03:00.0",)
    assert parse_pci_assignable("libxl: warning: x\n03:00.1\n0001:02:1f.7 name\n") == (
        "0000:03:00.1",
        "0001:02:1f.7",
    )
    assert parse_pci_assignable("") == ()


@given(st.text(max_size=300))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    parse_pci_assignable(text)
    parse_network_list(NETWORK + text)
    assert len(parse_block_list(BLOCK + text)) >= 1
