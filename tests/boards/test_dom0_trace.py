"""Traces of a live Xen: `pytest --board apu2 -m guests`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.session import Session
from harness.toolstack.dom0 import Dom0
from harness.tracing import Trace, TraceError, trace

pytestmark = [pytest.mark.board("apu2"), pytest.mark.guests, pytest.mark.live]

# Its kernel has no root to mount: it panics at the end, which is activity enough.
PVH = """\
name = "traced"
type = "pvh"
kernel = "/boot/vmlinuz"
extra = "console=hvc0"
memory = 128
on_crash = "preserve"
"""
# Counts of what any dom0 does in a second or two; times are the emulator's.
SECONDS = 3


@pytest.fixture(scope="module")
def of_dom0(dom0: Dom0, boot: Session) -> Trace:
    """A trace while dom0 runs a command that talks to Xen."""
    folder = boot.run.path if boot.run else None
    return trace(dom0, SECONDS, keep=folder, command="xl list", evidence=boot.target.evidence)


@pytest.fixture(scope="module")
def guest(dom0: Dom0) -> Iterator[tuple[int, str]]:
    """A PVH guest that has not run yet: id and name."""
    row = dom0.xl.create(PVH, paused=True)
    yield row.id, row.name
    dom0.xl.destroy(row.name)


def test_dom0_has_figures(of_dom0: Trace) -> None:
    dom0 = of_dom0.summary.domain(0)
    assert dom0 is not None
    assert of_dom0.name(0) == "Domain-0"
    assert any(vcpu.seconds("running") > 0 for vcpu in dom0.vcpus)
    assert {figure.name for vcpu in dom0.vcpus for figure in vcpu.runstates} >= {
        "running",
        "runnable",
        "blocked",
    }
    assert dom0.runstates


def test_hypercalls_of_dom0(of_dom0: Trace) -> None:
    dom0 = of_dom0.summary.domain(0)
    assert dom0 is not None
    calls = {call.name for vcpu in dom0.vcpus for call in vcpu.hypercalls}
    # PV: it blocks, returns to user space, and xl asks Xen.
    assert calls >= {"sched_op", "iret", "sysctl"}


def test_the_command_was_traced(of_dom0: Trace) -> None:
    assert "Domain-0" in of_dom0.output


def test_every_row_is_known(of_dom0: Trace) -> None:
    assert of_dom0.summary.unknown == ()
    assert of_dom0.summary.pcpus


def test_the_figures_are_kept(of_dom0: Trace) -> None:
    text, figures = of_dom0.kept
    assert "Total time" in text.read_text()
    assert '"evidence"' in figures.read_text()


def test_records_do_not_come_from_before(of_dom0: Trace) -> None:
    """They span no more time than this trace took, also if another was killed before."""
    assert of_dom0.summary.seconds is not None
    assert not [warning for warning in of_dom0.warnings if "had left tracing on" in warning]


def test_exits_of_a_pvh_guest(dom0: Dom0, boot: Session, guest: tuple[int, str]) -> None:
    number, name = guest
    folder = boot.run.path if boot.run else None
    taken = trace(dom0, 6, keep=folder, command=f"xl unpause {name}")
    domain = taken.summary.domain(number)
    assert domain is not None
    assert taken.name(number) == name
    (vcpu,) = domain.vcpus
    reasons = {one.total.name for one in vcpu.exits}
    assert reasons >= {"VMEXIT_CPUID", "VMEXIT_IOIO"}
    assert vcpu.ports
    assert not vcpu.hypercalls


def test_another_reader_is_a_diagnosis(dom0: Dom0) -> None:
    # Where xentrace is, the trace above has found: not in everybody's PATH.
    path = 'PATH="$PATH:$(echo /usr/lib/xen*/bin | tr " " :)"'
    dom0.run(f"( {path}; xentrace -D -T 300 /dev/null & echo $! >/run/other.pid ) 2>/dev/null")
    try:
        with pytest.raises(TraceError, match="another xentrace is running"):
            trace(dom0, 1)
    finally:
        dom0.run("kill $(cat /run/other.pid); rm /run/other.pid")
    assert dom0.run("ls -d /tmp/trace.*").status != 0


def test_a_root_without_xentrace_is_told(dom0: Dom0, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.tracing.taking._PATH", "PATH=/nonexistent")
    with pytest.raises(UsageError, match="--root nfs"):
        trace(dom0, 1, keep=Path("/nonexistent"))
