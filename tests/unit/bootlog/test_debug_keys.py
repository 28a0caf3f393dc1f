"""Answers to Xen's debug keys, recorded from Xen 4.17 in QEMU (armhf, and amd64 on an apu2)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bootlog.debug_keys import (
    Frame,
    PciOwner,
    Pcpu,
    RunQueues,
    cpu_list,
    parse_domains,
    parse_help,
    parse_pci_devices,
    parse_registers,
    parse_run_queues,
    xen_lines,
)

DATA = Path(__file__).resolve().parents[2] / "data/debug_keys"
ARM, X86 = "xen-4.17.5-armhf", "xen-4.17.7-amd64"
BOTH = pytest.mark.parametrize("which", [ARM, X86])


def recorded(which: str, key: str) -> list[str]:
    return (DATA / f"{which}-{key}.txt").read_text().splitlines()


# --- help --------------------------------------------------------------------------------------


def test_help() -> None:
    arm, x86 = parse_help(recorded(ARM, "h")), parse_help(recorded(X86, "h"))
    assert len(arm) == 19
    assert len(x86) == 31
    assert arm["q"] == x86["q"] == "dump domain (and guest debug) info"
    assert arm["%"] == "trap to xendbg"
    assert "N" in x86
    assert "N" not in arm
    assert list(arm)[:2] == ["%", "*"]


# --- registers ---------------------------------------------------------------------------------


def test_dom0_on_arm() -> None:
    (state,) = parse_registers(recorded(ARM, "0"))
    assert (state.title, state.vcpu, state.cpu) == ("Dom0 vcpu#0", "d0v0", None)
    assert state.context == "32-bit Guest SVC"
    assert state.pc == 0xC031FC88
    assert state.symbol == ""
    assert state.call_trace == ()
    registers = state.registers
    assert registers["CPSR"] == 0x600D0093
    assert registers["R3"] == 0xC031FC80
    assert registers["R10"] == 0xC793C266
    assert registers["SP_svc"] == 0xC1401F68
    assert registers["SPSR_und"] == 0x800D0093
    assert registers["R12_fiq"] == 0
    assert registers["IFSR"] == 0x17
    assert registers["VTTBR_EL2"] >> 48 == 1


def test_dom0_on_x86() -> None:
    first, second = parse_registers(recorded(X86, "0"))
    assert (first.vcpu, second.vcpu) == ("d0v0", "d0v1")
    assert first.context == "pv guest (d0v0)"
    assert first.pc == first.registers["rcx"] == 0xFFFFFFFF81A442B5
    assert second.registers["cr0"] == 0x80050033
    assert second.registers["cs"] == 0xE033
    assert second.registers["ds"] == 0x2B
    assert "Guest" not in second.registers


def test_the_cpus_on_arm() -> None:
    zero, one = parse_registers(recorded(ARM, "d"))
    assert (zero.cpu, one.cpu) == (0, 1)
    assert zero.vcpu is None
    assert zero.context == "Hypervisor"
    assert zero.pc == 0x258BBC
    assert zero.symbol == "domain.c#idle_loop+0x138/0x150"
    assert zero.registers["LR_hyp"] == 0x258B64
    assert one.registers["R1"] == 1
    assert one.call_trace[1] == Frame(0x258B64, "domain.c#idle_loop+0xe0/0x150 (LR)")


def test_the_cpus_on_x86() -> None:
    zero, one = parse_registers(recorded(X86, "d"))
    assert (zero.cpu, one.cpu) == (0, 1)
    assert zero.context == "hypervisor"
    assert zero.symbol == "arch/x86/domain.c#default_idle+0xc6/0xf0"
    assert one.registers["rbp"] == 1
    assert [frame.symbol.partition("+")[0] for frame in one.call_trace] == [
        "arch/x86/domain.c#default_idle",
        "arch/x86/domain.c#idle_loop",
        "arch/x86/domain.c#idle_loop",
        "context_switch",
    ]


def test_the_guest_on_a_cpu() -> None:
    (state,) = parse_registers(["(XEN) *** Dumping CPU1 guest state (d3v2): ***", "(XEN) rax: 2a"])
    assert (state.cpu, state.vcpu, state.registers) == (1, "d3v2", {"rax": 42})


# --- domains -----------------------------------------------------------------------------------


def test_domains_on_arm() -> None:
    dom0, dom1 = parse_domains(recorded(ARM, "q"))
    assert (dom0.domain, dom1.domain) == (0, 1)
    assert dom0.pages == dom0.max_pages == 32768
    assert dom0.xenheap_pages == 2
    assert dom0.fields["vm_assist"] == "00000020"
    assert dom1.fields["vm_assist"] == "00000000"
    assert dom0.fields["dying"] == "0"
    assert dom0.rangesets["Interrupts"].startswith("38-40, 44-47")
    assert "1c20-1c23" in dom0.rangesets["I/O Memory"]
    assert dom1.rangesets == {"Interrupts": "", "I/O Memory": ""}
    assert "4K mappings: 1040" in dom0.notes
    (vcpu,) = dom1.vcpus
    assert (vcpu.vcpu, vcpu.cpu, vcpu.runs) == (0, 1, False)
    assert vcpu.hard == vcpu.soft == (0, 1)
    assert vcpu.fields["pause_flags"] == "1"
    assert vcpu.fields["upcall_mask"] == "01"


def test_domains_on_x86() -> None:
    (dom0,) = parse_domains(recorded(X86, "q"))
    assert dom0.pages == 98304
    assert dom0.max_pages == 0xFFFFFFFF
    assert dom0.rangesets["Interrupts"] == "1-23"
    assert set(dom0.rangesets) == {"Interrupts", "I/O Memory", "I/O Ports", "log-dirty"}
    assert "caf" not in dom0.fields
    assert [vcpu.cpu for vcpu in dom0.vcpus] == [0, 1]
    assert "dirty_cpu" not in dom0.vcpus[0].fields
    assert dom0.vcpus[1].fields["dirty_cpu"] == "1"


# --- run queues --------------------------------------------------------------------------------


@BOTH
def test_run_queues(which: str) -> None:
    queues = parse_run_queues(recorded(which, "r"))
    assert queues.now_ns is not None
    assert queues.now_ns > 10**10
    assert queues.online == (0, 1)
    (pool,) = queues.pools
    assert pool.pool == 0
    assert pool.cpus == (0, 1)
    assert pool.scheduler == "SMP Credit Scheduler rev2 (credit2)"
    assert pool.granularity == "cpu, 1 CPU per sched-resource"
    assert [(pcpu.cpu, pcpu.current) for pcpu in pool.pcpus] == [(0, "idle"), (1, "idle")]
    assert pool.pcpus[1].fields["sibling"] == "{1}"
    assert pool.domains == ((0, 1) if which == ARM else (0,))
    ends = [(one.domain, one.vcpu) for one in pool.vcpus]
    assert ends == ([(0, 0), (1, 0)] if which == ARM else [(0, 0), (0, 1)])
    assert pool.vcpus[1].fields["cpu"] == "1"
    assert pool.vcpus[1].fields["w"] == "256"


def test_pools_and_a_cpu_that_is_busy() -> None:
    queues = parse_run_queues(
        [
            "(XEN) Online Cpus: 0-3",
            "(XEN) Idle cpupool:",
            "(XEN) Scheduler: null Scheduler (null)",
            "(XEN) Cpupool 0:",
            "(XEN) Cpus: 0,2-3",
            "(XEN) CPU[02] current=d1v0, curr=d1v0, prev=NULL",
            "(XEN) \t  1: [1.0] flags=2 cpu=2",
        ]
    )
    idle, zero = queues.pools
    assert (idle.pool, idle.scheduler) == (None, "null Scheduler (null)")
    assert zero.cpus == (0, 2, 3)
    assert zero.pcpus[0].current == "d1v0"
    assert zero.domains == (1,)


# --- others on the line, and text that is no answer --------------------------------------------


@BOTH
def test_other_lines_do_no_harm(which: str) -> None:
    for key, parse in (
        ("h", parse_help),
        ("0", parse_registers),
        ("d", parse_registers),
        ("q", parse_domains),
        ("r", parse_run_queues),
    ):
        lines = recorded(which, key)
        noisy = ["dom0# ", *recorded(which, "h"), *recorded(which, "q")[:9]]
        for line in lines:
            stamped = line.replace("(XEN) ", "(XEN) [   12.345678] ", 1)
            noisy += [stamped, "[    9.1] usb 1-1: device", "(XEN) DOM1: R0: 00000005 [0.9] x=1"]
        assert parse(noisy) == parse(lines)
        assert parse([*noisy, "(XEN) *** Serial input to DOM0 (type x)"]) == parse(lines)


def test_what_xen_says() -> None:
    lines = ["(XEN) a", "b", "(XEN)", "(XEN)  c", "(XEN) DOM1: d", "(XEN) DOMS: e"]
    assert xen_lines(lines) == ["a", "", " c", "DOMS: e"]


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0-1", (0, 1)),
        ("{0,2-3}", (0, 2, 3)),
        ("", ()),
        ("{}", ()),
        ("3-1", ()),
        ("0-99999999999", ()),
        ("9" * 5000, ()),
        ("5,5", (5,)),
    ],
)
def test_cpu_lists(text: str, cpus: tuple[int, ...]) -> None:
    assert cpu_list(text) == cpus


PIECES = st.sampled_from(
    [line for which in (ARM, X86) for key in "h0dqr" for line in recorded(which, key)]
)
CUT = st.builds(lambda line, end, more: line[:end] + more, PIECES, st.integers(0, 80), st.text())


@given(st.lists(st.one_of(CUT, st.builds("(XEN) {}".format, st.text())), max_size=20))
def test_any_text_gives_an_answer(lines: list[str]) -> None:
    for key, value in parse_help(lines).items():
        assert len(key) == 1
        assert value == value.strip(" ")
    for state in parse_registers(lines):
        assert all(0 <= value < 1 << 64 for value in state.registers.values())
    for domain in parse_domains(lines):
        assert domain.domain >= 0
    queues = parse_run_queues(lines)
    assert all(cpu < 4096 for pool in queues.pools for cpu in pool.cpus)


def test_nothing_gives_nothing() -> None:
    assert parse_help([]) == {}
    assert parse_registers(["no", "answer"]) == ()
    assert parse_domains(["(XEN) no answer"]) == ()
    assert parse_run_queues([]) == RunQueues()
    assert Pcpu(0).current == ""


@pytest.mark.parametrize("filler", ["a", " ", "a=", "{", "0-", "[<0", "R0: ", "=> "])
@pytest.mark.parametrize(
    "head",
    [
        "",
        " key 'h' (ascii '68') => ",
        "RIP: ",
        "    VCPU0: CPU0 [has=T] ",
        "    x",
        "  UNIT0 affinities:",
        "CPU[0] ",
        "  1: [0.0] ",
        "Scheduler: x",
    ],
)
def test_a_long_line_takes_no_long_time(head: str, filler: str) -> None:
    lines = ["(XEN) *** Dumping x state: ***", "(XEN) Cpupool 0:"]
    lines += ["(XEN) General information for domain 0:"]
    lines += ["(XEN) " + head + filler * (65536 // len(filler)) + "!"]
    start = time.process_time()
    for parse in (parse_help, parse_registers, parse_domains, parse_run_queues):
        parse(lines)
    assert time.process_time() - start < 1.0


# --- PCI devices -------------------------------------------------------------------------------


def test_who_has_a_pci_device() -> None:
    devices = parse_pci_devices(recorded(X86, "Q-passed-through"))
    assert len(devices) == 12
    assert devices[0] == PciOwner("0000:03:00.0", 6)
    assert devices[1] == PciOwner("0000:02:00.0", 0, (31, 32, 33))
    assert {one.domain for one in devices[1:]} == {0}


def test_a_device_that_nobody_has_yet() -> None:
    devices = {one.sbdf: one for one in parse_pci_devices(recorded(X86, "Q-assignable"))}
    assert devices["0000:03:00.0"].domain is None
    assert devices["0000:00:00.0"].domain == 0


@pytest.mark.parametrize(
    ("row", "owner"),
    [
        ("0000:03:00.0 - dom 2   - node -1  - MSIs < 31 >", PciOwner("0000:03:00.0", 2, (31,))),
        ("0000:03:00.0 - d[IO] - node -1 ", PciOwner("0000:03:00.0", None)),
        ("0001:03:1f.7 - d12 - node 0", PciOwner("0001:03:1f.7", 12)),
        ("0000:03:00.0 - d0 - node -1  - MSIs < >", PciOwner("0000:03:00.0", 0)),
    ],
)
def test_the_words_of_other_versions(row: str, owner: PciOwner) -> None:
    assert parse_pci_devices([f"(XEN) {row}"]) == (owner,)


@given(st.lists(st.text(max_size=80)))
def test_any_text_is_some_answer_of_pci_devices(rows: list[str]) -> None:
    assert parse_pci_devices(rows) == ()
    parse_pci_devices([f"(XEN) 0000:03:00.0 - d{row}" for row in rows])
