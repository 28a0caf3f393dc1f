from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.toolstack import privcmd
from harness.toolstack.dom0 import Dom0
from harness.toolstack.privcmd import PROBES, Facts, judge, read_facts
from tests.unit.toolstack.conftest import any_shell

RELEASE = "6.1.0-56-amd64"
DRIVERS = "kernel/drivers/xen"
FINE = Facts(
    "xen",
    RELEASE,
    ("/dev/xen/privcmd", "/proc/xen/privcmd"),
    ("xenfs", "xen-privcmd"),
    (RELEASE,),
    (f"{RELEASE}/{DRIVERS}/xen-privcmd.ko", f"{RELEASE}/{DRIVERS}/xenfs/xenfs.ko"),
)
NO_PRIVCMD = replace(FINE, nodes=(), loaded=())


def test_nothing_is_wrong() -> None:
    assert judge(FINE) is None
    # Both may be in the kernel, and then nothing is loaded.
    built_in = replace(
        FINE,
        loaded=(),
        releases=(),
        files=(),
        nodes=("/dev/xen/privcmd",),
        config={"CONFIG_XEN_PRIVCMD": "y", "CONFIG_XENFS": "y"},
    )
    assert judge(built_in) is None


@pytest.mark.parametrize(
    ("facts", "id", "meaning", "todo"),
    [
        (
            replace(NO_PRIVCMD, hypervisor=""),
            "privcmd-no-xen",
            "this Linux runs without a hypervisor, not on Xen",
            "boot with Xen",
        ),
        (
            replace(NO_PRIVCMD, hypervisor="kvm"),
            "privcmd-no-xen",
            "this Linux runs on kvm, not on Xen",
            "boot with Xen",
        ),
        (
            NO_PRIVCMD,
            "privcmd-not-loaded",
            "module xen-privcmd is in the root, but is not loaded",
            "modprobe xen-privcmd",
        ),
        (
            replace(FINE, nodes=("/dev/xen/privcmd",), loaded=("xen-privcmd",)),
            "privcmd-not-loaded",
            "module xenfs is in the root, but is not loaded",
            "modprobe xenfs; mount -t xenfs xenfs /proc/xen",
        ),
        (
            replace(
                NO_PRIVCMD,
                releases=("6.1.0-50-amd64",),
                files=(f"6.1.0-50-amd64/{DRIVERS}/xen-privcmd.ko",),
            ),
            "privcmd-other-release",
            "module xen-privcmd is missing from the root: /lib/modules has 6.1.0-50-amd64, the "
            f"kernel is {RELEASE}",
            "kernel and root were not upgraded together",
        ),
        (
            replace(NO_PRIVCMD, files=()),
            "privcmd-missing",
            f"module xen-privcmd is missing from the root: /lib/modules/{RELEASE} has no "
            "xen-privcmd.ko",
            "depmod",
        ),
        (
            replace(NO_PRIVCMD, files=(), releases=()),
            "privcmd-missing",
            "module xen-privcmd is missing from the root: /lib/modules has nothing, the kernel "
            f"is {RELEASE}",
            "depmod",
        ),
        (
            replace(NO_PRIVCMD, files=(), config={"CONFIG_XEN_PRIVCMD": "n"}),
            "privcmd-not-built",
            f"the kernel {RELEASE} has no CONFIG_XEN_PRIVCMD",
            "CONFIG_XEN_PRIVCMD=m",
        ),
        (
            replace(FINE, nodes=()),
            "privcmd-no-node",
            "xen-privcmd is active, but there is no /dev/xen/privcmd",
            "devtmpfs",
        ),
    ],
)
def test_what_is_wrong(facts: Facts, id: str, meaning: str, todo: str) -> None:  # noqa: A002
    found = judge(facts)
    assert found is not None
    assert (found.id, found.meaning) == (id, meaning)
    assert todo in found.next
    assert found.facts is facts


SAID = """\
@hypervisor
xen
@release
6.1.0-56-amd64
@nodes
@loaded
xen_privcmd
bridge
@releases
6.1.0-56-amd64
@files
./6.1.0-56-amd64/kernel/drivers/xen/xen-privcmd.ko
@builtin
xenfs
@config
# CONFIG_XEN_PRIVCMD is not set
CONFIG_XENFS=m
"""


def test_facts_are_read() -> None:
    assert read_facts(SAID) == Facts(
        "xen",
        RELEASE,
        (),
        ("xen-privcmd", "bridge"),
        (RELEASE,),
        (f"{RELEASE}/kernel/drivers/xen/xen-privcmd.ko",),
        ("xenfs",),
        {"CONFIG_XEN_PRIVCMD": "n", "CONFIG_XENFS": "m"},
    )


def test_every_probe_is_read() -> None:
    assert {f"@{name}" for name, _ in PROBES} == {
        line for line in SAID.split("\n") if line.startswith("@")
    }


@any_shell
def test_the_probes_work_in_any_shell(dom0: Dom0, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Facts] = []
    monkeypatch.setattr(privcmd, "judge", seen.append)
    dom0.diagnose_privcmd()
    assert seen[0].release == os.uname().release
    # The last probe changes the folder and comes back.
    before = dom0.run("pwd").output
    dom0.diagnose_privcmd()
    assert dom0.run("pwd").output == before


@given(st.text(max_size=300))
def test_any_answer_is_judged(said: str) -> None:
    judge(read_facts(said))
    judge(read_facts("@hypervisor\nxen\n" + said))
