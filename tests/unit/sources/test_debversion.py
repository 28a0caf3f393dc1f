from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.sources.debversion import satisfies, sort_key, split_name

IN_ORDER = [
    "1.0~~",
    "1.0~rc1-1",
    "1.0",
    "1.0-1~deb12u1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb12u1",
    "1.0-2",
    "1.0-10",
    "1.0a",
    "1.0+git",
    "1.0.1",
    "1.9",
    "1.10",
    "4.17.5+72-g01140da4e8-1",
    "4.17.7+13-g2445b30a44-0+deb12u1",
    "1:0.1",
    "2:0",
]


def test_versions_sort_as_policy_says() -> None:
    for older, newer in pairwise(IN_ORDER):
        assert sort_key(older) < sort_key(newer), (older, newer)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0-0"), ("1.0", "0:1.0"), ("1.01", "1.1")])
def test_equal_versions(one: str, other: str) -> None:
    assert sort_key(one) == sort_key(other)


_parts = st.text("0123456789ab.+~", max_size=6).map(lambda text: f"1{text}")
_versions = st.builds("{}{}-{}".format, st.sampled_from(["", "1:", "2:"]), _parts, _parts)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is the reference")
@settings(max_examples=60, deadline=None)
@given(one=_versions, other=_versions)
def test_versions_sort_as_dpkg_does(one: str, other: str) -> None:
    command = ["dpkg", "--compare-versions", one, "lt", other]
    older = subprocess.run(command, check=False).returncode == 0
    assert older == (sort_key(one) < sort_key(other))


@given(st.text(max_size=20))
def test_any_text_has_a_sort_key(text: str) -> None:
    assert sort_key(text) == sort_key(text)


@pytest.mark.parametrize(
    ("wanted", "version", "fits"),
    [
        ("4.17", "4.17.7+13-g2445b30a44-0+deb12u1", True),
        ("4.17.7", "4.17.7+13-g2445b30a44-0+deb12u1", True),
        ("4.1", "4.17.7", False),
        ("6.1", "6.12.57-1", False),
        ("6.1.0-4", "6.1.0-47", False),
        ("6.1.0-47", "6.1.0-47", True),
        ("1.35", "1:1.35.0-4", True),
        ("1:1.35", "1:1.35.0-4", True),
        ("1", "1:1.35.0-4", True),
        ("35", "1:1.35.0-4", False),
        ("", "1.0", False),
    ],
)
def test_what_a_wanted_version_stands_for(wanted: str, version: str, fits: bool) -> None:
    assert satisfies(wanted, version) is fits


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("linux-image-6.1.0-56-amd64", ("linux-image", "6.1.0-56", "amd64")),
        ("linux-image-6.1.0-56-cloud-amd64", ("linux-image", "6.1.0-56", "cloud-amd64")),
        ("linux-image-6.12.57+deb13-amd64", ("linux-image", "6.12.57+deb13", "amd64")),
        ("linux-image-6.1.0-0.deb11.31-amd64", ("linux-image", "6.1.0-0.deb11.31", "amd64")),
        ("xen-hypervisor-4.17-amd64", ("xen-hypervisor", "4.17", "amd64")),
        ("linux-image-amd64", ("linux-image-amd64", "", "")),
        ("qemu-system-x86", ("qemu-system-x86", "", "")),
        ("busybox-static", ("busybox-static", "", "")),
    ],
)
def test_the_version_in_a_package_name(name: str, parts: tuple[str, str, str]) -> None:
    assert split_name(name) == parts
