from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.xl import parse_info

DATA = Path(__file__).parents[3] / "data/xl/x86-4.17"


@pytest.mark.parametrize("name", ["info", "info-n"])
def test_a_recorded_answer(name: str) -> None:
    info = parse_info((DATA / f"{name}.txt").read_text())
    assert (info.host, info.release, info.machine) == ("apu2", "6.1.0-56-amd64", "x86_64")
    assert (info.xen_version, info.xen_scheduler) == ("4.17.7", "credit2")
    assert (info.nr_cpus, info.total_memory, info.free_memory) == (4, 4095, 3027)
    assert "hvm" in info.virt_caps
    assert info.xen_caps[0] == "xen-3.0-x86_64"
    assert info.xen_commandline.startswith("dom0_mem=1024M ")
    assert info.raw["cc_compile_date"] == "Wed Nov  4 16:52:28 UTC 2026"
    assert info.has_iommu


def test_without_an_iommu() -> None:
    text = "xen_version : 4.17.7\nvirt_caps : pv hvm hap\n"
    assert not parse_info(text).has_iommu


def test_numbers_that_are_not_said() -> None:
    info = parse_info("xen_version : 4.17.7\nfree_memory : much\n")
    assert (info.free_memory, info.nr_cpus) == (None, None)


def test_what_is_no_answer() -> None:
    with pytest.raises(FormatError, match="this is no answer to `xl info`"):
        parse_info("cannot init xl context")


@given(st.text(max_size=300))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    assert parse_info(text + "\nxen_version : 4.17.7\n").raw
