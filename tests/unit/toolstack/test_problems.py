from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.toolstack.problems import KNOWN, explain, own_words

DATA = Path(__file__).parents[2] / "data/xl/x86-4.17"


@pytest.mark.parametrize(
    ("name", "id", "words"),
    [
        ("create-memory", "xl-no-memory", "not so much free memory"),
        ("create-memory-pv", "xl-no-memory", "not so much free memory"),
        ("create-nokernel", "xl-no-file", "/boot/nothing"),
        ("create-nokernel-pv", "xl-no-file", "/boot/nothing"),
        ("create-noramdisk", "xl-no-file", "/boot/nothing"),
        ("create-garbage", "xl-bad-kernel", "no image"),
        ("create-garbage-pv", "xl-bad-kernel", "no image"),
        ("create-empty-pv", "xl-empty-kernel", "t/empty of the domain is empty"),
        ("create-little-memory", "xl-too-little-memory", "its kernel needs"),
        ("create-nodisk", "xl-no-disk", "t/none.img of disk xvda"),
        ("create-nobridge", "xl-no-bridge", "nobr"),
        ("create-syntax", "xl-bad-config", "syntax.cfg:4"),
        ("create-badtype", "xl-bad-type", "no type foo of"),
        ("create-badcpus", "xl-bad-cpus", "no CPU"),
        ("create-manyvcpus", "xl-refused", "too many vcpus"),
        ("create-badpci", "xl-not-assignable", "0:9:0.0"),
        ("create-bad-pci-spec", "xl-bad-pci", "'hello'"),
        ("create-noname", "xl-no-name", "no name"),
        ("create-nofile", "xl-no-config", "t/nofile.cfg cannot be read: No such file"),
        ("pci-add-none", "xl-no-pci-device", "0000:09:00.0"),
        ("pci-remove-none", "xl-not-assigned", "0000:03:00.0"),
        ("destroy-none", "xl-no-domain", "no such domain"),
        ("domid-none", "xl-no-domain", "no such domain"),
        ("list-none", "xl-no-domain", "no such domain"),
        ("shutdown-none", "xl-no-domain", "no such domain"),
        ("destroy-0", "xl-not-dom0", "Domain-0"),
        ("no-command", "xl-no-command", "no such command"),
    ],
)
def test_what_xl_said(name: str, id: str, words: str) -> None:  # noqa: A002
    problem = explain((DATA / f"{name}.txt").read_text())
    assert problem is not None
    assert problem.id == id
    assert words in problem.meaning


SEED = """\
xencall: error: Could not obtain handle on privileged command interface: No such file or directory
libxl: error: libxl.c:108:libxl_ctx_alloc: cannot open libxc handle: No such file or directory
cannot init xl context
"""


@pytest.mark.parametrize(
    ("said", "id"),
    [
        (SEED, "xl-no-privcmd"),
        ("ERROR:  Can't find version 4.20 of xen utils (maybe ...), bailing out!", "xl-wrong-xen"),
        ("ERROR:  Hypervisor is not xen but 'kvm'!", "xl-no-xen"),
        (
            "libxl: error: libxl.c:116:libxl_ctx_alloc: cannot connect to xenstore: No such file",
            "xl-no-xenstored",
        ),
        (
            "libxl: error: libxl_create.c:1146:libxl__domain_config_setdefault: passthrough not "
            "supported on this platform",
            "xl-no-passthrough",
        ),
        ("failed to free memory for the domain", "xl-no-memory"),
        (
            'libxl: error: libxl_domain.c:145:x: Domain 3:Domain with name "g" already exists.',
            "xl-name-taken",
        ),
        ("libxl: error: x: Looks like pciback driver is not loaded", "xl-no-pciback"),
    ],
)
def test_words_from_the_source(said: str, id: str) -> None:  # noqa: A002
    problem = explain(said)
    assert problem is not None
    assert problem.id == id


def test_what_went_well_is_no_problem() -> None:
    for name in ("list", "info", "info-n", "vcpu-list", "list-v"):
        assert explain((DATA / f"{name}.txt").read_text()) is None


def test_the_cause_is_shown_without_its_consequences() -> None:
    words = own_words((DATA / "create-nokernel.txt").read_text()).split("\n")
    assert "failed to open file '/boot/nothing'" in words[0]
    assert not any("Non-existant" in line or "Parsing config" in line for line in words)
    only = "libxl: error: x: Domain 3:Non-existant domain"
    assert own_words(only) == only


def test_the_table_is_sound() -> None:
    ids = [row.id for row in KNOWN]
    assert len(ids) == len(set(ids))
    for row in KNOWN:
        groups = re.compile(row.pattern).groups
        fields = {
            int(name)
            for text in (row.meaning, row.next)
            for _, name, _, _ in string.Formatter().parse(text)
            if name is not None
        }
        assert not fields or max(fields) < groups, row.id
        assert not row.meaning.endswith("."), row.id


@given(st.text(max_size=300))
def test_any_words(said: str) -> None:
    explain(said)
    assert not said.strip("\n") or own_words(said) or "Parsing config from " in said
